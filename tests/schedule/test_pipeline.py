"""The layer pipeline against a simulation that steps through the cycles one by one, and against counting by hand."""

from collections import defaultdict
from dataclasses import replace
from fractions import Fraction
from math import ceil

import numpy as np
import pytest

from pimsim import load_chip
from pimsim.mapping import place
from pimsim.network.ops import MatrixOp, VectorOp
from pimsim.network.zoo import load_topology
from pimsim.schedule import paced, schedule, traffic


def simulate(ops, copies, depth, interval, images=1, links=None, per_cycle=1):
    """When each vector of each layer starts and is delivered, by looking at every copy in every cycle.

    A vector starts when all that it needs has been delivered and its copy, which takes its own vectors in order, has
    not started another for `interval` cycles; digital units keep nobody waiting. Results are delivered in order. All
    images wait at time 0.
    `links` are the bits that each (producer, consumer) sends to other chips, `per_cycle` at a time, vector by vector.
    Returns {layer: [(start, delivery) of image 0, image 1, …]}, vector by vector.
    """
    links, delivered, started = links or {}, defaultdict(dict), defaultdict(dict)
    lanes = {op.layer: copies.get(op.layer, 1) if isinstance(op, MatrixOp) else op.vectors for op in ops}
    queues = {op.layer: [[(i, v) for i in range(images) for v in range(r, op.vectors, lanes[op.layer])]
                         for r in range(lanes[op.layer])] for op in ops}  # fmt: skip
    free = {op.layer: [0] * len(queues[op.layer]) for op in ops}
    crossing = {pair: Crossing(bits, per_cycle) for pair, bits in links.items() if bits}
    count = {op.layer: op.vectors for op in ops} | {"input": 1 + max(int(n.max()) for op in ops for n in op.need)}

    def there(producer, consumer, image, vector, now):
        """Whether the vector, and with it all before it, has been delivered to the consumer."""
        if (producer, consumer) in crossing:
            return crossing[producer, consumer].arrival(image, vector, count[producer], source(producer)) <= now
        return source(producer)(image, vector) <= now

    def source(producer):
        return lambda image, vector: 0 if producer == "input" else in_order(delivered[producer], image, vector)

    now = 0
    while any(queue for layer in queues.values() for queue in layer):
        for op in ops:
            is_matrix = isinstance(op, MatrixOp)
            for copy, queue in enumerate(queues[op.layer]):
                while queue and free[op.layer][copy] <= now:
                    image, vector = queue[0]
                    needs = zip(op.inputs, op.need, strict=True)
                    if not all(there(name, op.layer, image, int(need[vector]), now) for name, need in needs):
                        break
                    queue.pop(0)
                    started[op.layer][image, vector] = now
                    delivered[op.layer][image, vector] = now + (depth if is_matrix else 0)
                    free[op.layer][copy] = now + (interval if is_matrix else 0)
        now += 1
        assert now < 100_000
    return {
        op.layer: [
            [(started[op.layer][i, v], in_order(delivered[op.layer], i, v)) for v in range(op.vectors)]
            for i in range(images)
        ]
        for op in ops
    }


def in_order(delivered, image, vector):
    """When a vector and all before it are there; never, while one of them has not even started."""
    return max(delivered.get((image, v), float("inf")) for v in range(vector + 1))


class Crossing:
    """One tensor's way over the links: its vectors take their equal parts of the bits in turn."""

    def __init__(self, bits, per_cycle):
        self.bits, self.per_cycle, self.done = Fraction(bits), Fraction(per_cycle), {}

    def arrival(self, image, vector, vectors, source):
        if (image, vector) not in self.done:
            before = self.arrival(image, vector - 1, vectors, source) if vector else 0
            ready = source(image, vector)
            if before == float("inf") or ready == float("inf"):
                return float("inf")
            free = self.done.get((image, vector - 1), Fraction(0))
            self.done[image, vector] = max(free, Fraction(ready)) + self.bits / vectors / self.per_cycle
        return ceil(self.done[image, vector])


def random_network(rng, layers=6):
    """Matrices, element-wise layers and residual sums in a chain, every vector needing what it will."""
    widths, vectors, ops, previous = {"input": 4}, {"input": int(rng.integers(1, 8))}, [], "input"
    for index in range(layers):
        name, kind = f"l{index}", rng.choice(["matrix", "matrix", "relu", "pool", "add"])
        n, width, inputs = int(rng.integers(1, 13)), int(rng.integers(1, 6)), [previous]
        if index == 0:
            kind = "matrix"
        if kind == "relu":
            n, width = vectors[previous], widths[previous]
        if kind == "add":
            inputs.append(str(rng.choice(list(vectors))))
        need = tuple(rng.integers(0, vectors[source], n) for source in inputs)
        if rng.random() < 0.5:
            need = tuple(np.sort(each) for each in need)
        if kind == "matrix":
            ops.append(MatrixOp(name, tuple(inputs), widths[previous], width, n, 1, need))
        else:
            kind = {"relu": "activation"}.get(kind, kind)
            ops.append(VectorOp(name, tuple(inputs), kind, n * width, n * width, n, width, need))
        widths[name], vectors[name], previous = width, n, name
    return ops


