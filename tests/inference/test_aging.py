"""Chips that grow old: a trial is one chip, whenever it is asked."""

from dataclasses import replace

import numpy as np

from pimsim import load_chip, load_device
from pimsim.circuits import IdealAdc
from pimsim.devices import DriftCompensated
from pimsim.inference import infer
from pimsim.mapping import place
from pimsim.network.graph import build_network
from pimsim.network.layers import Dense
from pimsim.network.quantize import quantize

YEAR = 365 * 86400.0


def test_a_trial_is_the_same_chip_at_every_age(key):
    """Where all cells lose one share of themselves, compensation leaves no trace of the years, and each chip its own
    programming errors."""
    cell = replace(load_device("pcm-gst"), drift_mean_limits=(0.05, 0.05), drift_spread_limits=(0.0, 0.0), flicker=0.0)
    scheme = {"core.weight_bits": 8, "core.cell_bits": 7, "core.encoding": {"model": "Differential"}}
    chip = load_chip("isaac-ce", scheme)
    rng = np.random.default_rng(0)
    weights = {"fc": {"weight": rng.normal(size=(16, 4)), "bias": np.zeros(4)}}
    network = build_network("line", (16,), [("fc", Dense(4))], weights)
    images = rng.uniform(size=(40, 16)).astype(np.float32)
    quantized = quantize(network, images, weight_bits=8, input_bits=16)
    placement, labels = place(network.ops(), chip, "none"), np.zeros(40, np.int32)

    def errors(age):
        core = replace(chip.core, device=DriftCompensated(replace(cell, age=age)), adc=IdealAdc())
        return infer(quantized, placement, core, images, labels, trials=3, key=key).error_power[:, 0]

    young, old = errors(cell.t0), errors(YEAR)
    np.testing.assert_allclose(old, young, rtol=1e-4)
    assert (np.diff(np.sort(young)) > 0.01 * young.min()).all()
