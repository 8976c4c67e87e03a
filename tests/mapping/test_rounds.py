"""Weights that take turns in the arrays: nothing is lost, no array is held twice at a time, and writing is paid for."""

from dataclasses import replace

import numpy as np
import pytest

from pimsim import load_chip, simulate
from pimsim.accounting import Charging, account
from pimsim.errors import CapacityError, SpecError
from pimsim.experiment import network_on_chip
from pimsim.mapping import Budget, place
from pimsim.network.graph import build_network
from pimsim.network.layers import Dense, Lstm
from pimsim.network.ops import MatrixOp
from pimsim.schedule import SchedulePlan, schedule, traffic

KINDS = ("layer_pipeline", "batch_pipeline", "sequential")
PULSE = {"core.device.pulse": {"energy": "1 pJ", "width": "100 ns", "parallel": 16}, "core.device.endurance": 1e6}


@pytest.fixture(scope="module")
def chip():
    """Two tiles of 2 arrays of 16 rows and 4 weights of 8 bits, whose cells are written 16 at a time."""
    size = {"core.rows": 16, "core.columns": 16, "core.columns_per_adc": 16, "core.arrays": 2, "tile.cores": 1}
    bits = {"core.weight_bits": 8, "core.input_bits": 6, "core.adc.bits": 5}
    mesh = {"mesh_rows": 2, "mesh_cols": 1, "tile.router.shared_by": 1}
    return load_chip("isaac-ce", size | bits | mesh | PULSE)


def chain(*sizes, vectors=5):
    """Matrices one behind the other, each of which waits for all of the one before."""
    ops = []
    for place_, (rows, cols) in enumerate(sizes):
        source = f"m{place_ - 1}" if place_ else "input"
        ops.append(MatrixOp(f"m{place_}", (source,), rows, cols, vectors, 1, need=(np.full(vectors, vectors - 1),)))
    return ops


