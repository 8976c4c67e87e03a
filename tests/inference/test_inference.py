"""Networks on programmed arrays against the same networks on exact integers."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pimsim import load_chip, load_network
from pimsim.chip import Kind
from pimsim.inference import infer
from pimsim.inference.engines import product
from pimsim.inference.run import plan_layers
from pimsim.mapping import place
from pimsim.network.datasets import load_dataset
from pimsim.network.graph import build_network, random_weights
from pimsim.network.layers import Add, Conv2d, Dense, Flatten, MaxPool, Relu
from pimsim.network.quantize import evaluate, quantize, reference

G_MAX = 500e-6
COPIES = {"conv1": 5, "conv2": 64}
"""Of the small network's layers: a number that does not divide the 64 vectors, and one for each."""


@pytest.fixture(scope="module")
def digits():
    return load_dataset("mnist")


@pytest.fixture(scope="module")
def lenet(digits):
    return quantize(load_network("lenet5"), digits.train_images[:100], weight_bits=16, input_bits=16)


@pytest.fixture(scope="module")
def branched(small):
    """A convolution, a grouped one, a residual sum, a pool; 8-bit weights, 6-bit inputs, and images of either sign."""
    layers = [
        ("conv1", Conv2d(8, 3, padding=1)),
        ("relu1", Relu()),
        ("conv2", Conv2d(8, 3, padding=1, groups=4)),
        ("add", Add(), ("conv2", "relu1")),
        ("pool", MaxPool(2)),
        ("flatten", Flatten()),
        ("fc", Dense(7)),
    ]
    topology = build_network("branched", (8, 8, 4), layers)
    network = topology.with_weights(some_weights(topology))
    return quantize(network, signed_images(64), weight_bits=small.core.weight_bits, input_bits=small.core.input_bits)


def some_weights(topology):
    """Random weights from NumPy: JAX's would take longer to compile than the tests to run."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: random_weights(topology, key=jax.random.key(0)))
    return jax.tree.map(lambda like: rng.normal(size=like.shape) / np.prod(like.shape[:-1]) ** 0.5, shapes)


def signed_images(count):
    """Of various colours, so that a random network sees differences."""
    rng = np.random.default_rng(0)
    return (rng.normal(size=(count, 8, 8, 4)) + 3 * rng.normal(size=(count, 1, 1, 4))).astype(np.float32)


def with_noise(chip, sigma):
    """The chip, its cells with a programming error."""
    device = replace(chip.core.device, programming_noise=sigma)
    return replace(chip, core=replace(chip.core, device=device))


def products(quantized, core, placement, key, engine="bit_true"):
    """What plays the layers' products on one programmed chip; images are called 0, 1, …"""
    plans = plan_layers(quantized, placement, dict.fromkeys(quantized.layers, core), engine, None)

    def play(name, x):
        return product(core, plans[name], quantized.layers[name], x, jnp.arange(len(x)), key=key)

    return play


def logits(quantized, core, placement, images, key):
    return np.asarray(evaluate(quantized, images, products(quantized, core, placement, key)))


def classify(quantized, chip, images, labels, key, trials=1, replicate="none", **settings):
    placement = place(quantized.network.ops(), chip, replicate)
    return infer(quantized, placement, chip.core, images, labels, trials=trials, key=key, **settings)


def test_grouped_and_branched_networks_run_exactly(branched, small, key):
    """With exact cells every logit is the integer reference's, through skipped blocks, signed inputs and a sum."""
    placement = place(branched.network.ops(), small, "balance")
    blocks, _, arrays, _ = small.core.cuts(*branched.layers["conv2"].matrix.shape)
    assert len(placement.blocks("conv2")) < blocks * arrays
    assert branched.layers["conv1"].signed_input
    assert not branched.layers["conv2"].signed_input
    images = signed_images(24)
    exact = np.asarray(reference(branched, images))
    np.testing.assert_array_equal(logits(branched, small.core, placement, images, key), exact)
    assert len(np.unique(exact.argmax(axis=1))) > 2


def test_where_a_grouped_matrix_has_no_array_there_is_no_error(branched, small, key):
    """Outputs do not feel the inputs of groups that share no array with theirs, however noisy the cells."""
    chip = with_noise(small, 50e-6)
    placement = place(branched.network.ops(), chip, "none")
    play = products(branched, chip.core, placement, key)
    end = max(row + rows for row, rows, col, _ in placement.blocks("conv2") if col == 0)
    assert end < 72
    x = np.random.default_rng(0).integers(0, 64, (24, 64, 72)).astype(np.int32)
    other = x.copy()
    other[..., end:] = 63 - other[..., end:]
    y, z = (np.asarray(play("conv2", jnp.asarray(each))) for each in (x, other))
    np.testing.assert_array_equal(y[..., :4], z[..., :4])
    assert (y[..., 4:] != z[..., 4:]).any()
    assert (y[..., :4] != (x @ branched.layers["conv2"].matrix)[..., :4]).any()


