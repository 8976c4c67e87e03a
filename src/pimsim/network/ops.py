"""What a layer becomes for the hardware: matrices that vectors pass through, products of two results, digital work.

A tensor (height, width, channels) is height · width vectors of `channels` values, in raster order; (tokens, n) is one
vector of n values a token; (n,) is one vector of n values. Vectors are the unit of time on a chip: an operation starts
on its vector v when the producers' vectors that v needs have arrived.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Int32

Shape = tuple[int, ...]
"""The shape of one image's tensor, without the batch: (height, width, channels), (tokens, n) or (n,)."""


class Precision(NamedTuple):
    """Bits of a matrix's weights and of the vectors that pass through it."""

    weights: int
    inputs: int


@dataclass(frozen=True, eq=False)
class MatrixOp:
    """An integer matrix, or several of one shape, and how many vectors pass through per inference."""

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
    matrices: int = 1
    """Different matrices of this shape, where weights are not shared: vector v passes through matrix v mod this."""
    taps: int = 1
    """Rows that belong to one input channel: the places of a kernel."""
    fresh: int = 0
    """Rows whose inputs the vector before did not have, where windows overlap; 0 if that is all of them."""
    recurrent: int = 0
    """Values of the layer's own result on vector v - 1 that vector v carries beside its inputs: vectors then follow one
    another, each when the one before has left the matrix. 0 where the vectors do not wait for each other."""
    first: tuple[Int[np.ndarray, " vector"], ...] = field(default=(), repr=False)
    """One array per input: the first producer vector that each vector needs. None given: its own alone where vector v
    needs vector v, and otherwise all from the tensor's first on."""
    precision: Precision | None = None
    """Where it differs from that of the core."""
    passes: int = 1
    """Of recurrent vectors, the matrices that each passes, one after the other, before the next can start."""

    @property
    def macs(self) -> int:
        """Useful multiplications per inference: the zeros between the blocks of a grouped matrix do not count."""
        return self.vectors * self.rows * self.cols // self.groups

    @property
    def weights(self) -> int:
        """Stored values that are not zero by construction."""
        return self.matrices * self.rows * self.cols // self.groups

    @property
    def width(self) -> int:
        """Values in one output vector."""
        return self.cols


@dataclass(frozen=True, eq=False)
class ProductOp:
    """Products of two results of the network: `heads` of them, each [m, k] · [k, n], where neither side is stored.

    Vector v of the output is row v of every product, side by side: m vectors of heads · n values. Row v of the left
    side is vector v of the first input. The right side is the second input: per head its k values of n vectors
    (`transposed`: the keys in Q·Kᵀ) or its n values of k vectors (the values in A·V). `cached` of those vectors were
    made by earlier inferences and are kept; the others are new in each inference.
    """

    layer: str
    inputs: tuple[str, str]
    """The producers' names, of the left and of the right side."""
    heads: int
    m: int
    k: int
    n: int
    transposed: bool
    cached: int
    macs: int
    """Useful multiplications per inference: what a causal mask leaves out does not count."""
    need: tuple[Int[np.ndarray, " vector"], Int[np.ndarray, " vector"]] = field(repr=False)
    """Of each side, the last producer vector of this inference that each vector needs."""
    first: tuple[Int[np.ndarray, " vector"], ...] = field(default=(), repr=False)
    """Of each side, the first, as for a MatrixOp."""

    @property
    def vectors(self) -> int:
        return self.m

    @property
    def width(self) -> int:
        """Values in one output vector."""
        return self.heads * self.n


@dataclass(frozen=True, eq=False)
class VectorOp:
    """Work for the digital unit: element-wise, or on the neighbours of a value."""

    layer: str
    inputs: tuple[str, ...]
    """The producers' names; "input" is the image."""
    kind: str
    """"activation" (a function of one value), "multiply" or "add" (of the inputs, element by element), "pool" (a window
    to one value), "normalize" (each value scaled by a sum over its neighbours: LRN, softmax, layer norm), "reshape"."""
    values: int
    """Values produced per inference."""
    operands: int
    """Values read per inference; a value that is read twice counts twice."""
    vectors: int
    width: int
    """Values in one output vector."""
    need: tuple[Int[np.ndarray, " vector"], ...] = field(repr=False)
    """One array per input: the last producer vector (0-based, raster order) that each vector needs."""
    first: tuple[Int[np.ndarray, " vector"], ...] = field(default=(), repr=False)
    """One array per input: the first, as for a MatrixOp."""


Op = MatrixOp | ProductOp | VectorOp


def with_precision(ops: Sequence[Op], precision: Mapping[str, Precision]) -> list[Op]:
    """The operations, those matrices that are named in other widths than the core's."""
    return [
        replace(op, precision=precision[op.layer]) if isinstance(op, MatrixOp) and op.layer in precision else op
        for op in ops
    ]


def vector_count(shape: Shape) -> int:
    """How many vectors a tensor is."""
    return prod(shape[:-1])


@functools.lru_cache(maxsize=256)
def each(vectors: int) -> Int32[np.ndarray, " vector"]:
    """The need of work vector by vector: vector v needs vector v."""
    return read_only(np.arange(vectors, dtype=np.int32))


@functools.lru_cache(maxsize=256)
def all_of(producers: int, vectors: int = 1) -> Int32[np.ndarray, " vector"]:
    """The need of vectors that each wait for everything."""
    return read_only(np.full(vectors, producers - 1, np.int32))


def read_only(need: Int32[np.ndarray, " vector"]) -> Int32[np.ndarray, " vector"]:
    """The array, which operations share, closed to writing."""
    need.flags.writeable = False
    return need
