"""Matrix products recorded from another simulator and from a plain model of our own: codes equal, outputs equal.

The recordings of CrossSim 3.2 lie beside the checkout, in ../shared/golden, and are skipped where they are not there;
those under tests/chip/golden, made by its generate.py, are always played.
"""

import json
from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from cores import G_MAX, make_core, recorded_core

from pimsim.chip import Differential, Fixed, Offset
from pimsim.chip.inputs import digits
from pimsim.chip.reading import columns_of, reads_of
from pimsim.circuits import IdealAdc
from pimsim.devices import NonNegative, Reram
from pimsim.numerics import leaves_to_arrays

HERE = Path(__file__).parent
SHARED = HERE.parents[2] / "shared" / "golden" / "crossbar"
NOISE = sorted(SHARED.glob("cs_noise_*"))
PRODUCTS = [*sorted(HERE.glob("golden/*.npz")), *(p for p in sorted(SHARED.glob("cs_mvm_*")) if "quirk" not in p.stem)]


def recorded(path):
    """A recording: its arrays and its configuration."""
    with np.load(path) as file:
        return dict(file), json.loads(str(file["config"]))


def configured(config):
    """The core of a recording, its converters spanning the recorded limits.

    Those are in units of a cell at its highest conductance driven by the largest input of a conversion.
    """
    core = recorded_core(config)
    if not config["adc_bits"]:
        return core
    lowest, highest = np.array(config["adc_limits"]).T * full_conversion(core, config) / (1 - on_off(core))
    return replace(core, full_scale=Fixed(high=tuple(highest.tolist()), low=tuple(lowest.tolist())))


def full_conversion(core, config):
    """The largest level times the largest input of a conversion."""
    widest = config["in_max"] if core.accumulate == "analog" else 2**core.dac.bits - 1
    return (2**core.cell_bits - 1) * widest


def on_off(core):
    return core.device.g_min / core.device.g_max


def codes_by_hand(core, array, x):
    """The code of every conversion, [block read plane vector col], and of the columns that measure Σx.

    From the conductances and scales that the engine is given, in NumPy's float64, but for the rounding, which is the
    converter's.
    """
    columns = columns_of(leaves_to_arrays(core), core.traits, array)
    reads = reads_of(leaves_to_arrays(core), core.conversions(array.signed), array)
    code = core.inputs.code(x, core.input_bits) if array.signed and core.accumulate == "digital" else x
    blocks, rows = columns.cells.shape[:2]
    driven = np.stack([digits(code, shift, mask) for shift, mask in zip(reads.shift, reads.mask, strict=True)])
    driven = np.pad(driven, ((0, 0), (0, 0), (0, blocks * rows - x.shape[1]))).reshape(*driven.shape[:2], blocks, rows)

    def converted(cells, low, step, codes):
        sums = np.einsum("bnkr,krpc->kbpnc", driven.astype(float), np.asarray(cells, float))
        low, step, codes = (np.asarray(v, float)[:, :, None, None] for v in (low, step, codes))
        return np.asarray(core.adc.convert(jnp.asarray((sums - low) / step), None, jnp.asarray(codes)))

    last = (reads.low[:, -1:], reads.step[:, -1:], reads.codes[:, -1:])
    units = None if columns.units is None else converted(columns.units[:, :, None], *last)
    return converted(columns.cells, reads.low, reads.step, reads.codes), units


def product_of_codes(core, array, x, codes, units):
    """The shift-and-add over codes, in float64, and Σx where it is digital: what the digital side makes of them."""
    reads = reads_of(leaves_to_arrays(core), core.conversions(array.signed), array)
    low, step, weight = (np.asarray(v, float) for v in (reads.low, reads.step, reads.weight))
    value = low[:, :, None, None] + step[:, :, None, None] * codes
    y = np.einsum("b,kpc,kbpnc->nc", weight, np.asarray(array.gain), value)
    if units is not None:
        value = low[:, -1:, None, None] + step[:, -1:, None, None] * units
        return y + np.einsum("b,kc,kbpnc->nc", weight, np.asarray(array.input_gain), value)
    return y + np.asarray(x.sum(axis=1))[:, None] * np.asarray(array.input_gain)


@pytest.mark.skipif(not SHARED.exists(), reason="the recordings of CrossSim lie beside the checkout, and here do not")
def test_the_recordings_are_there():
    """Offset and differential, one to four slices, with and without converters."""
    assert len(list(SHARED.glob("cs_mvm_*"))) >= 30


@pytest.mark.parametrize("path", PRODUCTS, ids=lambda path: path.stem)
def test_a_recorded_product_is_reproduced(path, key):
    """Every ADC code equals the recorded one, the engine's output is made of those codes, and equals the recorded
    output to 1e-12."""
    file, config = recorded(path)
    core, signed = configured(config), config["signed_in"]
    x = jnp.asarray(file["X"].T, jnp.int32)
    array = core.program(jnp.asarray(file["W"].T, jnp.int32), key=key, signed=signed)
    y = np.asarray(core.matmul(array, x))
    scale = np.abs(file["y_ref"]).max()
    np.testing.assert_allclose(y, file["y_ref"].T, rtol=1e-12, atol=1e-12 * scale)
    if not core.adc.quantizes:
        np.testing.assert_array_equal(np.rint(y), file["exact"].T)
        return
    codes, units = codes_by_hand(core, array, x)
    check_codes(core, file, codes, units)
    if core.pedestal == "kept":
        ours = product_of_codes(core, array, x, codes, units)
        np.testing.assert_allclose(ours, y, rtol=1e-12, atol=1e-12 * scale)


