"""What wrappers add to any cell: verification, noise of reading, heat, and faults of the physical array."""

from dataclasses import replace
from math import erf

import jax.numpy as jnp
import numpy as np
import pytest
from samples import CELLS, check_moments, many, program

from pimsim import load_device
from pimsim.devices import (
    AtTemperature,
    BrokenLines,
    FlickerNoise,
    Ideal,
    Reprogrammed,
    Reram,
    Retention,
    ShotNoise,
    StuckAnywhere,
    StuckAt,
    StuckClusters,
    TelegraphNoise,
    ThermalNoise,
    WriteVerify,
    endurance_of,
    report_programming,
    reprogrammed,
)
from pimsim.errors import SpecError

IDEAL = Ideal(2e-6, 50e-6)
NOISY = Reram(2e-6, 50e-6, programming_noise=1e-6, endurance=1e6)
TARGET = np.full(CELLS, 20e-6, np.float32)
YEAR = 365 * 86400.0


def share(found, rate, count=CELLS):
    """A share of `count` independent cells is the rate, within 4 standard errors."""
    assert abs(found - rate) <= 4 * (rate * (1 - rate) / count) ** 0.5


class TestWriteVerify:
    def test_one_pulse_without_tolerance_is_plain_programming(self, key):
        """Statistically: the first pulse of the cell itself."""
        check_moments(many(WriteVerify(NOISY, 0.0, 1), 20e-6, key), 20e-6, 1e-6)

    @pytest.mark.parametrize("tolerance", [0.5e-6, 1.5e-6])
    def test_pulses_and_convergence_are_geometric(self, tolerance, key):
        """p = erf(tol/σ√2): 1 - (1-p)^n converge, after (1 - (1-p)^n)/p pulses."""
        p, n = erf(tolerance / 1e-6 / 2**0.5), 4
        report = report_programming(WriteVerify(NOISY, tolerance, n), jnp.asarray(TARGET), key=key)
        share(report.converged, 1 - (1 - p) ** n)
        assert report.mean_pulses == pytest.approx((1 - (1 - p) ** n) / p, abs=4 * 1.2 / CELLS**0.5)
        assert report.endurance_used == pytest.approx(report.mean_pulses / 1e6)

    def test_converged_cells_have_the_error_cut_off_at_the_tolerance(self, key):
        """A normal error within ±1σ has a spread of σ √(1 - 2φ(1)/(2Φ(1)-1)) = 0.5396 σ."""
        done = WriteVerify(NOISY, 1e-6, 30).write(jnp.asarray(TARGET), key=key)
        assert bool(done.verified.converged.all())
        error = np.asarray(done.g, np.float64) - float(TARGET[0])
        assert np.abs(error).max() <= 1e-6
        check_moments(error, 0.0, 0.53956e-6)

    def test_a_cell_that_hits_needs_one_pulse(self, key):
        report = report_programming(WriteVerify(IDEAL, 0.0, 9), jnp.asarray(TARGET), key=key)
        assert report == (1.0, 1.0, None)
        assert WriteVerify(IDEAL, 0.0, 9).is_exact

    def test_what_is_verified_is_the_first_read_and_drift_comes_later(self, key):
        """Verified PCM starts within the tolerance and, aged, is the same cells drifted."""
        cell = load_device("pcm-gst")
        young, old = (WriteVerify(replace(cell, age=age), 0.5e-6, 20) for age in (20.0, 86400.0))
        target = np.full(20_000, 20e-6)
        first, later = program(young, target, key), program(old, target, key)
        assert (np.abs(first - 20e-6) <= 0.5e-6).mean() > 0.99
        assert 0.55 < (later / first).mean() < 0.72
        np.testing.assert_array_equal(program(old.fresh, target, key), first)

    def test_faults_belong_outside(self, key):
        """A stuck cell is stuck through all pulses; inside, it would be drawn anew with each."""
        with pytest.raises(SpecError, match="StuckAt is drawn once") as caught:
            WriteVerify(StuckAt(NOISY, 0.1, 0.0), 1e-6, 5)
        assert caught.value.place == "device"
        g = many(StuckAt(WriteVerify(NOISY, 1e-6, 30), 0.1, 0.0), 20e-6, key)
        share((g == np.float32(2e-6)).mean(), 0.1)

    def test_endurance_is_that_of_the_cell_within(self):
        assert endurance_of(WriteVerify(NOISY, 0.0, 1)) == 1e6
        assert endurance_of(StuckAt(IDEAL, 0.1, 0.0)) is None


