"""Another compiler's machine and workloads: PIMCOMP-NN, commit 2ed10c8, whose arrays hold 128 × 128 whole weights.

The arrays of one copy, and the fewest waves on 9216 arrays (12 × 12 cores of 64), follow from its own layer tables.
"""

from math import prod

import pytest

from pimsim import load_chip
from pimsim.mapping import Budget, place
from pimsim.network.ops import MatrixOp
from pimsim.network.zoo import load_topology
from pimsim.schedule import SchedulePlan, schedule, traffic


@pytest.fixture(scope="module")
def chip():
    """Eight cells of 2 bits are one weight of 16; its 16 × 16 cores are an option of its own."""
    return load_chip("pimcomp", {"mesh_rows": 16, "mesh_cols": 16})


@pytest.mark.parametrize(
    ("network", "arrays", "budget", "waves", "used", "products"),
    [
        ("resnet-18", 727, 9216, 19, 9004, 132_500),
        ("resnet-18", 727, 4096, 49, 3376, 132_500),
        ("vgg-d", 8454, 9216, 965, 9198, 709_780),
        ("vgg-d", 8454, 16384, 131, 16384, 709_780),
        ("squeezenet-1.1", 108, 9216, 7, 8580, 50_962),
    ],
)
def test_arrays_and_waves_are_those_of_pimcomps_own_tables(chip, network, arrays, budget, waves, used, products):
    """Its search takes 21 waves for ResNet-18 and 8 for SqueezeNet, 965 and 138 for VGG-16, on 9216 and 16384 arrays.

    `products` are its matrix-vector operations: a vector through each group of arrays that share their rows.
    """
    ops = load_topology(network).ops()
    matrices = [op for op in ops if isinstance(op, MatrixOp)]
    assert place(ops, chip, "none").arrays_used == arrays
    assert sum(op.vectors * chip.core.cuts(op.rows, op.cols).blocks for op in matrices) == products
    table = place(ops, chip, budget=Budget(arrays=budget))
    assert max(-(-op.vectors // table.copies(op.layer)) for op in matrices) == waves
    assert table.arrays_used <= used


def test_one_copy_of_a_deep_network(chip):
    """ResNet-50; PIMCOMP's has its strides elsewhere, so that its vectors are others."""
    assert place(load_topology("resnet-50").ops(), chip, "none").arrays_used == 1576


@pytest.mark.parametrize(
    ("network", "mesh", "issue_us", "memory_us", "search_us"),
    [
        ("resnet-18", 12, 184.03, 221.41, 319.3),
        ("resnet-18", 8, 414.06, 221.41, 926),
        ("vgg-d", 12, 985.81, 1524.76, 13_240),
        ("vgg-d", 16, 554.52, 1496.57, 2_006),
        ("squeezenet-1.1", 12, 70.78, 73.49, 190.3),
    ],
)
def test_the_interval_is_near_the_bounds_of_issue_and_memory(network, mesh, issue_us, memory_us, search_us):
    """Of its batch pipeline, an image every so many microseconds: within 1.3 × of the larger bound, its own and ours.

    Its own: an operation a core every 200 ns, spread evenly, and the bytes that its compiler moves, at 64 GB/s. Ours:
    the same issue, and our bytes. `search_us` is what its genetic algorithm reached (8 × 8: its greedy balance).
    """
    chip, net = load_chip("pimcomp", {"mesh_rows": mesh, "mesh_cols": mesh}), load_topology(network)
    ops = net.ops()
    table = place(ops, chip, fill="level")
    edges = traffic(ops, table, chip, prod(net.input_shape))
    time = schedule(ops, table, chip, edges, net.signed_inputs(), SchedulePlan("batch_pipeline"))
    bounds = dict(zip(time.bound.tolist(), time.least.tolist(), strict=True))
    assert table.chips == 1
    assert bounds["issue"] == pytest.approx(issue_us * 1e-6, rel=1e-4)
    assert bounds["memory"] <= memory_us * 1e-6 * 1.3
    assert time.gap == pytest.approx(time.interval / max(bounds["issue"], bounds["memory"]))
    assert time.gap <= 1.3
    assert time.interval <= 1.3e-6 * max(issue_us, memory_us)
    assert time.interval < search_us * 1e-6


def test_an_operation_takes_what_its_machine_says(chip):
    """200 ns from one to the next, and 4 µs from its start to its result."""
    latency = chip.core.latency(signed=False)
    assert latency.interval * chip.core.cycle == pytest.approx(200e-9)
    assert latency.depth * chip.core.cycle == pytest.approx(4e-6)
    assert chip.arrays == 16 * 16 * 64
