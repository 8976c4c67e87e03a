"""Which engine computes a layer's products, and the products themselves."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Key, Num, PRNGKeyArray, Shaped

from pimsim.chip import CrossbarCore, Cuts, Ranges
from pimsim.chip.crossbar import Traits
from pimsim.chip.folded import error_moments, folds_to_integers, folds_to_one_matrix, linear, statistical
from pimsim.chip.programming import program
from pimsim.chip.reading import read
from pimsim.chip.tally import Tally, of_copies
from pimsim.errors import SpecError
from pimsim.network.quantize import QuantizedLayer
from pimsim.numerics import exact_product, fold, leaves_to_arrays

Engine = Literal["auto", "bit_true", "folded", "statistical"]


class LayerPlan(NamedTuple):
    """How one layer's products are computed."""

    engine: str
    """bit_true, folded (to integers), linear (folded to one real matrix) or statistical."""
    copies: int
    """Copies of the matrix that differ, and so are computed apart."""
    cuts: Cuts
    occupied: Bool[Array, "block array"]
    ranges: Ranges
    key: int
    """The layer's index, which its keys are folded from."""
    sample: Int[Array, "vector row"] | None
    """Vectors on which the statistical engine measures its moments."""
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


def product(
    core: CrossbarCore, plan: LayerPlan, layer: QuantizedLayer, x: Int[Array, "batch vector row"],
    image: Int[Array, " batch"], *, key: PRNGKeyArray,
) -> Num[Array, "batch vector col"]:  # fmt: skip
    """A layer's products on one programmed chip; `image` names the images, whose reads have noise of their own."""
    return play(core, plan, layer, x, image, keys=key[None])[0][0]


def play(
    core: CrossbarCore, plan: LayerPlan, layer: QuantizedLayer, x: Int[Array, "batch vector row"],
    image: Int[Array, " batch"], *, keys: Key[Array, " chip"],
) -> tuple[Num[Array, "chip batch vector col"], Tally]:  # fmt: skip
    """The products on chips that see the same inputs, a key each, and what programming a mean copy of each took.

    Their columns stand side by side in one product, which is worth it: one chip's may be few.
    """
    matrix = jnp.asarray(layer.matrix)
    if plan.engine == "folded":
        y = exact_product(x, matrix, signed=layer.signed_input)
        return jnp.broadcast_to(y, (len(keys), *y.shape)), Tally()
    run, core = _statistical if plan.engine == "statistical" else _replicated, core.at(layer.precision)
    plan, own = plan._replace(key=0), jax.vmap(lambda key: fold(key, plan.key))(keys)
    return _side_by_side(run, leaves_to_arrays(core), core.traits, plan, matrix, x, image, own, layer.signed_input)


@eqx.filter_jit
def _side_by_side(
    run: Callable,
    core: CrossbarCore,
    traits: Traits,
    plan: LayerPlan,
    matrix: Array,
    x: Array,
    image: Array,
    keys: Key[Array, " chip"],
    signed: bool,
) -> tuple[Num[Array, "chip batch vector col"], Tally]:
    return jax.vmap(lambda key: run(core, traits, plan, matrix, x, image, key, signed))(keys)


def _statistical(
    core: CrossbarCore, traits: Traits, plan: LayerPlan, matrix: Array, x: Array, image: Array, key: PRNGKeyArray,
    signed: bool,
) -> tuple[Float[Array, "batch vector col"], Tally]:  # fmt: skip
    """Measure the moments on the first copy, and draw the errors of all from them."""
    batch, vectors, rows = x.shape
    array = program(core, matrix, plan.cuts, plan.occupied, fold(key, 0), signed, plan.ranges)
    moments = error_moments(core, traits, array, matrix, jnp.asarray(plan.sample), fold(key, plan.copies))
    index = vector_names(image, vectors).ravel()
    y = statistical(moments, matrix, x.reshape(-1, rows), signed, fold(key, plan.copies + 1), index)
    return y.reshape(batch, vectors, -1), array.tally


def _replicated(
    core: CrossbarCore, traits: Traits, plan: LayerPlan, matrix: Array, x: Array, image: Array, key: PRNGKeyArray,
    signed: bool,
) -> tuple[Num[Array, "batch vector col"], Tally]:  # fmt: skip
    """Deal the vectors out to the copies in turn, program each copy, and multiply."""
    copies, index = plan.copies, vector_names(image, x.shape[1])
    real = jnp.ones(index.shape, bool) if plan.counts_codes else None

    def on_copy(work: tuple[Array, Array, Array, Array | None]) -> tuple[Array, Tally]:
        copy, own, names, real = work
        array = program(core, matrix, plan.cuts, plan.occupied, fold(key, copy), signed, plan.ranges)
        if plan.engine == "linear":
            return linear(core, traits, array, own), array.tally
        y, codes = read(core, traits, array, own, fold(key, copies), names, real)
        return y, replace(array.tally, codes=codes)

    by_copy = jax.tree.map(lambda part: dealt(part, copies), (x, index, real))
    y, tallies = lax.map(on_copy, (jnp.arange(copies), *by_copy))
    return gathered(y, x.shape[1]), of_copies(tallies)


def vector_names(image: Int[Array, " batch"], vectors: int) -> Int[Array, "batch vector"]:
    """The vectors of images, counted on from one to the next: what names the noise of their reads."""
    return image[:, None] * vectors + jnp.arange(vectors)


def dealt(values: Shaped[Array, "batch vector ..."], copies: int) -> Shaped[Array, "copy own ..."]:
    """What belongs to vectors, by the copy that each of them passes: in turn, filled up with zeros."""
    batch, vectors, *rest = values.shape
    waves = -(-vectors // copies)
    filled = jnp.pad(values, ((0, 0), (0, waves * copies - vectors), *((0, 0) for _ in rest)))
    return jnp.moveaxis(filled.reshape(batch, waves, copies, *rest), 2, 0).reshape(copies, batch * waves, *rest)


def gathered(y: Num[Array, "copy own col"], vectors: int) -> Num[Array, "batch vector col"]:
    """The copies' results, as many vectors an image, in the order of the vectors."""
    copies, _, cols = y.shape
    by_wave = jnp.moveaxis(y.reshape(copies, -1, -(-vectors // copies), cols), 0, 2)
    return by_wave.reshape(by_wave.shape[0], -1, cols)[:, :vectors]
