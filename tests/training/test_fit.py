"""A training from its first epoch to its last: it learns, stops, and goes on where it was."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pimsim.chip import Differential
from pimsim.circuits import IdealAdc
from pimsim.devices import StuckAt, ThermalNoise
from pimsim.errors import FileError, SpecError
from pimsim.experiment import Experiment
from pimsim.inference.engines import Work, play
from pimsim.mapping import place
from pimsim.network.datasets import Dataset
from pimsim.network.graph import build_network
from pimsim.network.layers import Dense
from pimsim.network.quantize import QuantizedLayer
from pimsim.network.recipe import LearningCurve, Recipe
from pimsim.numerics import fold
from pimsim.training.checkpoint import read_checkpoint, write_checkpoint
from pimsim.training.fit import Course, fit
from pimsim.training.tune import calibrated, chips_of

CLASSES, VALUES = 4, 12


@pytest.fixture(scope="module")
def images():
    """A direction for each class, and noise."""
    rng = np.random.default_rng(0)
    labels = np.arange(60, dtype=np.int32) % CLASSES
    return (rng.normal(size=(CLASSES, VALUES))[labels] + rng.normal(size=(60, VALUES))).astype(np.float32), labels


@pytest.fixture(scope="module")
def network():
    rng = np.random.default_rng(1)
    weights = {"fc": {"weight": 0.3 * rng.normal(size=(VALUES, CLASSES)), "bias": np.zeros(CLASSES)}}
    return build_network("linear", (VALUES,), [("fc", Dense(CLASSES))], weights)


def chip_with(small, device):
    core = replace(small.core, encoding=Differential(), adc=IdealAdc(), cell_bits=4, device=device)
    return replace(small, core=core)


def course_on(chip, network, images, recipe):
    experiment = Experiment(name="tiny", chip=chip, network="mlp", dataset="mnist", training=recipe)
    data, placement = Dataset("tiny", *images, *images), place(network.ops(), chip, "none")

    def calibrate(network):
        return calibrated(experiment, dict.fromkeys(network.matrix_layers, chip.core), network, placement, data)

    return Course(network, *images, recipe, calibrate, chips_of(recipe, fold(jax.random.key(0), 0)))


@pytest.fixture(scope="module")
def course(small, network, images):
    """Cells that miss by a tenth of their range, and a rate at which the loss first falls and then rises."""
    chip = chip_with(small, replace(small.core.device, programming_noise=50e-6))
    recipe = Recipe(epochs=8, batch=10, learning_rate=0.3, held_out=1 / 3, patience=3)
    return course_on(chip, network, images, recipe)


@pytest.fixture(scope="module")
def states(course):
    """After each epoch."""
    found = []
    fit(course, course.start(), found.append)
    return found


def equal(a, b):
    return all(np.array_equal(x, y, equal_nan=True) for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True))


def test_it_learns_and_keeps_the_best_weights(states):
    """On images that no step saw; the weights kept are those after the epoch that did best on them."""
    curve = states[-1].curve
    assert curve.held_out_loss[curve.best] < curve.held_out_loss[0] / 1.5
    assert 0 < curve.best < len(states) - 1
    assert equal(states[-1].best, states[curve.best].weights)
    assert not equal(states[-1].best, states[-1].weights)
    assert len(states) - 1 == min(8, curve.best + 3)


def test_a_resumed_training_ends_in_the_same_bits(course, states, tmp_path):
    """From the file of a checkpoint; one of another experiment, damaged or missing, is refused."""
    path = tmp_path / "a.checkpoint.npz"
    write_checkpoint(path, "this: experiment", states[1])
    restored = read_checkpoint(path, "this: experiment", course.start())
    last = fit(course, restored)
    assert equal(last._replace(curve=None), states[-1]._replace(curve=None))
    for name, column in vars(states[-1].curve).items():
        np.testing.assert_array_equal(getattr(last.curve, name), column)
    with pytest.raises(FileError, match="another number of epochs makes one"):
        read_checkpoint(path, "that: experiment", course.start())
    weights = {"fc": {"weight": np.zeros((VALUES, 2)), "bias": np.zeros(2)}}
    narrow = build_network("linear", (VALUES,), [("fc", Dense(2))], weights)
    with pytest.raises(FileError, match="weights have other shapes"):
        read_checkpoint(path, "this: experiment", replace(course, network=narrow).start())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FileError, match="cut short or damaged"):
        read_checkpoint(path, "this: experiment", course.start())
    np.savez(path, loss=np.zeros(3))
    with pytest.raises(FileError, match="is no checkpoint: accuracy is missing"):
        read_checkpoint(path, "this: experiment", course.start())
    with pytest.raises(FileError, match="no such file"):
        read_checkpoint(tmp_path / "b.npz", "this: experiment", course.start())


def test_patience_and_epochs_end_it():
    """Whichever comes first; of equal losses the earlier one is kept."""

    def exhausted(losses, **recipe):
        curve = LearningCurve(np.arange(len(losses)), *(np.asarray(losses, float) for _ in range(4)))
        return curve.exhausted(Recipe(**recipe))

    assert not exhausted([], epochs=1)
    assert not exhausted([3, 2, 2], epochs=5, patience=2)
    assert exhausted([3, 2, 2, 2], epochs=5, patience=2)
    assert exhausted([3, 2], epochs=1, patience=2)


def test_held_out_images_are_asked_apart_from_steps(course, monkeypatch):
    """Every step another chip, every epoch another order; held-out images the same chips every time, none of them a
    step's. What fills up their last batch does not count, and weights are calibrated for once."""
    draws, seen, calibrations = [], [], []

    def chips(layers, draw):
        draws.append(draw)
        return layers, None

    def step(optimizer, network, state, layers, images, *rest):
        seen.extend(images[:, 0])
        return network.weights, state, 0.0, 0.0

    monkeypatch.setattr("pimsim.training.fit._step", step)
    monkeypatch.setattr(
        "pimsim.training.fit._losses", lambda net, layers, images, *rest: (images[:, 0].astype(float),) * 2
    )
    course = replace(
        course, images=np.arange(60, dtype=np.float32)[:, None], recipe=Recipe(epochs=2, batch=8, held_out=1 / 3),
        chips=chips, calibrate=lambda network: calibrations.append(network) or {},
    )  # fmt: skip
    curve = fit(course, course.start()).curve
    (steps, held), first, second = course.sides, seen[:40], seen[40:]
    np.testing.assert_array_equal(curve.held_out_loss, np.full(3, held.mean()))
    assert sorted(first) == sorted(second) == sorted(steps)
    assert first != second
    assert draws[:3] == draws[8:11] == draws[16:]
    assert len(set(draws)) == 3 + 2 * 5
    assert len(calibrations) == 3


