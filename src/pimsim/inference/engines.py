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
"""Of all copies on each chip, the cells, or the moments of their errors."""


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
    first: int = 0, written: Written = None,
) -> tuple[Num[Array, "chip batch vector col"], Tally]:  # fmt: skip
    """The products on chips that see the same inputs, a key each, and what programming a mean copy of each took.

    x are the vectors first, first + 1, … of consecutive images. The chips' columns stand side by side in one product,
    which is worth it: one chip's may be few.
    """
    if work.plan.engine == "folded":
        y = exact_product(x, work.matrix, signed=work.signed)
        return jnp.broadcast_to(y, (len(keys), *y.shape)), Tally()
    run = _statistical if work.plan.engine == "statistical" else _replicated
    return _side_by_side(run, work, (keys, written), x, image, jnp.asarray(first))


def write(work: Work, *, keys: Key[Array, " chip"]) -> Written:
    """What `play` makes anew at each call: given back to it, cells stay as they are from step to step."""
    if work.plan.engine == "folded":
        return None
    run = _measured if work.plan.engine == "statistical" else _written
    return _side_by_side(run, work, (keys,))


@eqx.filter_jit
def _side_by_side(run: Callable, work: Work, by_chip: tuple, *batch: Array) -> Any:
    return jax.vmap(lambda key, *own: run(work, fold(key, work.plan.key), *own, *batch))(*by_chip)


def _program(work: Work, key: PRNGKeyArray, copy: int | Int[Array, ""]) -> Programmed:
    return program(
        work.core, work.matrix, work.plan.cuts, work.plan.occupied, fold(key, copy), work.signed, work.plan.ranges
    )


def _written(work: Work, key: PRNGKeyArray) -> Programmed:
    """All copies of a matrix."""
    return lax.map(lambda copy: _program(work, key, copy), jnp.arange(work.plan.copies))


def _measured(work: Work, key: PRNGKeyArray) -> tuple[Moments, Tally]:
    """The moments of the first copy's errors."""
    core, traits, plan, matrix, _ = work
    array = _program(work, key, 0)
    return error_moments(core, traits, array, matrix, jnp.asarray(plan.sample), fold(key, plan.copies)), array.tally


def _statistical(
    work: Work, key: PRNGKeyArray, written: tuple[Moments, Tally] | None, x: Array, image: Array, first: Array
) -> tuple[Float[Array, "batch vector col"], Tally]:
    """Draw the errors of all copies from the moments of the first."""
    batch, vectors, rows = x.shape
    moments, tally = _measured(work, key) if written is None else written
    names = vector_names(image, vectors, work.plan.vectors, first).ravel()
    noise_key = fold(key, work.plan.copies + 1)
    y = statistical(moments, work.matrix, x.reshape(-1, rows), work.signed, noise_key, names)
    return y.reshape(batch, vectors, -1), tally


def _replicated(
    work: Work, key: PRNGKeyArray, written: Written, x: Array, image: Array, first: Array
) -> tuple[Num[Array, "batch vector col"], Tally]:
    """Deal the vectors out to the copies in turn, program each copy, and multiply."""
    core, traits, plan, _, _ = work
    names, turn, copies = vector_names(image, x.shape[1], plan.vectors, first), first, plan.copies
    if plan.recurrent:
        x, names, turn = x.swapaxes(0, 1), names.T, image[0]
    vectors, whole = x.shape[1], not plan.recurrent and x.shape[1] == plan.vectors
    before = 0 if whole else turn % copies  # a batch may begin at any copy
    real = dealt(jnp.ones(names.shape, bool), copies, before) if plan.counts_codes else None

    def on_copy(work_of_copy: tuple[Array, Any, Array, Array, Array | None]) -> tuple[Array, Tally]:
        copy, array, own, names, real = work_of_copy
        array = _program(work, key, copy) if array is None else replace(array, ranges=plan.ranges)
        if plan.engine == "linear":
            return linear(core, traits, array, own), array.tally
        y, codes = read(core, traits, array, own, fold(key, copies), names, real)
        return y, replace(array.tally, codes=codes)

    own = jnp.arange(copies), written, dealt(x, copies, before), dealt(names, copies, before), real
    y, tallies = lax.map(on_copy, own)
    y = gathered(y, vectors, before)
    return y.swapaxes(0, 1) if plan.recurrent else y, of_copies(tallies)
