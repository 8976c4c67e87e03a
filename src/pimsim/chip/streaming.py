"""How a machine works through the matrices of a network: weights go from its memory to its multipliers."""

from math import ceil
from typing import NamedTuple

from pimsim.errors import require, require_positive
from pimsim.spec import AbstractSpec
from pimsim.units import Bandwidth


class Matrices(NamedTuple):
    """What vectors of one layer pass through: so many matrices of [rows, cols], one beside the other."""

    number: int
    rows: int
    cols: int
    vectors: int


class Demand(NamedTuple):
    """What a layer asks of one of the chips that work for it."""

    passes: int
    weights: int
    """Read from memory."""


class WeightStreaming(AbstractSpec):
    """A pass multiplies `inputs` values of one vector with the weights of `outputs` columns, read from memory for it.

    The vectors of a layer are shared by `copies` groups of chips, the columns by the `sharers` of a group:

        passes    ⌈vectors / copies⌉ · matrices · ⌈rows / inputs⌉ · ⌈⌈cols / sharers⌉ / outputs⌉
        reads     ⌈⌈vectors / copies⌉ / reuse⌉ · matrices · rows · ⌈cols / sharers⌉
    """

    inputs: int
    """Values of a vector in one pass; multipliers without one are idle."""
    outputs: int
    """Columns in one pass, of all of a chip; multipliers without one are idle."""
    bandwidth: Bandwidth
    """Of weights, from the memory of a chip."""
    reuse: int = 1
    """Vectors that a weight which was read serves."""

    def __check_init__(self):
        for field in ("inputs", "outputs", "reuse"):
            require(field, getattr(self, field), 1)
        require_positive("bandwidth", self.bandwidth)

    def share(self, work: Matrices, copies: int, sharers: int) -> Demand:
        """Of the busiest chip."""
        vectors, cols = ceil(work.vectors / copies), ceil(work.cols / sharers)
        passes = vectors * work.number * ceil(work.rows / self.inputs) * ceil(cols / self.outputs)
        return Demand(passes, ceil(vectors / self.reuse) * work.number * work.rows * cols)

    def passes(self, work: Matrices) -> float:
        """Of all chips together, a pass in which some columns are idle as a part of one: those draw no power."""
        return work.vectors * work.number * ceil(work.rows / self.inputs) * work.cols / self.outputs
