"""LSTM and GRU on integers, step by step."""

import jax.numpy as jnp
import numpy as np
import pytest

from pimsim.network.correction import corrected
from pimsim.network.graph import build_network
from pimsim.network.layers import Gru, Lstm
from pimsim.network.ops import MatrixOp
from pimsim.network.quantize import evaluate, exact, matrices, quantize, reference
from pimsim.network.scheme import Scheme
from pimsim.network.sqnr import noise, report

STEPS, VALUES, UNITS = 6, 5, 7
LAYERS = {"lstm": Lstm(UNITS), "gru": Gru(UNITS), "gru-after": Gru(UNITS, reset_after=True)}


def drawn(layer):
    """The layer alone with random weights, and sequences that reach three times as far as its state."""
    rng = np.random.default_rng(0)
    rows, cols = layer.weight_shape((STEPS, VALUES))
    arrays = {"weight": rng.normal(size=(rows, cols)) / 2, "bias": rng.normal(size=cols) / 2}
    network = build_network("steps", (STEPS, VALUES), [("cell", layer)]).with_weights({"cell": arrays})
    return network, (3 * rng.uniform(-1, 1, (24, STEPS, VALUES))).astype(np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_hand(quantized, x):
    """Numpy, one sequence: each matrix sees rounded vectors, and its sums are scaled."""

    def times(word, *parts):
        own = quantized.layers[f"cell/{word}"]
        top = 2 ** (own.input_bits - 1) - 1
        steps = np.clip(np.rint(np.concatenate(parts) / (own.input_scale * own.row_gain)), -top, top)
        return steps @ own.matrix * (own.input_scale * own.weight_scale) + own.bias

    h, c, layer, found = np.zeros(UNITS), np.zeros(UNITS), quantized.network.nodes[0].layer, []
    for now in x:
        if isinstance(layer, Lstm):
            i, f, g, o = np.split(times("matrix", now, h), 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
        else:
            own, state = times("inputs", now), times("state", h)
            z, r = np.split(sigmoid(own[: 2 * UNITS] + state[: 2 * UNITS]), 2)
            late = r * state[2 * UNITS :] if layer.reset_after else times("candidate", r * h)
            h = (1 - z) * np.tanh(own[2 * UNITS :] + late) + z * h
        found.append(h)
    return np.array(found)


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_every_step_is_on_integers(layer):
    """What a loop in numpy gives; and the error against float halves with each bit."""
    network, x = drawn(layer)
    wanted, errors = np.asarray(network.forward(x)), {}
    for bits in (6, 14):
        quantized = quantize(network, x, weight_bits=bits, input_bits=bits)
        y = np.asarray(reference(quantized, x))
        errors[bits] = np.sqrt(noise(y, wanted))
        np.testing.assert_allclose(y[0], by_hand(quantized, x[0]), atol=1e-6)
    assert abs(np.log2(errors[6] / errors[14]) - 8) < 1


def test_input_and_state_keep_a_range_of_their_own():
    """In other units, a power of two, inputs give the same integers, though the state shares their rows."""
    network, x = drawn(LAYERS["lstm"])
    weight, bias = network.parameters("cell")
    scale = jnp.where(jnp.arange(len(weight)) < VALUES, 32.0, 1.0)[:, None]
    larger = network.with_weights({"cell": {"weight": weight / scale, "bias": bias}})
    one, other = (quantize(*each, weight_bits=5, input_bits=5) for each in ((network, x), (larger, 32 * x)))
    np.testing.assert_array_equal(one.layers["cell/matrix"].matrix, other.layers["cell/matrix"].matrix)
    np.testing.assert_array_equal(reference(one, x), reference(other, 32 * x))


@pytest.mark.parametrize("layer", [LAYERS["lstm"], LAYERS["gru"]], ids=["lstm", "gru"])
def test_steps_pass_in_turn(layer):
    """Each matrix sees one vector of each sequence a step, or all at once where none waits; a batch changes no bit."""
    network, x = drawn(layer)
    quantized, seen = quantize(network, x, weight_bits=8, input_bits=8), {}
    product = exact(quantized)

    def watched(name, vectors, first=0):
        seen.setdefault(name, []).append((vectors.shape[1], first))
        return product(name, vectors)

    y = np.asarray(evaluate(quantized, x, watched))
    waits = {op.layer: op.recurrent > 0 for op in network.ops() if isinstance(op, MatrixOp)}
    one_by_one = [(1, step) for step in range(STEPS)]
    assert seen == {name: one_by_one if waits[name] else [(STEPS, 0)] for name in waits}
    np.testing.assert_array_equal(y[:5], reference(quantized, x[:5]))


def test_matrices_have_bits_and_errors_of_their_own():
    """Precision by the matrix's name; the report says which one is coarse; corrected sums have the float's means."""
    network, x = drawn(LAYERS["gru"])
    scheme = Scheme(precision={"cell/state": 3})
    quantized = quantize(network, x, weight_bits=8, input_bits=8, scheme=scheme)
    assert [layer.weight_bits for layer in quantized.layers.values()] == [8, 3, 8]
    found = report(quantized, x)
    assert found.layer.tolist() == ["cell/inputs", "cell/state", "cell/candidate"]
    assert found.weights.argmax() == found.inputs.argmax() == 1
    rough = quantize(network, x, weight_bits=3, input_bits=3)
    mended = corrected(rough, x, "bias")
    _, operands = network.layer("cell").trace(*network.parameters("cell"), jnp.asarray(x))
    weight, bias = matrices(network)["cell/inputs"]
    wanted = np.asarray(operands["inputs"][0]).reshape(-1, VALUES).mean(axis=0) @ weight + bias
    means = {}

    def record(name, vectors, first=0):
        own, y = mended.layers[name], exact(mended)(name, vectors)
        means.setdefault(name, y.mean(axis=(0, 1)) * own.input_scale * own.weight_scale + own.bias)
        return y

    evaluate(mended, x, record)
    np.testing.assert_allclose(means["cell/inputs"], wanted, atol=1e-5)
    assert noise(reference(mended, x), network.forward(x)) < noise(reference(rough, x), network.forward(x))
