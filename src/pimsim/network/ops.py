"""What a layer becomes for the hardware: a matrix that vectors pass through, or work for the digital unit.

A tensor (height, width, channels) is height · width vectors of `channels` values, in raster order; a tensor (n,) is one
vector of n values. Vectors are the unit of time on a chip: an operation starts on its vector v when the producers'
vectors that v needs have arrived.
"""

from dataclasses import dataclass, field
from math import prod

import numpy as np
from jaxtyping import Int

Shape = tuple[int, ...]
"""The shape of one image's tensor, without the batch: (height, width, channels) or (n,)."""


@dataclass(frozen=True, eq=False)
class MatrixOp:
    """An integer matrix, and how many vectors pass through it per inference."""

    layer: str
    inputs: tuple[str, ...]
    """The producers' names; "input" is the image."""
    rows: int
    cols: int
    vectors: int
    groups: int
    """The matrix is block-diagonal with this many equal blocks; 1 is dense."""
    need: tuple[Int[np.ndarray, " vector"], ...] = field(repr=False)
    """One array per input: the last producer vector (0-based, raster order) that each vector needs."""

    @property
    def macs(self) -> int:
        """Useful multiplications per inference: the zeros between the blocks of a grouped matrix do not count."""
        return self.vectors * self.rows * self.cols // self.groups

    @property
    def width(self) -> int:
        """Values in one output vector."""
        return self.cols


@dataclass(frozen=True, eq=False)
class VectorOp:
    """Element-wise or pooling work for the digital unit."""

    layer: str
    inputs: tuple[str, ...]
    """The producers' names; "input" is the image."""
    kind: str
    """"activation", "pool", "add" or "reshape"."""
    values: int
    """Values produced per inference."""
    operands: int
    """Values read per inference."""
    vectors: int
    width: int
    """Values in one output vector."""
    need: tuple[Int[np.ndarray, " vector"], ...] = field(repr=False)
    """One array per input: the last producer vector (0-based, raster order) that each vector needs."""


def vector_count(shape: Shape) -> int:
    """How many vectors a tensor is."""
    return prod(shape[:-1])
