"""Chips set up on what they answer themselves: biases and scales are digital."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from pimsim.errors import SpecError
from pimsim.inference import infer
from pimsim.inference.engines import product
from pimsim.inference.run import plan_layers
from pimsim.mapping import place
from pimsim.network.correction import corrected
from pimsim.network.graph import build_network
from pimsim.network.layers import Dense, Relu
from pimsim.network.quantize import evaluate, quantize

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(60, 12)).astype(np.float32)


def dense(small, *widths):
    """Dense layers with a relu after each, on the small chip's integers."""
    layers = [pair for i, width in enumerate(widths) for pair in ((f"fc{i}", Dense(width)), (f"relu{i}", Relu()))]
    topology = build_network("dense", (12,), layers[:-1])
    rows = (12, *widths)
    weights = {
        f"fc{i}": {"weight": RNG.normal(size=(rows[i], width)) / rows[i] ** 0.5, "bias": RNG.normal(size=width)}
        for i, width in enumerate(widths)
    }
    core = small.core
    network = topology.with_weights(weights)
    return quantize(network, IMAGES, weight_bits=core.weight_bits, input_bits=core.input_bits)


def noisy(chip, sigma):
    return replace(chip, core=replace(chip.core, device=replace(chip.core.device, programming_noise=sigma)))


@pytest.mark.parametrize(("kind", "spread_too"), [("bias", False), ("batch_norm", True)])
def test_a_chips_means_and_spreads_are_those_of_float(small, key, kind, spread_too):
    """Of each channel, on the images it is set up with, whatever its cells: exactly, as all of this is digital."""
    quantized, chip = dense(small, 5), noisy(small, 20e-6)
    plans = plan_layers(quantized, place(quantized.network.ops(), chip), {"fc0": chip.core}, "bit_true", None)

    def play(name, x, first=0):
        return product(chip.core, plans[name], quantized.layers[name], x, jnp.arange(len(x)), key=key)

    wanted = np.asarray(quantized.network.forward(IMAGES), float)
    before = np.asarray(evaluate(quantized, IMAGES, play), float)
    after = np.asarray(evaluate(corrected(quantized, IMAGES, kind, play), IMAGES, play), float)
    assert abs(before.mean(axis=0) - wanted.mean(axis=0)).min() > 1e-3
    np.testing.assert_allclose(after.mean(axis=0), wanted.mean(axis=0), atol=1e-6)
    exact = np.allclose(after.std(axis=0), wanted.std(axis=0), rtol=1e-6)
    assert exact == spread_too


def test_a_chip_without_errors_is_set_up_as_integers_are(small, key):
    """In two layers, of which the second sees what the first has been set to; and without images nothing can be."""
    quantized = dense(small, 8, 4)
    placement, labels = place(quantized.network.ops(), small), np.zeros(60, int)
    known = corrected(quantized, IMAGES, "batch_norm")
    one, other = (
        infer(own, placement, small.core, IMAGES, labels, trials=1, key=key, calibration=IMAGES, in_situ=kind)
        for own, kind in ((quantized, "batch_norm"), (known, "none"))
    )
    np.testing.assert_array_equal(one.crossbar_class, other.crossbar_class)
    np.testing.assert_array_equal(one.agreement.crossbar_noise, other.agreement.crossbar_noise)
    assert (one.agreement.crossbar_noise != one.agreement.quantized_noise).all()
    with pytest.raises(SpecError, match="there are none"):
        infer(quantized, placement, small.core, IMAGES, labels, trials=1, key=key, in_situ="bias")
