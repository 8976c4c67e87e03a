"""Laws between the ways in which layers take turns, and the batch pipeline against layers that step through images."""

import json

import numpy as np
import pytest
from test_pipeline import random_copies, random_network, small_chip

from pimsim import load_experiment, simulate
from pimsim.errors import FileError, SpecError
from pimsim.mapping import place
from pimsim.network.graph import build_network
from pimsim.network.layers import Lstm
from pimsim.network.ops import MatrixOp
from pimsim.network.zoo import load_topology
from pimsim.results import write_trace
from pimsim.schedule import SchedulePlan, schedule, traffic

ONE_ARRAY = {"mesh_rows": 1, "mesh_cols": 1, "tile.router.shared_by": 1, "tile.cores": 1, "core.arrays": 1}


def timelines(ops, chip, replicate, image=24):
    """The network under each kind of schedule."""
    table = place(ops, chip, replicate)
    edges = traffic(ops, table, chip, image)
    signed = {op.layer: False for op in ops if isinstance(op, MatrixOp)}
    kinds = ("layer_pipeline", "batch_pipeline", "sequential")
    return [schedule(ops, table, chip, edges, signed, SchedulePlan(kind)) for kind in kinds]


def layer_cycles(op, copies, chip):
    """A layer alone, from its first start to its last result: full waves, and the depth of the last."""
    if not isinstance(op, MatrixOp):
        return 0
    depth, interval = chip.core.latency(signed=False)
    return (-(-op.vectors // copies[op.layer]) - 1) * interval + depth


@pytest.mark.parametrize("seed", range(20))
def test_a_sequence_is_the_sum_of_its_layers(seed):
    """One layer after the other: no gap, no overlap, and the next image follows the last layer."""
    rng = np.random.default_rng(seed)
    ops, chip = random_network(rng), small_chip(rng)
    copies = random_copies(rng, ops)
    _, batch, lone = timelines(ops, chip, copies)
    own = [layer_cycles(op, copies, chip) for op in ops]
    assert (lone.finish - lone.start).tolist() == own
    assert lone.latency == lone.interval == sum(own) == batch.latency
    assert (lone.start[1:] == lone.finish[:-1]).all()
    assert lone.bottleneck == ops[int(np.argmax(own))].layer


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("chips", ["one", "many"])
def test_overlap_never_hurts(seed, chips):
    """Latency and every finish: layer pipeline ≤ batch pipeline = sequence. Interval: both pipelines ≤ sequence, and no
    less than the busiest layer; with tensors that cross chips, too."""
    rng = np.random.default_rng(seed)
    many = ONE_ARRAY | {"link.bandwidth": f"{rng.choice([3, 16, 1000])} bit/s"}
    ops, chip = random_network(rng), small_chip(rng, **(many if chips == "many" else {}))
    overlapped, batch, lone = timelines(ops, chip, "none" if chips == "many" else random_copies(rng, ops))
    assert (overlapped.finish <= batch.finish).all()
    assert batch.latency == lone.latency
    assert overlapped.interval == batch.interval <= lone.interval
    assert batch.interval >= batch.busy.max()


@pytest.mark.parametrize("seed", range(10))
def test_images_through_a_batch_pipeline_one_by_one(seed):
    """An image enters a layer when it has left the one before and the layer's copies are free of the image before."""
    rng = np.random.default_rng(seed)
    ops, chip = random_network(rng), small_chip(rng)
    copies = random_copies(rng, ops)
    _, batch, _ = timelines(ops, chip, copies)
    free, done = [0] * len(ops), []
    for _ in range(40):
        now = 0
        for index, op in enumerate(ops):
            start = max(now, free[index])
            free[index] = start + int(batch.busy[index])
            now = start + layer_cycles(op, copies, chip)
        done.append(now)
    assert done[0] == batch.latency
    assert set(np.diff(done).tolist()[-8:]) == {int(batch.interval)}


def test_steps_of_a_recurrent_layer_take_their_depth_one_by_one(isaac):
    """7 steps of 22 cycles, whichever schedule: a layer that cannot overlap itself gains nothing."""
    network = build_network("steps", (7, 3), [("a", Lstm(2))])
    ops, signed = network.ops(), network.signed_inputs()
    table = place(ops, isaac, "none")
    edges = traffic(ops, table, isaac, 21)
    found = [
        schedule(ops, table, isaac, edges, signed, SchedulePlan(kind)).latency
        for kind in ("layer_pipeline", "sequential")
    ]
    assert found[0] <= found[1]
    matrix = next(op for op in ops if isinstance(op, MatrixOp))
    assert found == pytest.approx([matrix.vectors * 22 * 100e-9] * 2, rel=1e-12)


def test_one_copy_of_lenet_in_sequence(isaac):
    """784, 100, 1, 1 and 1 vectors, 16 cycles each and 6 more for the last of a layer: (887 · 16 + 5 · 6) · 100 ns."""
    lone = timelines(load_topology("lenet5").ops(), isaac, "none", 784)[2]
    assert lone.latency == lone.interval == pytest.approx((887 * 16 + 5 * 6) * 100e-9, rel=1e-12)
    assert lone.bottleneck == "conv1"


def test_the_kind_is_a_field_of_the_experiment():
    plan = {"dataset": "none", "schedule.kind": "sequential"}
    timeline = simulate(load_experiment("isaac-mlp", plan)).timeline
    assert timeline.kind == "sequential"
    assert timeline.interval == timeline.latency
    with pytest.raises(SpecError, match=r"schedule\.kind"):
        load_experiment("isaac-mlp", {"schedule.kind": "backwards"})


def test_a_trace_holds_each_layer_once(tmp_path, isaac):
    """A bar a layer in microseconds, with its name on its row; a folder that is not there is an error with a remedy."""
    timeline = timelines(load_topology("lenet5").ops(), isaac, "none", 784)[0]
    trace = json.loads(write_trace(timeline, tmp_path / "trace.json").read_text())
    bars = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    names = {event["tid"]: event["args"]["name"] for event in trace["traceEvents"] if event["name"] == "thread_name"}
    assert [bar["name"] for bar in bars] == timeline.layer.tolist() == [names[bar["tid"]] for bar in bars]
    assert max(bar["ts"] + bar["dur"] for bar in bars) == pytest.approx(1e6 * timeline.latency)
    assert [bar["ts"] for bar in bars] == pytest.approx((1e6 * timeline.start).tolist())
    with pytest.raises(FileError, match="no/trace"):
        write_trace(timeline, tmp_path / "no" / "trace.json")