def test_batch_changes_no_class(branched, small, key):
    """With noise of programming and of every read, and with copies: classes are the same, however many images go
    together, because reads are named by their images; another chip gives others."""
    chip = with_noise(small, 30e-6)
    chip = replace(chip, core=replace(chip.core, device=replace(chip.core.device, read_noise=60e-6)))
    images, labels = signed_images(24), np.zeros(24, int)
    together, parts, other = (
        classify(branched, chip, images, labels, own, replicate=COPIES, batch=batch).crossbar_class
        for own, batch in ((key, 24), (key, 12), (jax.random.key(1), 24))
    )
    np.testing.assert_array_equal(together, parts)
    assert (together[:, 12:] != other[:, 12:]).any()


def test_vectors_take_the_copies_in_turn(branched, small, key):
    """Equal vectors give equal products exactly if they pass the same copy: v and w with v = w mod R."""
    chip = with_noise(small, 30e-6)
    play = products(branched, chip.core, place(branched.network.ops(), chip, COPIES), key)
    vector = np.random.default_rng(0).integers(-31, 32, 36)
    y = np.asarray(play("conv1", jnp.asarray(np.tile(vector, (8, 64, 1)), jnp.int32)))
    same = (y[0, :, None] == y[0, None]).all(axis=-1)
    copy = np.arange(64) % 5
    np.testing.assert_array_equal(same, copy[:, None] == copy)
    assert (y == y[0]).all()


def test_trials_have_errors_of_their_own(branched, small, key):
    """The same seed repeats the same trials, which differ among themselves; another seed gives others."""
    chip = with_noise(small, 60e-6)
    images, labels = signed_images(24), np.zeros(24, int)
    runs = [classify(branched, chip, images, labels, k, trials=3, batch=24) for k in (key, key, jax.random.key(1))]
    first, again, other = (run.crossbar_class for run in runs)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert all((first[i] != first[j]).any() for i in range(3) for j in range(i))


def test_layers_have_errors_of_their_own(small, key):
    """Two layers of one matrix, in one chip, are programmed to different conductances."""
    topology = build_network("twins", (4,), [("a", Dense(4)), ("b", Dense(4))])
    weights = dict.fromkeys("ab", some_weights(topology)["a"])
    twins = quantize(topology.with_weights(weights), np.ones((1, 4), np.float32), weight_bits=8, input_bits=6)
    chip = with_noise(small, 60e-6)
    play = products(twins, chip.core, place(topology.ops(), chip), key)
    x = jnp.full((1, 1, 4), 31, jnp.int32)
    np.testing.assert_array_equal(twins.layers["a"].matrix, twins.layers["b"].matrix)
    assert (np.asarray(play("a", x)) != np.asarray(play("b", x))).any()


def test_exact_cells_make_all_trials_one(branched, small, key):
    """Without programming error the trials are the same, and equal the quantized classes."""
    run = classify(branched, small, signed_images(24), np.zeros(24, int), key, trials=3, batch=24, engine="bit_true")
    assert run.engine == "bit_true"
    assert run.crossbar_class.shape == (3, 24)
    assert (run.crossbar_class == run.quantized_class).all()
    assert run.crossbar_std == 0


def test_accuracy_is_the_share_of_right_classes(branched, small, key):
    """By construction: with the quantized classes as labels it is 1, with half of them shifted it is a half."""
    images = signed_images(24)
    right = classify(branched, small, images, np.zeros(24, int), key, batch=24).quantized_class
    labels = np.where(np.arange(24) % 2, right, (right + 1) % 7)
    run = classify(branched, small, images, labels, key, batch=24)
    assert run.quantized_accuracy == run.crossbar_mean == 0.5
    np.testing.assert_array_equal(run.label, labels)


def test_progress_counts_every_image_of_every_trial(branched, small, key):
    """Steps rise to the total, once for each batch of each trial."""
    seen = []
    chip = with_noise(small, 30e-6)
    tell = lambda *step: seen.append(step)  # noqa: E731
    labels = np.zeros(24, int)
    classify(branched, chip, signed_images(24), labels, key, trials=2, replicate=COPIES, batch=8, progress=tell)
    assert seen == [("crossbar", done, 48) for done in range(8, 49, 8)]


