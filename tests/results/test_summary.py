"""The JSON object of a run and of a chip: stable keys, SI numbers, parts that make up their wholes."""

import dataclasses
import io
import json

import numpy as np
import pytest
from rich.console import Console

from pimsim.comparison import compare
from pimsim.results import chip_summary, result_summary, write_result
from pimsim.tables import comparison_table

RUN = {
    "": "experiment chip network dataset engine accuracy latency_s interval_s throughput_per_s energy_J power_W "
    "area_m2 arrays_used arrays_total replication energy_by_component_J energy_by_layer_J area_by_component_m2 "
    "events peak seconds",
    "accuracy": "float quantized crossbar_mean crossbar_std trials samples",
    "peak": "ops_per_s ops_per_s_per_W ops_per_s_per_m2 storage_bytes_per_m2",
}
"""The keys that DESIGN promises."""


def keys(data, inside=""):
    return set(data[inside] if inside else data)


@pytest.fixture(scope="module")
def summary(result):
    """As a script reads it."""
    return json.loads(json.dumps(result_summary(result), allow_nan=False))


@pytest.mark.parametrize("inside", RUN)
def test_the_promised_keys_are_there(summary, inside):
    assert keys(summary, inside) >= set(RUN[inside].split())


def test_a_chip_has_its_figures_without_a_run(isaac):
    data = json.loads(json.dumps(chip_summary(isaac), allow_nan=False))
    assert keys(data) >= {"peak", "power_W", "area_m2", "arrays_total", "power_by_component_W", "area_by_component_m2"}
    assert keys(data, "peak") == set(RUN["peak"].split())
    assert sum(data["power_by_component_W"].values()) == pytest.approx(data["power_W"], rel=1e-12)
    assert sum(data["area_by_component_m2"].values()) == pytest.approx(data["area_m2"], rel=1e-12)
    assert data["tile"]["power_W"] * data["tiles"] < data["power_W"]


def test_layers_and_components_each_make_up_the_total(summary):
    assert sum(summary["energy_by_layer_J"].values()) == pytest.approx(summary["energy_J"], rel=1e-12)
    assert sum(summary["energy_by_component_J"].values()) == pytest.approx(summary["energy_J"], rel=1e-12)
    assert sum(summary["area_by_component_m2"].values()) == pytest.approx(summary["area_m2"], rel=1e-12)


def test_programming_is_told_apart_from_an_inference(summary, result):
    """Once, for all copies; nothing of it is in the energy of an inference, and what nobody states is null."""
    told = summary["programming"]
    assert keys(told) >= {"cells", "pulses", "unconverged", "energy_J", "time_s"}
    assert told["cells"] == told["pulses"] == (result.inference.arrays.cells * result.placement.replication).sum()
    assert [told[key] for key in ("unconverged", "energy_J", "time_s", "reprogrammings")] == [None] * 4
    assert summary["ir_drop"] == {}
    stated = dataclasses.replace(result.programming, energy=np.full((3, 3), 2e-6))
    told = result_summary(dataclasses.replace(result, programming=stated))
    assert told["energy_J"] == summary["energy_J"]
    assert told["programming"]["inferences"] == pytest.approx(6e-6 / summary["energy_J"])


def test_figures_that_follow_from_others_do(summary, result):
    assert summary["throughput_per_s"] * summary["interval_s"] == pytest.approx(1, rel=1e-12)
    assert summary["power_W"] * summary["interval_s"] == pytest.approx(summary["energy_J"], rel=1e-12)
    assert summary["seconds"].keys() >= {"load", "quantize", "place", "infer", "schedule", "account"}
    assert summary["accuracy"]["trials"] == len(result.inference.crossbar_accuracy) == 3
    assert summary["accuracy"]["samples"] == len(result.inference.label) == 12
    right = result.inference.crossbar_class == result.inference.label
    assert summary["accuracy"]["crossbar_mean"] == pytest.approx(right.mean(), rel=1e-12)
    assert summary["accuracy"]["crossbar_std"] == pytest.approx(right.mean(axis=1).std(ddof=1), rel=1e-12)


def test_accuracy_and_what_was_asked_for_are_compared(summary, result, file, tmp_path):
    """A result beside its experiment, which runs for its cost, and beside itself without labels."""
    found = compare([str(file), "isaac-mlp"], None, None)
    measured, cost = found["columns"]
    assert measured["accuracy"] == summary["accuracy"]
    assert measured["agreement"] == summary["agreement"]
    assert set(cost["accuracy"].values()) == {cost["agreement"]} == {None}
    assert not [key for key in found["best"] if "accuracy" in key]
    assert found["differences"]["chip.core.device.programming_noise"] == ["0.00015 S", "0.0 S"]
    assert found["differences"]["trials"] == ["3", "1"]
    text = drawn(found)
    accuracy = summary["accuracy"]
    assert f"{accuracy['crossbar_mean']:.2%} ± {accuracy['crossbar_std']:.2%}" in text
    assert "12 of mnist, 3 chips" in text
    assert "same class" not in text
    unlabelled = dataclasses.replace(result.inference, label=np.full_like(result.inference.label, -1))
    blind = write_result(dataclasses.replace(result, inference=unlabelled), tmp_path / "blind.h5")
    text = drawn(compare([str(blind)], None, None))
    assert f"same class as float, crossbar {summary['agreement']['crossbar']['top1']:.2%}" in " ".join(text.split())
    assert "accuracy, " not in text


def drawn(comparison):
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(comparison_table(comparison))
    return console.export_text()
