"""Cells that conduct by a sinh: what inputs of several bits bring, and where nothing changes."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from cores import G_MAX, make_core

from pimsim.chip import Calibrated, Differential, Offset, SignMagnitudeInputs
from pimsim.chip.folded import folds_to_integers, folds_to_one_matrix
from pimsim.circuits import IdealAdc, Wires
from pimsim.devices import Ideal, NonNegative, SinhConduction
from pimsim.errors import SpecError

IDEAL = Ideal(g_min=0.0, g_max=G_MAX)
ROWS, COLS = 12, 3


def sinh(v0, read_voltage=0.2):
    return SinhConduction(IDEAL, v0=v0, read_voltage=read_voltage)


@pytest.fixture(scope="module")
def operands():
    rng = np.random.default_rng(11)
    return jnp.asarray(rng.integers(-127, 128, (ROWS, COLS))), jnp.asarray(rng.integers(0, 256, (5, ROWS)))


@pytest.mark.parametrize("encoding", [Offset(unit_column=True), Differential()])
def test_every_digit_brings_the_current_of_its_voltage(operands, key, encoding):
    """y = Σ_b 4^b Σ_r W 3 sinh(d_b/3 · V/v0)/sinh(V/v0): also where a unit column measures what inputs bring."""
    weights, x = operands
    core = make_core(device=sinh(0.1), dac_bits=2, adc=IdealAdc(), encoding=encoding)
    digits = (np.asarray(x)[None] >> (2 * np.arange(4)[:, None, None])) & 3
    share = 3 * np.sinh(2.0 * digits / 3) / np.sinh(2.0)
    expected = np.einsum("b,bnr,rc->nc", 4.0 ** np.arange(4), share, np.asarray(weights))
    y = np.asarray(core.matmul(core.program(weights, key=key), x))
    ideal = np.asarray(x @ weights)
    assert np.abs(expected - ideal).max() > 0.1 * np.abs(ideal).max()  # or else there is nothing to see
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-4 * np.abs(ideal).max())


def test_signs_are_kept():
    """The law is odd, as a voltage of either sign brings a current of it."""
    core = make_core(device=sinh(0.05), dac_bits=3, inputs=SignMagnitudeInputs())
    digit = jnp.arange(-7.0, 8.0)
    driven = np.asarray(core.drive(digit))
    np.testing.assert_allclose(driven, -driven[::-1], rtol=1e-12)
    np.testing.assert_allclose(driven[[0, 7, -1]], [-7.0, 0.0, 7.0], rtol=1e-12)


def test_a_large_v0_is_ohms_law(operands, key):
    """The error falls as (V/v0)², and with every conversion lossless it is gone before v0 is."""
    weights, x = operands
    errors = []
    for v0 in (1.0, 10.0):
        core = make_core(device=sinh(v0), dac_bits=2, adc=IdealAdc())
        errors.append(np.abs(core.matmul(core.program(weights, key=key), x) - x @ weights).max())
    assert errors[0] / errors[1] == pytest.approx(100, rel=0.1)
    core = make_core(device=sinh(1e3), dac_bits=2)
    np.testing.assert_array_equal(core.matmul(core.program(weights, key=key), x), x @ weights)


def test_inputs_of_one_bit_change_nothing(operands, key):
    """To the bit, however steep the cell: only the largest voltage is applied, and what folds still does."""
    weights, x = operands
    plain, steep = make_core(device=IDEAL), make_core(device=sinh(0.01))
    for core in (plain, steep):
        assert folds_to_integers(core, weights, False, core.ranges(ROWS, False))
    np.testing.assert_array_equal(*(c.matmul(c.program(weights, key=key), x) for c in (plain, steep)))


def test_several_bits_are_never_folded(operands):
    """Neither to integers nor to one matrix, whatever lies around the cell."""
    weights, _ = operands
    for device, folds in ((IDEAL, True), (sinh(0.1), False), (NonNegative(sinh(0.1)), False)):
        core = make_core(device=device, dac_bits=2)
        assert folds_to_integers(core, weights, False, core.ranges(ROWS, False)) == folds
        assert folds_to_one_matrix(replace(core, adc=IdealAdc())) == folds


def test_a_calibrated_range_follows_the_cells_currents(operands):
    """Currents of all digits but the largest fall, so does the range, and never below that of the largest digits."""
    weights, x = operands
    cores = [make_core(device=d, dac_bits=4, full_scale=Calibrated()) for d in (IDEAL, sinh(1e3), sinh(0.05))]
    high = [np.asarray(core.ranges_for(weights, x % 15).high) for core in cores]
    np.testing.assert_allclose(high[1], high[0], rtol=1e-5)
    assert (high[2] < 0.9 * high[0]).all()


@pytest.mark.parametrize(
    ("fields", "place"),
    [({"wires": Wires(word_segment=1.0, bit_segment=1.0)}, "wires"), ({"accumulate": "analog"}, "accumulate")],
)
def test_what_a_sinh_cannot_go_with_is_refused_with_a_remedy(fields, place):
    """Effective conductances and sums of inputs stand on Ohm's law."""
    with pytest.raises(SpecError, match="Ohm") as caught:
        make_core(device=sinh(0.1), dac_bits=2, **fields)
    assert caught.value.place == place
    assert caught.value.remedy
    make_core(dac_bits=2, **fields)


@pytest.mark.parametrize(("v0", "read", "place"), [(0.0, 0.2, "v0"), (1e-3, 0.2, "v0"), (0.1, 0.0, "read_voltage")])
def test_impossible_voltages_are_refused(v0, read, place):
    with pytest.raises(SpecError) as caught:
        sinh(v0, read)
    assert caught.value.place == place
