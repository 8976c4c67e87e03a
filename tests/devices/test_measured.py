"""A cell from a CSV of measurements: what is read, what is refused and where, and what lies between the points."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import yaml
from samples import check_moments, many

from pimsim import load_device, load_experiment
from pimsim.datafile import read_cells
from pimsim.devices import CellData, Measured
from pimsim.errors import FileError, PimsimError, SpecError, UnitError
from pimsim.experiment import parse_experiment
from pimsim.spec import from_data, to_data

MOMENTS = "target_uS, mean_uS, sigma_nS\n10, 11, 500\n20, 21, 700\n40, 39, 900\n"
TIMED = "target_uS,mean_uS,sigma_uS,time_s\n10,10,0.5,1\n40,40,0.5,1\n10,8,1.5,100\n40,36,2.5,100\n"


@pytest.fixture
def measured(tmp_path):
    """measured(csv, age="10 s"): the cell of a card beside a file with this text."""

    def load(text, **values):
        (tmp_path / "cells.csv").write_text(text)
        card = {"model": "Measured", "data": "cells.csv", "g_min": "10 uS", "g_max": "40 uS"} | values
        (tmp_path / "card.yaml").write_text(yaml.safe_dump(card))
        return load_device(tmp_path / "card.yaml")

    return load


def test_moments_hold_at_their_targets_and_are_linear_between(measured, key):
    """The unit is each column's own; a fit point has the measured mean and spread, a point halfway the mean of two."""
    cell = measured(MOMENTS)
    for target, mean, sigma in ((10e-6, 11e-6, 0.5e-6), (40e-6, 39e-6, 0.9e-6), (15e-6, 16e-6, 0.6e-6)):
        check_moments(many(cell, target, key), mean, sigma)
    assert not cell.is_exact
    assert cell.fresh is cell


def test_samples_are_reduced_to_their_moments(measured):
    """Columns of any number, rows of any number, gaps allowed: mean and sample standard deviation of all of them."""
    text = "# by hand\n\ntarget_uS,programmed_uS,programmed2_uS\n10,9,11\n10,13,\n40,40,44\n"
    data = measured(text).data
    np.testing.assert_allclose(data.target, [10e-6, 40e-6])
    np.testing.assert_allclose(data.mean, [11e-6, 42e-6])
    np.testing.assert_allclose(data.sigma, [2e-6, 8**0.5 * 1e-6])
    assert data.time == ()


def test_it_is_interpolated_in_the_logarithm_of_time(measured):
    """At each measured time the measured moments; at their geometric mean the average of the two."""
    for age, mean, sigma in (("1 s", 40e-6, 0.5e-6), ("100 s", 36e-6, 2.5e-6), ("10 s", 38e-6, 1.5e-6)):
        found = measured(TIMED, age=age).fit(jnp.float32(40e-6))
        np.testing.assert_allclose(found, [mean, sigma], rtol=1e-5)
    old = measured(TIMED, age="100 s")
    assert old.fresh.age == 1.0
    assert replace(old, age=1.0) == old.fresh


def test_a_measured_cell_without_spread_or_offset_is_exact(measured, key):
    cell = measured("target_uS,mean_uS,sigma_uS\n10,10,0\n20,20,0\n40,40,0\n")
    target = jax.random.uniform(key, (100,), jnp.float32, 10e-6, 40e-6)
    assert cell.is_exact
    np.testing.assert_allclose(cell.program(target, key=key), target, rtol=1e-6)
    assert not measured("target_uS,mean_uS,sigma_uS\n10,11,0\n40,40,0\n").is_exact


def test_no_measured_cell_conducts_less_than_nothing(measured, key):
    cell = measured("target_uS,mean_uS,sigma_uS\n0,0,5\n40,40,5\n", g_min="0 uS")
    assert many(cell, 0.0, key).min() == 0


