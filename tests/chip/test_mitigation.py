"""Repair of stuck cells: what it never does, where it is exact, and what it costs."""

import itertools
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from cores import G_MAX, make_adc, make_core
from scipy.optimize import linear_sum_assignment

from pimsim.chip import Differential, DigitalCorrection, Mitigation, Offset, RowAssignment
from pimsim.chip.folded import effective_matrix, folds_to_integers
from pimsim.chip.repair import Faults, assigned, fitted, largest
from pimsim.circuits import Circuit, IdealAdc
from pimsim.devices import AbstractDevice, Ideal, Reram, StuckAt
from pimsim.errors import SpecError
from pimsim.numerics import leaves_to_arrays

ENTRY = Circuit(power=1e-12, rate=1.0, area=3e-12)
UNIT = Circuit(power=5.0, rate=1e12, area=7e-12)
ROWS, CORRECTION = RowAssignment(table=ENTRY), DigitalCorrection(entries=10_000, unit=UNIT, table=ENTRY)
STUCK = StuckAt(device=Ideal(g_min=0.0, g_max=G_MAX), hrs_rate=0.08, lrs_rate=0.04)


class BadLines(AbstractDevice):
    """Ideal cells, but for the first word lines, which are open, and the first bit lines, which are stuck at g_max."""

    word: int = 0
    bit: int = 0
    g_min: float = 0.0
    g_max: float = G_MAX
    name: str = "bad-lines"

    @property
    def is_exact(self):
        return False

    def program(self, target, *, key):
        row, col = (jnp.arange(count) for count in target.shape)
        shorted = jnp.where(col < self.bit, self.g_max, target)
        return jnp.where(row[:, None] < self.word, 0, shorted).astype(target.dtype)


@pytest.fixture(scope="module")
def weights():
    return jnp.asarray(np.random.default_rng(5).integers(-127, 128, (22, 5)))


def make(mitigation, device=STUCK, **fields):
    """Arrays of 12 rows and a few columns of weights, so that the matrix takes several."""
    usual = {"rows": 12, "columns": 30, "adc": IdealAdc(), "device": device, "mitigation": mitigation}
    return make_core(**usual | fields)


def error(core, weights, key):
    """By how much the stored matrix is off."""
    stored = effective_matrix(leaves_to_arrays(core), core.traits, core.program(weights, key=key))
    return np.asarray(stored)[: len(weights)] - np.asarray(weights)


def test_without_faults_nothing_changes(weights, key):
    """Not a bit of noisy cells, nor of the column of Σx. Half a level is 16 standard deviations."""
    plain = make(None, Reram(g_min=1e-6, g_max=G_MAX, programming_noise=1e-6), encoding=Offset())
    repaired = replace(plain, mitigation=Mitigation(retarget=True, rows=ROWS, correction=CORRECTION))
    ours, theirs = repaired.program(weights, key=key), plain.program(weights, key=key)
    np.testing.assert_array_equal(ours.cells, theirs.cells)
    np.testing.assert_array_equal(ours.units, theirs.units)
    assert not np.asarray(ours.patch).any()


def test_only_cells_that_cannot_fail_fold(weights):
    exact = make(Mitigation(spares=2, retarget=True), STUCK.device, adc=make_adc(16))
    ranges = exact.ranges(11, False)
    assert folds_to_integers(exact, weights, False, ranges)
    assert not folds_to_integers(replace(exact, device=STUCK), weights, False, ranges)


@pytest.mark.parametrize("encoding", [Offset(column_flip=True), Differential()])
def test_rows_that_change_places_change_no_result(encoding, weights, key):
    """A word line is open, and of each block one row is zero: on that line nothing is lost, wherever the row was.

    Of the rows that were on that line, 0 and 11, none is zero."""
    weights = weights.at[jnp.array([7, 15])].set(0)
    x = jnp.asarray(np.random.default_rng(6).integers(0, 256, (3, 22)))
    core = make(Mitigation(rows=ROWS), BadLines(word=1), encoding=encoding, adc=make_adc(16))
    array = core.program(weights, key=key)
    np.testing.assert_array_equal(core.matmul(array, x), x @ weights)
    assert (np.asarray(array.cells[:, 0, [7, 4]])[[0, 1], [0, 1]] == 0).all()


def test_exchanges_end_where_no_two_rows_gain_and_come_close_to_the_best_assignment():
    """Of what the best assignment saves, nine tenths are saved; without costs every row stays."""
    rng = np.random.default_rng(7)
    faults, content = rng.random((60, 40)) < 0.1, rng.integers(0, 4, (60, 40))
    cost = (content**2.0) @ faults.T
    row = np.asarray(assigned(jnp.asarray(cost)))
    assert sorted(row) == list(range(60))
    now = cost[:, row]
    assert (np.add.outer(now.diagonal(), now.diagonal()) <= now + now.T).all()
    best = cost[linear_sum_assignment(cost)].sum()
    assert np.trace(cost) - np.trace(now) > 0.9 * (np.trace(cost) - best)
    np.testing.assert_array_equal(assigned(jnp.zeros((5, 5))), np.arange(5))


