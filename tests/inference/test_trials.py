"""Several chips: what one is may not hang on the others, nor on when it is asked; and what samples stand for."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pimsim.errors import SpecError
from pimsim.inference import infer
from pimsim.inference.engines import Work, play
from pimsim.inference.run import layer_inputs, plan_layers
from pimsim.mapping import place
from pimsim.network.graph import build_network
from pimsim.network.layers import Conv2d, Dense, Flatten
from pimsim.network.quantize import quantize

SIDE = 32


def noisy(chip, **errors):
    return replace(chip, core=replace(chip.core, device=replace(chip.core.device, **errors)))


@pytest.fixture(scope="module")
def dense(small):
    """A matrix of 512 weights, and 20 inputs to it."""
    rng = np.random.default_rng(0)
    weights = {"fc": {"weight": rng.normal(size=(64, 8)), "bias": np.zeros(8)}}
    images = rng.uniform(-1, 1, (20, 64)).astype(np.float32)
    network = build_network("dense", (64,), [("fc", Dense(8))]).with_weights(weights)
    return quantize(network, images, weight_bits=small.core.weight_bits, input_bits=small.core.input_bits), images


@pytest.fixture(scope="module")
def striped(small):
    """One weight for each of 32 × 32 places, and images that are brighter from column to column."""
    image = np.broadcast_to(np.arange(SIDE)[:, None] / SIDE, (SIDE, SIDE, 1))
    network = build_network("striped", (SIDE, SIDE, 1), [("conv", Conv2d(1, 1)), ("flatten", Flatten())])
    network = network.with_weights({"conv": {"weight": np.ones((1, 1, 1, 1)), "bias": np.zeros(1)}})
    images = np.stack([image] * 32).astype(np.float32)
    return quantize(network, images, weight_bits=small.core.weight_bits, input_bits=small.core.input_bits), images


def planned(quantized, chip, engine, calibration=None):
    placement = place(quantized.network.ops(), chip)
    return plan_layers(quantized, placement, dict.fromkeys(quantized.layers, chip.core), engine, calibration)


def answers(quantized, images, chip, key, trials, **settings):
    placement, labels = place(quantized.network.ops(), chip), np.zeros(len(images), int)
    return infer(quantized, placement, chip.core, images, labels, trials=trials, key=key, **settings)


def test_a_chip_is_the_same_beside_others(dense, small, key):
    """To the last bit of its cells' conductances, and of its answers."""
    quantized, images = dense
    chip = noisy(small, programming_noise=20e-6)
    work = Work.of(chip.core, planned(quantized, chip, "bit_true")["fc"], quantized.layers["fc"])
    x, keys = jnp.asarray(np.arange(64)[None, None] % 32 - 16), jax.random.split(key, 3)
    (alone, one), (beside, two) = (play(work, x, jnp.arange(1), keys=keys[:count]) for count in (1, 3))
    np.testing.assert_array_equal(one.stored.weights[0], two.stored.weights[0])
    np.testing.assert_array_equal(alone[0], beside[0])
    assert (np.asarray(two.stored.weights[0]) != two.stored.weights[1]).any()
    single, several = (answers(quantized, images, chip, key, trials) for trials in (1, 3))
    np.testing.assert_array_equal(single.error_power[0], several.error_power[0])


def test_reads_of_another_course_have_noise_of_their_own(dense, small, key):
    """Of the same images by the same cells."""
    quantized, _ = dense
    chip = noisy(small, programming_noise=20e-6, read_noise=50e-6)
    work = Work.of(chip.core, planned(quantized, chip, "bit_true")["fc"], quantized.layers["fc"])
    x = jnp.asarray(np.arange(64)[None, None] % 32 - 16)
    (y, one), (again, _), (other, two) = (
        play(work, x, jnp.arange(1), keys=key[None], course=course) for course in (0, 0, 1)
    )
    np.testing.assert_array_equal(y, again)
    assert (np.asarray(y) != other).any()
    np.testing.assert_array_equal(one.stored.weights, two.stored.weights)


def test_samples_meet_every_column_of_an_image(striped, small, key):
    """Sizes of feature maps are powers of two, and so are steps that do not see to it: a sample of 512 of the vectors
    of 32 images then has one column only. Its mean square is that of all of them, however many images go together."""
    quantized, images = striped
    x = np.asarray(layer_inputs(quantized, images)["conv"]).ravel()
    every = np.unique(np.asarray(layer_inputs(quantized, images[:1])["conv"]))
    assert len(x) <= 512
    np.testing.assert_array_equal(np.unique(x), every)
    assert len(every) == SIDE
    weight = quantized.layers["conv"].matrix.item()
    for batch in (8, 32):
        run = answers(quantized, images, noisy(small, programming_noise=20e-6), key, 1, batch=batch)
        assert run.signal_power.item() == pytest.approx(np.mean((every * weight).astype(float) ** 2), rel=0.02)


def test_the_statistical_engine_errs_as_the_bit_true_one(dense, small, key):
    """In the mean square, on inputs that it was not measured on, within four standard errors of a spread that five
    chips show; and it says how near it came."""
    quantized, images = dense
    chip = noisy(small, programming_noise=20e-6)
    ours, theirs = (
        answers(quantized, images, chip, key, 5, engine=engine, calibration=images)
        for engine in ("statistical", "bit_true")
    )
    ratio = np.sqrt(ours.error_power / theirs.error_power).ravel()
    assert abs(ratio.mean() - 1) < 4 * ratio.std(ddof=1) / 5**0.5 + 1e-9
    assert 0 < abs(ours.statistical_deviation.item()) < 0.5
    assert theirs.statistical_deviation.item() == 0


def test_the_interval_of_a_mean_is_students(dense, small, key):
    """Three chips of 80, 90 and 100 %: t = 4.302653 for two degrees of freedom."""
    run = replace(answers(*dense, small, key, 3), crossbar_accuracy=np.array([0.8, 0.9, 1.0]))
    half = 4.302653 * 0.1 / 3**0.5
    assert run.crossbar_interval == pytest.approx((0.9 - half, 0.9 + half), rel=1e-6)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"engine": "statistical"}, "engine: statistical measures errors on calibration images"),
        ({"batch": 0}, "batch: must be at least 1, got 0"),
        ({"trials": 0}, "trials: must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_inferred_is_refused(dense, small, key, settings, said):
    quantized, images = dense
    with pytest.raises(SpecError, match=said):
        answers(quantized, images, noisy(small, programming_noise=20e-6), key, **({"trials": 1} | settings))
