"""Finite buffers against a simulation that steps through the cycles, and against windows counted by hand."""

from itertools import count, pairwise

import numpy as np
import pytest
from test_pipeline import random_copies, small_chip

from pimsim import load_chip
from pimsim.errors import CapacityError, SpecError
from pimsim.mapping import place
from pimsim.network.graph import build_network
from pimsim.network.layers import Add, Conv2d, MaxPool, Relu
from pimsim.network.ops import MatrixOp, VectorOp
from pimsim.network.zoo import load_topology
from pimsim.schedule import SchedulePlan, schedule, traffic
from pimsim.schedule.buffers import buffers_of, least_sizes, passes_by
from pimsim.schedule.flow import flow_of
from pimsim.schedule.stream import stream
from pimsim.schedule.work import works_of


class Stuck(Exception):
    """Nothing can ever start again."""


def simulate(ops, copies, depth, interval, held, images, every):
    """When each vector of each layer starts and is there with all before it, by trying everything in every cycle.

    A buffer of B vectors takes those from the oldest that a vector still waiting needs to the B-th after it; a result
    needs room from its start on. `held` are the sizes by (consumer, input). Images come one every so many cycles.
    """
    vectors = {op.layer: op.vectors for op in ops}
    vectors["input"] = 1 + max(int(n.max()) for op in ops for name, n in zip(op.inputs, op.need, strict=True)
                               if name == "input")  # fmt: skip
    start, there, free = {name: {} for name in vectors}, {name: {} for name in vectors}, {}
    waiting = {name: [(i, v) for i in range(images) for v in range(n)] for name, n in vectors.items()}

    def rooms(name):
        """The buffers that results of a layer go to."""
        for op in ops:
            for index, source in enumerate(op.inputs):
                if source == name and index == 0 and isinstance(op, VectorOp) and op.kind in ("activation", "add"):
                    yield from rooms(op.layer)
                elif source == name:
                    yield op, index

    def has_room(name, i, v):
        for op, index in rooms(name):
            left = waiting[op.layer]
            if left:
                image, vector = left[0]
                oldest = image * vectors[name] + min(op.first[index][vector:])
                if i * vectors[name] + v >= oldest + held.get((op.layer, index), 10**9):
                    return False
        return True

    def arrived(name, i, v, now):
        return all(there[name].get((i, u), now + 1) <= now for u in range(v + 1))

    def can_start(name, op, i, v, now):
        if op is None:
            return now >= i * every and has_room(name, i, v)
        by = isinstance(op, VectorOp) and op.kind in ("activation", "add")
        return (
            all(arrived(source, i, int(need[v]), now) for source, need in zip(op.inputs, op.need, strict=True))
            and free.get((name, v % copies.get(name, 10**9)), 0) <= now
            and (by or has_room(name, i, v))
            and not any((j, u) in waiting[name] and (u - v) % copies.get(name, 10**9) == 0
                        for j in range(i + 1) for u in range(vectors[name] if j < i else v))
        )  # fmt: skip

    for now in count():
        changed = True
        while changed:
            changed = False
            for op in [None, *ops]:
                name = op.layer if op else "input"
                for i, v in list(waiting[name]):
                    if can_start(name, op, i, v, now):
                        waiting[name].remove((i, v))
                        start[name][i, v], changed = now, True
                        there[name][i, v] = now + (depth if isinstance(op, MatrixOp) else 0)
                        if isinstance(op, MatrixOp):
                            free[name, v % copies[name]] = now + interval
        if not any(waiting.values()):
            break
        later = [t for times in there.values() for t in times.values() if t > now]
        later += [t for t in free.values() if t > now] + [i * every for i in range(images) if i * every > now]
        if not later:
            raise Stuck
    in_order = {
        name: [max(times[i, u] for u in range(v + 1)) for i in range(images) for v in range(n)]
        for (name, n), times in zip(vectors.items(), (there[name] for name in vectors), strict=True)
    }
    return {name: [times[key] for key in sorted(times)] for name, times in start.items()}, in_order