class TestReadNoise:
    G = jnp.array([10e-6, 40e-6], jnp.float32)

    def spread(self, cell):
        assert cell.has_read_noise
        return np.asarray(cell.read_spread(self.G), np.float64)

    def test_thermal(self):
        """√(4kTG·B)/V with B = 1/2t: ∝ √G, √T, 1/√t, 1/V."""
        noise = ThermalNoise(IDEAL, 300.0, 0.2, 10e-9)
        base = self.spread(noise)
        np.testing.assert_allclose(base, np.sqrt(4 * 1.380649e-23 * 300 * np.array([10e-6, 40e-6]) / 20e-9) / 0.2, 1e-5)
        for changes, factor in (
            ({"temperature": 1200.0}, 2),
            ({"read_time": 40e-9}, 0.5),
            ({"read_voltage": 0.4}, 0.5),
        ):
            np.testing.assert_allclose(self.spread(replace(noise, **changes)), base * factor, rtol=1e-5)

    def test_shot(self):
        """√(2qGV·B)/V, B = 1/2t: ∝ √G, 1/√V, and above thermal noise where qV > 2kT."""
        noise = ShotNoise(IDEAL, 0.2, 10e-9)
        current = np.array([10e-6, 40e-6]) * 0.2
        np.testing.assert_allclose(self.spread(noise), np.sqrt(2 * 1.602176634e-19 * current / 20e-9) / 0.2, rtol=1e-5)
        equal = 2 * 1.380649e-23 * 300 / 1.602176634e-19
        same = [self.spread(c) for c in (ShotNoise(IDEAL, equal, 1e-8), ThermalNoise(IDEAL, 300.0, equal, 1e-8))]
        np.testing.assert_allclose(*same, rtol=1e-5)

    def test_telegraph(self):
        """a G √(p(1-p)): largest at p = 1/2, nothing where the trap is always full."""
        np.testing.assert_allclose(self.spread(TelegraphNoise(IDEAL, 0.1)), 0.05 * self.G, rtol=1e-5)
        np.testing.assert_allclose(self.spread(TelegraphNoise(IDEAL, 0.1, 0.2)), 0.04 * self.G, rtol=1e-5)
        assert (self.spread(TelegraphNoise(IDEAL, 0.1, 1.0)) == 0).all()

    def test_flicker(self):
        """Q G √ln((T + t)/2t): each decade of observation adds the same variance; a run of one read has none."""
        runs = [self.spread(FlickerNoise(IDEAL, 0.01, t, 1e-6)) for t in (1e-6, 1e-2, 1e-1, 1.0)]
        assert (runs[0] == 0).all()
        variance = np.square(np.array(runs[1:]) / self.G / 0.01)
        np.testing.assert_allclose(np.diff(variance, axis=0), np.log(10), rtol=1e-3)

    def test_variances_add(self):
        shot, both = ShotNoise(IDEAL, 0.2, 1e-8), ThermalNoise(ShotNoise(IDEAL, 0.2, 1e-8), 300.0, 0.2, 1e-8)
        alone = self.spread(ThermalNoise(IDEAL, 300.0, 0.2, 1e-8))
        np.testing.assert_allclose(self.spread(both) ** 2, self.spread(shot) ** 2 + alone**2, rtol=1e-5)

    def test_programming_is_the_cells_own(self, key):
        np.testing.assert_array_equal(*(many(c, 20e-6, key) for c in (NOISY, ShotNoise(NOISY, 0.2, 1e-8))))


