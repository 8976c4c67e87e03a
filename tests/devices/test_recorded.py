"""Means and spreads of cells over time: recorded from another simulator, and by quadrature of the published equations.

The recordings of aihwkit 1.2 lie beside the checkout, in ../shared/golden, and are skipped where they are not there;
tests/devices/golden/moments.csv, made by the generate.py beside it, is always compared.
"""

import csv
from dataclasses import replace
from pathlib import Path

import jax
import pytest
from samples import check_moments, many

from pimsim import load_device
from pimsim.devices import Reram, WithinRange

HERE = Path(__file__).parent
SHARED = HERE.parents[2] / "shared" / "golden" / "devices"
RECORDED_CELLS = 100_000
"""Behind each recorded moment, as far as the scatter of the recordings tells."""
shared = pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/golden/devices, which is not distributed")


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def compare(cell, row, column, index, name="g_target_uS"):
    """A recorded row's moments, before and after the noise of one read."""
    g = many(cell, float(row[name]) * 1e-6, jax.random.fold_in(jax.random.key(11), index)) * 1e6
    check_moments(g, float(row[f"mean_{column}"]), float(row[f"std_{column}"]), RECORDED_CELLS)


@pytest.mark.parametrize("row", rows(HERE / "golden" / "moments.csv"), ids=lambda row: "-".join(list(row.values())[:3]))
def test_cards_have_the_moments_of_the_published_equations(row, key):
    """Within 4 standard errors of the exact mean and spread, all noise of one read included."""
    cell = replace(load_device(row["card"]), age=float(row["age_s"]))
    g = many(cell, float(row["target_uS"]) * 1e-6, key) * 1e6
    check_moments(g, float(row["mean_uS"]), float(row["sigma_uS"]))


@shared
def test_pcm_is_that_of_aihwkit():
    """98 rows; its time 0 is the first read, 20 s after programming. A run as long as the age has no frozen noise."""
    for index, row in enumerate(rows(SHARED / "golden_pcm_gmax25.csv")):
        cell = replace(load_device("pcm-gst"), age=20 + float(row["t_s"]))
        compare(cell, row, "final", index)
        compare(replace(cell, run_time=cell.age), row, "drift_noread", index + 1000)


@shared
def test_cmo_reram_is_that_of_aihwkit():
    """96 rows, at 0.2 % acceptance; time 0 is before any relaxation, all later conductances are cut to the range."""
    window = {"programming_noise": 0.00081107e-6, "proportional_noise": 0.00106879}
    for index, row in enumerate(rows(SHARED / "golden_reram_cmo_default.csv")):
        if row["t_s"] == "0":
            compare(Reram(9e-6, 88.2e-6, **window), row, "final", index)
            continue
        cell = replace(load_device("reram-cmo"), age=float(row["t_s"]), **window)
        compare(WithinRange(cell), row, "final", index)
        compare(WithinRange(replace(cell, run_time=cell.age)), row, "drift_noread", index + 1000)


@shared
def test_neurram_is_that_of_aihwkit():
    """42 rows. They take the polynomials' microsiemens at a range of 25 uS without scaling them from 40 uS."""
    card = load_device("reram-neurram")
    unscaled = tuple(tuple(c * 40 / 25 for c in line) for line in card.spread)
    cell = replace(card, g_min=0.0, g_max=25e-6, spread=unscaled)
    for index, row in enumerate(rows(SHARED / "golden_reram_wan2022_default_gmax25.csv")):
        compare(replace(cell, age=float(row["t_s"])), row, "final", index)