def small_chip(rng, **changes):
    """A core of random depth and interval."""
    bits = {"core.input_bits": int(rng.integers(2, 6)), "core.pipeline_cycles": int(rng.integers(0, 8))}
    return load_chip("isaac-ce", bits | {"core.cycle": "1 s"} | changes)


def random_copies(rng, ops):
    return {op.layer: int(rng.integers(1, op.vectors + 1)) for op in ops if isinstance(op, MatrixOp)}


def timeline_of(ops, chip, replicate, signed):
    table = place(ops, chip, replicate)
    edges = traffic(ops, table, chip, image_values=24)
    matrices = [op.layer for op in ops if isinstance(op, MatrixOp)]
    return schedule(ops, table, chip, edges, dict.fromkeys(matrices, signed)), edges


@pytest.mark.parametrize("seed", range(40))
def test_the_running_maxima_are_the_event_driven_simulation(seed):
    """Random chains with residual sums, copies, needs, depths and intervals: every start and finish, to the cycle."""
    rng = np.random.default_rng(seed)
    ops, chip, signed = random_network(rng), small_chip(rng), bool(seed % 2)
    copies = random_copies(rng, ops)
    timeline, _ = timeline_of(ops, chip, copies, signed)
    depth, interval = chip.core.latency(signed=signed)
    expected = simulate(ops, copies, depth, interval)
    assert timeline.start.tolist() == [min(s for s, _ in expected[op.layer][0]) for op in ops]
    assert timeline.finish.tolist() == [max(d for _, d in expected[op.layer][0]) for op in ops]
    assert timeline.latency == expected[ops[-1].layer][0][-1][1]


@pytest.mark.parametrize("seed", range(15))
def test_images_back_to_back_settle_at_the_interval(seed):
    """With images waiting in line, one is finished every `interval` cycles, exactly, once the pipeline is full.

    And none is finished sooner after the one before it, averaged over all: the interval is a bound, too.
    """
    rng = np.random.default_rng(seed)
    ops, chip = random_network(rng, layers=5), small_chip(rng)
    copies = random_copies(rng, ops)
    timeline, _ = timeline_of(ops, chip, copies, False)
    depth, interval = chip.core.latency(signed=False)
    finished = [image[-1][1] for image in simulate(ops, copies, depth, interval, images=25)[ops[-1].layer]]
    assert finished[0] == timeline.latency
    assert set(np.diff(finished)[-8:].tolist()) == {int(timeline.interval)}
    busiest = timeline.layer.tolist().index(timeline.bottleneck)
    assert timeline.busy[busiest] == timeline.interval == timeline.busy.max()


@pytest.mark.parametrize("seed", range(20))
def test_what_crosses_chips_waits_for_the_links(seed):
    """On chips of one array, every tensor leaves its chip: arrivals follow the link's bandwidth, to the cycle."""
    rng = np.random.default_rng(seed)
    one_array = {"mesh_rows": 1, "mesh_cols": 1, "tile.router.shared_by": 1, "tile.cores": 1, "core.arrays": 1}
    per_cycle = int(rng.choice([3, 16, 1000]))
    chip = small_chip(rng, **one_array, **{"link.bandwidth": f"{per_cycle} bit/s"})
    ops = random_network(rng)
    timeline, edges = timeline_of(ops, chip, "none", False)
    links = {(edge.producer, edge.consumer): edge.link_bits for edge in edges}
    assert (sum(links.values()) > 0) == any(isinstance(op, MatrixOp) for op in ops[1:])
    depth, interval = chip.core.latency(signed=False)
    expected = simulate(ops, {}, depth, interval, links=links, per_cycle=per_cycle)
    assert timeline.start.tolist() == [min(s for s, _ in expected[op.layer][0]) for op in ops]
    assert timeline.finish.tolist() == [max(d for _, d in expected[op.layer][0]) for op in ops]
    link = ceil(Fraction(sum(links.values())) / per_cycle)
    assert timeline.interval == max(link, *timeline.busy.tolist())
    assert (timeline.bottleneck == "link") == (link == timeline.interval)


