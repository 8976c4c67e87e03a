"""Cores whose arrays have wires: they read what Kirchhoff's laws say of the very arrays that were programmed."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from cores import G_MAX, make_core

from pimsim.chip import Differential, Offset, TwosComplement
from pimsim.chip.folded import folds_to_integers
from pimsim.circuits import IdealAdc, Wires, solve_nodes
from pimsim.devices import Ideal
from pimsim.errors import SpecError

WIRES = Wires(word_segment=40.0, bit_segment=70.0, driver=200.0)
ENCODINGS = {
    "offset": Offset(unit_column=True),
    "digital offset": Offset(unit_column=False),
    "differential": Differential(),
    "two conversions": Differential(subtraction="digital"),
    "twos complement": TwosComplement(),
}
ROWS, COLS = 6, 2


@pytest.fixture(scope="module")
def operands():
    rng = np.random.default_rng(7)
    return jnp.asarray(rng.integers(-127, 128, (ROWS, COLS))), jnp.asarray(rng.integers(0, 256, (4, ROWS)))


@pytest.mark.parametrize("name", ["offset", "differential"])
def test_wires_without_resistance_change_no_bit(operands, key, name):
    """Over arrays of fewer rows and columns than the matrix, with converters."""
    weights, x = operands
    core = make_core(rows=4, columns=9, encoding=ENCODINGS[name], device=Ideal(g_min=1e-6, g_max=G_MAX))
    wired = replace(core, wires=Wires(word_segment=0.0, bit_segment=0.0))
    array, other = core.program(weights, key=key), wired.program(weights, key=key)
    np.testing.assert_array_equal(array.cells, other.cells)
    np.testing.assert_array_equal(wired.matmul(other, x), core.matmul(array, x))


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_core_reads_what_its_array_gives(operands, key, name):
    """Every read of every stream solved node by node, on the physical array of all planes and the unit column, and
    added up by the encoding's recipe; to the engine's grid of 2^-24 of the largest column sum."""
    weights, x = operands
    core = make_core(rows=16, columns=64, encoding=ENCODINGS[name], adc=IdealAdc(), pedestal="kept")
    array = core.program(weights, key=key)
    ours = replace(core, wires=WIRES)
    y = ours.matmul(ours.program(weights, key=key), x)
    physical = np.asarray(array.cells[0, 0], float).reshape(ROWS, -1)
    if array.units is not None:
        physical = np.concatenate([physical, np.asarray(array.units[0, 0], float)[:, None]], axis=1)
    digits = (np.asarray(x)[None] >> np.arange(8)[:, None, None]) & 1
    currents = np.asarray(solve_nodes(WIRES, physical, digits.reshape(-1, ROWS).astype(float)).current)
    steps = np.tensordot(2.0 ** np.arange(8), currents.reshape(8, len(x), -1), 1) / float(core.device.step(4))
    by_plane = steps[:, : COLS * core.planes].reshape(len(x), COLS, core.planes)
    gain = np.asarray(array.gain[0])
    if core.encoding.analog_pairs:
        half = core.planes // 2
        by_plane = by_plane[..., :half] - by_plane[..., half:]
    expected = np.einsum("ncp,pc->nc", by_plane, gain)
    ones = steps[:, -1:] if array.units is not None else np.asarray(x.sum(axis=1))[:, None]
    expected = expected + ones * np.asarray(array.input_gain[0])
    ideal = np.asarray(x) @ np.asarray(weights)
    assert np.abs(expected - ideal).max() > 0.01 * np.abs(ideal).max()  # or else there is nothing to see
    largest = (np.asarray(x) @ np.abs(np.asarray(weights))).max()
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5 * largest)


def test_wires_are_never_folded_to_integers(operands):
    """With a lossless converter the proof holds without wires, and not with them."""
    weights, _ = operands
    core = make_core(rows=16, columns=64)
    ranges = core.ranges(ROWS, False)
    assert folds_to_integers(core, weights, False, ranges)
    assert not folds_to_integers(replace(core, wires=WIRES), weights, False, ranges)


@pytest.mark.parametrize("wires", [replace(WIRES, interleaved=True), replace(WIRES, feed="separate", supply=0.2)])
def test_a_core_has_one_word_line_a_row(wires):
    with pytest.raises(SpecError) as caught:
        make_core(wires=wires)
    assert caught.value.place == "wires"
