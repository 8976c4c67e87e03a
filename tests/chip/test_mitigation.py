"""Repair of stuck cells: what it never does, where it is exact, and what it costs."""

import itertools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cores import G_MAX, make_core
from scipy.optimize import linear_sum_assignment

from pimsim.chip import Differential, DigitalCorrection, Mitigation, Offset, RowAssignment, TwosComplement
from pimsim.chip.folded import effective_matrix, folds_to_integers
from pimsim.chip.repair import Faults, assigned, fitted
from pimsim.circuits import Circuit, IdealAdc, Wires
from pimsim.devices import AbstractDevice, Ideal, Reram, StuckAt
from pimsim.errors import SpecError
from pimsim.numerics import leaves_to_arrays
from pimsim.units import Conductance

ENTRY = Circuit(power=1e-12, rate=1.0, area=3e-12)
UNIT = Circuit(power=5.0, rate=1e12, area=7e-12)
ROWS, CORRECTION = RowAssignment(table=ENTRY), DigitalCorrection(entries=10_000, unit=UNIT, table=ENTRY)
IDEAL = Ideal(g_min=0.0, g_max=G_MAX)
STUCK = StuckAt(device=IDEAL, hrs_rate=0.08, lrs_rate=0.04)


class BadColumns(AbstractDevice):
    """Ideal cells, but for the first `bad` of the bit lines, which are stuck at g_max."""

    g_min: Conductance = 0.0
    g_max: Conductance = G_MAX
    bad: int = 1
    name: str = "bad-columns"

    @property
    def is_exact(self) -> bool:
        return self.bad == 0

    def program(self, target, *, key):
        return jnp.where(jnp.arange(target.shape[-1]) < self.bad, self.g_max, target).astype(target.dtype)


@pytest.fixture(scope="module")
def weights():
    return jnp.asarray(np.random.default_rng(5).integers(-127, 128, (22, 5)))


def make(mitigation, device=STUCK, **fields):
    """Arrays of 12 rows and 3 columns of weights or fewer, so that a matrix takes several, the last ones not full."""
    return make_core(**{"rows": 12, "columns": 30, "adc": IdealAdc(), "device": device, "mitigation": mitigation} | fields)


def error(core, weights, key):
    """By how much the stored matrix is off."""
    core = leaves_to_arrays(core)
    return np.asarray(effective_matrix(core, core.traits, core.program(weights, key=key)))[: len(weights)] - weights


def squared(*arguments):
    return float((error(*arguments) ** 2).sum())


def test_without_faults_nothing_changes(weights, key):
    """Noisy cells and the column of Σx included, for every measure that takes no lines; programming meets the test's
    half level by 6 standard deviations."""
    everything = Mitigation(retarget=True, rows=ROWS, correction=CORRECTION)
    plain = make(None, Reram(g_min=1e-6, g_max=G_MAX, programming_noise=1e-6), encoding=Offset())
    repaired = replace(plain, mitigation=everything)
    ours, theirs = repaired.program(weights, key=key), plain.program(weights, key=key)
    np.testing.assert_array_equal(ours.cells, theirs.cells)
    np.testing.assert_array_equal(ours.units, theirs.units)
    assert not ours.patch.any()


def test_cells_that_cannot_fail_still_fold(weights):
    """Spares leave fewer columns, and the proof is about those; with faults there is none."""
    core = make(Mitigation(spares=2, retarget=True), IDEAL, adc=make_core().adc)
    ranges = core.ranges(11, False)
    assert folds_to_integers(core, weights, False, ranges)
    assert not folds_to_integers(replace(core, device=STUCK), weights, False, ranges)


@pytest.mark.parametrize("encoding", [Offset(column_flip=True), Differential(), TwosComplement()])
def test_every_row_comes_out_where_it_went_in(encoding, weights, key):
    """Rows change places under faults of one bit line that no weight uses: the result is the integer product."""
    core = make(Mitigation(rows=ROWS), encoding=encoding, adc=make_core().adc)
    plain = replace(core, mitigation=None)
    assert squared(core, weights, key) < squared(plain, weights, key)
    x = jnp.asarray(np.random.default_rng(6).integers(0, 256, (3, 22)))
    off = np.asarray(x) @ error(replace(core, adc=IdealAdc()), weights, key)
    exact = replace(core, adc=IdealAdc())
    np.testing.assert_allclose(exact.matmul(exact.program(weights, key=key), x), x @ weights + off, atol=1e-1)