@pytest.mark.parametrize(("engine", "ran"), [("bit_true", "bit_true"), ("auto", "folded"), ("folded", "folded")])
def test_lenet_on_exact_cells_gives_the_quantized_classes(lenet, digits, isaac, key, engine, ran):
    """The trained network on ISAAC: every class is that of the integer reference, and accuracy with it."""
    images, labels = digits.test_images[:80], digits.test_labels[:80]
    run = classify(lenet, isaac, images, labels, key, batch=40, engine=engine)
    assert run.engine == ran
    np.testing.assert_array_equal(run.crossbar_class[0], run.quantized_class)
    assert run.crossbar_mean == run.quantized_accuracy
    assert run.quantized_accuracy >= 0.97
    assert abs(run.quantized_accuracy - run.float_accuracy) <= 0.0125


def test_accuracy_falls_as_programming_noise_grows(lenet, digits, isaac, key):
    """0, 5, 10 and 20 % of g_max: no step up beyond the trials' spread, and a clear fall from end to end.

    The spread of a difference is 4 standard errors of the two means over trials, and at least one image.
    """
    images, labels, trials = digits.test_images[:40], digits.test_labels[:40], 3
    runs = [
        classify(
            lenet, with_noise(isaac, share * G_MAX), images, labels, key, trials=trials, batch=40, engine="bit_true"
        )
        for share in (0.0, 0.05, 0.1, 0.2)
    ]
    assert runs[0].crossbar_mean == runs[0].quantized_accuracy
    error = [run.crossbar_std / trials**0.5 for run in runs]
    for before, after, e, f in zip(runs, runs[1:], error, error[1:], strict=False):
        assert after.crossbar_mean - before.crossbar_mean <= 4 * (e**2 + f**2) ** 0.5 + 1 / len(images)
    assert runs[0].crossbar_mean - runs[-1].crossbar_mean > 4 * (error[0] ** 2 + error[-1] ** 2) ** 0.5 + 0.1


def test_stuck_cells_cost_accuracy_and_none_cost_nothing(digits, key):
    """Faults end to end: at rates of 0 the chip is exact; at the card's 9 % and 1.75 % it loses a tenth and more."""
    images, labels = digits.test_images[:80], digits.test_labels[:80]
    mlp = quantize(load_network("mlp"), digits.train_images[:100], weight_bits=16, input_bits=16)
    chip = load_chip("isaac-ce", {"core.device": "reram-stuck"})
    unstuck = replace(chip, core=replace(chip.core, device=replace(chip.core.device, hrs_rate=0.0, lrs_rate=0.0)))
    healthy, stuck = (
        classify(mlp, each, images, labels, key, trials=2, batch=80, engine="bit_true") for each in (unstuck, chip)
    )
    assert (healthy.crossbar_class == healthy.quantized_class).all()
    assert stuck.crossbar_mean < healthy.crossbar_mean - 0.1
    assert (stuck.crossbar_class[0] != stuck.crossbar_class[1]).any()


@pytest.mark.parametrize(("bits", "engine"), [(6, "folded"), (5, "bit_true")])
def test_products_are_those_of_the_arrays_that_hold_a_layer(small, key, bits, engine):
    """Sums of 32 rows want a bit more than those of 16: with it every product is exact, and without it those of the
    layer are off that is in such arrays, and no others."""
    topology = build_network("dense", (64,), [("fc1", Dense(6)), ("relu", Relu()), ("fc2", Dense(4))])
    images = np.random.default_rng(0).normal(size=(8, 64)).astype(np.float32)
    network = quantize(topology.with_weights(some_weights(topology)), images, weight_bits=8, input_bits=6)
    adc = replace(small.core.adc, bits=bits)
    chip = replace(small, kinds={"tall": Kind(tiles=2, rows=32, columns=16, adc=adc)})
    placement = place(topology.ops(), chip, "none", kinds={"fc1": "tall", "fc2": "standard"})
    assert [rows for _, rows, *_ in placement.blocks("fc1")] == [32] * 4
    found = infer(
        network, placement, chip.core, images, np.zeros(8, int), trials=1, key=key, cores=chip.cores
    )  # fmt: skip
    assert found.layer_engine.tolist() == [engine, "folded"]
    assert (found.error_power[0] > 0).tolist() == [bits == 5, False]