def all_fits(bits):
    """Every weight in pairs of 2-bit cells under every pattern of healthy, low and high cells: fit, and the optimum."""
    core = make(Mitigation(retarget=True), weight_bits=bits, cell_bits=2)
    slices = len(core.widths)
    pattern = np.array(list(itertools.product((None, 0, 3), repeat=2 * slices)))
    stuck = (pattern != None).astype(bool)  # noqa: E711
    at = np.where(stuck, pattern, 0).astype(np.float32)
    values = np.arange(1 - 2 ** (bits - 1), 2 ** (bits - 1))
    gain = np.concatenate([4.0 ** np.arange(slices), -(4.0 ** np.arange(slices))])[:, None, None]
    wanted = [(np.maximum(sign * values, 0) >> 2 * s) & 3 for sign in (1, -1) for s in range(slices)]
    faults = Faults(*(jnp.asarray(part.T[:, :, None]) for part in (stuck, at)))
    wanted = jnp.broadcast_to(jnp.asarray(np.stack(wanted))[:, None], (2 * slices, len(pattern), len(values)))
    levels, off = fitted(core, jnp.asarray(gain), wanted, faults, jnp.zeros((1, 1)))
    stored = (gain * np.where(stuck.T[:, :, None], at.T[:, :, None], levels)).sum(axis=0)
    np.testing.assert_array_equal(off, stored - values)
    before = (gain * np.where(stuck.T[:, :, None], at.T[:, :, None], wanted)).sum(axis=0) - values
    choices = np.array(list(itertools.product(range(4), repeat=2 * slices)))[:, None]
    reach = np.where(stuck, at, choices) @ gain[:, 0, 0]
    best = np.min(np.abs(reach[..., None] - values), axis=0)
    return np.asarray(levels), np.asarray(wanted), np.abs(np.asarray(off)), np.abs(before), best


def test_healthy_cells_make_up_for_stuck_ones():
    """Two slices: as near to the weight as any levels of the healthy cells, never worse than before."""
    levels, wanted, after, before, best = all_fits(5)
    np.testing.assert_array_equal(after, best)
    assert (after <= before).all()
    assert (after < before).any()
    assert ((levels >= 0) & (levels <= 3)).all()
    np.testing.assert_array_equal(levels[:, 0], wanted[:, 0])  # no cell is stuck


def test_as_many_spares_as_bad_columns_leave_no_error(weights, key):
    """Two bit lines of each array are shorted; a column is one of them, and one spare is not enough."""
    device, encoding = BadLines(bit=2), Differential(subtraction="digital")
    assert not error(make(Mitigation(spares=2), device, encoding=encoding), weights, key).any()
    assert error(make(Mitigation(spares=1), device, encoding=encoding), weights, key).any()


def test_correcting_every_error_leaves_none(weights, key):
    """Stuck cells are whole levels off, also in the column of Σx. Of some entries, the largest are kept."""
    core = make(Mitigation(correction=CORRECTION), encoding=Offset(), adc=make_adc(16))
    x = jnp.asarray(np.random.default_rng(8).integers(0, 256, (3, 22)))
    array = core.program(weights, key=key)
    np.testing.assert_array_equal(core.matmul(array, x), x @ weights)
    every, some = np.asarray(array.patch), np.asarray(largest(array.patch, 3))
    kept = some != 0
    np.testing.assert_array_equal(some[kept], every[kept])
    assert kept.sum() == 3
    assert np.abs(every[~kept]).max() <= np.abs(every[kept]).min()


def test_costs_follow_from_the_same_spec():
    """Spares take columns, cell reads and conversions; tables and units have lines of their own."""
    plain = make(None, columns=64, arrays=2)
    spec = Mitigation(spares=4, rows=ROWS, correction=replace(CORRECTION, entries=50))
    core = replace(plain, mitigation=spec)
    assert (plain.weights_per_array, core.weights_per_array) == (8, 7)  # four pairs of lines, of eight a weight
    before, after = (each.events(12, 7, signed=False) for each in (plain, core))
    reads = len(core.streams(signed=False))
    assert {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)} == {
        "cell_read": reads * 12 * 8,
        "sample": reads * 4,
        "conversion": reads * 4,
        "row_index": 12,
        "correction": 50,
    }
    added = {line.component: line for line in core.bill()[len(plain.bill()) :]}
    assert {name: (line.event, line.number, line.cost.area) for name, line in added.items()} == {
        "row_table": ("row_index", 2 * 12, 3e-12),
        "correction_table": ("correction", 2 * 50, 3e-12),
        "correction_unit": ("correction", 1, 7e-12),
    }
    assert replace(core, mitigation=Mitigation(retarget=True)).bill() == plain.bill()


@pytest.mark.parametrize(
    ("mitigation", "place"),
    [
        (lambda: Mitigation(spares=-1), "spares"),
        (lambda: make(Mitigation(spares=12)), "mitigation.spares"),
        (lambda: DigitalCorrection(entries=0, unit=UNIT, table=ENTRY), "entries"),
        (
            lambda: make(Mitigation(correction=replace(CORRECTION, unit=replace(UNIT, rate=1e9)))),
            "mitigation.correction.unit.number",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(mitigation, place):
    with pytest.raises(SpecError) as caught:
        mitigation()
    assert caught.value.place == place
