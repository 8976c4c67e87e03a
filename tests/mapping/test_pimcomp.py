"""Another compiler's machine and workloads: PIMCOMP-NN, commit 2ed10c8, whose arrays hold 128 × 128 whole weights.

The arrays of one copy, and the fewest waves on 9216 arrays (12 × 12 cores of 64), follow from its own layer tables.
"""

import pytest

from pimsim import load_chip
from pimsim.mapping import Budget, place
from pimsim.network.ops import MatrixOp
from pimsim.network.zoo import load_topology


@pytest.fixture(scope="module")
def chip():
    """16 × 16 cores of 64 arrays; eight cells of 2 bits are one weight of 16."""
    return load_chip("isaac-ce", {"mesh_rows": 16, "mesh_cols": 16, "tile.router.shared_by": 1, "tile.cores": 1,
                                  "core.arrays": 64, "core.columns": 1024})  # fmt: skip


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
