"""Small blocks that share arrays: nothing overlaps, nobody waits for them, and products stay what they were."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from pimsim import load_chip, load_experiment
from pimsim.chip import Cuts
from pimsim.chip.folded import folds_to_integers
from pimsim.errors import CapacityError, SpecError
from pimsim.mapping import Budget, MappingPlan, occupied, place
from pimsim.mapping.packing import cuts_along_groups, pack
from pimsim.network.ops import MatrixOp, Precision
from pimsim.network.zoo import load_topology
from pimsim.schedule import schedule, traffic


def matrix_op(name, rows, cols, vectors=1, groups=1):
    return MatrixOp(name, ("input",), rows, cols, vectors, groups, need=(np.zeros(vectors, int),))


def fewest(rows, turns, height):
    """Arrays that the best of all assignments of blocks to arrays takes."""
    best = len(rows)
    for own in itertools.product(range(len(rows)), repeat=len(rows)):
        held = [[i for i, array in enumerate(own) if array == each] for each in set(own)]
        fits = all(sum(rows[i] for i in some) <= height and len(some) <= min(turns[i] for i in some) for some in held)
        best = min(best, len(held)) if fits else best
    return best


@pytest.mark.parametrize("seed", range(20))
def test_blocks_that_share_an_array_have_lines_and_turns_of_their_own(seed):
    rng = np.random.default_rng(seed)
    rows, turns = rng.integers(1, 17, 60), rng.integers(1, 6, 60)
    packed = pack(rows, turns, 16)
    for array in set(packed.array.tolist()):
        own = np.flatnonzero(packed.array == array)
        lines = np.concatenate([packed.line[block] + np.arange(rows[block]) for block in own])
        assert len(set(lines.tolist())) == len(lines)
        assert lines.max() < 16
        assert len(own) <= turns[own].min()
    assert sorted(set(packed.array.tolist())) == list(range(packed.array.max() + 1))


@pytest.mark.parametrize("seed", range(6))
def test_packing_is_near_the_best_there_is(seed):
    """Brute force over all assignments of six blocks: best-fit decreasing takes one array more at most."""
    rng = np.random.default_rng(seed)
    rows, turns = rng.integers(1, 12, 6), rng.integers(1, 5, 6)
    least, found = fewest(rows.tolist(), turns.tolist(), 16), 1 + pack(rows, turns, 16).array.max()
    assert least <= found <= least + 1


def test_eight_blocks_of_an_eighth_take_one_array():
    packed = pack(np.full(8, 2), np.full(8, 9), 16)
    assert packed.array.tolist() == [0] * 8
    assert sorted(packed.line.tolist()) == list(range(0, 16, 2))


def test_a_block_that_takes_turns_has_all_its_reads_in_as_many_times_the_cycles():
    """Read by read: of k blocks in an array each has every k-th, so n reads end within k · n cycles, whenever begun."""
    for turns, reads, start, own in itertools.product((1, 2, 5), (1, 4, 16), range(6), range(5)):
        if own < turns:
            served = [cycle for cycle in range(start, start + turns * reads) if cycle % turns == own]
            assert len(served) == reads


@pytest.mark.parametrize("network", ["mobilenet-v2", "squeezenet-1.1"])
@pytest.mark.parametrize("replicate", ["none", "balance"])
def test_sharing_saves_arrays_and_never_slows_the_busiest_layer(isaac, network, replicate):
    net = load_topology(network)
    ops, signed = net.ops(), net.signed_inputs()
    tables = [place(ops, isaac, replicate, packing=packing) for packing in ("single", "dense")]
    times = [schedule(ops, table, isaac, traffic(ops, table, isaac, 9), signed) for table in tables]
    assert times[1].interval <= times[0].interval
    assert tables[1].arrays_used < tables[0].arrays_used or replicate == "balance"
    assert times[1].latency >= times[0].latency or replicate == "balance"
    assert all(time.gap >= 1 - 1e-9 for time in times)


@pytest.mark.parametrize("packing", ["single", "dense"])
@pytest.mark.parametrize("seed", range(6))
def test_every_weight_is_stored_once_and_no_cell_twice(small, packing, seed):
    rng = np.random.default_rng(seed)
    groups = [int(rng.choice([1, 3, 8])) for _ in range(5)]
    ops = [matrix_op(f"m{i}", g * int(rng.integers(1, 9)), g * int(rng.integers(1, 4)), int(rng.integers(1, 40)), g)
           for i, g in enumerate(groups)]  # fmt: skip
    table = place(ops, small, "none", packing=packing)
    cells, stored = set(), [np.zeros((op.rows, op.cols), int) for op in ops]
    fields = (table.block_matrix, table.block_array, table.block_line, table.block_row, table.block_rows)
    for matrix, array, line, row, rows, col, cols in zip(*fields, table.block_col, table.block_cols, strict=True):
        stored[matrix][row : row + rows, col : col + cols] += 1
        own = set(itertools.product([array], range(line, line + rows), range(cols)))
        assert not own & cells
        assert line + rows <= small.core.rows
        cells |= own
    for op, count in zip(ops, stored, strict=True):
        weights = np.kron(np.eye(op.groups, dtype=bool), np.ones((op.rows // op.groups, op.cols // op.groups), bool))
        assert (count[weights] == 1).all()
        assert count.max() == 1


def test_depthwise_layers_are_cut_along_their_groups(isaac):
    """512 kernels of 3 × 3: 14 fit an array of 128 rows, so 37 arrays, where even cuts take 64."""
    ops = [matrix_op("d", 9 * 512, 512, groups=512)]
    assert place(ops, isaac, "none").arrays_used == 64
    table = place(ops, isaac, "none", packing="dense")
    assert table.arrays_used == 37
    assert table.cuts("d", 9 * 512, 512) == Cuts(37, 14 * 9, 37, 14)


def test_products_of_a_matrix_cut_along_its_groups_are_exact(small):
    """What arrays hold of it covers every weight, and conversions provably give the integers of the product."""
    op = matrix_op("d", 45, 10, groups=5)
    mask = np.kron(np.eye(5, dtype=int), np.ones((9, 2), int))
    weights = np.random.default_rng(0).integers(-127, 128, (45, 10)) * mask
    core = small.core
    cuts = cuts_along_groups(op, core.cuts(45, 10), core.rows, core.weights_per_array, 99)
    assert cuts == Cuts(5, 9, 5, 2)
    held = np.kron(occupied(op, cuts), np.ones((9, 2), bool))
    assert occupied(op, cuts).sum() == 5
    assert held[weights != 0].all()
    assert folds_to_integers(core, weights, False, core.ranges(cuts.rows, False), cuts)


def test_a_chip_too_small_for_single_blocks_may_hold_them_packed(small):
    """Twenty matrices of 8 × 4 and one that keeps the arrays busy: 10 arrays of 16 rows instead of 20."""
    ops = [matrix_op("busy", 16, 4, 50)] + [matrix_op(f"m{i}", 8, 4) for i in range(20)]
    with pytest.raises(CapacityError, match="21 arrays are needed and there are 16: 5 are lacking"):
        place(ops, small, overflow="refuse")
    assert place(ops, small, overflow="refuse", packing="dense").arrays_used <= 16
    assert place(ops, small, budget=Budget(arrays=11), packing="dense").arrays_used == 11


@pytest.mark.parametrize(
    ("plan", "fact"),
    [
        ({"packing": "dense", "overflow": "reload"}, "packing: dense arrays are not rewritten"),
        ({"packing": "dense", "fill": "level"}, "fill: tiles cannot be levelled where blocks take turns"),
        ({"overflow": "reload", "fill": "level"}, "fill: tiles cannot be levelled where blocks take turns"),
        ({"overflow": "reload", "tiles": "own"}, "tiles: layers that take turns in the arrays have no tiles of"),
        ({"packing": "dense", "tiles": "own"}, "tiles: layers with tiles of their own share no array"),
        ({"fill": "level", "tiles": "own"}, "tiles: layers with tiles of their own share no array"),
    ],
)
def test_choices_that_exclude_each_other_are_refused(small, plan, fact):
    """By the plan that an experiment states, and by whoever places without one."""
    with pytest.raises(SpecError, match=f"^{fact}"):
        MappingPlan(**plan)
    with pytest.raises(SpecError, match=f"^mapping.{fact}"):
        place([matrix_op("a", 4, 4)], small, **plan)


def test_wires_of_shared_arrays_are_not_guessed():
    wires = {"word_segment": "1 ohm", "bit_segment": "1 ohm"}
    plan = load_experiment("isaac-mlp", {"mapping.packing": "dense"}).mapping
    with pytest.raises(SpecError, match=r"mapping.packing: wires are modelled for arrays that hold one block"):
        plan.place([matrix_op("a", 4, 4)], load_chip("isaac-ce", {"core.wires": wires}))


@pytest.mark.parametrize("plan", [{"packing": "dense"}, {"fill": "level"}, {"search": {"swaps": 1}}])
def test_blocks_of_several_arrays_are_neither_packed_nor_moved(plan):
    mnsim = load_chip("mnsim-2.0")
    mapping = load_experiment("isaac-mlp", {f"mapping.{key}": value for key, value in plan.items()}).mapping
    with pytest.raises(SpecError, match=f"mapping.{next(iter(plan))}: blocks of mnsim-2.0 take 16 arrays"):
        mapping.place([matrix_op("a", 4, 4)], mnsim)


def test_layers_of_different_precision_share_no_array(small):
    ops = [matrix_op("a", 8, 4, 8), replace(matrix_op("b", 8, 4), precision=Precision(4, 4))]
    assert place(ops, small, "none").arrays_used == 2
    with pytest.raises(SpecError, match=r"mapping.packing: layers of different precision"):
        place(ops, small, "none", packing="dense")
