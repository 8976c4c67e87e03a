"""Cells: what they aim at, how they miss, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pimsim import load_device
from pimsim.catalog import cards
from pimsim.devices import Ideal, LognormalReram, NonNegative, Reram, StuckAt
from pimsim.errors import SpecError

G_MIN, G_MAX = 2e-6, 50e-6
CELLS = 200_000

EXACT = [
    Ideal(G_MIN, G_MAX),
    Reram(G_MIN, G_MAX),
    LognormalReram(G_MIN, G_MAX, 0.0),
    StuckAt(Ideal(G_MIN, G_MAX), 0.0, 0.0),
    NonNegative(Ideal(G_MIN, G_MAX)),
]
INEXACT = [
    Reram(G_MIN, G_MAX, programming_noise=1e-6),
    Reram(G_MIN, G_MAX, proportional_noise=0.1),
    LognormalReram(G_MIN, G_MAX, 0.2),
    StuckAt(Ideal(G_MIN, G_MAX), 0.1, 0.0),
    StuckAt(Ideal(G_MIN, G_MAX), 0.0, 0.1),
    StuckAt(Reram(G_MIN, G_MAX, programming_noise=1e-6), 0.0, 0.0),
    NonNegative(Reram(G_MIN, G_MAX, programming_noise=1e-6)),
]


def programmed(device, level, count, key):
    """What `CELLS` cells of one level end at, and their common target, in float64."""
    target = device.target(jnp.full(CELLS, level), count)
    return np.asarray(device.program(target, key=key), np.float64), float(target[0])


def check_normal(samples, mean, std):
    """The sample's mean and standard deviation are those of a normal distribution, within 4 standard errors."""
    assert abs(samples.mean() - mean) < 4 * std / len(samples) ** 0.5
    assert abs(samples.std(ddof=1) - std) < 4 * std / (2 * len(samples)) ** 0.5
    assert abs(((samples - mean) ** 3).mean() / std**3) < 4 * (15 / len(samples)) ** 0.5


@pytest.mark.parametrize("count", [2, 4, 16, 256])
def test_levels_are_evenly_spaced_from_g_min_to_g_max(count):
    """Level ℓ of L aims at g_min + (g_max - g_min) ℓ/(L-1): both ends exactly, and equal steps between."""
    device = Ideal(G_MIN, G_MAX)
    target = np.asarray(device.target(jnp.arange(count), count))
    assert target[0] == np.float32(G_MIN)
    assert target[-1] == np.float32(G_MAX)
    np.testing.assert_allclose(np.diff(target), (G_MAX - G_MIN) / (count - 1), rtol=1e-4)
    assert device.step(count) == pytest.approx((G_MAX - G_MIN) / (count - 1), rel=1e-15)


@pytest.mark.parametrize("device", EXACT, ids=repr)
def test_exact_cells_hit_every_target(device, key):
    """A cell that says it is exact holds, bit for bit, what it was asked to."""
    target = device.target(jax.random.randint(key, (100, 7), 0, 4), 4)
    assert device.is_exact
    assert (device.program(target, key=key) == target).all()


@pytest.mark.parametrize("device", INEXACT, ids=repr)
def test_inexact_cells_say_so_and_follow_their_key(device, key):
    """The same key programs the same cells and another key others; StuckAt is as inexact as the cell within."""
    target = device.target(jax.random.randint(key, (100, 7), 0, 4), 4)
    once, again, other = (device.program(target, key=k) for k in (key, key, jax.random.key(1)))
    assert not device.is_exact
    assert (once == again).all()
    assert (once != other).any()
    assert once.dtype == target.dtype


@pytest.mark.parametrize(("absolute", "proportional"), [(1.5e-6, 0.0), (0.0, 0.08), (0.4e-6, 0.03)])
@pytest.mark.parametrize("level", range(4))
def test_reram_misses_by_a_normal_error(absolute, proportional, level, key):
    """G = G* + (σ + ρ G*) z: mean G*, standard deviation σ + ρ G*, no skew, at the lowest level as at the highest."""
    device = Reram(G_MIN, G_MAX, absolute, proportional)
    g, target = programmed(device, level, 4, key)
    check_normal(g, target, absolute + proportional * target)


@pytest.mark.parametrize("level", [0, 1, 3])
def test_lognormal_reram_spreads_in_the_logarithm(level, key):
    """ln(G/G*) is normal with mean 0 and the given deviation, so that G* is the median and no cell is negative."""
    g, target = programmed(LognormalReram(G_MIN, G_MAX, 0.3), level, 4, key)
    assert (g > 0).all()
    check_normal(np.log(g / target), 0.0, 0.3)
    below = (g < target).mean()
    assert abs(below - 0.5) < 4 * 0.5 / CELLS**0.5


