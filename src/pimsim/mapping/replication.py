"""How many copies of each layer's matrix there are."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Int

from pimsim.errors import SpecError, nearest, require
from pimsim.network.ops import MatrixOp

Replicate = Literal["balance", "none"] | dict[str, int]
"""Copies of each matrix: as many as balance the pipeline, one, or those given by layer (others have one)."""

Used = Callable[[Int[np.ndarray, " matrix"]], int]
"""The arrays that so many copies of each matrix take."""


def replication(
    ops: Sequence[MatrixOp],
    replicate: Replicate,
    arrays: Mapping[str, int],
    budget: int,
    used: Used | None = None,
    pace: Int[np.ndarray, " matrix"] | int = 1,
) -> dict[str, int]:
    """Replicas of each layer, given the arrays that one copy takes and the arrays there are.

    Raises SpecError for a layer that does not exist and for a count outside 1 … the layer's vectors.
    """
    if replicate == "balance":
        copies = balance(ops, arrays, budget, used, pace)
        return {op.layer: op.matrices * copies[op.layer] for op in ops}
    given = {} if replicate == "none" else dict(replicate)
    vectors = {op.layer: op.vectors // op.matrices for op in ops}
    for layer, copies in given.items():
        if layer not in vectors:
            raise SpecError(
                f"mapping.replicate.{layer}", "no layer with a matrix has this name", nearest(layer, vectors)
            )
        require(f"mapping.replicate.{layer}", copies, 1, vectors[layer])
    return {op.layer: op.matrices * given.get(op.layer, 1) for op in ops}


def balance(
    ops: Sequence[MatrixOp],
    arrays: Mapping[str, int],
    budget: int,
    used: Used | None = None,
    pace: Int[np.ndarray, " matrix"] | int = 1,
) -> dict[str, int]:
    """The copies that finish an inference in the least time, with no more of them than that takes.

    A layer of n vectors a matrix and R copies is busy for ⌈n/R⌉ waves of `pace` each, and the busiest layer sets the
    interval. The arrays that a time of w needs fall as w grows, so bisection finds the least w that fits: no assignment
    has a faster bottleneck. Where blocks share arrays, `used` says how many copies take, and w is the least up to how
    well they were packed.
    """

    vectors = np.array([op.vectors // op.matrices for op in ops])
    size = np.array([arrays[op.layer] for op in ops])

    def copies(time: int) -> Int[np.ndarray, " matrix"]:
        return -(-vectors // (time // pace))

    low, high = int(np.max(pace)), int((vectors * pace).max())
    while low < high:
        middle = (low + high) // 2
        needed = copies(middle) @ size if used is None else used(copies(middle))
        low, high = (low, middle) if needed <= budget else (middle + 1, high)
    return dict(zip((op.layer for op in ops), copies(low).tolist(), strict=True))
