"""In which order the routers of a mesh are numbered: neighbours in a network's order should be neighbours on it."""

import functools
from math import isqrt
from typing import Literal

import numpy as np
from jaxtyping import Int

Order = Literal["raster", "snake", "shells"]
"""Row by row; row by row, there and back; or in square shells around a corner, there and back."""


@functools.cache
def places(order: Order, rows: int, cols: int) -> Int[np.ndarray, "router 2"]:
    """(row, col) of each router."""
    number = np.arange(rows * cols)
    if order == "shells":
        return np.array([_in_shells(n) for n in range(rows * cols)])
    row, col = np.divmod(number, cols)
    return np.stack([row, np.where((order == "snake") & (row % 2 == 1), cols - 1 - col, col)], axis=1)


def _in_shells(number: int) -> tuple[int, int]:
    """Shell s holds the numbers from s² on: down and back along even s, the other way along odd."""
    shell = isqrt(number)
    along, across = min(number - shell**2, shell), min((shell + 1) ** 2 - 1 - number, shell)
    return (along, across) if shell % 2 else (across, along)