def check_codes(core, file, codes, units):
    """Recorded codes are named by first input, slice and read; polarities, and the unit column, come first in them."""
    slices, reads = len(core.widths), codes.shape[1]
    for s in range(slices):
        for read in range(reads):
            name = f"code_p0_s{s}_{'k' if core.accumulate == 'digital' else ''}{read}"
            expected = file[name].reshape(-1, *file[name].shape[-2:])
            ours = codes[0, read, s::slices].swapaxes(1, 2)
            if units is not None:
                expected, unit = expected[:, 1:], expected[0, 0]
                if s == slices - 1:
                    np.testing.assert_array_equal(units[0, read, 0, :, 0], unit)
            np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("path", NOISE, ids=lambda path: path.stem)
def test_recorded_noise_has_our_mean_and_spread(path, key):
    """Means and standard deviations over programmings or reads agree within 4 standard errors of both samples.

    CrossSim's cells end at a conductance of 0, hence NonNegative; its offset core's products of a single slice come out
    smaller than the weights by (2^b - 2)/(2^b - 1), a quirk that is undone here.
    """
    file, config = recorded(path)
    quirk = 254 / 255 if config["style"] == "OFFSET" else 1.0
    check_moments(quirk * draws(config, NonNegative(noisy_cell(config)), file, key), file)


CUT = [path for path in NOISE if path.stem in ("cs_noise_bal1_prog_indep05", "cs_noise_bal1_prog_prop40")]


@pytest.mark.parametrize("path", CUT, ids=lambda path: path.stem)
def test_cells_that_are_not_cut_off_at_zero_are_not_biased(path, key):
    """Where CrossSim's cut matters, our cells without it follow the closed form: mean x·W, variance Σ x² σ²(G)."""
    file, config = recorded(path)
    x, w = file["X"].T.astype(float), np.abs(file["W"].T.astype(float))
    if config["kind"] == "Independent":
        variance = 2 * x**2 @ np.full(w.shape, (config["magnitude"] * 127) ** 2)
    else:
        variance = x**2 @ (config["magnitude"] * w) ** 2
    y = draws(config, noisy_cell(config), file, key)
    expected = {"mean": file["exact"], "std": np.sqrt(variance).T, "n": np.inf}
    check_moments(y, expected)
    biased = config["kind"] == "Independent"  # the proportional cut is 2.5 σ away: it takes 10,000 draws to see
    assert (np.abs(y.mean(axis=0) - file["mean"].T) > 4 * expected["std"].T / len(y) ** 0.5).any() or not biased


def noisy_cell(config):
    kind = "programming_noise" if config["noise"] == "prog" else "read_noise"
    on_off = 1 / config["on_off_ratio"] if config["on_off_ratio"] else 0.0
    field = {"Independent": kind, "Proportional": "proportional_noise" if kind[0] == "p" else "proportional_read_noise"}
    magnitude = config["magnitude"] * (G_MAX if config["kind"] == "Independent" else 1)
    return Reram(g_min=on_off * G_MAX, g_max=G_MAX, **{field[config["kind"]]: magnitude})


def draws(config, device, file, key, count=2000):
    """Products [draw vector col] of as many programmings, or reads of one: columns of their own, or vectors."""
    encoding = Differential() if config["style"] == "BALANCED" else Offset(unit_column=False)
    bits = config["bits_per_cell"]
    core = make_core(
        rows=32, columns=2**16, encoding=encoding, cell_bits=bits, device=device, adc=IdealAdc(), pedestal="digital",
        dac_bits=1 if config["bitserial"] else 8,
    )  # fmt: skip
    x, w = jnp.asarray(file["X"].T, jnp.int32), jnp.asarray(file["W"].T, jnp.int32)
    if config["noise"] == "read":
        y = core.matmul(core.program(w, key=key), jnp.tile(x, (count, 1)), key=key)
        return np.asarray(y).reshape(count, *file["X"].T.shape[:1], -1)
    count = min(count, core.weights_per_array // w.shape[1])
    y = core.matmul(core.program(jnp.tile(w, (1, count)), key=key), x)
    return np.asarray(y).reshape(len(x), count, -1).swapaxes(0, 1)


def check_moments(y, expected):
    """Sample moments of y[draw vector col] against recorded ones; zero spread means equality."""
    mean, std, theirs, ours = expected["mean"].T, expected["std"].T, float(expected["n"]), len(y)
    error = 4 * std * (1 / theirs + 1 / ours) ** 0.5
    tiny = 1e-5 * np.abs(mean).max()
    assert (np.abs(y.mean(axis=0) - mean) <= error + tiny).all()
    assert (np.abs(y.std(axis=0, ddof=1) - std) <= error / 2**0.5 + tiny).all()
