"""Cells that change with time: drift, relaxation, 1/f noise, and what compensation makes up for."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from samples import CELLS, check_moments, many, program

from pimsim import load_device
from pimsim.devices import DriftCompensated, Pcm
from pimsim.errors import SpecError

DAY = 86400.0
PLAIN = Pcm(
    g_min=0.0, g_max=25e-6, age=20.0, t0=20.0, programming_error=(0.0,), drift_mean=(0.06, 0.0),
    drift_mean_limits=(0.06, 0.06), drift_spread=(0.0, 0.0), drift_spread_limits=(0.0, 0.0), read_time=250e-9,
    flicker=0.0, flicker_power=0.65, flicker_limit=0.2,
)  # fmt: skip
"""PCM that drifts and does nothing else."""
AGED = [("pcm-gst", DAY), ("reram-neurram", DAY), ("reram-cmo", DAY)]


def test_pcm_without_noise_or_age_is_exact(key):
    target = jax.random.uniform(key, (100, 7), jnp.float32, 0, 25e-6)
    assert PLAIN.is_exact
    assert (PLAIN.program(target, key=key) == target).all()
    assert not replace(PLAIN, age=21.0).is_exact


@pytest.mark.parametrize("age", [40.0, DAY, 1e8])
def test_drift_is_a_power_of_time(age, key):
    """G ∝ (t/t0)^-ν: every conductance loses the same share, and twice the logarithm of time loses it twice."""
    g = program(replace(PLAIN, age=age), [1e-6, 5e-6, 25e-6], key)
    np.testing.assert_allclose(g / [1e-6, 5e-6, 25e-6], (age / 20) ** -0.06, rtol=1e-5)


def test_drift_exponents_spread_from_cell_to_cell(key):
    """ln(G/G*)/ln(t/t0) is normal around -ν; a cell keeps its exponent at every age."""
    cell = replace(PLAIN, drift_spread=(0.01, 0.0), drift_spread_limits=(0.01, 0.01))
    hour, day = (-np.log(many(replace(cell, age=t), 1e-5, key) / 1e-5) / np.log(t / 20) for t in (3600.0, DAY))
    check_moments(hour, 0.06, 0.01)
    np.testing.assert_allclose(hour, day, atol=1e-4)


def test_programming_error_depends_on_the_state(key):
    """σ/g_max is the stated polynomial in G*/g_max."""
    cell = replace(PLAIN, programming_error=(0.01, 0.08, -0.05))
    for x in (0.3, 0.6, 1.0):
        check_moments(many(cell, x * 25e-6, key), x * 25e-6, (0.01 + 0.08 * x - 0.05 * x**2) * 25e-6)


def test_flicker_noise_is_shared_between_what_is_frozen_and_what_is_not(key):
    """Variances add up to Q² ln((t + t_r)/2t_r) wherever the run of the network is set between one read and the age."""
    quiet = replace(PLAIN, flicker=0.01, drift_mean=(0.0, 0.0), drift_mean_limits=(0.0, 0.0), age=1e4)
    whole = 0.01 * np.sqrt(np.log((1e4 + 250e-9) / 500e-9))
    for run_time in (0.0, 1e-3, 1.0, 1e4):
        cell = replace(quiet, run_time=run_time)
        frozen = many(cell, 25e-6, key).std() / 25e-6
        fresh = float(cell.read_spread(jnp.float32(25e-6))) / 25e-6
        assert (fresh > 0) == cell.has_read_noise == (run_time > 0)
        assert abs(np.hypot(frozen, fresh) - whole) < 4 * whole / (2 * CELLS) ** 0.5


def test_flicker_grows_as_the_conductance_falls_and_is_limited():
    """σ/G ∝ G^-p for what is read anew, up to the limit."""
    cell = replace(PLAIN, flicker=0.01, run_time=1.0)
    g = np.array([25e-6, 2.5e-6, 1e-12], np.float32)
    relative = np.asarray(cell.read_spread(jnp.asarray(g))) / g
    assert relative[1] / relative[0] == pytest.approx(10**0.65, rel=1e-4)
    assert relative[2] / relative[0] == pytest.approx(0.2 / 0.01, rel=1e-4)


@pytest.mark.parametrize(("card", "age"), AGED)
def test_fresh_is_the_same_cell_at_its_first_time(card, age, key):
    """`fresh` undoes an age and nothing else, and the first time of a card is its own."""
    young = load_device(card)
    target = np.linspace(young.g_min, young.g_max, 50)
    old = replace(young, age=age)
    np.testing.assert_array_equal(program(old.fresh, target, key), program(young, target, key))
    assert (program(old, target, key) != program(young, target, key)).any()


def test_neurram_spread_is_interpolated_in_the_logarithm_of_time():
    """At the geometric mean of two measured times it is the mean of their spreads, at the times themselves theirs."""
    cell = load_device("reram-neurram")
    target = jnp.linspace(1e-6, 40e-6, 5)
    one, day, between = (replace(cell, age=t).sigma(target) for t in (1.0, DAY, DAY**0.5))
    np.testing.assert_allclose(between, (one + day) / 2, rtol=1e-4)
    np.testing.assert_allclose(one[-1], 1.103e-6, rtol=1e-3)
    np.testing.assert_allclose(day[-1], 2.651e-6, rtol=1e-3)


def test_cmo_shifts_with_the_logarithm_of_time(key):
    """Each decade takes the same from every conductance."""
    cell = replace(load_device("reram-cmo"), read_noise=0.0)
    means = [[many(replace(cell, age=t), g, key).mean() for t in (1.0, 10.0, 100.0)] for g in (20e-6, 80e-6)]
    np.testing.assert_allclose(np.diff(means), -0.08900206e-6 * np.log(10), atol=4 * 0.15e-6 / CELLS**0.5)


def test_compensation_of_equal_drift_is_exact(key):
    """Where all cells lose one share, an array has back what it had, whatever that share was."""
    target = jax.random.uniform(key, (64, 32), jnp.float32, 0, 25e-6)
    for age in (DAY, 1e9):
        g = program(DriftCompensated(replace(PLAIN, age=age)), target, key)
        np.testing.assert_allclose(g, target, rtol=1e-4)


def test_compensation_restores_an_arrays_sum_and_not_its_spread(key):
    """Each array has a factor of its own; the spread of exponents stays."""
    cell = replace(load_device("pcm-gst"), age=DAY)
    target = np.full((3, 64, 32), 15e-6, np.float32)
    keys = jax.random.split(key, 3)
    for one, own in zip(target, keys, strict=True):
        first, bare, mended = (program(d, one, own) for d in (cell.fresh, cell, DriftCompensated(cell)))
        assert mended.sum() == pytest.approx(first.sum(), rel=1e-4)
        assert bare.sum() < 0.75 * first.sum()
        assert mended.std() > 1.1 * first.std()
    assert (program(DriftCompensated(PLAIN), np.zeros((4, 4)), key) == 0).all()


@pytest.mark.parametrize(
    ("card", "changes", "field", "fact"),
    [
        ("pcm-gst", {"age": 19.0}, "age", "at least 20 s"),
        ("pcm-gst", {"run_time": 21.0}, "run_time", "0 to 20"),
        ("pcm-gst", {"read_time": 0.0}, "read_time", "must be"),
        ("pcm-gst", {"flicker": -0.1}, "flicker", "at least 0"),
        ("pcm-gst", {"drift_mean_limits": (0.1, 0.05)}, "drift_mean_limits", "0.1 and 0.05"),
        ("reram-neurram", {"age": 0.5}, "age", "1.0 to 172800.0"),
        ("reram-neurram", {"age": 2e5}, "age", "1.0 to 172800.0"),
        ("reram-neurram", {"times": (1.0, 1.0, 2.0)}, "times", "rise"),
        ("reram-neurram", {"times": (1.0, 2.0)}, "spread", "each of 2 times"),
        ("reram-cmo", {"age": 0.9}, "age", "at least 1"),
        ("reram-cmo", {"g_min": 1e-7}, "g_min", "at least"),
        ("reram-cmo", {"relaxation": -1e-7}, "relaxation", "at least 0"),
    ],
)
def test_impossible_times_and_numbers_are_refused(card, changes, field, fact):
    with pytest.raises(SpecError, match=fact) as caught:
        replace(load_device(card), **changes)
    assert caught.value.place == field
