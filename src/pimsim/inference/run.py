"""What the chip answers: a quantized network, its products played by programmed arrays."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Shaped
from scipy.special import stdtrit

from pimsim.chip import CrossbarCore, Cuts
from pimsim.errors import SpecError, require
from pimsim.inference.activity import Activity, describe_activity
from pimsim.inference.agreement import Agreement, compare_outputs, mean_of, share_correct
from pimsim.inference.arrays import Arrays, describe_arrays
from pimsim.inference.driving import Kind, some_of
from pimsim.inference.engines import Engine, LayerPlan, calibrated_ranges, choose_engine, product
from pimsim.inference.trials import run_trials
from pimsim.mapping import Placement
from pimsim.network.correction import corrected
from pimsim.network.graph import Images, outputs
from pimsim.network.ops import MatrixOp
from pimsim.network.quantize import QuantizedNetwork, evaluate, exact, reference
from pimsim.network.scheme import Correction
from pimsim.numerics import exact_product, fold
from pimsim.units import Ratios

BATCH = 250
"""Images computed together; it bounds memory, and says which vectors activity and errors are samples of."""
SAMPLE_IMAGES = 32

Progress = Callable[[str, int, int], None]
"""progress(what, done, of): told after each step of something long."""


@dataclass(frozen=True)
class Inference:
    """The classes that float arithmetic, exact integers and the chip's trials give the same images."""

    matrix: Shaped[np.ndarray, " matrix"]
    """The layers that have a matrix."""
    layer_engine: Shaped[np.ndarray, " matrix"]
    """What computed them: bit_true; folded, where it is proved to give the same integers; linear, folded to one real
    matrix for want of conversions; or statistical."""
    label: Int[np.ndarray, " sample"]
    """-1 where nobody says."""
    float_class: Int[np.ndarray, " sample"]
    quantized_class: Int[np.ndarray, " sample"]
    crossbar_class: Int[np.ndarray, "trial sample"]
    float_accuracy: float
    """NaN, as the other two, where images have no labels."""
    quantized_accuracy: float
    crossbar_accuracy: Ratios[np.ndarray, " trial"]
    agreement: Agreement
    signal_power: Ratios[np.ndarray, "trial matrix"]
    """Mean square of the integer products, on 512 of the vectors of each batch, evenly picked."""
    error_power: Ratios[np.ndarray, "trial matrix"]
    """Mean square of what the chip's products were off."""
    statistical_deviation: Ratios[np.ndarray, " matrix"]
    """By how much the statistical engine's rms error differs from the bit-true one's on a sample, relative; 0 for
    layers that it did not compute."""
    arrays: Arrays
    activity: Activity

    @property
    def engine(self) -> str:
        """The engines that ran, joined by +."""
        return "+".join(dict.fromkeys(self.layer_engine.tolist()))

    @property
    def crossbar_mean(self) -> float:
        return float(self.crossbar_accuracy.mean())

    @property
    def crossbar_std(self) -> float:
        """Spread between trials: the sample standard deviation, 0 for a single trial."""
        return float(self.crossbar_accuracy.std(ddof=1)) if len(self.crossbar_accuracy) > 1 else 0.0

    @property
    def crossbar_interval(self) -> tuple[float, float]:
        """95 % confidence interval of the mean accuracy over programmed chips, from Student's t."""
        trials = len(self.crossbar_accuracy)
        if trials < 2:
            return self.crossbar_mean, self.crossbar_mean
        half = stdtrit(trials - 1, 0.975) * self.crossbar_std / trials**0.5
        return self.crossbar_mean - half, self.crossbar_mean + half

    @property
    def snr_db(self) -> Float[np.ndarray, "trial matrix"]:
        """Signal-to-noise ratio of each layer's products; infinite where they are exact."""
        with np.errstate(divide="ignore"):
            return 10 * np.log10(self.signal_power / self.error_power)


def infer(
    quantized: QuantizedNetwork,
    placement: Placement,
    core: CrossbarCore,
    images: Images,
    labels: Int[np.ndarray, " sample"],
    *,
    trials: int,
    key: PRNGKeyArray,
    engine: Engine = "auto",
    activity: Kind = "moments",
    calibration: Float[np.ndarray, "image ..."] | None = None,
    in_situ: Correction = "none",
    cores: Mapping[str, CrossbarCore] | None = None,
    batch: int = BATCH,
    progress: Progress = lambda what, done, of: None,
) -> Inference:
    """Classify the images with float arithmetic, with exact integers, and on `trials` programmed chips.

    `calibration` images set the full scale of converters that are calibrated, and, `in_situ`, the biases or also the
    scales of each chip, on what that chip answers; `activity` says which vectors the energy
    of reading is taken from; `cores` are those of each kind of tile, where there are several. Cells that hit their
    targets, read without noise by exact converters, make every trial the same: one is computed and stands for all.
    Raises SpecError for no images, trials or batch, for engines, full scales and corrections that lack calibration
    images, and for layers that do not fold where that is asked for.
    """
    for field, value in (("images", len(images)), ("trials", trials), ("batch", batch)):
        require(field, value, 1)
    batch = math.ceil(len(images) / math.ceil(len(images) / batch))  # of one size, or two, each compiled once
    own = {name: (cores or {}).get(placement.kind_of(name), core) for name in quantized.layers}
    plans = plan_layers(quantized, placement, own, engine, calibration, activity)
    distinct = trials if any(each.is_random for each in own.values()) else 1
    wanted = outputs(quantized.network.forward, images, batch)
    integer = outputs(lambda x: reference(quantized, x), images, batch)
    told = partial(progress, "crossbar")
    if in_situ != "none" and calibration is None:
        raise SpecError("in_situ", "a chip is set up on calibration images, and there are none")
    tune = partial(corrected, quantized, images[:0] if calibration is None else calibration, in_situ)
    chips = run_trials(quantized, own, plans, images, wanted, key, distinct, batch, activity, tune, told)
    classes, powers = [np.concatenate(chip.classes) for chip in chips], [chip.mean_powers() for chip in chips]
    crossbar_class = np.broadcast_to(np.stack(classes), (trials, len(images))).copy()
    signal, error = np.broadcast_to(np.stack(powers), (trials, 2, len(plans))).copy().swapaxes(0, 1)
    nearness = np.broadcast_to([mean_of(chip.nearness) for chip in chips], (trials, 3))
    deviation = _deviations(quantized, own, plans, images, fold(key, 0))
    return Inference(
        matrix=np.array(list(plans)),
        layer_engine=np.array([plan.engine for plan in plans.values()]),
        label=labels,
        float_class=wanted.argmax(axis=-1),
        quantized_class=integer.argmax(axis=-1),
        crossbar_class=crossbar_class,
        float_accuracy=float(share_correct(wanted.argmax(axis=-1), labels)),
        quantized_accuracy=float(share_correct(integer.argmax(axis=-1), labels)),
        crossbar_accuracy=share_correct(crossbar_class, labels),
        agreement=Agreement.of(mean_of([compare_outputs(integer, wanted)]), nearness),
        signal_power=signal,
        error_power=error,
        statistical_deviation=deviation,
        arrays=describe_arrays(core, placement, [chip.tallies for chip in chips], trials),
        activity=describe_activity(core, quantized, plans, [chip.sums for chip in chips], activity),
    )


