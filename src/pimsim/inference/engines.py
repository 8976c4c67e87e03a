"""Which engine computes a layer's products, and the products themselves."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Key, Num, PRNGKeyArray

from pimsim.chip import CrossbarCore, Cuts, Ranges
from pimsim.chip.codes import CodeCounts
from pimsim.chip.core import Programmed
from pimsim.chip.crossbar import Traits
from pimsim.chip.folded import Moments, error_moments, folds_to_integers, folds_to_one_matrix, linear, statistical
from pimsim.chip.programming import program
from pimsim.chip.reading import read
from pimsim.chip.tally import Tally, of_copies
from pimsim.errors import SpecError
from pimsim.inference.copies import dealt, gathered, vector_names
from pimsim.network.quantize import QuantizedLayer
from pimsim.numerics import exact_product, fold, leaves_to_arrays

Engine = Literal["auto", "bit_true", "folded", "statistical"]
Written = Programmed | tuple[Moments, Tally] | None
"""Of all copies on each chip, the cells, or the moments of the errors of the first."""


class LayerPlan(NamedTuple):
    """How one layer's products are computed."""

    engine: str
    """bit_true, folded (to integers), linear (folded to one real matrix) or statistical."""
    copies: int
    """Copies of the matrix that differ, and so are computed apart."""
    cuts: Cuts
    occupied: Bool[Array, "block array"]
    ranges: Ranges
    key: int | Int[Array, ""]
    """The layer's index, which its keys are folded from."""
    sample: Int[Array, "vector row"] | None
    """Vectors on which the statistical engine measures its moments."""
    vectors: int
    """Of one image."""
    recurrent: bool = False
    """Whether an image's vectors wait for each other: then images are dealt out to the copies in turn, not vectors."""
    counts_codes: bool = False
    """Whether conversions are counted by their codes, where they are played."""


def choose_engine(
    core: CrossbarCore, layer: QuantizedLayer, ranges: Ranges, wanted: Engine, name: str, cuts: Cuts
) -> str:
    """The engine for a layer: `auto` folds exactly where a proof holds and plays every conversion elsewhere.

    Raises SpecError where folding is asked for and no proof holds.
    """
    core = core.at(layer.precision)
    if wanted in ("bit_true", "statistical"):
        return wanted
    if folds_to_one_matrix(core):
        return "linear"
    if folds_to_integers(core, layer.matrix, layer.signed_input, ranges, cuts):
        return "folded"
    if wanted == "folded":
        fact = f"{name} does not fold: conversions may clip or round, or cells, inputs or reads are not exact"
        raise SpecError("engine", fact, "Use auto, which folds where it may.")
    return "bit_true"


def calibrated_ranges(
    core: CrossbarCore, layer: QuantizedLayer, x: Int[Array, "vector row"] | None, cuts: Cuts
) -> Ranges:
    """The full scale of a layer's converters, from the currents that vectors bring in exact cells if it needs any."""
    core = core.at(layer.precision)
    if not core.full_scale.needs_samples or x is None:
        return core.ranges(cuts.rows, layer.signed_input)
    return core.ranges_for(layer.matrix, x, layer.signed_input, cuts)


class Work(NamedTuple):
    """What all chips have in common that play a layer."""

    core: CrossbarCore
    traits: Traits
    plan: LayerPlan
    matrix: Int[Array, "row col"]
    signed: bool

    @classmethod
    def of(cls, core: CrossbarCore, plan: LayerPlan, layer: QuantizedLayer) -> "Work":
        """Numbers as arrays, so that new values compile nothing anew."""
        core = core.at(layer.precision)
        plan = plan._replace(key=jnp.asarray(plan.key))
        return cls(leaves_to_arrays(core), core.traits, plan, jnp.asarray(layer.matrix), layer.signed_input)


def product(
    core: CrossbarCore, plan: LayerPlan, layer: QuantizedLayer, x: Int[Array, "batch vector row"],
    image: Int[Array, " batch"], *, key: PRNGKeyArray, first: int = 0,
) -> Num[Array, "batch vector col"]:  # fmt: skip
    """A layer's products on one programmed chip; `image` names the images, whose reads have noise of their own."""
    return play(Work.of(core, plan, layer), x, image, keys=key[None], first=first)[0][0]


def play(
    work: Work, x: Int[Array, "batch vector row"], image: Int[Array, " batch"], *, keys: Key[Array, " chip"],
    first: int = 0, course: int = 0, written: Written = None,
) -> tuple[Num[Array, "chip batch vector col"], Tally]:  # fmt: skip
    """The products on chips that see the same inputs, a key each, and what programming a mean copy of each took.

    x are the vectors first, first + 1, … of consecutive images. The chips' columns stand side by side in one product,
    which is worth it: one chip's may be few. Reads of the same image in another `course` have noise of their own.
    """
    if work.plan.engine == "folded":
        y = exact_product(x, work.matrix, signed=work.signed)
        return jnp.broadcast_to(y, (len(keys), *y.shape)), Tally()
    run: Callable[..., Any] = _statistical if work.plan.engine == "statistical" else _replicated
    return run(work, keys, written, x, image, jnp.asarray(first), jnp.asarray(course))


