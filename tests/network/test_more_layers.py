"""Private kernels, sequences, attention, recurrence, normalisation: against their definitions, and what they cost."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pimsim.errors import NetworkError
from pimsim.network.graph import build_network, random_layer, random_weights
from pimsim.network.layers import (
    Affine,
    Arithmetic,
    Attention,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    Gelu,
    GlobalAvgPool,
    LastToken,
    LayerNorm,
    LeakyRelu,
    LocallyConnected,
    LocalResponseNorm,
    Lstm,
    MaxPool,
    Multiply,
    Relu,
    Relu6,
    Sigmoid,
    Tanh,
    Tokens,
)
from pimsim.network.ops import MatrixOp, ProductOp, VectorOp
from pimsim.network.quantize import quantize


def draw(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_tokens_are_pixels_in_raster_order():
    """Token t is pixel (t // width, t mod width), and waits for it alone."""
    x = draw(2, 3, 4, 5)
    y = Tokens()(x)
    assert y.shape == (2, *Tokens().shape((3, 4, 5))) == (2, 12, 5)
    np.testing.assert_array_equal(y[:, 6], x[:, 1, 2])
    (op,) = Tokens().lower("t", ("input",), (3, 4, 5))
    assert (op.vectors, op.width, op.values) == (12, 5, 60)
    np.testing.assert_array_equal(op.need[0], np.arange(12))


def test_locally_connected_places_have_weights_of_their_own():
    """Place by place, the dot product with the place's own kernels; equal kernels make it a convolution."""
    layer = LocallyConnected(3, (3, 2), stride=(2, 1), padding=(1, 0))
    x, shared, bias = draw(2, 5, 6, 2), draw(3, 2, 2, 3, seed=1), draw(3, seed=2)
    shape = layer.weight_shape((5, 6, 2))
    assert shape == (3, 5, 3, 2, 2, 3)
    convolution = Conv2d(3, (3, 2), (2, 1), (1, 0)).forward(shared, bias, x)
    np.testing.assert_allclose(layer.forward(jnp.broadcast_to(shared, shape), bias, x), convolution, atol=1e-5)
    own = draw(*shape, seed=3)
    y = layer.forward(own, bias, x)
    padded = np.pad(x, [(0, 0), (1, 1), (0, 0), (0, 0)])
    for i, j in itertools.product(range(3), range(5)):
        wanted = np.einsum("buvc,uvco->bo", padded[:, 2 * i : 2 * i + 3, j : j + 2], own[i, j]) + bias
        np.testing.assert_allclose(y[:, i, j], wanted, atol=1e-5)
    (op,) = layer.lower("l", ("input",), (5, 6, 2))
    assert (op.matrices, op.vectors, op.weights, op.macs) == (15, 15, own.size, own.size)


@pytest.mark.parametrize("causal", [False, True])
def test_attention(causal):
    """Head by head, token by token, from the definition; with as many products as were taken."""
    batch, tokens, heads, depth = 2, 5, 3, 4
    q, k, v = (draw(batch, tokens, heads * depth, seed=s) for s in range(3))
    layer, products = Attention(heads, causal), 0
    wanted = np.zeros(q.shape)
    for head, t in itertools.product(range(heads), range(tokens)):
        part = slice(head * depth, (head + 1) * depth)
        seen = t + 1 if causal else tokens
        scores = np.einsum("bd,bjd->bj", q[:, t, part], k[:, :seen, part]) / depth**0.5
        weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        wanted[:, t, part] = np.einsum("bj,bjd->bd", weights, v[:, :seen, part])
        products += seen * depth
    np.testing.assert_allclose(layer(q, k, v), wanted, atol=1e-5)
    shape = (tokens, heads * depth)
    scores, softmax, mixed = layer.lower("a", ("q", "k", "v"), shape, shape, shape)
    assert isinstance(scores, ProductOp)
    assert isinstance(mixed, ProductOp)
    assert scores.macs == mixed.macs == products
    assert (scores.inputs, softmax.inputs, mixed.inputs) == (("q", "k"), ("a/scores",), ("a/softmax", "v"))
    assert [op.width for op in (scores, softmax, mixed)] == [heads * tokens, heads * tokens, heads * depth]
    assert (scores.m, scores.k, scores.n, mixed.k, mixed.n) == (tokens, depth, tokens, tokens, depth)
    last = list(range(tokens)) if causal else [tokens - 1] * tokens
    for op in (scores, mixed):
        assert op.need[0].tolist() == list(range(tokens))
        assert op.need[1].tolist() == last


def test_tokens_that_come_one_by_one_meet_what_came_before():
    """Reading a text at once, or its last token on top of the others kept: the same products for that token."""
    whole = Attention(2, causal=True).lower("a", ("q", "k", "v"), *[(7, 6)] * 3)
    before = Attention(2, causal=True).lower("a", ("q", "k", "v"), *[(6, 6)] * 3)
    step = Attention(2, causal=True, cached=6).lower("a", ("q", "k", "v"), *[(1, 6)] * 3)
    for all_at_once, first, last in ((whole[n], before[n], step[n]) for n in (0, 2)):
        assert all_at_once.macs == first.macs + last.macs
        assert (last.cached, last.vectors, last.need[1].tolist()) == (6, 1, [0])
    assert (step[0].n, step[2].k) == (7, 7)
    with pytest.raises(NetworkError, match="6 earlier tokens"):
        Attention(2, cached=6)(*[draw(1, 1, 6)] * 3)


def test_lstm():
    """Step by step from the definition; each step of the matrix waits for the one before."""
    layer, x = Lstm(3), draw(2, 4, 5)
    w, bias = draw(8, 12, seed=1), draw(12, seed=2)
    h = c = np.zeros((2, 3))
    for t in range(4):
        i, f, g, o = np.split(np.concatenate([x[:, t], h], axis=1) @ np.asarray(w) + bias, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        np.testing.assert_allclose(layer.forward(w, bias, x)[:, t], h, atol=1e-5)
    matrix, *digital = layer.lower("l", ("input",), (4, 5))
    assert (matrix.rows, matrix.cols, matrix.vectors, matrix.recurrent) == (8, 12, 4, 3)
    assert digital[-1].layer == "l"
    assert sum(op.values for op in digital if op.kind == "activation") == 4 * 5 * 3
    assert sum(op.values for op in digital if op.kind == "multiply") == 4 * 3 * 3


def test_local_response_norm():
    """Krizhevsky's formula with Caffe's α/n, channels beyond the ends absent."""
    x = draw(2, 3, 3, 7)
    y = LocalResponseNorm(3, alpha=0.5, beta=0.75, k=2.0)(x)
    for c in range(7):
        around = (np.asarray(x)[..., max(c - 1, 0) : c + 2] ** 2).sum(axis=-1)
        np.testing.assert_allclose(y[..., c], x[..., c] / (2 + 0.5 / 3 * around) ** 0.75, rtol=1e-5)


def test_layer_norm():
    """Mean 0 and variance 1 for each vector, whatever its scale and offset were."""
    x = draw(2, 3, 50)
    y = LayerNorm()(7 * x + 3)
    np.testing.assert_allclose(y.mean(axis=-1), 0, atol=1e-5)
    np.testing.assert_allclose(y.var(axis=-1), 1, atol=1e-3)
    np.testing.assert_allclose(y, LayerNorm()(x), atol=1e-4)


@pytest.mark.parametrize(
    ("layer", "function"),
    [
        (LeakyRelu(0.1), lambda x: np.where(x > 0, x, 0.1 * x)),
        (Relu6(), lambda x: np.minimum(np.maximum(x, 0), 6)),
        (Sigmoid(), sigmoid),
        (Tanh(), np.tanh),
        (Gelu(), lambda x: x * np.asarray(jax.scipy.stats.norm.cdf(x))),
    ],
)
def test_activations(layer, function):
    x = 4 * draw(2, 3, 4, 5)
    np.testing.assert_allclose(layer(x), function(np.asarray(x)), atol=1e-5)
    assert bool((layer(x) < 0).any()) is layer.can_be_negative(True)
    assert not (layer(jnp.abs(x)) < 0).any()


def test_joining_and_picking():
    """Concat along the last axis, element-wise products, averages over an image, the last of a sequence."""
    x, y = draw(2, 3, 4, 5), draw(2, 3, 4, 2, seed=1)
    np.testing.assert_array_equal(Concat()(x, y), np.concatenate([x, y], axis=-1))
    np.testing.assert_array_equal(Multiply()(x, x), x * x)
    np.testing.assert_allclose(GlobalAvgPool()(x), np.mean(x, axis=(1, 2)), rtol=1e-5)
    np.testing.assert_array_equal(LastToken()(x[:, 0]), x[:, 0, -1])
    (joined,) = Concat().lower("c", ("a", "b"), (3, 4, 5), (3, 4, 2))
    assert (joined.kind, joined.width, joined.values, joined.operands) == ("reshape", 7, 84, 84)
    (pooled,) = GlobalAvgPool().lower("g", ("a",), (3, 4, 5))
    assert (pooled.vectors, pooled.values, pooled.operands, pooled.need[0].tolist()) == (1, 5, 60, [11])
    (last,) = LastToken().lower("t", ("a",), (3, 4))
    assert last.need[0].tolist() == [2]


def test_dense_over_a_sequence_is_dense_for_each_token():
    layer, x, w, bias = Dense(3), draw(2, 4, 5), draw(5, 3, seed=1), draw(3, seed=2)
    y = layer.forward(w, bias, x)
    np.testing.assert_allclose(y, np.asarray(x) @ np.asarray(w) + bias, atol=1e-5)
    np.testing.assert_allclose(layer.tensor(layer.vectors(x) @ w, (4, 5)) + bias, y, atol=1e-5)
    (op,) = layer.lower("d", ("input",), (4, 5))
    assert (op.vectors, op.rows, op.cols, op.need[0].tolist()) == (4, 5, 3, [0, 1, 2, 3])


PRIVATE = build_network("private", (12, 12, 2), [("a", LocallyConnected(6, 5)), ("b", Flatten()), ("c", Dense(3))])
STEPS = build_network("steps", (4, 3), [("a", Lstm(2)), ("b", Relu()), ("c", Dense(2))])


@pytest.mark.parametrize("network", [PRIVATE, STEPS], ids=lambda network: network.name)
def test_weights_of_one_layer_are_those_of_all(network, key):
    """Drawn alone or together, the same numbers, N(0, 2 / fan-in) within 4 standard errors; the network computes."""
    together = random_weights(network, key=key)
    for name, op in zip(network.matrix_layers, [op for op in network.ops() if isinstance(op, MatrixOp)], strict=True):
        alone = random_layer(network, name, key=key)
        jax.tree.map(np.testing.assert_array_equal, alone, together[name])
        weight = np.asarray(alone["weight"])
        assert weight.size == op.weights
        assert abs((weight**2).mean() * op.rows / 2 - 1) < 4 * (2 / weight.size) ** 0.5
    weighted = network.with_weights(together)
    forward = eqx.filter_jit(weighted.forward)
    assert forward(draw(2, *network.input_shape)).shape == (2, *network.shapes["c"])
    if network is PRIVATE:
        with pytest.raises(NetworkError, match="but no integer arithmetic"):
            quantize(weighted, np.asarray(draw(2, *network.input_shape)), weight_bits=8, input_bits=8)


def test_signs_before_data_ran():
    """What a ReLU made is not negative; what a matrix, a sum with one, or a sequence brings can be."""
    layers = [
        ("conv1", Conv2d(2, 3, padding=1)),
        ("conv2", Conv2d(2, 3, padding=1)),
        ("relu", Relu()),
        ("pool", MaxPool(2)),
        ("conv3", Conv2d(2, 3, padding=1)),
        ("both", Concat(), ("conv3", "pool")),
        ("conv4", Conv2d(2, 3, padding=1)),
    ]
    wanted = {"conv1": False, "conv2": True, "conv3": False, "conv4": True}
    assert build_network("n", (8, 8, 1), layers).signed_inputs() == wanted
    assert STEPS.signed_inputs() == {"a/matrix": True, "c": False}


@pytest.mark.parametrize("layer", [LayerNorm(), Attention(2, causal=True)], ids=lambda layer: type(layer).__name__)
def test_each_result_is_the_same_bits_in_any_batch(layer):
    inputs = [draw(6, 16, 24, seed=s) for s in range(3 if isinstance(layer, Attention) else 1)]
    compiled = jax.jit(lambda *x: layer(*x))
    whole = np.asarray(compiled(*inputs))
    parts = [compiled(*(x[i : i + 2] for x in inputs)) for i in range(0, 6, 2)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_ops_of_every_kind_make_their_tensors():
    """The last operation of a node is called like it, and makes all of its tensor."""
    for network in (PRIVATE, STEPS):
        ops = {op.layer: op for op in network.ops()}
        for name, shape in network.shapes.items():
            if name != "input":
                assert ops[name].vectors * ops[name].width == np.prod(shape)
        assert all(isinstance(op, MatrixOp | VectorOp) for op in ops.values())


def test_constants_of_more_axes_repeat_each_image():
    """A vector by a column is their outer sum or product, image by image, however many the batch has."""
    x, column = draw(2, 3), draw(4, 1, seed=1)
    wanted = np.asarray(x)[:, None] * np.asarray(column)
    np.testing.assert_array_equal(Affine(gain=(4, 1))(x, gain=column), wanted)
    np.testing.assert_array_equal(Arithmetic("multiply", (4, 1))(x, constant=column), wanted)