def random_network(rng, layers=5):
    """Convolutions along a line, pools, element-wise layers and residual sums."""
    vectors, width, ops = {"input": int(rng.integers(4, 10))}, {"input": 4}, []
    for index in range(layers):
        name, previous = f"l{index}", list(vectors)[-1]
        same = [
            other for other, n in vectors.items() if n == vectors[previous] and other != previous and other != "input"
        ]
        kind = str(rng.choice(["conv", "conv", "relu", "pool", *(["add"] * 2 if same else [])])) if index else "conv"
        n = vectors[previous]
        if kind in ("conv", "pool"):
            reach, stride = int(rng.integers(0, 4)), int(rng.integers(1, 3)) if kind == "pool" else 1
            last = np.minimum(np.arange(0, n, stride) + reach, n - 1)
            need, first = (last,), (np.maximum(np.arange(0, n, stride) - int(rng.integers(0, 3)), 0),)
        else:
            need = first = (np.arange(n),) * (2 if kind == "add" else 1)
        inputs = (previous, str(rng.choice(same))) if kind == "add" else (previous,)
        cols, size = (int(rng.integers(1, 6)) if kind == "conv" else width[previous]), len(need[0])
        if kind == "conv":
            ops.append(MatrixOp(name, inputs, width[previous], cols, size, 1, need, first=first))
        else:
            kind = {"relu": "activation"}.get(kind, kind)
            ops.append(VectorOp(name, inputs, kind, size * cols, size * cols, size, cols, need, first))
        vectors[name], width[name] = size, cols
    return ops


def flow_through(ops, chip, copies, held="unbounded", image=40):
    table = place(ops, chip, copies)
    edges = traffic(ops, table, chip, image)
    signed = {op.layer: False for op in ops if isinstance(op, MatrixOp)}
    works = works_of(ops, table, chip, signed, edges)
    return flow_of(works, table, chip, edges, held), (ops, table, chip, edges, signed)


@pytest.mark.parametrize("seed", range(40))
def test_a_stream_is_the_simulation_by_cycles(seed):
    """Random networks, copies and buffers: every start and arrival of three images; or both find that it sticks."""
    rng = np.random.default_rng(seed)
    ops, chip = random_network(rng), small_chip(rng)
    copies = random_copies(rng, ops)
    held = {op.layer: int(rng.integers(1, 9)) for op in ops if rng.random() < 0.8}
    flow, _ = flow_through(ops, chip, copies, held)
    depth, interval = chip.core.latency(signed=False)
    every = int(rng.choice([0, max(work.busy for work in flow.works)]))
    sizes = {(buffer.consumer, buffer.place): buffer.size for buffer in flow.buffers}
    try:
        start, there = simulate(ops, copies, depth, interval, sizes, 3, every)
    except Stuck:
        with pytest.raises(CapacityError, match="has to hold"):
            stream(flow, 3, every)
    else:
        found = stream(flow, 3, every).passed
        assert {name: times.tolist() for name, times in found.start.items()} == start
        assert {name: times.tolist() for name, times in found.finish.items()} == there


@pytest.mark.parametrize("name", ["lenet5", "lstm-ptb", "gpt2-decode", "squeezenet-1.1"])
def test_large_buffers_are_no_buffers(name):
    """Twice the vectors of the largest tensor: latency, starts and finishes, and interval are the unbounded ones; with
    steps that follow one another, products of two results, and tensors that cross chips, too."""
    network = load_topology(name)
    chip = load_chip("isaac-ce-attention", {"link.bandwidth": "1 GB/s", "mesh_rows": 7 if name == "lenet5" else 2})
    ops, signed = network.ops(), network.signed_inputs()
    table = place(ops, chip)
    edges = traffic(ops, table, chip, int(np.prod(network.input_shape)))
    assert (table.chips > 1) == (name in ("gpt2-decode", "lstm-ptb"))
    ample = {op.layer: 2 * max(50176, *(other.vectors for other in ops)) for op in ops}
    free, held = (
        schedule(ops, table, chip, edges, signed, SchedulePlan(buffers=buffers)) for buffers in ("unbounded", ample)
    )
    np.testing.assert_array_equal(held.start, free.start)
    np.testing.assert_array_equal(held.finish, free.finish)
    assert (held.latency, held.interval, held.bottleneck) == (free.latency, free.interval, free.bottleneck)


def lines(*layers, image=(8, 8, 1)):
    network = build_network("lines", image, layers)
    return network.ops(), network.signed_inputs()


def held_by(ops, signed, chip, buffers, replicate="none"):
    table = place(ops, chip, replicate)
    edges = traffic(ops, table, chip, 64)
    return schedule(ops, table, chip, edges, signed, SchedulePlan(buffers=buffers))


def test_a_window_needs_its_rows_and_the_error_says_how_many(isaac):
    """3 × 3 windows of an image 8 wide reach over two lines and three pixels: 19 vectors run, 18 wait for ever."""
    ops, signed = lines(("a", Conv2d(2, 1)), ("b", Conv2d(2, 3)))
    assert held_by(ops, signed, isaac, {"b": 19}).latency >= held_by(ops, signed, isaac, "unbounded").latency
    with pytest.raises(CapacityError, match="b: holds 18 vectors of a and has to hold 19"):
        held_by(ops, signed, isaac, {"b": 18})