@pytest.mark.parametrize(
    ("text", "kind", "place", "fact"),
    [
        ("target_uS,mean_uS\n10,10\n", SpecError, "line 1", "the column sigma_uS is missing"),
        ("mean_uS,sigma_uS\n10,10\n", SpecError, "line 1", "the column target_uS is missing"),
        ("target_uS,time_s\n10,10\n", SpecError, "line 1", "the column programmed_uS is missing"),
        ("# a note\ntarget,mean_uS,sigma_uS\n", UnitError, "line 2", "the column 'target' has no unit"),
        ("target_uA,mean_uS,sigma_uS\n", UnitError, "line 1", "'uA' is not a unit of conductance"),
        ("target_uS,mean_uS,sigma_uS,time_uS\n", UnitError, "line 1", "'uS' is not a unit of time"),
        ("target_uS,men_uS,sigma_uS\n", SpecError, "line 1", "unknown column 'men_uS'"),
        ("target_uS,mean_uS,mean_nS,sigma_uS\n", SpecError, "line 1", "the column mean appears twice"),
        ("target_uS,mean_uS,sigma_uS,programmed_uS\n", SpecError, "line 1", "both mean and programmed"),
        ("target_uS,mean_uS,sigma_uS\n10,10,1\n20,x,1\n", SpecError, "line 3", "mean_uS: expected a number, got 'x'"),
        ("target_uS,mean_uS,sigma_uS\n10,,1\n", SpecError, "line 2", "mean_uS: expected a number, got ''"),
        ("target_uS,mean_uS,sigma_uS\n10,nan,1\n", SpecError, "line 2", "mean_uS: expected a number, got 'nan'"),
        ("target_uS,mean_uS,sigma_uS\n10,10,-1\n", SpecError, "line 2", "sigma_uS: must not be negative, got '-1'"),
        ("target_uS,mean_uS,sigma_uS\n10,10\n", SpecError, "line 2", "expected 3 cells, got 2"),
        ("target_uS,mean_uS,sigma_uS\n20,2,1\n10,1,1\n", SpecError, "line 3", "the target 1e-05 S follows 2e-05 S"),
        ("target_uS,mean_uS,sigma_uS\n20,2,1\n20,1,1\n", SpecError, "line 3", "the target 2e-05 S follows 2e-05 S"),
        (TIMED + "10,8,1.5,1\n", SpecError, "line 6", "the time 1 s follows 100 s"),
        ("target_uS,programmed_uS\n10,9\n20,19\n20,21\n", SpecError, "line 2", "has 1 programmed conductances"),
        ("target_uS,programmed_uS\n", SpecError, "cells.csv", "holds no measurements"),
        ("", SpecError, "line 1", "the column target_uS is missing"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_with_its_line(measured, text, kind, place, fact):
    with pytest.raises(PimsimError) as caught:
        measured(text)
    assert isinstance(caught.value, kind)
    assert "card.yaml: data: cells.csv" in caught.value.place
    assert caught.value.place.endswith(place)
    assert fact in caught.value.fact


@pytest.mark.parametrize(
    ("text", "values", "field", "fact"),
    [
        (MOMENTS, {"g_min": "9 uS"}, "g_min", "within the measured targets, 1e-05 to 4e-05 S, got 9e-06 S"),
        (MOMENTS, {"g_max": "41 uS"}, "g_max", "got 4.1e-05 S"),
        (TIMED, {"age": "0.5 s"}, "age", "must be 1.0 to 100.0, got 0.5"),
        (TIMED, {"age": "101 s"}, "age", "must be 1.0 to 100.0, got 101.0"),
        (TIMED, {}, "age", "must be 1.0 to 100.0"),
        (MOMENTS, {"age": "1 s"}, "age", "without measured times"),
        (TIMED.replace(",1\n", ",0\n"), {"age": "1 s"}, "time", "more than 0 s"),
        ("target_uS,mean_uS,sigma_uS\n10,10,1\n", {}, "target", "at least two targets"),
    ],
)
def test_nothing_is_said_outside_the_measurements(measured, text, values, field, fact):
    with pytest.raises(SpecError, match=fact) as caught:
        measured(text, **values)
    assert caught.value.place.split(".")[-1].split(": ")[-1] == field


def test_a_missing_or_unreadable_file_is_named(measured, tmp_path):
    with pytest.raises(FileError, match=r"nowhere\.csv: no such file"):
        measured(MOMENTS, data="nowhere.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileError, match="not a text file"):
        read_cells(tmp_path / "binary.csv")


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(SpecError, match="must have 2 values") as caught:
        CellData(target=(1e-6, 2e-6), mean=(1e-6,), sigma=(0.0, 0.0))
    assert caught.value.place == "mean"


def test_measurements_survive_the_experiment_that_a_result_stores(measured, tmp_path):
    """The stored experiment holds the table itself, to the last bit, and needs no file any more."""
    cell = measured(TIMED, age="10 s")
    experiment = load_experiment("isaac-mlp", {"chip.core.device": str(tmp_path / "card.yaml")})
    (tmp_path / "cells.csv").unlink()
    stored = parse_experiment(yaml.safe_dump(to_data(experiment)), "a result")
    assert stored.chip.core.device == cell
    assert from_data(to_data(cell), Measured) == cell
    other = "target_uS,mean_uS,sigma_uS\n5,5,1\n50,50,1\n"
    (tmp_path / "other.csv").write_text(other)
    changed = {"chip.core.device.data": str(tmp_path / "other.csv"), "chip.core.device.age": "0 s"}
    assert parse_experiment(yaml.safe_dump(to_data(experiment)), "a result", changed).chip.core.device.data.time == ()