class TestTemperature:
    def retention(self, **changes):
        values = {"age": 3600.0, "temperature": 400.0, "retention_time": 7200.0, "reference_temperature": 400.0}
        return Retention(IDEAL, activation_energy=1.1, **(values | changes))

    def test_nothing_is_forgotten_at_once(self, key):
        assert self.retention(age=0.0).is_exact
        assert not self.retention().is_exact
        np.testing.assert_allclose(many(self.retention(age=0.0), 20e-6, key), TARGET, rtol=1e-6)
        np.testing.assert_allclose(many(self.retention().fresh, 20e-6, key), TARGET, rtol=1e-6)

    def test_a_share_of_the_distance_from_g_min_is_left(self, key):
        """e^(-(t/τ)^β), for every level; g_min stays."""
        for stretch in (1.0, 0.5):
            g = program(self.retention(stretch=stretch), [2e-6, 26e-6, 50e-6], key)
            np.testing.assert_allclose(g - 2e-6, np.array([0, 24e-6, 48e-6]) * np.exp(-(0.5**stretch)), atol=1e-11)

    def test_time_runs_faster_when_hot(self):
        """Arrhenius: ln τ is linear in 1/T with slope E_a/k."""
        lifetime = [-3600 / np.log(float(self.retention(temperature=t).kept)) for t in (400.0, 420.0)]
        slope = np.log(lifetime[0] / lifetime[1]) / (1 / 400 - 1 / 420)
        assert slope == pytest.approx(1.1 / 8.617333262e-5, rel=1e-4)

    def test_conductance_is_linear_in_temperature(self, key):
        """Each end of the range by its own coefficient, twice for twice the warming; nothing at the reference."""
        hot = AtTemperature(IDEAL, 350.0, 300.0, 0.002, -0.001)
        np.testing.assert_allclose(program(hot, [2e-6, 50e-6], key), [2e-6 * 1.1, 50e-6 * 0.95], rtol=1e-5)
        hotter = program(replace(hot, temperature=400.0), [2e-6, 50e-6], key)
        np.testing.assert_allclose(hotter, [2e-6 * 1.2, 50e-6 * 0.9], rtol=1e-5)
        assert replace(hot, temperature=300.0).is_exact


