"""What writing takes and what wires lose, counted on the very cells that are read."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from cores import G_MAX, make_core

from pimsim import load_chip, load_device
from pimsim.chip import Offset
from pimsim.circuits import Wires, solve_nodes
from pimsim.devices import AbstractWrapper, Ideal, NonNegative, Pulse, Reram, StuckAt, WriteVerify
from pimsim.inference import Arrays, unseen_arrays
from pimsim.mapping import place
from pimsim.network.zoo import load_topology
from pimsim.numerics import fold
from pimsim.programming import charge_programming
from pimsim.spec import from_data, to_data, variants

IDEAL = Ideal(0.0, G_MAX)
NOISY = Reram(0.0, G_MAX, programming_noise=0.03 * G_MAX)
WIRES = Wires(word_segment=30.0, bit_segment=50.0, driver=200.0, sense=100.0)
WEIGHTS = jnp.asarray(np.random.default_rng(5).integers(-127, 128, (10, 3)))


def tally(key, weights=WEIGHTS, **fields):
    return make_core(**fields).program(weights, key=key).tally


def test_plain_cells_need_no_count(key):
    """One pulse each, not verified, and no wires: nothing is added to the program."""
    found = tally(key, device=NOISY)
    assert (found.pulses, found.unconverged, found.mean_loss, found.worst_loss) == (None, None, None, None)


def test_the_pulses_are_those_of_the_cells_in_use(key):
    """One array without padding: the count of the cell's own loop under the array's key; wrappers change nothing."""
    cell = WriteVerify(NOISY, tolerance=0.02 * G_MAX, pulses=3)
    core = make_core(device=cell)
    g = np.asarray(core.program(WEIGHTS, key=key).cells)
    levels = np.rint(np.asarray(make_core(device=IDEAL).program(WEIGHTS, key=key).cells) / (G_MAX / 3))
    done = cell.write(cell.target(jnp.asarray(levels.reshape(10, -1), int), 4), key=fold(key, 0))
    np.testing.assert_array_equal(g.reshape(10, -1), done.g)
    for device in (cell, NonNegative(cell)):
        found = tally(key, device=device)
        assert found.pulses == done.verified.pulses.sum() > 1.2 * g.size
        assert found.unconverged == (~done.verified.converged).sum() > 0


@pytest.mark.parametrize("unit_column", [True, False])
def test_padding_and_empty_blocks_are_not_written(key, unit_column):
    """Cells that hit take one pulse, so pulses count cells: rows × (columns × planes + unit), block by block."""
    core = make_core(device=WriteVerify(IDEAL, 0.0, 5), rows=4, columns=9, encoding=Offset(unit_column=unit_column))
    found = core.program(WEIGHTS, key=key, occupied=jnp.array([[1, 1], [1, 0], [0, 1]], bool)).tally
    blocks = [(4, 2), (4, 1), (4, 2), (2, 1)]
    assert core.cuts(*WEIGHTS.shape)[::2] == (3, 2)
    assert found.pulses == sum(core.cells(*block) for block in blocks)
    assert core.cells(4, 2) == 4 * (2 * 4 + unit_column)
    assert found.unconverged == 0


def test_a_broken_cell_gets_all_pulses_unless_it_is_stuck_where_it_should_be(key):
    """All cells stuck at g_min: those that aim there pass at the first pulse."""
    cell = StuckAt(WriteVerify(IDEAL, 0.0, 7), hrs_rate=1.0, lrs_rate=0.0)
    done = cell.write(cell.target(jnp.array([0, 1, 3]), 4), key=key).verified
    assert done.pulses.tolist() == [1, 7, 7]
    assert done.converged.tolist() == [True, False, False]


def test_what_a_wrapper_does_is_done_in_one_place():
    """`program` and `write` cannot disagree, because no wrapper redefines `program`."""
    assert [kind for kind in variants(AbstractWrapper).values() if "program" in vars(kind)] == []


def test_the_loss_of_one_cell_is_that_of_a_divider(key):
    """G with R in series loses G R/(1 + G R) of its current; a pair of cells of which one is empty has one column."""
    found = tally(
        key, weights=jnp.array([[1]]), device=IDEAL, weight_bits=2, cell_bits=1, wires=replace(WIRES, word_segment=0.0)
    )
    r = 200.0 + 50.0 + 100.0
    assert float(found.mean_loss) == pytest.approx(G_MAX * r / (1 + G_MAX * r), rel=1e-6)
    assert float(found.worst_loss) == float(found.mean_loss)


def test_the_loss_is_what_kirchhoff_says_of_a_read_of_all_rows(key):
    """Mean and worst over the columns that conduct, against node voltages; without resistance nothing is lost."""
    weights, core = WEIGHTS[:6, :2], make_core(device=NonNegative(NOISY), wires=WIRES)
    cells = np.asarray(replace(core, wires=None).program(weights, key=key).cells[0, 0], float).reshape(6, -1)
    stored = cells.sum(axis=0)
    current = np.asarray(solve_nodes(WIRES, cells, np.ones((1, 6))).current[0])
    loss = 1 - current[stored > 0] / stored[stored > 0]
    found = core.program(weights, key=key).tally
    assert float(found.mean_loss) == pytest.approx(loss.mean(), rel=1e-6)
    assert float(found.worst_loss) == pytest.approx(loss.max(), rel=1e-6)
    assert 0.02 < loss.mean() < loss.max() < 1
    none = replace(core, wires=Wires(word_segment=0.0, bit_segment=0.0)).program(weights, key=key).tally
    assert (none.mean_loss, none.worst_loss) == (0, 0)


@pytest.fixture(scope="module")
def placement():
    """Three matrices, of which the last has five copies."""
    return replace(place(load_topology("mlp").ops(), load_chip("isaac-ce")), replication=np.array([1, 1, 5]))


class TestReport:
    def report(self, placement, device, pulses):
        zero, cells = np.zeros(pulses.shape), 1000 * np.arange(1, 4)
        return charge_programming(device, placement, Arrays(placement.matrix, cells, pulses, zero, zero, zero))

    def test_energy_and_time_are_pulses_times_what_one_takes(self, placement):
        """In all copies; as many cells at a time as stated; a wrapper writes as the cell within."""
        pulses = np.array([[1.0, 2.0, 4.0], [1.0, 2.0, 2.0]])
        cell = Ideal(0.0, G_MAX, pulse=Pulse(energy=2e-12, width=50e-9, parallel=64), endurance=1e6)
        report = self.report(placement, WriteVerify(cell, 0.0, 9), pulses)
        assert report.cells.tolist() == [1000, 2000, 15000]
        assert report.total_pulses == (1000 + 4000 + 60_000 + 1000 + 4000 + 30_000) / 2
        assert report.total_energy == pytest.approx(report.total_pulses * 2e-12, rel=1e-12)
        assert report.total_time == pytest.approx(report.total_pulses * 50e-9 / 64, rel=1e-12)
        assert report.reprogrammings == 1e6 / 4 - 1

    def test_what_nobody_states_is_no_number(self, placement):
        """And no zero: energy, time and endurance are NaN, each on its own."""
        pulses = np.ones((1, 3))
        nothing = self.report(placement, IDEAL, pulses)
        assert np.isnan([nothing.total_energy, nothing.total_time, nothing.endurance, nothing.reprogrammings]).all()
        some = self.report(placement, Ideal(0.0, G_MAX, pulse=Pulse(width=1e-6)), pulses)
        assert np.isnan(some.total_energy)
        assert some.total_time == pytest.approx(18000e-6)

    @pytest.mark.parametrize(
        ("device", "pulses", "missed"),
        [(NOISY, 1, np.nan), (WriteVerify(IDEAL, 0.0, 3), 1, 0), (WriteVerify(NOISY, 1e-6, 3), np.nan, np.nan)],
    )
    def test_without_data_only_what_is_certain_is_told(self, placement, device, pulses, missed):
        arrays = unseen_arrays(make_core(device=device), placement)
        np.testing.assert_array_equal(arrays.pulses, np.full((1, 3), float(pulses)))
        np.testing.assert_array_equal(arrays.unconverged, np.full((1, 3), float(missed)))

    def test_a_pulse_is_read_and_written_as_it_is(self):
        """An optional quantity wants its unit like any other, and what is not stated stays so."""
        pulse = from_data({"energy": "2 pJ"}, Pulse)
        assert to_data(pulse) == {"energy": "2e-12 J", "width": None, "parallel": 1}
        assert from_data(to_data(pulse), Pulse) == pulse


def test_cards_that_state_their_pulses():
    """As V² G t of what they say of themselves."""
    reram, mram = load_device("reram-2bit"), load_device("stt-mram")
    assert reram.pulse.energy == pytest.approx(2.0**2 * 50e-6 * 40e-9)
    assert mram.pulse.energy == pytest.approx(0.5**2 / 5e3 * 10e-9)
