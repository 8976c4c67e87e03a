"""The event-driven replay: the pipeline to the cycle where nothing is shared, and never faster where something is."""

import json
from itertools import pairwise
from math import prod

import numpy as np
import pytest
from test_buffers import flow_through, lines, random_network
from test_pipeline import random_copies, small_chip

from pimsim import load_chip, load_experiment, read_result, simulate, write_result
from pimsim.errors import SpecError
from pimsim.mapping import place
from pimsim.network.layers import Conv2d, MaxPool
from pimsim.network.ops import MatrixOp
from pimsim.network.zoo import load_topology
from pimsim.results import result_summary, write_trace
from pimsim.schedule import SchedulePlan, replay, schedule, traffic
from pimsim.schedule.play import play
from pimsim.schedule.shared import shared_of
from pimsim.schedule.stream import stream

ONE_ARRAY = {"mesh_rows": 1, "mesh_cols": 1, "tile.router.shared_by": 1, "tile.cores": 1, "core.arrays": 1}
FOUR_ARRAYS = {"mesh_rows": 2, "mesh_cols": 2, "tile.router.shared_by": 1, "tile.cores": 1, "core.arrays": 1}


def replayed(ops, chip, replicate, image, signed, images=4, **plan):
    """The schedule and its replay."""
    table = place(ops, chip, replicate)
    edges = traffic(ops, table, chip, image)
    asked = SchedulePlan(replay=images, **plan)
    timeline = schedule(ops, table, chip, edges, signed, asked)
    return timeline, replay(ops, table, chip, edges, signed, asked, timeline)


def named(name, chip, replicate="balance", **plan):
    network = load_topology(name)
    return replayed(network.ops(), chip, replicate, prod(network.input_shape), network.signed_inputs(), **plan)


@pytest.mark.parametrize("seed", range(30))
def test_without_contention_it_is_the_stream_to_the_cycle(seed):
    """Every vector of three images, on one chip and on many, with buffers without end and with any that do not stick:
    the running maxima and the events know nothing of each other."""
    rng = np.random.default_rng(seed)
    many = ONE_ARRAY | {"link.bandwidth": f"{rng.choice([3, 16, 1000])} bit/s"} if seed % 2 else {}
    ops, chip = random_network(rng), small_chip(rng, **many)
    copies = "none" if many else random_copies(rng, ops)
    held = {op.layer: int(rng.integers(9, 14)) for op in ops} if seed % 3 else "unbounded"
    flow, (_, table, chip, edges, _) = flow_through(ops, chip, copies, held)
    every = int(rng.choice([0, 7, 50]))
    expected = stream(flow, 3, every).passed
    found = play(flow, shared_of(flow, table, chip, edges, contention=False), 3, float(every)).passed
    for name, times in expected.finish.items():
        assert found.finish[name].tolist() == times.tolist()
        assert found.start[name].tolist() == expected.start[name].tolist()


@pytest.mark.parametrize("name", ["mlp", "gpt2-decode", "lstm-ptb"])
def test_networks_of_the_zoo_replay_their_schedule(name):
    """Convolutions, products of two results and steps that follow one another, on as many chips as they take: the
    latency and the spans of all layers are the schedule's, and so is the interval."""
    timeline, found = named(name, load_chip("isaac-ce-attention"), images=8)
    np.testing.assert_allclose(found.finish, timeline.finish, rtol=1e-12)
    np.testing.assert_allclose(found.start, timeline.start, rtol=1e-12)
    assert (found.latency_difference, found.interval_difference) == (0, 0)
    assert found.bottleneck == timeline.bottleneck


def test_finite_buffers_replay_their_schedule(isaac):
    """Little more than a window before each layer: the same latency, and the same longer interval, to the cycle."""
    ops, signed = lines(("a", Conv2d(2, 3)), ("p", MaxPool(2)), ("b", Conv2d(2, 3)), image=(10, 10, 1))
    held = {"a": 24, "p": 11, "b": 11}
    free, _ = replayed(ops, isaac, {"a": 8}, 100, signed)
    timeline, found = replayed(ops, isaac, {"a": 8}, 100, signed, images=8, buffers=held)
    assert timeline.interval > free.interval
    assert timeline.bottleneck.startswith("buffer of ")
    np.testing.assert_array_equal(found.finish, timeline.finish)
    assert (found.latency_difference, found.interval_difference) == (0, 0)


@pytest.mark.parametrize("seed", range(12))
def test_contention_is_never_faster_than_its_bounds(seed):
    """On chips of four tiles with slow routers, buses and links: no vector of any image is there before the schedule
    without contention has it, and images follow no sooner than the busiest layer, link, bus and chip allow."""
    rng = np.random.default_rng(seed)
    rates = {"tile.router.rate": f"{rng.integers(1, 9)} Hz", "tile.bus.rate": f"{rng.integers(20, 90)} Hz"}
    ops, chip = random_network(rng), small_chip(rng, **FOUR_ARRAYS, **rates, **{"link.bandwidth": "50 bit/s"})
    flow, (_, table, chip, edges, signed) = flow_through(ops, chip, "none")
    free = stream(flow, 3, 0).passed
    shared = play(flow, shared_of(flow, table, chip, edges, contention=True), 3, 0.0).passed
    assert all((shared.finish[name] >= times).all() for name, times in free.finish.items())
    assert any((shared.finish[name] > times).any() for name, times in free.finish.items())
    timeline, found = replayed(ops, chip, "none", 40, signed, contention=True)
    assert found.interval >= max(*timeline.occupied, *timeline.busy)
    assert (found.left - found.entered >= timeline.latency).all()