@pytest.mark.parametrize(("hrs", "lrs"), [(0.0904, 0.0175), (0.001, 0.3), (0.0, 0.02)])
def test_stuck_cells_come_at_their_rates_and_sit_at_the_ends(hrs, lrs, key):
    """Shares hrs and lrs of the cells sit exactly at g_min and g_max, whatever they were told; the others obey."""
    g, target = programmed(StuckAt(Ideal(G_MIN, G_MAX), hrs, lrs), 1, 4, key)
    low, high = g == np.float32(G_MIN), g == np.float32(G_MAX)
    for share, rate in ((low.mean(), hrs), (high.mean(), lrs)):
        assert abs(share - rate) <= 4 * (rate * (1 - rate) / CELLS) ** 0.5
    assert (g[~low & ~high] == target).all()


def test_faults_leave_healthy_cells_as_they_were(key):
    """With one key, more faults change only the cells they strike: the others keep their own programming error.

    And whether a cell is stuck has nothing to do with that error.
    """
    cell = Reram(G_MIN, G_MAX, programming_noise=1e-6)
    target = cell.target(jnp.full(CELLS, 2), 4)
    none, some, more = (
        np.asarray(StuckAt(cell, *rates).program(target, key=key)) for rates in ((0.0, 0.0), (0.05, 0.0), (0.05, 0.02))
    )
    assert set(some[some != none].tolist()) == {float(np.float32(G_MIN))}
    assert set(more[more != some].tolist()) == {float(np.float32(G_MAX))}
    check_normal(none.astype(np.float64), float(target[0]), 1e-6)
    check_normal(none[some != none].astype(np.float64), float(target[0]), 1e-6)


def test_every_cell_stuck_is_an_array_at_one_end(key):
    """Rates of 0 and 1 are certainties."""
    target = Ideal(G_MIN, G_MAX).target(jax.random.randint(key, (1000,), 0, 4), 4)
    assert (StuckAt(Ideal(G_MIN, G_MAX), 1.0, 0.0).program(target, key=key) == np.float32(G_MIN)).all()
    assert (StuckAt(Ideal(G_MIN, G_MAX), 0.0, 1.0).program(target, key=key) == np.float32(G_MAX)).all()


def test_a_cut_at_zero_moves_the_lowest_level_and_no_other(key):
    """Cells at 0 end at σ/√(2π) on average, those well above it where they would without the cut, bit for bit."""
    cell = Reram(0.0, G_MAX, programming_noise=1e-6)
    low, _ = programmed(NonNegative(cell), 0, 4, key)
    mean = 1e-6 / (2 * np.pi) ** 0.5
    assert (low >= 0).all()
    assert abs(low.mean() - mean) < 4 * 1e-6 * ((0.5 - 0.5 / np.pi) / CELLS) ** 0.5
    np.testing.assert_array_equal(*(programmed(device, 3, 4, key)[0] for device in (cell, NonNegative(cell))))


@pytest.mark.parametrize("wrap", [NonNegative, lambda cell: StuckAt(cell, 0.0, 0.0)], ids=["non-negative", "stuck"])
def test_a_wrapped_cell_reads_as_the_cell_within(wrap):
    """Its range and its noise of reading are the inner cell's."""
    cell = Reram(G_MIN, G_MAX, read_noise=1e-7, proportional_read_noise=0.01)
    g = jnp.linspace(G_MIN, G_MAX, 5)
    assert (wrap(cell).g_min, wrap(cell).g_max) == (G_MIN, G_MAX)
    assert wrap(cell).has_read_noise
    np.testing.assert_allclose(wrap(cell).read_spread(g), 1e-7 + 0.01 * g, rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Ideal(1e-6, 1e-6), "g_max"),
        (lambda: Reram(2e-6, 1e-6), "g_max"),
        (lambda: Ideal(1e-6, float("nan")), "g_max"),
        (lambda: Ideal(-1e-6, 1e-6), "g_min"),
        (lambda: LognormalReram(2e-6, 1e-6, 0.1), "g_max"),
        (lambda: Reram(1e-6, 2e-6, programming_noise=-1e-9), "programming_noise"),
        (lambda: Reram(1e-6, 2e-6, proportional_noise=-0.1), "proportional_noise"),
        (lambda: Reram(1e-6, 2e-6, proportional_noise=float("nan")), "proportional_noise"),
        (lambda: LognormalReram(1e-6, 2e-6, -0.1), "sigma"),
        (lambda: StuckAt(Ideal(1e-6, 2e-6), -0.1, 0.0), "hrs_rate"),
        (lambda: StuckAt(Ideal(1e-6, 2e-6), 0.0, 1.1), "lrs_rate"),
        (lambda: StuckAt(Ideal(1e-6, 2e-6), 0.6, 0.5), "hrs_rate"),
    ],
)
def test_impossible_cells_are_refused(make, field):
    """A SpecError names the field that cannot be meant."""
    with pytest.raises(SpecError) as caught:
        make()
    assert caught.value.place == field


@pytest.mark.parametrize("name", sorted(cards("device")))
def test_every_device_card_loads_and_says_where_its_numbers_come_from(name, key):
    device = load_device(name)
    assert device.source or device.assumed
    assert device.name == name
    target = device.target(jnp.arange(4), 4)
    assert device.program(target, key=key).shape == (4,)
