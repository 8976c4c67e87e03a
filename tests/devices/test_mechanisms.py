"""Cells that are no resistive memory: what spreads them, how that scales, and what they refuse."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from samples import CELLS, check_moments, many, program

from pimsim import load_chip, load_device
from pimsim.devices import Fefet, SramCharge, SramCurrent, SttMram
from pimsim.errors import SpecError

CURRENT = SramCurrent(2e-9, 20e-6, threshold_spread=0.03, overdrive=0.3, alpha=1.0, swing=0.09)
CHARGE = SramCharge(2e-15, cycle=10e-9, voltage=0.8, mismatch=0.01, temperature=300.0)
JUNCTION = SttMram(5e3, tmr=1.5)
FERRO = Fefet(1e-8, 1e-5, overdrive=0.9, threshold_spread=0.02, slope=0.07)
EXACT = [replace(CURRENT, threshold_spread=0.0), replace(CHARGE, mismatch=0.0), JUNCTION,
         replace(FERRO, threshold_spread=0.0)]  # fmt: skip


@pytest.mark.parametrize("cell", EXACT, ids=lambda cell: cell.name)
def test_without_spread_every_level_is_exact(cell, key):
    count = min(cell.most_levels, 16)
    target = cell.target(jax.random.randint(key, (100, 7), 0, count), count)
    assert cell.is_exact
    np.testing.assert_array_equal(program(cell, target, key), np.asarray(target))


def test_sram_current_spreads_by_threshold_over_overdrive(key):
    """Linear drive: σ_G/G = σ_Vt/V_ov. A hundredfold area makes it ten times less."""
    check_moments(many(CURRENT, 20e-6, key), 20e-6, 20e-6 * 0.03 / 0.3)
    check_moments(many(replace(CURRENT, threshold_spread=0.003), 20e-6, key), 20e-6, 20e-6 * 0.003 / 0.3)


def test_sram_drive_follows_the_alpha_power_law(key):
    """ln G = ln g_max + α ln((V_ov - δ)/V_ov): twice α is twice the logarithm, cell by cell."""
    one, two = (np.log(many(replace(CURRENT, alpha=alpha), 20e-6, key) / 20e-6) for alpha in (0.65, 1.3))
    np.testing.assert_allclose(two, 2 * one, rtol=1e-3, atol=1e-5)


def test_sram_leakage_is_lognormal_in_the_threshold(key):
    """log₁₀ of the leakage spreads by σ_Vt/S, and the strong cells leak most: one threshold sets both."""
    leak = np.log10(many(CURRENT, 2e-9, key) / 2e-9)
    check_moments(leak, 0.0, 0.03 / 0.09)
    assert np.corrcoef(leak, many(CURRENT, 20e-6, key))[0, 1] > 0.999


def test_capacitors_mismatch_and_a_zero_holds_no_charge(key):
    check_moments(many(CHARGE, 2e-7, key), 2e-7, 2e-9)
    assert CHARGE.g_max == pytest.approx(2e-7)
    assert (many(CHARGE, 0.0, key) == 0).all()


def test_ktc_noise_is_that_of_every_capacitor_and_falls_with_its_root():
    """√(kT/C)/V of a full charge, also for a 0; four times the capacitance halves it; none at 0 K."""
    relative = [float(c.read_spread(jnp.float32(0.0))) / c.g_max for c in (CHARGE, replace(CHARGE, capacitance=8e-15))]
    assert relative[0] == pytest.approx((1.380649e-23 * 300 / 2e-15) ** 0.5 / 0.8, rel=1e-5)
    assert relative[0] / relative[1] == pytest.approx(2, rel=1e-5)
    assert not replace(CHARGE, temperature=0.0).has_read_noise


def test_magnetoresistance_sets_the_range_and_falls_with_the_voltage():
    """G_P/G_AP - 1 is TMR₀ without bias and half of it at V_h."""
    for voltage, tmr in ((0.0, 1.5), (0.5, 0.75)):
        cell = replace(JUNCTION, read_voltage=voltage)
        assert cell.g_max / cell.g_min - 1 == pytest.approx(tmr)
        assert cell.g_max == pytest.approx(2e-4)


def test_junctions_spread_in_area_and_in_magnetoresistance(key):
    """ln G of the parallel state spreads by σ alone, R_AP/R_P by TMR·s, in the very same junctions."""
    area = replace(JUNCTION, resistance_spread=0.05, tmr_spread=0.04)
    parallel, anti = many(area, area.g_max, key), many(area, area.g_min, key)
    check_moments(np.log(parallel / area.g_max), 0.0, 0.05)
    check_moments(parallel / anti, 2.5, 1.5 * 0.04)


def test_writes_fail_at_their_rate_and_leave_the_other_state(key):
    for rate in (0.0, 0.01, 1.0):
        cell = replace(JUNCTION, write_error_rate=rate)
        for level, other in ((cell.g_max, cell.g_min), (cell.g_min, cell.g_max)):
            g = many(cell, level, key)
            failed = np.isclose(g, other, rtol=1e-6)
            assert (failed | np.isclose(g, level, rtol=1e-6)).all()
            assert abs(failed.mean() - rate) <= 4 * (rate * (1 - rate) / CELLS) ** 0.5


def test_ferroelectric_spread_is_absolute_above_threshold_and_a_factor_below(key):
    """σ_G = g_max σ_Vt/V_max at the highest level; σ of ln G = σ_Vt/v far below; no cell conducts less than nothing."""
    highest = 0.9 / 0.07 + np.log1p(np.exp(-0.9 / 0.07))
    check_moments(many(FERRO, 1e-5, key), 1e-5, 1e-5 * 0.02 / 0.07 / highest)
    low = replace(FERRO, g_min=2e-11)
    check_moments(np.log(many(low, 2e-11, key) / 2e-11), 0.0, 0.02 / 0.07)
    assert many(replace(FERRO, threshold_spread=0.5), 1e-8, key).min() >= 0


@pytest.mark.parametrize("card", ["sram-8t", "sram-charge", "stt-mram"])
def test_binary_cells_refuse_more_than_two_levels(card):
    assert load_device(card).most_levels == 2
    assert load_chip("isaac-ce", {"core.device": card, "core.cell_bits": 1}).core.device.name == card
    with pytest.raises(SpecError, match=f"{card} holds 2 levels, got 2 bits") as caught:
        load_chip("isaac-ce", {"core.device": card})
    assert caught.value.place.endswith("core.cell_bits")


@pytest.mark.parametrize(
    ("cell", "changes", "field"),
    [
        (CURRENT, {"threshold_spread": -0.01}, "threshold_spread"),
        (CURRENT, {"overdrive": 0.0}, "overdrive"),
        (CURRENT, {"swing": 0.0}, "swing"),
        (CURRENT, {"g_max": 1e-9}, "g_max"),
        (CHARGE, {"capacitance": 0.0}, "capacitance"),
        (CHARGE, {"mismatch": -0.1}, "mismatch"),
        (JUNCTION, {"tmr": 0.0}, "tmr"),
        (JUNCTION, {"tmr_spread": 0.5}, "tmr_spread"),
        (JUNCTION, {"write_error_rate": 1.5}, "write_error_rate"),
        (JUNCTION, {"endurance": -1.0}, "endurance"),
        (FERRO, {"g_min": 0.0}, "g_min"),
        (FERRO, {"slope": 0.0}, "slope"),
        (FERRO, {"threshold_spread": -0.1}, "threshold_spread"),
    ],
)
def test_impossible_numbers_are_refused(cell, changes, field):
    with pytest.raises(SpecError) as caught:
        replace(cell, **changes)
    assert caught.value.place == field
