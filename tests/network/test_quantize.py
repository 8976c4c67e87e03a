"""The integers that stand for a network, and what they compute."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pimsim.errors import NetworkError, SpecError
from pimsim.network import ranges as module
from pimsim.network.graph import build_network, random_weights
from pimsim.network.layers import Add, AvgPool, Conv2d, Dense, Flatten, MaxPool, Relu
from pimsim.network.quantize import evaluate, integer_range, quantize, quantize_matrix, reference


@pytest.fixture(scope="module")
def network():
    """Groups, a branch, pools of both kinds; the inputs of conv2 are signed, those of the others are not."""
    topology = build_network(
        "small",
        (10, 10, 1),
        [
            ("conv1", Conv2d(4, 3, padding=1)),
            ("pool1", AvgPool(3, 2, 1)),
            ("conv2", Conv2d(4, 3, padding=1, groups=2)),
            ("add", Add(), ("conv2", "pool1")),
            ("relu", Relu()),
            ("pool2", MaxPool(2, 1)),
            ("flatten", Flatten()),
            ("fc", Dense(10)),
        ],
    )
    weights = random_weights(topology, key=jax.random.key(1))
    weights["fc"]["bias"] = jnp.linspace(-1, 1, 10, dtype=jnp.float32)
    return topology.with_weights(weights)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((32, 10, 10, 1), np.float32)


def relative_error(y, wanted):
    return float(np.linalg.norm(np.asarray(y) - wanted) / np.linalg.norm(wanted))


@pytest.mark.parametrize("bits", [2, 3, 8, 16])
def test_weights_round_to_the_nearest_step(bits):
    """|w - s·q| ≤ s/2 in every column, the largest weight is the largest integer, and an empty column has scale 1."""
    w = np.random.default_rng(bits).normal(size=(50, 7)) * 10.0 ** np.arange(-3, 4)
    w[:, 3] = 0
    q, scale = quantize_matrix(w, bits)
    assert q.dtype == np.int32
    assert (np.abs(w - scale * q) <= scale / 2 * (1 + 1e-12)).all()
    np.testing.assert_array_equal(np.abs(q).max(axis=0), np.where(np.arange(7) == 3, 0, 2 ** (bits - 1) - 1))
    assert scale[3] == 1


@pytest.mark.parametrize("factor", [2.0**-9, 2.0**5])
def test_scaled_weights_are_the_same_integers(factor):
    """A power of two goes into the scale and nowhere else."""
    w = np.random.default_rng(0).normal(size=(30, 4))
    (q, scale), (q_scaled, scale_scaled) = quantize_matrix(w, 6), quantize_matrix(w * factor, 6)
    np.testing.assert_array_equal(q, q_scaled)
    np.testing.assert_array_equal(scale * factor, scale_scaled)
    np.testing.assert_array_equal(quantize_matrix(-w, 6)[0], -q)


def test_one_bit():
    """A signed bit is -1 or 0: only weights below minus half the largest count."""
    q, scale = quantize_matrix(np.array([[1.0, 0.2], [-0.6, -0.1], [-0.4, -0.2]]), 1)
    np.testing.assert_array_equal(q, [[0, 0], [-1, 0], [0, -1]])
    np.testing.assert_array_equal(scale, [1.0, 0.2])
    assert integer_range(1, signed=True) == (-1, 0)
    assert integer_range(1, signed=False) == (0, 1)
    assert integer_range(8, signed=True) == (-127, 127)


@pytest.mark.parametrize(("weight_bits", "input_bits"), [(1, 2), (4, 3), (8, 8), (16, 16)])
def test_reference_products_are_int64_products(network, images, weight_bits, input_bits):
    """The reference is the evaluation whose every product NumPy computes in int64; integers stay in their range."""
    quantized = quantize(network, images, weight_bits=weight_bits, input_bits=input_bits)
    seen = []

    def product(name, x):
        layer = quantized.layers[name]
        low, high = integer_range(input_bits, layer.signed_input)
        assert x.dtype == jnp.int32
        assert low <= x.min()
        assert x.max() <= high
        seen.append(name)
        return jnp.asarray(np.asarray(x, np.int64) @ layer.matrix.astype(np.int64))

    logits = evaluate(quantized, images, product)
    assert seen == ["conv1", "conv2", "fc"]
    assert logits.dtype == jnp.float32
    np.testing.assert_array_equal(reference(quantized, images), logits)
    assert [quantized.layers[name].signed_input for name in seen] == [False, True, False]


def test_scales_and_biases_by_hand():
    """One dense layer: round(x / s_in) · round(w / s_w) · s_in · s_w + bias, halves to even, clipped at the range."""
    network = build_network("one", (2,), [("fc", Dense(2))]).with_weights(
        {"fc": {"weight": np.array([[1.0, -0.5], [0.5, 0.25]]), "bias": np.array([0.5, 0.0])}}
    )
    quantized = quantize(network, np.array([[0.0, 3.0]], np.float32), weight_bits=3, input_bits=2)
    layer = quantized.layers["fc"]
    assert layer.input_scale == 1.0
    np.testing.assert_array_equal(layer.matrix, [[3, -3], [2, 2]])
    x = np.array([[0.5, 1.5], [2.5, 9.0]], np.float32)
    wanted = np.array([[0, 2], [2, 3]]) @ layer.matrix * layer.weight_scale + layer.bias
    np.testing.assert_array_equal(reference(quantized, x), wanted.astype(np.float32))


def test_batches_do_not_change_a_bit(network, images):
    quantized = quantize(network, images, weight_bits=7, input_bits=5)
    whole = np.asarray(reference(quantized, images))
    for batch in (1, 16):
        parts = [reference(quantized, images[i : i + batch]) for i in range(0, len(images), batch)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_sixteen_bits_are_the_float_network(network, images):
    quantized = quantize(network, images, weight_bits=16, input_bits=16)
    assert relative_error(reference(quantized, images), network.forward(images)) < 1e-3


def test_more_bits_are_closer(network, images):
    """The error falls by about half with each bit of weights and inputs together."""
    logits = network.forward(images)
    errors = [
        relative_error(reference(quantize(network, images, weight_bits=b, input_bits=b), images), logits)
        for b in (2, 4, 6, 8, 10)
    ]
    ratios = np.array(errors[1:]) / errors[:-1]
    assert (ratios < 0.6).all()
    assert 1 / 8 < np.exp(np.log(ratios).mean()) < 1 / 2


def test_the_input_range_is_the_float_networks(network, images, monkeypatch):
    """Scale and sign come from the layer's float inputs on the calibration images, in any number of batches."""
    monkeypatch.setattr(module, "CALIBRATION_BATCH", 16)
    inputs = {}

    def record(name, layer, x):
        inputs[name] = np.abs(x)
        return layer.forward(*network.parameters(name), x)

    network.walk(images, record)
    for percentile in (100.0, 95.0):
        quantized = quantize(network, images, weight_bits=4, input_bits=6, percentile=percentile)
        for name, layer in quantized.layers.items():
            top = integer_range(6, layer.signed_input)[1]
            assert layer.input_scale * top == pytest.approx(np.percentile(inputs[name], percentile), rel=1e-5)