def test_an_image_crosses_to_the_other_chips_of_its_first_layer():
    """128 → 32 on two chips of one array each: half of the layer waits for 128 × 16 bits of image on the links.

    At 500 bits a cycle that is 2048 / 500 = 4.1 cycles: the only vector starts at cycle 5 and is done at 5 + 22. The
    array, 16 cycles a vector, and not the link sets the interval.
    """
    size = {"mesh_rows": 1, "mesh_cols": 1, "tile.router.shared_by": 1, "tile.cores": 1, "core.arrays": 1}
    chip = load_chip("isaac-ce", size | {"core.cycle": "1 s", "link.bandwidth": "500 bit/s"})
    op = MatrixOp("fc", ("input",), 128, 32, 1, 1, need=(np.zeros(1, int),))
    edges = traffic([op], place([op], chip), chip, image_values=128)
    timeline = schedule([op], place([op], chip), chip, edges, {"fc": False})
    assert [edge.link_bits for edge in edges] == [2048]
    assert (timeline.start[0], timeline.latency, timeline.interval) == (5, 27, 16)


def loop(ready, copies, interval):
    """start[v] = max(ready[v], start[v - R] + I), one vector after the other."""
    start = []
    for v, at in enumerate(ready):
        start.append(max(at, start[v - copies] + interval) if v >= copies else at)
    return start


@pytest.mark.parametrize("seed", range(30))
def test_paced_is_the_recursion(seed):
    """For ready times in any order, any number of copies, more than vectors included, and any interval."""
    rng = np.random.default_rng(seed)
    ready = rng.integers(0, 100, rng.integers(1, 200))
    copies, interval = int(rng.integers(1, 12)), int(rng.integers(1, 20))
    assert paced(ready, copies, interval).tolist() == loop(ready.tolist(), copies, interval)
    assert (paced(ready, len(ready) + 3, interval) == ready).all()


def test_lenets_first_layers_by_hand(isaac):
    """LeNet-5, one copy of each layer, 16 cycles of 100 ns a vector and 22 from buffer to buffer.

    conv1 has 28 × 28 = 784 vectors that need nothing but the image: the first starts at 0, the last at 783 × 16, and is
    written at 783 × 16 + 22 = 12,550 cycles: 1255 µs. conv2's first window is 5 × 5 pixels of pool1, the last of which
    pools conv1's pixels up to (9, 9), vector 9 × 28 + 9 = 261, written at 261 × 16 + 22 = 4198 cycles: 419.8 µs. An
    image can follow every 784 × 16 = 12,544 cycles.
    """
    ops = load_topology("lenet5").ops()
    timeline, _ = timeline_of(ops, isaac, "none", False)
    layer = timeline.layer.tolist()
    assert timeline.start[layer.index("conv1")] == 0
    assert timeline.finish[layer.index("conv1")] == pytest.approx(12_550 * 100e-9, rel=1e-12)
    assert timeline.start[layer.index("conv2")] == pytest.approx(4198 * 100e-9, rel=1e-12)
    assert timeline.interval == pytest.approx(12_544 * 100e-9, rel=1e-12)
    assert timeline.bottleneck == "conv1"


def test_balanced_lenet_runs_at_one_wave_a_layer(isaac):
    """With a copy for every vector, five layers take 22 cycles each, and an image can follow every 16."""
    timeline, _ = timeline_of(load_topology("lenet5").ops(), isaac, "balance", False)
    assert timeline.latency == pytest.approx(5 * 22 * 100e-9, rel=1e-12)
    assert timeline.interval == pytest.approx(16 * 100e-9, rel=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_more_copies_never_hurt(seed):
    """Another copy of one layer makes neither the interval nor any start later, while all stay on one chip."""
    rng = np.random.default_rng(seed)
    ops, chip = random_network(rng), small_chip(rng)
    copies = random_copies(rng, ops)
    before, _ = timeline_of(ops, chip, copies, False)
    for op in ops:
        if isinstance(op, MatrixOp) and copies[op.layer] < op.vectors:
            after, _ = timeline_of(ops, chip, copies | {op.layer: op.vectors}, False)
            assert after.interval <= before.interval
            assert (after.finish <= before.finish).all()


def test_times_scale_with_the_cycle(isaac):
    """Twice the cycle, twice every time."""
    ops = load_topology("lenet5").ops()
    slow = replace(isaac, core=replace(isaac.core, cycle=2 * isaac.core.cycle))
    once, twice = (timeline_of(ops, chip, "none", True)[0] for chip in (isaac, slow))
    np.testing.assert_allclose(twice.finish, 2 * once.finish, rtol=1e-12)
    assert twice.interval == pytest.approx(2 * once.interval, rel=1e-12)