class TestFaults:
    def test_stuck_anywhere_is_uniform_over_the_range(self, key):
        g = many(StuckAnywhere(IDEAL, 0.3), 20e-6, key)
        stuck = g[g != np.float32(20e-6)]
        share(len(stuck) / CELLS, 0.3)
        check_moments(stuck, 26e-6, 48e-6 / 12**0.5)

    @pytest.mark.parametrize("size", [1, 3, 8])
    def test_clusters_strike_their_rate_in_squares(self, size, key):
        """The rate is the share of cells, whatever the size; neighbours share a fate (1 - (1-c)^(size·(size-1))) …"""
        g = program(StuckClusters(IDEAL, 0.05, size, "lrs"), np.full((2000, 2000), 20e-6), key)
        stuck = g == np.float32(50e-6)
        assert ((g == np.float32(20e-6)) | stuck).all()
        assert abs(stuck.mean() - 0.05) < 4 * (0.05 * 0.95 * size**2 / g.size) ** 0.5
        both_healthy = (~stuck[:, 1:] & ~stuck[:, :-1]).mean()
        expected = 0.95 ** ((size**2 + size) / size**2)
        assert abs(both_healthy - expected) < 4 * (0.1 * size**2 / g.size) ** 0.5

    def test_broken_lines_are_whole_rows_and_columns_of_the_array(self, key):
        """A broken line conducts nothing at all, and the other cells are untouched; the rates are those of lines."""
        g = program(BrokenLines(IDEAL, 0.05, 0.1), np.full((2000, 3000), 20e-6), key)
        rows, cols = (g == 0).all(axis=1), (g == 0).all(axis=0)
        share(rows.mean(), 0.05, 2000)
        share(cols.mean(), 0.1, 3000)
        assert ((g == 0) == (rows[:, None] | cols[None])).all()
        assert (g[~rows][:, ~cols] == np.float32(20e-6)).all()

    def test_a_broken_column_is_one_column_of_one_slice(self, isaac, key):
        """In a core the last two axes are the physical array's: each trial loses whole planes of weights."""
        core = replace(isaac.core, device=BrokenLines(isaac.core.device, 0.0, 0.2))
        cells = np.asarray(core.program(jnp.ones((100, 12), int), key=key).cells)
        assert cells.shape == (1, 1, 100, 12, 8)
        dead = (cells == 0).all(axis=2)
        assert ((cells == 0) == dead[:, :, None]).all()
        share(dead.mean(), 0.2, dead.size)

    def test_faults_leave_the_other_cells_as_they_were(self, key):
        """With one key, two rates differ only in the cells that are struck."""
        target = np.full((300, 300), 20e-6)
        for some, more in (
            (StuckAnywhere(NOISY, 0.05), StuckAnywhere(NOISY, 0.2)),
            (StuckClusters(NOISY, 0.05, 3), StuckClusters(NOISY, 0.2, 3)),
            (BrokenLines(NOISY, 0.05, 0.0), BrokenLines(NOISY, 0.2, 0.0)),
        ):
            few, many_ = program(some, target, key), program(more, target, key)
            changed = (few != many_).mean()
            assert 0.05 < changed < 0.25

    @pytest.mark.parametrize("make", [lambda r: StuckAnywhere(IDEAL, r), lambda r: StuckClusters(IDEAL, r, 2),
                                      lambda r: BrokenLines(IDEAL, r, r)])  # fmt: skip
    def test_no_fault_is_none(self, make, key):
        assert make(0.0).is_exact
        assert not make(0.1).is_exact
        np.testing.assert_array_equal(program(make(0.0), np.full((30, 30), 20e-6), key), np.float32(20e-6))


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: WriteVerify(NOISY, -1e-6, 3), "tolerance"),
        (lambda: WriteVerify(NOISY, 1e-6, 0), "pulses"),
        (lambda: ThermalNoise(IDEAL, -1.0, 0.2, 1e-8), "temperature"),
        (lambda: ThermalNoise(IDEAL, 300.0, 0.0, 1e-8), "read_voltage"),
        (lambda: ShotNoise(IDEAL, 0.2, 0.0), "read_time"),
        (lambda: TelegraphNoise(IDEAL, 1.1), "amplitude"),
        (lambda: TelegraphNoise(IDEAL, 0.1, -0.1), "occupancy"),
        (lambda: FlickerNoise(IDEAL, 0.01, 1e-8, 1e-6), "read_time"),
        (lambda: Retention(IDEAL, -1.0, 300.0, 1.0, 300.0, 1.0), "age"),
        (lambda: Retention(IDEAL, 1.0, 0.0, 1.0, 300.0, 1.0), "temperature"),
        (lambda: AtTemperature(IDEAL, 900.0, 300.0, 0.0, -0.002), "coefficient_at_g_max"),
        (lambda: StuckAnywhere(IDEAL, -0.1), "rate"),
        (lambda: StuckClusters(IDEAL, 1.0, 2), "rate"),
        (lambda: StuckClusters(IDEAL, 0.1, 0), "size"),
        (lambda: BrokenLines(IDEAL, 0.1, 1.1), "col_rate"),
    ],
)
def test_impossible_numbers_are_refused(make, field):
    with pytest.raises(SpecError) as caught:
        make()
    assert caught.value.place == field


class TestReprogrammed:
    def test_another_time_is_another_error_of_the_same_spread(self, key):
        """Independent of the first, for each number of times."""
        errors = [program(device, TARGET, key) - 20e-6 for device in (NOISY, *(Reprogrammed(NOISY, n) for n in (0, 1)))]
        for error in errors:
            check_moments(error, 0, 1e-6)
        for one, other in ((0, 1), (0, 2), (1, 2)):
            assert abs(np.mean(errors[one] * errors[other])) < 4 * 1e-12 / CELLS**0.5

    def test_faults_stay_where_they_are(self, key):
        """Of an array whose cell is written anew within them; what is not stuck is drawn anew."""
        device = StuckAt(NOISY, 0.2, 0.1)
        first, again = (program(each, TARGET, key) for each in (device, reprogrammed(device, jnp.asarray(1))))
        stuck = np.isin(first, np.float32([2e-6, 50e-6]))
        np.testing.assert_array_equal(first[stuck], again[stuck])
        share(stuck.mean(), 0.3)
        assert (first[~stuck] != again[~stuck]).mean() > 0.99