def test_a_percentile_needs_only_a_sample(network, images, monkeypatch):
    """A bounded sample gives the same scales each time, near those of all values."""
    whole = quantize(network, images, weight_bits=4, input_bits=8, percentile=90.0)
    monkeypatch.setattr(module, "SAMPLE", 2000)
    first, second = (quantize(network, images, weight_bits=4, input_bits=8, percentile=90.0) for _ in range(2))
    for name, layer in whole.layers.items():
        assert first.layers[name].input_scale == second.layers[name].input_scale
        assert first.layers[name].input_scale == pytest.approx(layer.input_scale, rel=0.1)


def test_scaled_images_are_the_same_integers(network, images):
    """A power of two in the images is the input scale's business in the first layer."""
    integers = []

    def product(name, x):
        integers.append(x)
        return jnp.zeros((*x.shape[:2], quantized.layers[name].matrix.shape[1]), jnp.int64)

    for factor in (1, np.float32(8)):
        quantized = quantize(network, images * factor, weight_bits=4, input_bits=4)
        evaluate(quantized, images * factor, product)
    np.testing.assert_array_equal(integers[0], integers[3])


def test_inputs_that_are_always_zero(network):
    """Black calibration images leave nothing to scale; the bias still passes."""
    quantized = quantize(network, np.zeros((2, 10, 10, 1), np.float32), weight_bits=4, input_bits=4)
    assert quantized.layers["conv1"].input_scale == 1
    np.testing.assert_array_equal(
        reference(quantized, np.zeros((1, 10, 10, 1), np.float32))[0], network.weights["fc"]["bias"]
    )


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"weight_bits": 0}, "weight_bits"),
        ({"weight_bits": 17}, "weight_bits"),
        ({"input_bits": 0}, "input_bits"),
        ({"input_bits": 1}, "input_bits"),
        ({"percentile": 0.0}, "percentile"),
        ({"percentile": 100.1}, "percentile"),
        ({"percentile": 1.0}, "percentile"),
        ({"images": np.zeros((0, 10, 10, 1), np.float32)}, "images"),
    ],
)
def test_what_cannot_be_quantized(network, images, options, place):
    """Each refusal names its argument: bits, a range that is empty, one bit for signed inputs, no images."""
    black = np.where(np.arange(10)[:, None] == 0, images, 0).astype(np.float32)
    arguments = {"images": black, "weight_bits": 8, "input_bits": 8} | options
    with pytest.raises(SpecError) as caught:
        quantize(network, arguments.pop("images"), **arguments)
    assert caught.value.place == place


def test_images_that_are_not_numbers(network, images):
    with pytest.raises(NetworkError, match="conv1: has inputs that are not finite"):
        quantize(network, images * np.float32(np.nan), weight_bits=8, input_bits=8)