def write(work: Work, *, keys: Key[Array, " chip"]) -> Written:
    """What `play` makes anew at each call: given back to it, cells stay as they are from step to step."""
    if work.plan.engine == "folded":
        return None
    return (_measured if work.plan.engine == "statistical" else _written)(work, keys)


def _of_layer(work: Work, keys: Key[Array, " chip"]) -> Key[Array, " chip"]:
    return jax.vmap(lambda key: fold(key, work.plan.key))(keys)


def _program(work: Work, key: PRNGKeyArray, copy: int | Int[Array, ""]) -> Programmed:
    return program(
        work.core, work.matrix, work.plan.cuts, work.plan.occupied, fold(key, copy), work.signed, work.plan.ranges
    )


def _program_chips(work: Work, keys: Key[Array, " chip"], copy: int | Int[Array, ""]) -> Programmed:
    """A copy on each chip: one after the other, because a compiler that makes several at a time rounds otherwise, and
    a chip must not hang on which others there are."""
    return lax.map(lambda key: _program(work, key, copy), keys)


@eqx.filter_jit
def _written(work: Work, keys: Key[Array, " chip"]) -> Programmed:
    """All copies of a matrix on all chips."""
    own = _of_layer(work, keys)
    return lax.map(lambda copy: _program_chips(work, own, copy), jnp.arange(work.plan.copies))


@eqx.filter_jit
def _measured(work: Work, keys: Key[Array, " chip"]) -> tuple[Moments, Tally]:
    """The moments of the errors of each chip's first copy."""
    core, traits, plan, matrix, _ = work

    def of_chip(key: PRNGKeyArray) -> tuple[Moments, Tally]:
        array = _program(work, key, 0)
        return error_moments(core, traits, array, matrix, jnp.asarray(plan.sample), fold(key, plan.copies)), array.tally

    return lax.map(of_chip, _of_layer(work, keys))


@eqx.filter_jit
def _statistical(
    work: Work, keys: Array, written: tuple[Moments, Tally] | None, x: Array, image: Array, first: Array, course: Array
) -> tuple[Float[Array, "chip batch vector col"], Tally]:
    """Draw the errors of all copies from the moments of the first."""
    batch, vectors, rows = x.shape
    moments, tally = _measured(work, keys) if written is None else written
    names = vector_names(image, vectors, work.plan.vectors, first).ravel()

    def of_chip(moments: Moments, key: PRNGKeyArray) -> Float[Array, "batch vector col"]:
        noise_key = fold(key, work.plan.copies + 1 + 2 * course)
        y = statistical(moments, work.matrix, x.reshape(-1, rows), work.signed, noise_key, names)
        return y.reshape(batch, vectors, -1)

    return jax.vmap(of_chip)(moments, _of_layer(work, keys)), tally


@eqx.filter_jit
def _replicated(
    work: Work, keys: Array, written: Programmed | None, x: Array, image: Array, first: Array, course: Array
) -> tuple[Num[Array, "chip batch vector col"], Tally]:
    """Deal the vectors out to the copies in turn, program each copy, and multiply."""
    core, traits, plan, _, _ = work
    chips = _of_layer(work, keys)
    names, turn, copies = vector_names(image, x.shape[1], plan.vectors, first), first, plan.copies
    if plan.recurrent:
        x, names, turn = x.swapaxes(0, 1), names.T, image[0]
    vectors, whole = x.shape[1], not plan.recurrent and x.shape[1] == plan.vectors
    before = 0 if whole else turn % copies  # a batch may begin at any copy
    real = dealt(jnp.ones(names.shape, bool), copies, before) if plan.counts_codes else None

    def on_copy(work_of_copy: tuple[Array, Any, Array, Array, Array | None]) -> tuple[Array, Tally]:
        copy, arrays, own, names, real = work_of_copy

        def on_chip(array: Programmed, key: PRNGKeyArray) -> tuple[Array, CodeCounts | None]:
            array = replace(array, ranges=plan.ranges)  # of all chips, so that their loops are as long
            if plan.engine == "linear":
                return linear(core, traits, array, own), None
            reads = fold(key, copies + 2 * course)  # in between are the errors that are drawn
            return read(core, traits, array, own, reads, names, real)

        arrays = _program_chips(work, chips, copy) if arrays is None else arrays
        y, codes = jax.vmap(on_chip)(arrays, chips)
        return y, replace(arrays.tally, codes=codes)

    own = jnp.arange(copies), written, dealt(x, copies, before), dealt(names, copies, before), real
    y, tallies = lax.map(on_copy, own)
    y = jax.vmap(lambda y: gathered(y, vectors, before), in_axes=1)(y)
    return y.swapaxes(1, 2) if plan.recurrent else y, jax.vmap(of_copies, in_axes=1)(tallies)
