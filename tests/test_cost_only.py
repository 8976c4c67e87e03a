"""What a network costs when no data run: the same as with data, no accuracy, and kinds of layers that only cost."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

from pimsim import load_experiment, read_result, simulate, write_result
from pimsim.accounting import Charging, account
from pimsim.cli.options import read_experiment
from pimsim.errors import NetworkError, SpecError
from pimsim.experiment import network_on_chip
from pimsim.mapping import place
from pimsim.network.graph import build_network
from pimsim.network.layers import Attention, Conv2d, Dense, Flatten, LocallyConnected, Lstm
from pimsim.network.zoo import load_topology
from pimsim.results import result_summary
from pimsim.schedule import schedule, traffic
from pimsim.tables import result_table

PRIVATE = build_network("private", (12, 12, 2), [("a", LocallyConnected(6, 5)), ("b", Flatten()), ("c", Dense(3))])
STEPS = build_network("steps", (7, 3), [("a", Lstm(2)), ("b", Dense(2))])


@pytest.fixture(scope="module")
def nominal():
    return simulate(network_on_chip("isaac-ce", "mlp"))


def test_the_cost_is_that_of_a_run_with_data(nominal):
    """MNIST's pixels and what ReLU leaves are not negative, as is assumed before data run: not a joule differs."""
    run = simulate(load_experiment("isaac-mlp", {"samples": 5, "calibration.images": 50}))
    assert nominal.inference is None
    assert nominal.cost.total_energy == run.cost.total_energy
    assert nominal.timeline.latency == run.timeline.latency
    np.testing.assert_array_equal(nominal.cost.event_count, run.cost.event_count)
    assert nominal.stages.stage.tolist() == ["load", "place", "schedule", "account"]


def test_a_result_without_data_survives_its_file(nominal, tmp_path):
    """Accuracies are null in JSON, the file has no such group, and the table says why."""
    again = read_result(write_result(nominal, tmp_path / "a.h5"))
    assert again.inference is None
    first, second = (json.dumps(result_summary(result), allow_nan=False) for result in (nominal, again))
    assert first == second
    summary = json.loads(first)
    assert set(summary["accuracy"].values()) == {None}
    assert (summary["engine"], summary["dataset"], summary["experiment"]) == (None, "none", "isaac-ce-mlp")
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(result_table(summary))
    assert "no data ran: energies are nominal" in console.export_text()


def test_what_has_no_weights_cannot_be_asked():
    with pytest.raises(NetworkError, match="vgg-d: has no trained weights"):
        simulate(load_experiment("isaac-mlp", {"network": "vgg-d"}))
    with pytest.raises(SpecError, match=r"vgg on isaac-ce: network: .*\n  Did you mean"):
        network_on_chip("isaac-ce", "vgg")


def cost(network, chip, replicate="none"):
    """The stages of a run without data."""
    ops, signed = network.ops(), network.signed_inputs()
    placement = place(ops, chip, replicate)
    edges = traffic(ops, placement, chip, image_values=int(np.prod(network.input_shape)))
    timeline = schedule(ops, placement, chip, edges, signed)
    return placement, edges, timeline, account(ops, placement, chip, edges, timeline, signed, Charging())


def test_weights_that_are_not_shared_have_arrays_of_their_own(small):
    """64 places of 50 × 6 weights on arrays of 16 rows and 4 weights: as often 4 × 2 arrays, and one wave for all."""
    placement, _, timeline, report = cost(PRIVATE, small)
    assert placement.copies("a") == 64
    assert (placement.block_matrix == 0).sum() == 64 * 4 * 2
    assert timeline.busy[0] == pytest.approx(small.core.latency(signed=False).interval * small.core.cycle)
    shared, _, _, same = cost(build_network("n", (12, 12, 2), [("a", Conv2d(6, 5)), *rest(PRIVATE)]), small)
    assert shared.copies("a") == 1
    assert report.events()["conversion"] == same.events()["conversion"]
    twice, *_ = cost(PRIVATE, small, {"c": 1})
    assert twice.copies("a") == 64
    with pytest.raises(SpecError, match="must be 1 to 1, got 2"):
        cost(PRIVATE, small, {"a": 2})


def rest(network):
    return [(node.name, node.layer, node.inputs) for node in network.nodes[1:]]


@pytest.mark.parametrize("copies", [1, 3])
def test_steps_of_a_recurrent_layer_follow_one_another(small, copies):
    """Seven steps take seven depths however many copies there are; each gives its two values back to the matrix."""
    _, edges, timeline, _ = cost(STEPS, small, {"a/matrix": copies})
    depth = small.core.latency(signed=True).depth * small.core.cycle
    lstm = timeline.layer.tolist().index("a/matrix")
    assert timeline.finish[lstm] - timeline.start[lstm] == pytest.approx(7 * depth)
    (back,) = [edge for edge in edges if edge.producer == edge.consumer]
    assert (back.consumer, back.values) == ("a/matrix", 7 * 2)


def test_products_of_results_are_refused_by_name(isaac):
    """Nothing stored, so no array; a chip without a unit for them has no place for the network."""
    layers = [("q", Dense(4)), ("k", Dense(4), "input"), ("heads", Attention(2), ("q", "k", "q"))]
    ops = build_network("n", (3, 4), layers).ops()
    with pytest.raises(NetworkError, match="heads/scores: has dynamic products, which isaac-ce has no unit for"):
        place(ops, isaac)


def test_normalisation_is_charged(isaac):
    """AlexNet's LRN after 55 × 55 × 96 values: two functions a value, and five additions."""
    network = load_topology("alexnet")
    report = cost(network, isaac)[3]
    row = report.event_count[report.layer.tolist().index("norm1")]
    values = 55 * 55 * 96
    counted = {name: count for name, count in zip(report.event.tolist(), row.tolist(), strict=True) if count}
    assert counted == {"activation": 2 * values, "addition": 5 * values}


def test_a_command_names_a_chip_and_a_network():
    """On a chip, for the cost; in an experiment, instead of its own."""
    plan = read_experiment("isaac-ce", "vgg-d", ["mapping.replicate=none"])
    assert (plan.name, plan.network, plan.dataset) == ("isaac-ce-vgg-d", "vgg-d", "none")
    assert plan.mapping.replicate == "none"
    plan = read_experiment("isaac-mlp", "lenet5", [])
    assert (plan.name, plan.network, plan.dataset) == ("isaac-mlp", "lenet5", "mnist")
