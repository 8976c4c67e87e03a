"""Layers that a chip plays, with a gradient: what they answer, and how answers change with weights and inputs."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pimsim.chip import Differential, Maximum
from pimsim.chip.inputs import OffsetInputs
from pimsim.circuits import IdealAdc
from pimsim.experiment import Experiment
from pimsim.inference.engines import Work, play
from pimsim.mapping import place
from pimsim.network.correction import corrected
from pimsim.network.datasets import Dataset
from pimsim.network.graph import build_network
from pimsim.network.layers import Conv2d, Dense, Flatten, Relu
from pimsim.network.quantize import QuantizedLayer, quantize, reference
from pimsim.network.recipe import Recipe
from pimsim.network.scheme import Scheme
from pimsim.numerics import fold
from pimsim.training.layers import chip_logits
from pimsim.training.tune import calibrated

NOISE = 20e-6


def noisy(core):
    return replace(core, device=replace(core.device, programming_noise=NOISE))


def coarse(core):
    """Converters of 3 bits over the whole range, which round and never clip."""
    return replace(core, adc=replace(core.adc, bits=3), full_scale=Maximum())


def lines(core):
    """Cells in pairs without conversions: one real matrix."""
    return replace(core, encoding=Differential(), adc=IdealAdc())


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).normal(size=(24, 6, 6, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def network():
    layers = [("conv", Conv2d(3, 3)), ("relu", Relu()), ("flatten", Flatten()), ("fc", Dense(5))]
    topology, rng = build_network("tiny", (6, 6, 2), layers), np.random.default_rng(1)
    shapes = {"conv": (3, 3, 2, 3), "fc": (48, 5)}
    return topology.with_weights(
        {name: {"weight": rng.normal(size=shape), "bias": rng.normal(size=shape[-1])} for name, shape in shapes.items()}
    )


def layers_of(chip, network, images, **plans):
    """The network's layers on the chip, calibrated on the images."""
    experiment = Experiment(name="tiny", chip=chip, network="mlp", dataset="mnist", **plans)
    data = Dataset("tiny", images, np.zeros(len(images), np.int32), images[:0], np.zeros(0, np.int32))
    placement = place(network.ops(), chip, {"conv": 3})
    return calibrated(experiment, dict.fromkeys(network.matrix_layers, chip.core), network, placement, data)


@eqx.filter_jit
def answers(layer, x, w, g, key):
    """Products, and the gradients of Σ g · product by the inputs and by the weights."""

    def weighed(x, w):
        y = layer.product(x, w, jnp.arange(len(x)), key)
        return (y * g).sum(), y

    (of_x, of_w), y = jax.grad(weighed, (0, 1), has_aux=True)(x, w)
    return y, of_x, of_w