def plan_layers(
    quantized: QuantizedNetwork,
    placement: Placement,
    cores: Mapping[str, CrossbarCore],
    engine: Engine,
    calibration: Images | None,
    activity: Kind = "moments",
) -> dict[str, LayerPlan]:
    """How each layer's products are computed, on its own core: its full scale, its engine, the copies that differ."""
    seen, sampled = {}, any(core.full_scale.needs_samples for core in cores.values())
    if engine == "statistical" and calibration is None:
        raise SpecError("engine", "statistical measures errors on calibration images, and there are none")
    if (sampled or engine == "statistical") and calibration is not None:
        seen = layer_inputs(quantized, calibration[: min(len(calibration), SAMPLE_IMAGES)])
    plans, ops = {}, {op.layer: op for op in quantized.network.ops() if isinstance(op, MatrixOp)}
    for index, (name, layer) in enumerate(quantized.layers.items()):
        core, cuts = cores[name], placement.cuts(name, *layer.matrix.shape)
        ranges = calibrated_ranges(core, layer, seen.get(name), cuts)
        chosen = choose_engine(core, layer, ranges, engine, name, cuts)
        copies = 1 if core.is_programmed_exactly else placement.copies(name)
        mask = jnp.asarray(occupied_mask(placement, name, cuts))
        sample = seen[name] if chosen == "statistical" else None
        counts = activity == "exact" and chosen == "bit_true" and core.adc.quantizes
        vectors, waits = ops[name].vectors, ops[name].recurrent > 0
        plans[name] = LayerPlan(chosen, copies, cuts, mask, ranges, index, sample, vectors, waits, counts)
    return plans


def layer_inputs(quantized: QuantizedNetwork, images: Images) -> dict[str, Int[Array, "vector row"]]:
    """Vectors that reach each layer, evenly picked from those of the images, on exact integers."""
    product, seen = exact(quantized), {}

    def record(name: str, x: Int[Array, "batch vector row"], first: int = 0) -> Int[Array, "batch vector col"]:
        seen.setdefault(name, []).append(x)
        return product(name, x)

    evaluate(quantized, images, record)
    vectors = {name: jnp.concatenate(parts, axis=1) for name, parts in seen.items()}
    return {
        name: x.reshape(-1, x.shape[-1])[some_of(x.shape[0] * x.shape[1], x.shape[1], "moments")]
        for name, x in vectors.items()
    }


def _deviations(
    quantized: QuantizedNetwork, cores: Mapping[str, CrossbarCore], plans: Mapping[str, LayerPlan], images: Images,
    key: PRNGKeyArray,
) -> Float[np.ndarray, " matrix"]:  # fmt: skip
    """The statistical engine's rms error over the bit-true one's, minus 1, on vectors that it was not measured on."""
    asked = [name for name, plan in plans.items() if plan.engine == "statistical"]
    seen = layer_inputs(quantized, images[:SAMPLE_IMAGES]) if asked else {}

    def of_layer(name: str) -> float:
        layer, one, x = quantized.layers[name], plans[name]._replace(copies=1), jnp.asarray(seen[name])[:, None]
        wanted, names = exact_product(x, jnp.asarray(layer.matrix), signed=layer.signed_input), jnp.arange(len(x))
        errors = [
            (product(cores[name], one._replace(engine=engine), layer, x, names, key=key) - wanted).astype(jnp.float64)
            for engine in ("statistical", "bit_true")
        ]
        ours, theirs = (float(jnp.sqrt(jnp.mean(jnp.square(error)))) for error in errors)
        return ours / theirs - 1 if theirs else float(ours > 0)

    return np.array([of_layer(name) if name in asked else 0.0 for name in plans])


def occupied_mask(placement: Placement, layer: str, cuts: Cuts) -> Bool[np.ndarray, "block array"]:
    """The cuts of a layer's matrix that the placement gives an array."""
    mask = np.zeros((cuts.blocks, cuts.arrays), bool)
    for row, _, col, _ in placement.blocks(layer):
        mask[row // cuts.rows, col // cuts.cols] = True
    return mask