def test_transfers_over_one_link_by_hand():
    """a, in tile 0, sends its vector of 24 bits, a flit, to b in tile 1, and the image its 48 bits, two flits, to both.

    A link passes a flit in 5 s: the image is in tile 1 at 10. a is done at 12, b has it at 17 and is done at 29;
    without contention at 24. An image every 15 s keeps the link busy: the second waits for the flit of a until 17, is
    there at 27, when its own a is done, too, which is there at 32, and b at 44.
    """
    changes = {
        "core.rows": 16, "core.columns": 12, "core.weight_bits": 6, "core.input_bits": 6, "core.columns_per_adc": 12,
        "core.cycle": "1 s", "tile.router.rate": "1 Hz", "tile.router.flit_bits": 24,
    }  # fmt: skip
    chip = load_chip("isaac-ce", FOUR_ARRAYS | changes)
    need = (np.zeros(1, int),)
    ops = [MatrixOp("a", ("input",), 8, 4, 1, 1, need), MatrixOp("b", ("a", "input"), 12, 4, 1, 1, need * 2)]
    signed = {"a": False, "b": False}
    (free, _), (timeline, found) = (replayed(ops, chip, "none", 8, signed, contention=c) for c in (False, True))
    assert free.latency == timeline.latency == 24
    assert timeline.interval == timeline.occupied.max() == 15
    assert (found.latency, found.latency_difference) == (29, 5)
    assert found.left[:2].tolist() == [29, 44]
    assert (found.interval, found.interval_difference) == (15, 0)


def test_a_narrower_link_takes_longer():
    """Half the bandwidth between chips, twice: neither latency nor interval gets shorter; images leave in order."""
    found = []
    for bandwidth in (64, 32, 16):
        chip = small_chip(np.random.default_rng(1), **ONE_ARRAY, **{"link.bandwidth": f"{bandwidth} bit/s"})
        need = (np.arange(6),)
        ops = [MatrixOp(name, (source,), 8, 8, 6, 1, need) for name, source in (("a", "input"), ("b", "a"), ("c", "b"))]
        _, each = replayed(ops, chip, "none", 48, dict.fromkeys("abc", False), contention=True)
        found.append(each)
    assert all(a.latency <= b.latency and a.interval <= b.interval for a, b in pairwise(found))
    assert found[0].latency < found[-1].latency
    assert all((np.diff(each.left) > 0).all() for each in found)


def test_the_result_states_both_and_their_difference(tmp_path):
    """JSON, HDF5 and trace of a run that replays; null where none is asked for."""
    steps = []
    plan = {"dataset": "none", "schedule.replay": 3, "schedule.contention": True}
    result = simulate(load_experiment("isaac-mlp", plan), lambda *step: steps.append(step))
    assert steps == [("replay", 1, 3), ("replay", 2, 3), ("replay", 3, 3)]
    summary = result_summary(result)
    for figure in ("latency", "interval"):
        both = summary[f"{figure}_s"] + summary["replay"][f"{figure}_difference_s"]
        assert summary["replay"][f"{figure}_s"] == pytest.approx(both, rel=1e-12)
    assert summary["replay"]["images"] == 3
    again = read_result(write_result(result, tmp_path / "replayed.h5"))
    np.testing.assert_array_equal(again.replay.left, result.replay.left)
    trace = json.loads(write_trace(result.timeline, tmp_path / "t.json", result.replay).read_text())
    bars = [event for event in trace["traceEvents"] if event["ph"] == "X" and event["pid"] == 1]
    assert [bar["name"] for bar in bars] == [*result.replay.layer, "image 0", "image 1", "image 2"]
    headings = [event["args"]["name"] for event in trace["traceEvents"] if event["name"] == "process_name"]
    assert result.timeline.bottleneck in headings[0]
    assert result.replay.bottleneck in headings[1]
    assert result_summary(simulate(load_experiment("isaac-mlp", {"dataset": "none"})))["replay"] is None


@pytest.mark.parametrize("plan", [{"replay": 1}, {"replay": -2}, {"replay": 3, "kind": "sequential"}])
def test_what_a_replay_cannot_be(plan):
    with pytest.raises(SpecError, match="replay"):
        SchedulePlan(**plan)


def test_arrays_that_are_rewritten_are_not_replayed():
    """Rounds hold one image at a time, so that there is no stream: said by name."""
    network = load_topology("lenet5")
    chip, ops = load_chip("isaac-ce", FOUR_ARRAYS), network.ops()
    table = place(ops, chip, "none", overflow="reload")
    edges = traffic(ops, table, chip, 784)
    assert table.rounds > 1
    with pytest.raises(SpecError, match="rewritten"):
        schedule(ops, table, chip, edges, network.signed_inputs(), SchedulePlan(buffers="tile"))