def test_a_shortcut_holds_what_the_other_branch_reaches_ahead(isaac):
    """Two 3 × 3 convolutions, padded, reach two lines and two pixels ahead: 8 · 2 + 3 vectors of a on the shortcut."""
    ops, signed = lines(
        ("a", Conv2d(2, 1)), ("b", Conv2d(2, 3, padding=1)), ("c", Conv2d(2, 3, padding=1)), ("sum", Add(), ("c", "a"))
    )
    assert held_by(ops, signed, isaac, {"sum": 19}).bottleneck
    with pytest.raises(CapacityError, match="sum: holds 4 vectors of a and has to hold 19"):
        held_by(ops, signed, isaac, {"sum": 4})


def test_least_sizes_run_and_one_less_does_not(isaac):
    """Of a network with pools and shortcuts: all buffers as large as they must be, then each of them one vector less;
    of the shortcut two, since the convolution on it has a buffer of one vector, too."""
    ops, signed = lines(
        ("a", Conv2d(2, 3)), ("r", Relu()), ("p", MaxPool(2)), ("b", Conv2d(2, 3, padding=1)),
        ("c", Conv2d(2, 1), "p"), ("sum", Add(), ("b", "c")),
    )  # fmt: skip
    places = [(op, index) for op in ops for index in range(len(op.inputs)) if not passes_by(op, index)]
    least = {op.layer: size for (op, _), size in zip(places, least_sizes(ops, places), strict=True)}
    assert held_by(ops, signed, isaac, least).latency > 0
    assert least["c"] == 1
    for layer, less in (("a", 1), ("p", 1), ("b", 1), ("sum", 2)):
        with pytest.raises(CapacityError, match="has to hold"):
            held_by(ops, signed, isaac, least | {layer: least[layer] - less})


def test_a_buffer_of_one_window_lets_one_vector_pass_at_a_time(isaac):
    """fc layers over 40 tokens, one copy: a vector of the first starts when the second has begun the one before, which
    is 22 cycles later; unbounded, every 16."""
    need = (np.arange(40),)
    ops = [MatrixOp(name, (source,), 8, 8, 40, 1, need) for name, source in (("a", "input"), ("b", "a"))]
    signed = {"a": False, "b": False}
    free, held = (held_by(ops, signed, isaac, buffers) for buffers in ("unbounded", {"b": 1}))
    assert free.latency == pytest.approx((39 * 16 + 44) * 100e-9)
    assert held.latency == pytest.approx((39 * 22 + 44) * 100e-9)
    assert (held.interval, held.bottleneck) == (pytest.approx(40 * 22 * 100e-9), "buffer of b")


@pytest.mark.parametrize("seed", range(8))
def test_more_room_never_hurts(seed):
    """A vector more in every buffer: no start of any image is later."""
    rng = np.random.default_rng(seed)
    ops, chip = random_network(rng), small_chip(rng)
    copies = random_copies(rng, ops)
    size = int(rng.integers(9, 12))
    flows = [flow_through(ops, chip, copies, {op.layer: size + more for op in ops})[0] for more in range(3)]
    found = [stream(flow, 3, 0).passed for flow in flows]
    for tight, loose in pairwise(found):
        assert all((loose.start[name] <= times).all() for name, times in tight.start.items())


def test_a_tiles_buffer_is_shared_by_the_layers_on_it(isaac):
    """LeNet-5 with a copy of each layer: sizes grow with the capacity; what does not fit is an error with its size."""
    network = load_topology("lenet5")
    ops, signed = network.ops(), network.signed_inputs()
    table = place(ops, isaac, "none")
    edges = traffic(ops, table, isaac, 784)
    small, large = (
        buffers_of(ops, table, load_chip("isaac-ce", {"tile.buffer.capacity": size}), edges, "tile")
        for size in ("32 KB", "64 KB")
    )
    width = {op.layer: op.width for op in ops} | {"input": 1}
    assert all(2 * a.size <= b.size <= 2 * a.size + 1 for a, b in zip(small, large, strict=True))
    assert sum(buffer.size * width[buffer.producer] * 16 for buffer in large) <= 2 * 64 * 8192
    tight = load_chip("isaac-ce", {"tile.buffer.capacity": "2 KB"})
    with pytest.raises(CapacityError, match=r"conv1: holds 64 vectors of input and has to hold 117"):
        schedule(ops, table, tight, edges, signed, SchedulePlan(buffers="tile"))


def test_what_buffers_cannot_be(isaac):
    ops, signed = lines(("a", Conv2d(2, 1)), ("b", Conv2d(2, 3)))
    with pytest.raises(SpecError, match=r"buffers\.c: is no layer"):
        held_by(ops, signed, isaac, {"c": 3})
    with pytest.raises(SpecError, match=r"buffers\.b: must be"):
        held_by(ops, signed, isaac, {"b": 0})
    with pytest.raises(SpecError, match="whole tensors"):
        SchedulePlan(kind="sequential", buffers="tile")
