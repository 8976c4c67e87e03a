"""Side by side: every column is what the chip says alone, and the best are marked."""

import json
import re
import sys

import pytest

from pimsim import simulate, write_result
from pimsim.cli import main
from pimsim.comparison import CORRECT, PEAK, RUN, best, compare, differences
from pimsim.errors import PimsimError
from pimsim.experiment import load_chip, network_on_chip
from pimsim.network.ops import MatrixOp
from pimsim.network.zoo import load_topology
from pimsim.spec import to_data


@pytest.fixture(scope="module")
def run():
    return simulate(network_on_chip("isaac-ce", "mlp"))


def test_a_column_is_what_a_run_says(run):
    """Two chips, an experiment and two machines on one network; one does not say how it runs any: peak figures only."""
    found = compare(["isaac-ce", "puma", "isaac-mlp", "dadiannao", "jia-2020"], "mlp", None)
    isaac, puma, experiment, machine, macro = found["columns"]
    assert found["network"] == "mlp"
    assert isaac["energy_J"] == run.cost.total_energy
    assert isaac["energy_delay_Js"] == pytest.approx(run.cost.total_energy * run.timeline.latency)
    assert isaac["throughput_per_s_per_m2"] == pytest.approx(1 / run.timeline.interval / run.cost.area)
    assert isaac | {"name": ""} == experiment | {"name": ""}
    assert macro["throughput_per_s"] is macro["power_W"] is None
    assert 0 < machine["utilisation"] < 1
    assert machine["peak_ops_per_s"] == pytest.approx(5584.9e9, rel=1e-3)
    assert machine["power_W"] < machine["peak_power_W"] == pytest.approx(20.113)
    macs = sum(op.macs for op in load_topology("mlp").ops() if isinstance(op, MatrixOp))
    assert isaac["utilisation"] == pytest.approx(2 * macs / run.timeline.interval / isaac["peak_ops_per_s"])
    assert 0 < puma["utilisation"] < 1
    assert found["best"]["peak_ops_per_s"] == ["isaac-ce", "isaac-mlp"]
    assert set(found["best"]) <= {figure.key for figure in (*PEAK, *RUN)}


def test_one_width_for_all():
    """ISAAC at 8 bits: twice the weights in an array, half the reads; multipliers of 16 bits gain nothing from it."""
    isaac, machine = compare(["isaac-ce", "dadiannao"], None, 8)["columns"]
    assert isaac["peak_ops_per_s"] == pytest.approx(4 * load_chip("isaac-ce").peak().ops_per_s)
    assert machine["peak_ops_per_s"] == pytest.approx(5584.9e9, rel=1e-3)


def test_so_many_chips_for_all():
    """Three of each, and nothing else changes what one run says."""
    isaac, machine = compare(["isaac-ce", "dadiannao"], "lenet5", None, chips=3)["columns"]
    assert machine["chips"] == 3
    assert isaac["chips"] <= 3
    assert machine["throughput_per_s"] > compare(["dadiannao"], "lenet5", None)["columns"][0]["throughput_per_s"]


def column(name, value, accuracy=None, dataset="none"):
    """One figure for all of the cost, and an accuracy of ten chips."""
    found = dict.fromkeys(("float", "quantized", "crossbar_mean"), accuracy)
    found |= {"crossbar_std": 0.01} | dict.fromkeys(("samples", "trials"), 10 if accuracy else None)
    costs = dict.fromkeys([figure.key for figure in (*PEAK, *RUN)], value)
    return costs | {"name": name, "accuracy": found, "agreement": None, "dataset": dataset}


def test_best_is_by_row_and_may_tie():
    columns = [column(name, value) for name, value in (("a", 1), ("b", 2), ("c", 2))]
    columns[0]["latency_s"] = None
    found = best(columns)
    assert found["throughput_per_s"] == ["b", "c"]
    assert found["energy_J"] == ["a"]
    assert found["latency_s"] == ["b", "c"]
    assert "power_W" not in found
    assert "peak_power_W" not in found
    assert best(columns[1:]) == {}  # all alike


def test_accuracy_is_best_where_the_data_are_the_same():
    columns = [column(name, 1, share, "mnist") for name, share in (("a", 0.9), ("b", 0.8))] + [column("cost", 1)]
    assert best(columns) == {figure.key: ["a"] for figure in CORRECT if "accuracy" in figure.key}
    assert best([columns[0], columns[1] | {"dataset": "mine.npz"}]) == {}


def test_what_differs_between_experiments():
    """Paths on one chip; of different chips their names; nothing beside a chip on which nothing ran."""
    first = to_data(network_on_chip("isaac-ce", "mlp"))
    second = to_data(network_on_chip("isaac-ce", "mlp", {"chip.core.adc.bits": 7, "name": "other"}))
    assert differences([first, second]) == {"chip.core.adc.bits": ["8", "7"]}
    found = compare(["isaac-ce", "dadiannao"], "mlp", None)["differences"]
    assert found == {"chip": ["isaac-ce", "dadiannao"]}
    assert differences([first, None]) == {}


def test_operands_of_unlike_width_are_said_to_be(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["pimsim", "compare", "isaac-ce", "xnor-sram"])
    with pytest.raises(SystemExit):
        main()
    out = capsys.readouterr().out
    assert re.search(r"weights × inputs, bits +16 × 16 +1 × 1", out)
    assert "--operand-bits" in out


def test_what_cannot_be_compared(run, tmp_path):
    file = str(write_result(run, tmp_path / "a.h5"))
    (found,) = compare([file], "mlp", None)["columns"]
    assert found["energy_J"] == run.cost.total_energy
    for arguments, fact in (
        (([file], "lenet5", None), "is a result, which nothing changes"),
        (([file], None, 8), "is a result, which nothing changes"),
        ((["isaac-mlp", "isaac-lenet5"], None, None), "they run different networks: lenet5, mlp"),
        ((["isaac-ce", "nosuch"], None, None), "nosuch: no chip or experiment has this name"),
        ((["pumma"], None, None), "Did you mean puma"),
        ((["isaac-ce"], "vgg", None), "Did you mean"),
    ):
        with pytest.raises(PimsimError, match=fact):
            compare(*arguments)


def test_the_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["pimsim", "compare", "puma", "dadiannao"])
    with pytest.raises(SystemExit):
        main()
    out = capsys.readouterr().out
    assert "35.33 Top/s *" in out
    assert "throughput" not in out
    assert "accuracy" not in out
    assert "--operand-bits" not in out
    monkeypatch.setattr(sys, "argv", ["pimsim", "compare", "puma", "dadiannao", "--json"])
    with pytest.raises(SystemExit):
        main()
    assert json.loads(capsys.readouterr().out) == compare(["puma", "dadiannao"], None, None)