@pytest.mark.parametrize("change", [coarse, lambda core: lines(noisy(core))])
def test_products_are_those_of_a_run_and_gradients_those_of_the_programmed_matrix(small, network, images, key, change):
    """Bit for bit what a run plays, by copies that differ. Conversions to a few codes leave no trace in the gradients;
    errors of cells do, where inputs meet them."""
    chip, w = replace(small, core=change(small.core)), np.random.default_rng(3).integers(-127, 128, (18, 3))
    layer, rng = layers_of(chip, network, images)["conv"], np.random.default_rng(4)
    unit = np.repeat(np.eye(18, dtype=int), layer.plan.copies, axis=0)  # each passes every copy
    x, g = np.concatenate([unit, rng.integers(-31, 32, (18, 18))])[None], rng.normal(size=(1, len(unit) + 18, 3))
    chip_key = fold(key, layer.plan.key)
    y, of_x, of_w = answers(layer, jnp.asarray(x, jnp.float32), jnp.asarray(w, jnp.float32), g, chip_key)
    own = QuantizedLayer(w.astype(np.int32), np.ones(3), 1.0, True, np.zeros(3), 8, 6)
    wanted = play(Work.of(chip.core, layer.plan, own), jnp.asarray(x), jnp.arange(1), keys=key[None])[0][0]
    np.testing.assert_array_equal(y, wanted)
    assert (np.asarray(y) != x @ w).mean() > 0.5
    matrices = np.broadcast_to(w, (x.shape[1], 18, 3))
    if layer.plan.engine == "linear":
        by_copy = np.asarray(y)[0, : len(unit)].reshape(18, -1, 3).swapaxes(0, 1)
        matrices = by_copy[np.arange(x.shape[1]) % len(by_copy)]
    np.testing.assert_allclose(of_x, np.einsum("bvc,vrc->bvr", g, matrices), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(of_w, np.einsum("bvr,bvc->rc", x, g), rtol=1e-4, atol=1e-4)


SCHEMES = [
    Scheme(per="channel", weight_range="mse", correction="bias"),
    Scheme(per="tensor", weight_range="max", correction="batch_norm"),
]


@pytest.mark.parametrize("scheme", SCHEMES, ids=["channel-mse-bias", "tensor-max-batch_norm"])
def test_schemes_are_those_of_a_run(small, network, images, scheme):
    """Scales, ranges and corrections; of other weights, a scale follows the largest that share it."""
    layers = layers_of(small, network, images, quantization=scheme)
    own = corrected(quantize(network, images, weight_bits=8, input_bits=6, scheme=scheme), images, scheme.correction)
    y = chip_logits(network, layers, images, jnp.arange(len(images)), jax.random.key(0))
    np.testing.assert_allclose(y, reference(own, images), rtol=1e-6, atol=1e-6)
    grid, matrix = layers["fc"].grid, network.weights["fc"]["weight"]
    other = matrix * np.array([1, 2, 3, 4, 5])
    followed = [np.abs(w).max(axis=0 if scheme.per == "channel" else None) for w in (matrix, other)]
    scales = [grid.weights(jnp.asarray(w))[1] for w in (matrix, other)]
    np.testing.assert_allclose(scales[1] / scales[0], np.broadcast_to(followed[1] / followed[0], 5), rtol=1e-6)


def test_ideal_conversions_leave_the_matrix_of_the_cells(small, network, images, key):
    """Codes that are too coarse leave no trace in the products; errors of the cells do, those that the constant of
    offset inputs meets among them."""
    rng = np.random.default_rng(3)
    x, w = rng.integers(-31, 32, (1, 18, 18)).astype(np.float32), rng.integers(-127, 128, (18, 3)).astype(np.float32)

    def product(core, conversions):
        chip, recipe = replace(small, core=core), Recipe(conversions=conversions)
        layer = layers_of(chip, network, images, training=recipe)["conv"]
        return eqx.filter_jit(layer.product)(jnp.asarray(x), jnp.asarray(w), jnp.arange(1), key)

    np.testing.assert_allclose(product(coarse(small.core), "ideal"), x @ w, rtol=1e-5, atol=1e-2)
    cells = lines(noisy(replace(small.core, inputs=OffsetInputs())))
    ideal, played = (product(cells, conversions) for conversions in ("ideal", "played"))
    np.testing.assert_allclose(ideal, played, rtol=1e-4, atol=0.1)
    assert np.abs(played - x @ w).max() > 100


def test_without_errors_training_is_quantization_aware(small, network, images):
    """Logits are those of exact integers, and gradients those of the textbook's rounding that is passed through."""
    layers, own = layers_of(small, network, images), quantize(network, images, weight_bits=8, input_bits=6)
    assert {layer.plan.engine for layer in layers.values()} == {"folded"}
    reads = {"conv": "input", "fc": "flatten"}

    def through(x, low, high):
        return x + jax.lax.stop_gradient(jnp.clip(jnp.rint(x), low, high) - x)

    def textbook(network):
        def fake(name, layer, x):
            quantized, (weight, bias) = own.layers[name], network.parameters(name)
            low, high = (-31, 31) if quantized.signed_input else (0, 63)
            steps = layer.vectors(through(x / quantized.input_scale, low, high))
            matrix = layer.matrix(weight)
            scale = jnp.abs(matrix).max(axis=0) / 127
            y = steps @ through(matrix / scale, -127, 127) * (scale * quantized.input_scale) + bias
            return layer.tensor(y, network.shapes[reads[name]])

        return network.walk(images, fake)

    def ours(network):
        return chip_logits(network, layers, images, jnp.arange(len(images)), jax.random.key(0))

    (y, gradient), (z, wanted) = (eqx.filter_jit(valued)(logits, network) for logits in (ours, textbook))
    np.testing.assert_allclose(y, reference(own, images), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(z, y, rtol=1e-4, atol=1e-4)
    for a, b in zip(jax.tree.leaves(gradient), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3 * np.abs(b).max())


def valued(logits, network):
    """Logits, and the gradient of the sum of their squares."""
    gradient, y = jax.grad(lambda net: ((logits(net) ** 2).sum(), logits(net)), has_aux=True)(network)
    return y, gradient
