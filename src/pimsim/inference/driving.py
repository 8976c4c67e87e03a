"""What vectors drive rows with, and what that makes the cells behind them conduct.

Cells stay as they are while vectors pass, so what all reads of a column of cells take is linear in the squares of the
voltages, and one sum over the vectors for each row is enough to know it exactly, whichever engine multiplies:

    Σ_vectors Σ_cells G V²  =  Σ_rows (Σ_columns G) (Σ_vectors V²)
"""

from functools import cached_property, partial
from math import gcd
from typing import Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from pimsim.chip import CrossbarCore, Cuts
from pimsim.chip.programming import cells_in_use, encode
from pimsim.chip.tally import Stored, Tally
from pimsim.inference.engines import LayerPlan
from pimsim.network.quantize import QuantizedLayer

Kind = Literal["moments", "exact"]
"""Of a sample of the vectors, or of every one."""
SAMPLE_VECTORS = 512
"""Vectors of a layer and batch that activity and the error of products are taken from; also those on which full scales
are calibrated and the statistical engine is measured."""


class Sums(NamedTuple):
    """Of one layer on one chip, over vectors."""

    vectors: Float[np.ndarray, ""]
    driven: Float[np.ndarray, " read"]
    level: Float[np.ndarray, " read"]
    square: Float[np.ndarray, " read"]
    conducted: Float[np.ndarray, "read plane"]
    """Of squares × conductances."""
    conductance: Float[np.ndarray, " plane"]
    """Of all cells, as often as there are vectors."""
    conductance_square: Float[np.ndarray, " plane"]
    codes: Float[np.ndarray, "conversion code"]
    """Conversions of each plane and code; no codes where they are not counted."""

    def plus(self, other: "Sums") -> "Sums":
        return Sums(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


class Rows:
    """The rows of one matrix, as vectors drive them; row r drives `arrays[r]` arrays."""

    def __init__(self, core: CrossbarCore, arrays: Int[np.ndarray, " row"], signed: bool):
        self.arrays, self.streams = arrays, core.streams(signed)
        self.level, self.power = level_table(core)
        self.conversions = core.conversion_planes + int(core.encoding.unit_level > 0)
        self._code = partial(core.inputs.code, bits=core.input_bits) if signed else None

    def sums(
        self, x: Int[np.ndarray, "vector row"], turn: Int[np.ndarray, " vector"], stored: Stored,
        codes: Int[np.ndarray, "conversion code"] | None = None,
    ) -> Sums:  # fmt: skip
        """What vectors do, each passing the copy whose turn it is."""
        conductance, squares = stored.by_copy()
        conductance, copies = conductance[:, : x.shape[1]], len(conductance)
        code = np.abs(x if self._code is None else np.asarray(self._code(jnp.asarray(x)))).astype(np.uint16)
        reads = []
        for stream in self.streams:
            digit = code & ((2**stream.width - 1) << stream.shift)
            driven = np.count_nonzero(digit, axis=0)
            if copies == 1 and len(self.level) == 2:  # bits are counted, which is ten times as fast
                first, by_copy = driven.sum(), driven[None] * self.power[1]
            else:
                digit >>= stream.shift
                first, by_copy = self.level[digit].sum(), np.zeros((copies, x.shape[1]))
                np.add.at(by_copy, turn % copies, self.power[digit])
            reads.append((driven @ self.arrays, first, by_copy.sum(), np.einsum("cr,crp->p", by_copy, conductance)))
        driven, first, second, conducted = (np.array(each, float) for each in zip(*reads, strict=True))
        return Sums(
            vectors=np.array(float(len(x))),
            driven=driven,
            level=first,
            square=second,
            conducted=conducted,
            conductance=len(x) * conductance.sum(axis=1).mean(axis=0),
            conductance_square=len(x) * squares.mean(axis=0),
            codes=np.zeros((self.conversions, 0)) if codes is None else codes.astype(float),
        )


class Watch:
    """What the vectors of a layer do on their way through the arrays that answer them."""

    def __init__(self, core: CrossbarCore, plan: LayerPlan, layer: QuantizedLayer, kind: Kind):
        self.core, self.plan, self.layer = core.at(layer.precision), plan, layer
        self.kind: Kind = kind
        self.occupied = np.asarray(plan.occupied)
        arrays, _ = geometry(self.core, layer.matrix.shape, self.occupied, plan.cuts)
        self.rows = Rows(self.core, arrays, layer.signed_input)

    @cached_property
    def as_meant(self) -> Stored:
        """What cells conduct that nobody programs, because their products fold."""
        layer = self.layer
        return stored_exactly(self.core, layer.matrix, layer.signed_input, self.occupied, self.plan.cuts)

    def batch(self, x: Int[Array, "batch vector row"], image: Int[np.ndarray, " batch"], tally: Tally) -> Sums:
        """Of the vectors of a batch of images."""
        images, vectors, rows = x.shape
        some = some_of(images * vectors, vectors, self.kind)
        turn = np.repeat(image, vectors) if self.plan.recurrent else np.tile(np.arange(vectors), images)
        codes = None if tally.codes is None else np.asarray(tally.codes)
        flat = np.asarray(x).reshape(-1, rows)[some]
        return self.rows.sums(flat, turn[some], tally.stored or self.as_meant, codes)


def level_table(core: CrossbarCore) -> tuple[Float[np.ndarray, " digit"], Float[np.ndarray, " digit"]]:
    """The level of each digit, and its power over that of the largest: the square, by Ohm's law."""
    top = 2**core.dac.bits - 1
    level = np.arange(top + 1) / top
    if core.dac.inl:
        level = np.asarray(core.dac.voltage(jnp.arange(top + 1.0)), float) / top
    return level, np.asarray(core.device.dissipation(level), float)


def some_of(vectors: int, per_image: int, kind: Kind) -> slice:
    """Which of the vectors of a batch are looked at: of a sample, steps that meet every position of an image."""
    step = 1 if kind == "exact" else -(-vectors // SAMPLE_VECTORS)
    while step > 1 and gcd(step, per_image) > 1:
        step += 1
    return slice(None, None, step)


def stored_exactly(
    core: CrossbarCore, matrix: Int[np.ndarray, "row col"], signed: bool, occupied: Bool[np.ndarray, "block array"],
    cuts: Cuts | None = None,
) -> Stored:  # fmt: skip
    """What cells conduct that hit their targets, of a matrix that nobody programs because its products fold."""
    cuts = cuts or core.cuts(*matrix.shape)
    code, units = encode(core, jnp.asarray(matrix), cuts, signed)
    levels = np.asarray(code.levels).transpose(0, 1, 3, 4, 2).reshape(*occupied.shape, cuts.rows, -1)
    levels = np.concatenate([levels, np.asarray(units)], axis=-1)
    g = float(core.device.g_min) + float(core.device.step(2**core.cell_bits)) * levels
    return Stored.of_cells(g, cells_in_use(core, matrix.shape, cuts, occupied), cuts.cols, core.planes)


def geometry(
    core: CrossbarCore, shape: tuple[int, int], occupied: Bool[np.ndarray, "block array"], cuts: Cuts | None = None
) -> tuple[Int[np.ndarray, " row"], Int[np.ndarray, " plane"]]:
    """How many arrays each row of a matrix drives, and how many cells of each plane one vector reads."""
    cuts = cuts or core.cuts(*shape)
    block = np.arange(shape[0]) // cuts.rows
    width = np.minimum(cuts.cols, shape[1] - cuts.cols * np.arange(cuts.arrays))
    arrays = occupied.sum(axis=1)[block]
    units = [int(arrays.sum())] * int(core.encoding.unit_level > 0)
    return arrays, np.array([int((occupied @ width)[block].sum())] * core.planes + units)
