"""Recurrent networks on programmed arrays: noise, copies and activity step by step."""

from dataclasses import replace
from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest

from pimsim.inference import infer
from pimsim.inference.agreement import compare_outputs, mean_of
from pimsim.inference.engines import product
from pimsim.inference.run import plan_layers
from pimsim.mapping import place
from pimsim.network.graph import build_network
from pimsim.network.layers import Dense, LastToken, Lstm
from pimsim.network.quantize import evaluate, quantize, reference
from pimsim.numerics import fold

SEQUENCES, STEPS, VALUES = 8, 4, 6
COPIES = {"cell/matrix": 3}


@pytest.fixture(scope="module")
def lstm(small):
    """A network of one cell with random weights, on integers, and its sequences."""
    layer, rng = Lstm(5), np.random.default_rng(0)
    rows, cols = layer.weight_shape((STEPS, VALUES))
    arrays = {"cell": {"weight": rng.normal(size=(rows, cols)) / 2, "bias": np.zeros(cols)}}
    network = build_network("steps", (STEPS, VALUES), [("cell", layer), ("last", LastToken())]).with_weights(arrays)
    x = rng.normal(size=(SEQUENCES, STEPS, VALUES)).astype(np.float32)
    return quantize(network, x, weight_bits=small.core.weight_bits, input_bits=small.core.input_bits), x


def noisy(chip, read_noise=10e-6):
    device = replace(chip.core.device, programming_noise=30e-6, read_noise=read_noise)
    return replace(chip, core=replace(chip.core, device=device))


def planned(quantized, chip, copies=COPIES):
    """How the layers are played, bit for bit."""
    cores = dict.fromkeys(quantized.layers, chip.core)
    return plan_layers(quantized, place(quantized.network.ops(), chip, copies), cores, "bit_true", None)


def played(quantized, chip, x, key):
    """The outputs of one programmed chip, written anew for each step, and the vectors that passed its matrix."""
    plans, seen = planned(quantized, chip), []

    def play(name, vectors, first=0):
        seen.append(np.asarray(vectors))
        own, names = quantized.layers[name], jnp.arange(len(x))
        return product(chip.core, plans[name], own, vectors, names, key=key, first=first)

    return np.asarray(evaluate(quantized, x, play)), np.concatenate(seen, axis=1)


def test_exact_cells_give_the_integers(lstm, small, key):
    """Every conversion of every step played: the reference, bit for bit."""
    quantized, x = lstm
    y, _ = played(quantized, small, x, key)
    np.testing.assert_array_equal(y, reference(quantized, x))


def test_steps_have_noise_of_their_own(lstm, small, key):
    """Equal vectors: reading makes all products differ; without it, copies do, of sequences s mod R."""
    quantized, _ = lstm
    matrix = quantized.layers["cell/matrix"]
    vectors = jnp.asarray(np.tile(np.arange(-5, 6), (SEQUENCES, 1, 1)), jnp.int32)
    for read_noise in (0.0, 10e-6):
        chip = noisy(small, read_noise)
        plan = planned(quantized, chip)["cell/matrix"]
        at = partial(product, chip.core, plan, matrix, vectors, 1 + jnp.arange(SEQUENCES), key=key)
        y = np.stack([np.asarray(at(first=step))[:, 0] for step in (0, 2)])
        rows = y.reshape(2 * SEQUENCES, -1)
        same = (rows[:, None] == rows).all(axis=-1)
        copy = np.tile((1 + np.arange(SEQUENCES)) % 3, 2)
        expected = np.eye(2 * SEQUENCES, dtype=bool) if read_noise else copy[:, None] == copy
        np.testing.assert_array_equal(same, expected)


def test_runs_answer_step_by_step(lstm, small, key):
    """With all noise, cells kept from step to step, and in two batches: what one chip answers to every step by itself;
    and the bits that drive rows, and the conversions, of all steps are counted once."""
    quantized, x = lstm
    chip = noisy(small)
    y, vectors = played(quantized, chip, x, fold(key, 0))
    assert (y != np.asarray(reference(quantized, x))).mean() > 0.9
    run = infer(
        quantized, place(quantized.network.ops(), chip, COPIES), chip.core, x, np.zeros(SEQUENCES, int), trials=1,
        key=key, engine="bit_true", activity="exact", batch=SEQUENCES // 2,
    )  # fmt: skip
    wanted = np.asarray(quantized.network.forward(x)).reshape(y.shape)
    assert run.agreement.crossbar_noise[0] == pytest.approx(mean_of([compare_outputs(y, wanted)])[2], rel=1e-4)
    np.testing.assert_array_equal(run.crossbar_class[0], y.argmax(axis=1))
    arrays, bits = 5, chip.core.input_bits
    ones = ((vectors[..., None] >> np.arange(bits)) & 1).sum()
    assert run.activity.driven_rows.sum() == pytest.approx(ones * arrays / SEQUENCES)
    slices_and_units = 4 * 20 + arrays
    assert run.activity.codes.sum() == pytest.approx(STEPS * bits * slices_and_units)
    exact = vectors @ quantized.layers["cell/matrix"].matrix
    assert run.signal_power[0, 0] == pytest.approx(np.mean(exact.astype(float) ** 2))


def test_tokens_keep_their_copies_and_their_noise(small, key):
    """Vectors that come later, as in decoding, get the bits that they get among all of their sequence."""
    network = build_network("tokens", (STEPS, VALUES), [("fc", Dense(4))])
    rng = np.random.default_rng(0)
    network = network.with_weights({"fc": {"weight": rng.normal(size=(VALUES, 4)), "bias": np.zeros(4)}})
    x = rng.normal(size=(SEQUENCES, STEPS, VALUES)).astype(np.float32)
    quantized, chip = quantize(network, x, weight_bits=8, input_bits=6), noisy(small)
    plan = planned(quantized, chip, {"fc": 3})["fc"]
    at = partial(product, chip.core, plan, quantized.layers["fc"], image=jnp.arange(SEQUENCES), key=key)
    vectors = jnp.asarray(rng.integers(-31, 32, (SEQUENCES, STEPS, VALUES)), jnp.int32)
    whole = np.asarray(at(x=vectors))
    assert (whole != np.asarray(vectors) @ quantized.layers["fc"].matrix).mean() > 0.9
    np.testing.assert_array_equal(at(x=vectors[:, 1:], first=1), whole[:, 1:])
