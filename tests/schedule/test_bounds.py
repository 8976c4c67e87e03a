"""Lower bounds of the interval: below every mapping there is, and reached where nothing is lost to whole numbers."""

import itertools
from math import prod

import numpy as np
import pytest

from pimsim import load_chip
from pimsim.mapping import place
from pimsim.network.ops import MatrixOp, VectorOp
from pimsim.network.zoo import load_topology
from pimsim.schedule import SchedulePlan, schedule, traffic
from pimsim.schedule.work import works_of


def chain(*layers):
    ops = []
    for place_, (rows, cols, vectors) in enumerate(layers):
        source = f"m{place_ - 1}" if place_ else "input"
        ops.append(MatrixOp(f"m{place_}", (source,), rows, cols, vectors, 1, need=(np.zeros(vectors, int),)))
    return ops


def timed(ops, chip, replicate="balance", **plan):
    table = place(ops, chip, replicate, **plan)
    edges = traffic(ops, table, chip, 16)
    time = schedule(ops, table, chip, edges, {op.layer: False for op in ops}, SchedulePlan("batch_pipeline"))
    return table, time, dict(zip(time.bound.tolist(), time.least.tolist(), strict=True))


@pytest.mark.parametrize("seed", range(4))
def test_no_choice_of_copies_is_faster_than_the_bound_of_the_arrays(small, seed):
    """Brute force over all copies of three layers on one chip of 16 arrays."""
    rng = np.random.default_rng(seed)
    ops = chain(*((int(rng.integers(1, 33)), int(rng.integers(1, 9)), int(rng.integers(1, 4))) for _ in range(3)))
    best = np.inf
    for copies in itertools.product(*(range(1, op.vectors + 1) for op in ops)):
        table, time, bounds = timed(ops, small, dict(zip(("m0", "m1", "m2"), copies, strict=True)))
        if table.chips == 1:
            assert bounds["arrays"] <= time.interval * (1 + 1e-12)
            best = min(best, time.interval)
    table, time, bounds = timed(ops, small)
    assert time.interval == pytest.approx(best)
    assert time.gap == pytest.approx(time.interval / bounds["arrays"])


def test_the_bound_of_the_arrays_by_hand(small):
    """16 arrays: 3 hold a layer of one vector; the 13 left share 130 reads of 2 layers of an array each: 10 each."""
    ops = chain((16, 12, 1), (16, 4, 80), (16, 4, 50))
    _, time, bounds = timed(ops, small)
    read = small.core.latency(signed=False).interval * small.core.cycle
    assert bounds["arrays"] == pytest.approx(10 * read)
    assert time.interval == pytest.approx(10 * read)
    assert time.gap == pytest.approx(1)


def test_a_tile_starts_one_operation_at_a_time():
    """Two matrices of 2 × 1 and 1 × 2 arrays in a tile of 4: 3 operations for each of 5 vectors, 1 s each."""
    bits = {"core.weight_bits": 8, "core.input_bits": 6, "core.adc.bits": 5}
    size = {"core.rows": 16, "core.columns": 16, "core.columns_per_adc": 16, "core.arrays": 2, "tile.cores": 2}
    mesh = {"mesh_rows": 1, "mesh_cols": 2, "tile.router.shared_by": 1, "tile.issue": "1 s"}
    chip = load_chip("isaac-ce", size | bits | mesh)
    ops = chain((32, 4, 5), (16, 8, 5))
    _, together, bounds = timed(ops, chip, "none")
    assert (together.bottleneck, together.interval) == ("issue", pytest.approx(15))
    assert bounds["issue"] == pytest.approx(15 / 2)
    assert together.gap == pytest.approx(2)
    table, apart, _ = timed(ops, chip, "none", fill="level")
    assert table.tiles_on() == 2
    assert (apart.bottleneck, apart.interval) == ("issue", pytest.approx(10))


def test_a_memory_takes_each_tensor_in_once_and_gives_it_once_to_all_that_take_it(small):
    """a's 16 values of 6 bits: written once, read once for the matrices b and c and once more for the sum; c's read and
    written once for it; the image read once. Nothing goes over the mesh."""
    memory = {"rate": "1 Hz", "power": "2 W", "area": "1 mm2", "event": "dram_bit"}
    size = {"core.rows": 16, "core.columns": 16, "core.columns_per_adc": 16, "core.weight_bits": 8,
            "core.input_bits": 6, "core.adc.bits": 5}  # fmt: skip
    chip = load_chip("isaac-ce", size | {"memory": memory})
    need = (np.zeros(1, int),)
    ops = [MatrixOp("a", ("input",), 16, 16, 1, 1, need), MatrixOp("b", ("a",), 16, 16, 1, 1, need),
           MatrixOp("c", ("a",), 16, 16, 1, 1, need),
           VectorOp("s", ("b", "c", "a"), "add", 16, 48, 1, 16, need * 3)]  # fmt: skip
    _, time, bounds = timed(ops, chip, "none")
    assert bounds["memory"] == pytest.approx(6 * 16 * (1 + 3 + 2))
    assert (time.bottleneck, time.interval) == ("memory", pytest.approx(bounds["memory"], abs=chip.core.cycle))
    assert time.gap == pytest.approx(1)
    assert bounds["links"] == 0
    lines = {line.component: line for line in chip.bill()}
    assert lines["memory"].cost.energy == pytest.approx(2)


@pytest.mark.parametrize("replicate", ["none", {"conv1": 4}])
def test_the_bounds_hold_where_steps_do_not_overlap_and_blocks_take_several_arrays(replicate):
    """The array bound of MNSIM's chip leaves out the way over the mesh, which depends on the mapping."""
    network, chip = load_topology("lenet5"), load_chip("mnsim-2.0")
    ops, signed = network.ops(), network.signed_inputs()
    table = place(ops, chip, replicate, tiles="own")
    edges = traffic(ops, table, chip, prod(network.input_shape))
    time = schedule(ops, table, chip, edges, signed)
    bounds = dict(zip(time.bound.tolist(), time.least.tolist(), strict=True))
    assert 0 < bounds["arrays"] <= time.interval
    assert time.gap == pytest.approx(time.interval / bounds["arrays"])
    reads = {work.op.layer: (work.read, work.depth) for work in works_of(ops, table, chip, signed, edges) if work.read}
    assert set(reads) == set(table.matrix.tolist())
    assert all(read <= depth for read, depth in reads.values())
