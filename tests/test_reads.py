"""What reading costs: nominally, from a run's own data, and beside what an array's card states."""

from dataclasses import replace

import numpy as np
import pytest

from pimsim import load_chip, load_experiment, read_result, simulate, write_result
from pimsim.accounting import Charging, account
from pimsim.errors import SpecError
from pimsim.experiment import network_on_chip
from pimsim.mapping import place
from pimsim.network.zoo import load_topology
from pimsim.reads import report_reads
from pimsim.results import result_summary
from pimsim.schedule import schedule, traffic
from pimsim.tables import read_rows

PULSE = {"voltage": "0.2 V", "width": "1 ns"}
BARE = {"core.array": {"model": "BareArray", "area": "0.0002 mm2 / 8"}, "core.read_pulse": PULSE}
SHARE = (1 + 1e-3) / 4
"""Of one-bit inputs half are 1; levels lie evenly between 0.5 and 500 uS."""
FULL = 0.2**2 * 500e-6 * 1e-9


def costs(chip, activity=None, network="mlp"):
    """The bill of a network, and what its cells take, without data unless given."""
    topology = load_topology(network)
    ops, signed = topology.ops(), topology.signed_inputs()
    placement = place(ops, chip)
    edges = traffic(ops, placement, chip, int(np.prod(topology.input_shape)))
    timeline = schedule(ops, placement, chip, edges, signed)
    cost = account(ops, placement, chip, edges, timeline, signed, Charging(), activity)
    return cost, report_reads(ops, placement, chip, signed, activity)


def array_energy(cost):
    return cost.energy_by_component()["array"]


def test_an_array_without_energy_of_its_own_is_charged_for_its_cells(isaac):
    """Nominally: as many cell reads as an array with a published energy is charged for, each V² G t on average."""
    published, stated = costs(isaac)
    bare, charged = costs(load_chip("isaac-ce", BARE))
    reads = published.events()["cell_read"]
    assert (stated.kind, stated.charged, charged.charged) == ("nominal", False, True)
    assert array_energy(bare) == pytest.approx(reads * SHARE * FULL, rel=1e-12)
    assert array_energy(published) == pytest.approx(reads * 2.4e-3 / 8 / (10e6 * 16384), rel=1e-12)
    assert stated.total_energy == pytest.approx(charged.total_energy, rel=1e-12)
    assert charged.total_energy == pytest.approx(array_energy(bare), rel=1e-12)
    assert "cell_read" not in bare.events()
    others = [name for name in bare.component.tolist() if name != "array"]
    assert all(bare.energy_by_component()[name] == published.energy_by_component()[name] for name in others)


def test_drivers_that_toggle_are_charged_for_inputs_that_are_not_zero():
    """Half of one-bit inputs, nominally, where the card says so, be it the converter or the word line."""
    reads = costs(load_chip("isaac-ce"))[0]
    for component, changes in (
        ("dac", {"core.dac.event": "row_toggle"}),
        ("word_line", {"core.word_line": {"base": "word-line-28nm", "event": "row_toggle"}}),
    ):
        toggles = costs(load_chip("isaac-ce", changes))[0]
        assert toggles.events()["row_toggle"] == reads.events()["row_drive"] / 2
        line = {line.component: line for line in load_chip("isaac-ce", changes).core.bill()}[component]
        assert toggles.energy_by_component()[component] == pytest.approx(
            line.cost.energy * reads.events()["row_drive"] / 2, rel=1e-12
        )


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"core.read_pulse": None, "core.array": BARE["core.array"]}, "read_pulse: is missing.*\n  State"),
        ({"core.read_pulse.voltage": "0 V"}, "read_pulse.voltage: must be more than 0 V"),
        ({"core.read_pulse.width": "200 ns"}, "read_pulse.width: must be at most a cycle, 1e-07 s, got 2e-07 s"),
        ({"core.dac.event": "bus_bit"}, "dac"),
    ],
)
def test_what_cannot_be_charged_is_refused(changes, match):
    with pytest.raises(SpecError, match=match):
        load_chip("isaac-ce", changes)


def test_what_nobody_states_is_no_number():
    """A core without a pulse has the counts of reads, and no joules."""
    result = simulate(network_on_chip("isaac-ce", "mlp", {"chip.core.read_pulse": None}))
    told = result_summary(result)["activity"]
    assert result.reads.full_reads.sum() > 0
    assert (told["kind"], told["cell_energy_J"], told["cell_energy_by_layer_J"]) == ("nominal", None, {})
    assert told["gap"] == dict.fromkeys(("independent", "first_moment", "mean_squared"))
    assert read_rows(told) == []


@pytest.fixture(scope="module")
def run():
    """Data through arrays that are charged for their cells, driven by drivers that toggle."""
    changes = {f"chip.{path}": value for path, value in BARE.items()} | {"chip.core.dac.event": "row_toggle"}
    few = {"samples": 20, "calibration.images": 50, "activity": "exact"}
    return simulate(load_experiment("isaac-mlp", changes | few))


def test_a_run_is_charged_for_its_own_data(run):
    """Energies of the array and of its drivers are those of the inputs, layer by layer, and of nothing else."""
    nominal = simulate(network_on_chip("isaac-ce", "mlp"))
    activity, cost, reads = run.inference.activity, run.cost, run.reads
    assert reads.kind == activity.kind == "exact"
    assert array_energy(cost) == pytest.approx(FULL * activity.full_reads.sum(), rel=1e-12)
    assert array_energy(cost) == pytest.approx(reads.total_energy, rel=1e-12)
    by_layer = dict(zip(cost.layer.tolist(), cost.energy[:, cost.component.tolist().index("array")], strict=True))
    for layer, energy in zip(reads.matrix.tolist(), reads.energy, strict=True):
        assert by_layer[layer] == pytest.approx(energy, rel=1e-12)
    assert cost.events()["row_toggle"] == pytest.approx(activity.driven_rows.sum(), rel=1e-12)
    assert cost.events()["row_toggle"] < nominal.cost.events()["row_drive"] / 2
    same = {"adc", "buffer", "bus", "sample_hold", "link"}
    ours, theirs = cost.energy_by_component(), nominal.cost.energy_by_component()
    assert all(ours[name] == theirs[name] for name in same)


def test_the_gap_of_estimates_is_told(run, tmp_path):
    """In the file, in JSON and in words; one-bit inputs have one moment."""
    again = read_result(write_result(run, tmp_path / "a.h5"))
    told = result_summary(again)["activity"]
    assert told == result_summary(run)["activity"]
    assert told["gap"]["independent"] == pytest.approx(told["gap"]["first_moment"], abs=1e-12)
    assert told["gap"]["mean_squared"] < told["gap"]["independent"]
    assert sum(told["cell_energy_by_layer_J"].values()) == pytest.approx(told["cell_energy_J"])
    (_, _, how), (_, gap, _) = read_rows(told)
    assert how == "of all data"
    assert gap == f"{told['gap']['independent']:+.1%}"
    empty = replace(run.reads, full_reads=np.zeros(3))
    assert all(np.isnan(gap) for gap in empty.gaps().values())