def run(ops, chip, kind="layer_pipeline", **plan):
    placement = place(ops, chip, **plan)
    signed = {op.layer: False for op in ops}
    edges = traffic(ops, placement, chip, 80)
    timeline = schedule(ops, placement, chip, edges, signed, SchedulePlan(kind))
    return placement, timeline, account(ops, placement, chip, edges, timeline, signed, Charging())


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("replicate", ["balance", "none", {"m1": 2}])
def test_every_block_has_its_turn_in_an_array_of_its_own(chip, seed, replicate):
    """The blocks are those of enough chips; no two share an array in one round; rounds follow the network."""
    rng = np.random.default_rng(seed)
    ops = chain(*rng.integers(1, 50, (5, 2)).tolist())
    many = place(ops, chip, "none" if replicate == "balance" else replicate)
    table = place(ops, chip, replicate, overflow="reload")
    assert table.chips == 1
    assert [table.blocks(op.layer) for op in ops] == [many.blocks(op.layer) for op in ops]
    slots = np.stack([table.block_round, table.block_array], axis=1)
    assert len(np.unique(slots, axis=0)) == len(slots)
    assert table.block_array.max() < chip.arrays
    assert (np.diff(table.block_round) >= 0).all()
    assert np.unique(table.block_round).tolist() == list(range(table.rounds))
    assert table.rounds >= -(-many.arrays_used // chip.arrays) or replicate == "balance"


def test_what_fits_is_written_once(chip):
    """One round, and the very placement, time and cost of `spread`."""
    ops = chain((16, 4), (16, 8))
    (one, first, cost), (same, second, also) = (run(ops, chip, overflow=how) for how in ("spread", "reload"))
    assert one.rounds == same.rounds == 1
    assert (first.latency, first.interval) == (second.latency, second.interval)
    assert cost.total_energy == also.total_energy


@pytest.mark.parametrize("kind", KINDS)
def test_rounds_follow_one_another_with_their_writing_between(chip, kind):
    """Two layers of 3 arrays on 4: each is written, then its 5 vectors pass, then the other; nothing overlaps.

    3 arrays of 16 × (4 · 4 + 1) cells are 816, 16 at a time for 100 ns: 51 cycles.
    """
    ops = chain((48, 4), (48, 4))
    placement, timeline, _ = run(ops, chip, kind, replicate="none", overflow="reload")
    assert placement.rounds == 2
    way = chip.core.latency(signed=False)
    passing = 51 + 4 * way.interval + way.depth
    assert timeline.latency / chip.core.cycle == pytest.approx(2 * passing)
    assert timeline.interval == pytest.approx(timeline.latency)
    assert timeline.bottleneck == ("m0" if kind == "sequential" else "rewriting")
    assert timeline.start[0] / chip.core.cycle == pytest.approx(51)


@pytest.mark.parametrize("seed", range(8))
def test_rounds_pass_no_sooner_where_layers_do_not_overlap(chip, seed):
    """Every finish: layer pipeline ≤ batch pipeline = sequence; no interval is shorter than all rounds take."""
    rng = np.random.default_rng(seed)
    ops = [replace(op, need=(rng.integers(0, 5, 5),)) for op in chain(*rng.integers(1, 50, (5, 2)).tolist())]
    overlapped, batch, lone = (run(ops, chip, kind, overflow="reload")[1] for kind in KINDS)
    assert (overlapped.finish <= batch.finish).all()
    assert batch.finish.tolist() == lone.finish.tolist()
    assert [each.interval for each in (overlapped, batch, lone)] == [each.latency for each in (overlapped, batch, lone)]


def test_a_layer_larger_than_the_arrays_passes_in_parts(chip):
    """9 arrays on 4: three rounds of 4, 4 and 1, in each of which all vectors pass."""
    placement, timeline, _ = run(chain((16, 36)), chip, replicate="none", overflow="reload")
    way = chip.core.latency(signed=False)
    assert placement.rounds_of("m0") == [0, 1, 2]
    assert timeline.busy[0] / chip.core.cycle == pytest.approx(3 * 5 * way.interval)
    assert timeline.latency / chip.core.cycle == pytest.approx(68 + 68 + 17 + 3 * (4 * way.interval + way.depth))


def test_writing_is_charged_by_the_cell(chip):
    """6 arrays of 16 × 17 cells at 1 pJ; all else costs what it does on two chips, but for links."""
    ops = chain((48, 4), (48, 4))
    _, _, spread = run(ops, chip, replicate="none")
    _, _, turns = run(ops, chip, replicate="none", overflow="reload")
    assert turns.events()["cell_write"] == 6 * 16 * 17
    assert turns.energy_by_component()["cell_write"] == pytest.approx(6 * 16 * 17 * 1e-12)
    assert spread.events()["cell_write"] == 0
    assert turns.events()["conversion"] == spread.events()["conversion"]


def test_each_round_spends_what_it_leaves_over_on_copies(chip):
    """Layers of 3 and 1 arrays on 3: the second has them to itself, and a copy for every vector they pay for."""
    table = place(chain((48, 4), (16, 4)), chip, overflow="reload", budget=Budget(arrays=3))
    assert table.replication.tolist() == [1, 3]
    assert table.rounds == 2


def test_cells_wear_out(chip):
    """Two rounds in each inference, of a million writes: half a million inferences; with up to 5 pulses a fifth."""
    base = {"mesh_rows": 1, "mesh_cols": 1, "tile.router.shared_by": 1, "tile.cores": 1, "core.arrays": 60} | PULSE
    verify = {"core.device": {"model": "WriteVerify", "tolerance": "2 uS", "pulses": 5, "device": "reram-2bit",
                              "endurance": 1e6}}  # fmt: skip
    for changes, pulses in ((base, 1), (base | verify, 5)):
        overrides = {f"chip.{path}": value for path, value in changes.items()} | {"mapping.overflow": "reload"}
        result = simulate(network_on_chip("isaac-ce", "mlp", overrides))
        assert result.placement.rounds > 1
        assert result.programming.lifetime == 1e6 // (result.placement.rounds * pulses)


def test_what_cannot_be_rewritten_is_refused(chip):
    """Cells whose writing nobody states; a recurrent layer that would be rewritten at each step."""
    bare = load_chip("isaac-ce", {"mesh_rows": 1, "mesh_cols": 1, "tile.router.shared_by": 1, "tile.cores": 1})
    with pytest.raises(SpecError, match=r"core.device.pulse.energy: is not stated, so arrays cannot be rewritten"):
        run(chain((128, 16 * 9)), bare, replicate="none", overflow="reload")
    steps = build_network("steps", (7, 30), [("a", Lstm(9)), ("b", Dense(2))]).ops()
    with pytest.raises(CapacityError, match=r"a/matrix: takes 27 arrays of 4, so each of its 7 steps would"):
        place(steps, chip, overflow="reload")
