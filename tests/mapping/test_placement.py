"""Which block of which matrix sits in which array: checked on boolean matrices, block by block."""

import itertools

import numpy as np
import pytest

from pimsim import load_chip
from pimsim.errors import NetworkError, SpecError
from pimsim.mapping import balance, occupied, place
from pimsim.network.ops import MatrixOp, VectorOp


def matrix_op(name, rows, cols, vectors=1, groups=1):
    return MatrixOp(name, ("input",), rows, cols, vectors, groups, need=(np.zeros(vectors, int),))


def relu_op(name, source, vectors, width):
    return VectorOp(name, (source,), "activation", vectors * width, vectors * width, vectors, width,
                    need=(np.arange(vectors),))  # fmt: skip


def block_diagonal(rows, cols, groups):
    """Where a grouped matrix has weights."""
    return np.kron(np.eye(groups, dtype=bool), np.ones((rows // groups, cols // groups), bool))


def random_ops(rng, count):
    """Dense and grouped matrices of random sizes, with element-wise layers between."""
    ops = []
    for index in range(count):
        groups = int(rng.choice([1, 1, 2, 3, 7, 20]))
        rows, cols = (groups * int(rng.integers(1, 90 // groups)) for _ in range(2))
        vectors = int(rng.integers(1, 30))
        ops += [matrix_op(f"m{index}", rows, cols, vectors, groups), relu_op(f"r{index}", f"m{index}", vectors, cols)]
    return ops


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("replicate", ["balance", "none", {"m1": 2}])
def test_every_weight_of_every_copy_sits_in_exactly_one_array(small, seed, replicate):
    """Of a dense matrix each weight, of a grouped one each that can be other than zero; every block fits its array."""
    rng = np.random.default_rng(seed)
    ops = random_ops(rng, 3)
    ops[2] = matrix_op("m1", 70, 33, 20)
    table = place(ops, small, replicate)
    matrices = [op for op in ops if isinstance(op, MatrixOp)]
    assert table.matrix.tolist() == [op.layer for op in matrices]
    covered = {
        (index, copy): np.zeros((op.rows, op.cols), int)
        for index, op in enumerate(matrices)
        for copy in range(table.copies(op.layer))
    }
    fields = (table.block_matrix, table.block_replica, table.block_row, table.block_rows, table.block_col)
    for matrix, copy, row, rows, col, cols in zip(*fields, table.block_cols, strict=True):
        assert 1 <= rows <= small.core.rows
        assert 1 <= cols <= small.core.weights_per_array
        block = covered[matrix, copy][row : row + rows, col : col + cols]
        assert block.shape == (rows, cols)
        block += 1
        op = matrices[matrix]
        assert block_diagonal(op.rows, op.cols, op.groups)[row : row + rows, col : col + cols].any()
    for (matrix, _copy), count in covered.items():
        op = matrices[matrix]
        assert count.max() == 1
        assert (count[block_diagonal(op.rows, op.cols, op.groups)] == 1).all()
        assert op.groups > 1 or count.all()


@pytest.mark.parametrize("seed", range(12))
def test_no_two_blocks_share_an_array(small, seed):
    """Arrays are distinct, within those there are, and as many as the table counts; tiles fill one after the other."""
    table = place(random_ops(np.random.default_rng(seed), 4), small, "none")
    assert len(set(table.block_array.tolist())) == len(table.block_array) == table.arrays_used
    assert table.block_array.max() < table.arrays_total == table.chips * small.arrays
    assert table.tiles_on() == -(-table.arrays_used // small.arrays_per_tile)
    everywhere = np.unique(np.concatenate([table.tiles(layer) for layer in table.matrix.tolist()]))
    assert everywhere.tolist() == list(range(table.tiles_on()))


@pytest.mark.parametrize("seed", range(60))
def test_skipped_cuts_of_a_grouped_matrix_hold_no_weight(small, seed):
    """A cut has an array exactly if any of its weights lies in a group: brute force over the boolean matrix."""
    rng = np.random.default_rng(seed)
    groups = int(rng.integers(1, 12))
    rows, cols = (groups * int(rng.integers(1, 14)) for _ in range(2))
    cuts = small.core.cuts(rows, cols)
    padded = np.zeros((cuts.blocks * cuts.rows, cuts.arrays * cuts.cols), bool)
    padded[:rows, :cols] = block_diagonal(rows, cols, groups)
    expected = padded.reshape(cuts.blocks, cuts.rows, cuts.arrays, cuts.cols).any(axis=(1, 3))
    np.testing.assert_array_equal(occupied(matrix_op("m", rows, cols, groups=groups), cuts), expected)


def test_a_depthwise_layer_takes_far_fewer_arrays_than_a_dense_one(small):
    """64 groups of 1 × 1: the 4 × 16 cuts along the diagonal, 16 in all, instead of 64."""
    depthwise = place([matrix_op("d", 64, 64, groups=64)], small, "none")
    dense = place([matrix_op("d", 64, 64)], small, "none")
    assert (depthwise.arrays_used, dense.arrays_used) == (16, 64)


def busiest(vectors, copies):
    """Waves of the busiest layer."""
    return max(-(-n // r) for n, r in zip(vectors, copies, strict=True))


@pytest.mark.parametrize("seed", range(30))
def test_balance_is_the_best_there_is(seed):
    """Of all ways to spend the arrays, none finishes an inference in fewer waves, and no copy could be spared.

    Brute force over every assignment of copies to three layers.
    """
    rng = np.random.default_rng(seed)
    vectors, arrays = rng.integers(1, 9, 3).tolist(), rng.integers(1, 5, 3).tolist()
    budget = int(sum(arrays) + rng.integers(0, 40))
    ops = [matrix_op(name, 4, 4, n) for name, n in zip("abc", vectors, strict=True)]
    found = balance(ops, dict(zip("abc", arrays, strict=True)), budget)
    copies = [found[name] for name in "abc"]
    affordable = [
        each
        for each in itertools.product(*(range(1, n + 1) for n in vectors))
        if sum(r * a for r, a in zip(each, arrays, strict=True)) <= budget
    ]
    assert tuple(copies) in affordable
    assert busiest(vectors, copies) == min(busiest(vectors, each) for each in affordable)
    for index in range(3):
        fewer = [r - (i == index) for i, r in enumerate(copies)]
        assert copies[index] == 1 or busiest(vectors, fewer) > busiest(vectors, copies)


@pytest.mark.parametrize("seed", range(8))
def test_balanced_layers_fit_the_chips_that_one_copy_needs(small, seed):
    """Balancing never adds a chip, and never slows the pipeline down."""
    ops = random_ops(np.random.default_rng(seed), 3)
    vectors = [op.vectors for op in ops if isinstance(op, MatrixOp)]
    one, many = place(ops, small, "none"), place(ops, small, "balance")
    assert many.chips == one.chips
    assert one.replication.tolist() == [1, 1, 1]
    assert busiest(vectors, many.replication) <= busiest(vectors, one.replication)


def test_replicas_as_asked(small):
    """Given copies are kept, other layers have one, and each copy's blocks are the same cuts in arrays of its own."""
    ops = [matrix_op("a", 40, 9, 6), matrix_op("b", 8, 4, 5)]
    table = place(ops, small, {"a": 3})
    assert table.replication.tolist() == [3, 1]
    assert table.arrays_used == 3 * 9 + 1
    columns = np.stack([table.block_row, table.block_rows, table.block_col, table.block_cols], axis=1)
    copies = [columns[(table.block_matrix == 0) & (table.block_replica == copy)].tolist() for copy in range(3)]
    assert copies[0] == copies[1] == copies[2] == [list(block) for block in table.blocks("a")]


@pytest.mark.parametrize(
    ("replicate", "place_", "fact", "remedy"),
    [
        ({"conv": 2}, "mapping.replicate.conv", "no layer with a matrix has this name", "Did you mean conv1"),
        ({"relu1": 2}, "mapping.replicate.relu1", "no layer with a matrix has this name", ""),
        ({"conv1": 0}, "mapping.replicate.conv1", "must be 1 to 6, got 0", ""),
        ({"conv1": 7}, "mapping.replicate.conv1", "must be 1 to 6, got 7", ""),
    ],
)
def test_replicas_that_cannot_be_are_refused(small, replicate, place_, fact, remedy):
    """Of a layer that is not there, with the nearest that is; and of more copies than vectors."""
    ops = [matrix_op("conv1", 8, 4, 6), relu_op("relu1", "conv1", 6, 4), matrix_op("fc2", 8, 4)]
    with pytest.raises(SpecError) as caught:
        place(ops, small, replicate)
    assert caught.value.place == place_
    assert fact in caught.value.fact
    assert remedy in caught.value.remedy


def test_a_network_without_matrices_has_nothing_to_map(small):
    with pytest.raises(NetworkError, match="nothing to map"):
        place([relu_op("relu", "input", 4, 4)], small)


def test_a_network_larger_than_a_chip_takes_as_many_as_it_needs():
    """13 arrays on chips of 4 are 4 chips; balance spends the 3 that are left over, and given counts may add chips."""
    size = {"mesh_rows": 1, "mesh_cols": 1, "tile.router.shared_by": 1, "tile.cores": 2, "core.arrays": 2}
    chip = load_chip("isaac-ce", size)
    ops = [matrix_op("a", 128, 16 * 12, 9), matrix_op("b", 128, 16, 4)]
    tables = {str(r): place(ops, chip, r) for r in ("none", "balance", {"b": 4}, {"a": 2})}
    assert [table.chips for table in tables.values()] == [4, 4, 4, 7]
    assert tables["none"].arrays_total == 16
    assert tables["none"].tiles("b").tolist() == [3]
    assert tables["balance"].replication.tolist() == [1, 1]
    narrow = place([matrix_op("a", 128, 16 * 12, 3), matrix_op("b", 128, 16, 9)], chip, "balance")
    assert narrow.replication.tolist() == [1, 3]