@eqx.filter_jit
def product(layer, x, w, image, key):
    return layer.product(x, w, image, fold(key, layer.plan.key))


def test_reads_of_held_out_images_are_none_of_a_steps(small, network, images, monkeypatch):
    """From the same cells, where all is known of a chip, and with two vectors an image."""
    device = ThermalNoise(replace(small.core.device, programming_noise=50e-6), 300.0, 0.2, 10e-9)
    course = course_on(chip_with(small, device), network, images, Recipe(known="all", batch=10, epochs=1))
    rng, asked = np.random.default_rng(2), []
    x, w = (rng.integers(-31, 32, shape).astype(np.float32) for shape in ((1, 2, VALUES), (VALUES, CLASSES)))

    def ask(layer, names, key):
        layer = replace(layer, plan=layer.plan._replace(vectors=2))
        asked.append(np.asarray(product(layer, jnp.asarray(x), jnp.asarray(w), names[:1], key)))

    def losses(network, layers, images, labels, names, key):
        ask(layers["fc"], names, key)
        return np.ones(10), np.ones(10)

    def step(optimizer, network, state, layers, images, labels, names, key):
        ask(layers["fc"], names, key)
        return network.weights, state, 0.0, 0.0

    monkeypatch.setattr("pimsim.training.fit._losses", losses)
    monkeypatch.setattr("pimsim.training.fit._step", step)
    fit(course, course.start())
    held, first, *_, again = asked
    np.testing.assert_array_equal(held, again)
    assert (held != first).all()
    assert np.abs(held - first).max() < 0.05 * np.abs(first - x @ w).max()


@pytest.mark.parametrize(
    ("known", "rate", "fixed"),
    [("nothing", 0.0, False), ("faults", 0.0, False), ("faults", 0.5, True), ("all", 0.0, True)],
)
def test_what_is_known_of_a_chip_is_not_drawn_anew(small, network, images, known, rate, fixed):
    """Where faults take every cell, knowing them leaves nothing to draw. What is known is the run's first chip."""
    noisy = replace(small.core.device, programming_noise=50e-6)
    chip = chip_with(small, StuckAt(noisy, hrs_rate=rate, lrs_rate=rate))
    course = course_on(chip, network, images, Recipe(known=known))
    w = np.random.default_rng(2).integers(-127, 128, (VALUES, CLASSES)).astype(np.int32)
    unit, layers = jnp.eye(VALUES)[None], course.calibrate(network)

    def matrix(draw):
        drawn, key = course.chips(layers, draw)
        return np.asarray(product(drawn["fc"], unit, jnp.asarray(w, jnp.float32), jnp.arange(1), key))

    own = QuantizedLayer(w, np.ones(CLASSES), 1.0, True, np.zeros(CLASSES), 8, 6)
    first = fold(jax.random.key(0), 0)[None]
    run = play(Work.of(chip.core, layers["fc"].plan, own), unit.astype(int), jnp.arange(1), keys=first)[0][0]
    assert np.array_equal(matrix(0), matrix(1)) == fixed
    assert np.array_equal(matrix(0), run) == fixed


def test_a_recipe_that_leaves_no_images_is_refused():
    with pytest.raises(SpecError, match=r"training\.batch: needs a batch of 100 and an image held out, got 100"):
        Recipe().split(100)
    seen, held = Recipe(batch=10).split(100)
    assert sorted([*seen, *held]) == list(range(100))
    assert len(held) == 10
    for field, value in {"epochs": 0, "batch": 0, "learning_rate": 0.0, "patience": 0, "held_out": 1.0}.items():
        with pytest.raises(SpecError, match=f"^{field}: must be"):
            Recipe(**{field: value})
