"""Products of two results: what they take on digital units and on arrays that are rewritten, and whole networks."""

from dataclasses import replace

import numpy as np
import pytest

from pimsim import load_chip, simulate
from pimsim.accounting import Charging, account
from pimsim.chip import Product
from pimsim.errors import SpecError
from pimsim.experiment import network_on_chip
from pimsim.mapping import place, product_shares
from pimsim.network.graph import build_network
from pimsim.network.layers import Attention, Dense
from pimsim.network.ops import ProductOp
from pimsim.network.zoo import load_topology
from pimsim.schedule import SchedulePlan, schedule, traffic
from pimsim.schedule.loads import bus_bits

PICO = 1e-12
ARRAYS = {
    "tile.products": {
        "model": "RewrittenArrays",
        "rows": 8,
        "columns": 4,
        "interval": "200 ns",
        "row_write_time": "50 ns",
        "array": {"rate": "1 GHz", "power": "0.5 mW", "area": "0.01 mm2", "number": 3},
        "operand_write": {"rate": "1 GHz", "power": "20 uW", "area": "0 mm2"},
    }
}


@pytest.fixture(scope="module")
def digital():
    return load_chip("isaac-ce-attention")


@pytest.fixture(scope="module")
def rewritten():
    return load_chip("isaac-ce", ARRAYS)


def attention(tokens=6, width=8, heads=2, **kind):
    """Queries, keys and values of one input, and what follows."""
    parts = [(name, Dense(width), "input") for name in "qkv"]
    return build_network("n", (tokens, width), [*parts, ("heads", Attention(heads, **kind), tuple("qkv")),
                                                ("out", Dense(width))])  # fmt: skip


def stages(network, chip, kind="layer_pipeline"):
    ops, signed = network.ops(), network.signed_inputs()
    placement = place(ops, chip, "none")
    edges = traffic(ops, placement, chip, image_values=int(np.prod(network.input_shape)))
    timeline = schedule(ops, placement, chip, edges, signed, SchedulePlan(kind))
    return ops, placement, edges, timeline, account(ops, placement, chip, edges, timeline, signed, Charging())


def of(layer, report):
    """The events of a layer."""
    row = report.event_count[report.layer.tolist().index(layer)]
    return {name: count for name, count in zip(report.event.tolist(), row.tolist(), strict=True) if count}


def test_every_useful_multiplication_is_charged_once(digital):
    """Those of the network's own table, at 4.9 W / (4608 · 606 MHz) each, and no other layer has any."""
    ops, *_, report = stages(load_topology("bert-base"), digital)
    macs = sum(op.macs for op in ops if isinstance(op, ProductOp))
    assert report.events()["multiply_accumulate"] == macs
    assert report.energy_by_component()["mac"] == pytest.approx(macs * 4.9 / 4608 / 606e6, rel=1e-12)


def test_what_surrounds_a_digital_product(digital):
    """Q·Kᵀ of 2 heads, 6 × 4 · 4 × 6: 48 left values, 8 vectors share a read of 48 right ones; 72 results."""
    *_, report = stages(attention(), digital)
    reads, results = 48 + 48, 72
    arriving = 48  # the keys, made in the tile itself but written to its buffer
    assert of("heads/scores", report) == {
        "multiply_accumulate": 2 * 6 * 4 * 6, "buffer_bit": 16 * (reads + arriving),
        "bus_bit": 16 * (reads + results), "result": results,
    }  # fmt: skip


def test_units_of_a_tile_are_shared_by_the_products_that_meet_there(digital):
    """Both products lie in the one tile of a small network: half of its 64 units each."""
    ops, placement, *_ = stages(attention(), digital)
    assert product_shares(ops, placement) == {"heads/scores": 0.5, "heads": 0.5}


def test_a_product_takes_its_multiplications_at_the_rate_of_its_units(digital):
    """Where buffers feed them fast enough; where they do not, it takes the reads at the buffer's bandwidth."""
    work = Product(heads=1, m=800, k=1000, n=1000, macs=800_000_000)
    assert digital.tile.product_pace(work, 2.0, 8).busy(work) == pytest.approx(work.macs / (2 * 64 * 606e6), rel=1e-9)
    bits = 32 * (800 * 1000 + 100 * 1000 * 1000)
    assert digital.tile.product_pace(work, 1.0, 32).busy(work) == pytest.approx(bits / (8 * 10.24e9), rel=1e-9)


@pytest.mark.parametrize("rate", [1, 2])
def test_products_pace_the_pipeline_when_they_are_slowest(rate):
    """A single unit of `rate` MHz for 6 · 48 products in each of two halves: the interval follows, to the cycle."""
    slow = load_chip("isaac-ce-attention", {"tile.products.mac.number": 1, "tile.products.mac.rate": f"{rate} MHz"})
    _, _, _, timeline, _ = stages(attention(), slow)
    assert timeline.bottleneck in ("heads/scores", "heads")
    assert timeline.interval == pytest.approx(2 * 288e-6 / rate, rel=1e-9)
    assert timeline.latency > timeline.interval


@pytest.mark.parametrize("seed", range(4))
def test_products_take_their_turn_in_every_schedule(seed, rewritten):
    """In sequence a product takes its writing and its vectors; overlap saves time, and no product takes less."""
    rng = np.random.default_rng(seed)
    network = attention(tokens=int(rng.integers(2, 9)), width=4 * int(rng.integers(1, 9)))
    overlapped, batch, lone = (
        stages(network, rewritten, kind)[3] for kind in ("layer_pipeline", "batch_pipeline", "sequential")
    )
    assert (overlapped.finish <= batch.finish * (1 + 1e-9)).all()
    assert batch.latency == lone.latency == lone.interval
    taken = np.diff(lone.finish, prepend=0)
    assert (taken >= lone.busy * (1 - 1e-9)).all()
    index = lone.layer.tolist().index("heads")
    assert taken[index] == pytest.approx(lone.busy[index], abs=rewritten.core.cycle * 1.001)


def test_every_bit_of_a_product_passes_a_bus(digital):
    """Those of all tiles are those that energy is charged for; nobody's twice."""
    ops, placement, *_, report = stages(attention(), digital)
    assert bus_bits(ops, placement, digital).sum() == pytest.approx(report.events()["bus_bit"], rel=1e-12)


def test_a_causal_mask_saves_digital_products_and_no_pass_through_arrays(digital, rewritten):
    """Of 6 × 6 pairs of tokens 21 are met."""
    for chip, kept in ((digital, 21 / 36), (rewritten, 1)):
        full, masked = (stages(attention(causal=causal), chip)[-1].events() for causal in (False, True))
        assert masked["multiply_accumulate"] == pytest.approx(kept * full["multiply_accumulate"])


def test_arrays_are_written_with_the_right_side_of_each_product(rewritten):
    """Keys and values, 2 · 6 · 4 values of 16 bits each, at 0.02 pJ a bit; A·V of k = 6 rows in one block."""
    *_, report = stages(attention(), rewritten)
    assert report.events()["operand_bit_write"] == 2 * 48 * 16
    assert report.energy_by_component()["operand_write"] == pytest.approx(2 * 48 * 16 * 0.02 * PICO)
    assert of("heads", report)["multiply_accumulate"] == 288
    assert "addition" not in of("heads", report)


def test_a_matrix_that_does_not_fit_its_arrays_passes_several_times(rewritten):
    """20 × 6 on arrays of 8 × 4: 3 · 2 blocks for each of 2 heads, 3 arrays: 4 passes of 8 rows and of every vector."""
    work, unit = Product(heads=2, m=10, k=20, n=6, macs=2400), rewritten.tile.products
    assert unit.pace(work, 1.0).busy(work) == pytest.approx(4 * (8 * 50e-9 + 10 * 200e-9))
    assert unit.pace(work, 4.0).busy(work) == pytest.approx(8 * 50e-9 + 10 * 200e-9)
    assert unit.pace(work, 0.1).busy(work) == pytest.approx(12 * (8 * 50e-9 + 10 * 200e-9))
    assert unit.events(work, 16)["addition"] == 2 * 10 * 6 * 2
    assert unit.reads(work) == 2 * (10 * 20 * 2 + 20 * 6)


def test_writing_delays_what_waits_for_it(rewritten):
    """Keys, by 8 rows of 50 ns where all blocks have an array; values are written meanwhile."""
    unit = rewritten.tile.products
    chips = [
        replace(rewritten, tile=replace(rewritten.tile, products=replace(
            unit, row_write_time=time, array=replace(unit.array, number=8)
        )))
        for time in (50e-9, 0.0)
    ]  # fmt: skip
    slow, fast = (stages(attention(width=16), chip)[3] for chip in chips)
    assert slow.latency - fast.latency == pytest.approx(8 * 50e-9)


@pytest.mark.parametrize("network", ["bert-base", "gpt2-decode"])
def test_transformers_run_from_end_to_end(network):
    """Every product has a time, none of it more than the interval; energies by layer sum to the total."""
    result = simulate(network_on_chip("isaac-ce-attention", network))
    products = [op.layer for op in load_topology(network).ops() if isinstance(op, ProductOp)]
    busy = dict(zip(result.timeline.layer.tolist(), result.timeline.busy.tolist(), strict=True))
    assert min(busy[name] for name in products) > 0
    assert max(busy.values()) <= result.timeline.interval * (1 + 1e-9)
    assert sum(result.cost.energy_by_layer().values()) == pytest.approx(result.cost.total_energy, rel=1e-12)


def test_the_chip_with_units_differs_by_the_units_alone(isaac, digital):
    area = 168 * 64 * 16.22e-6 / 4608
    assert digital.area() - isaac.area() == pytest.approx(area, rel=1e-9)
    assert digital.power() - isaac.power() == pytest.approx(168 * 64 * 4.9 / 4608, rel=1e-9)


@pytest.mark.parametrize(
    ("path", "value", "fact"),
    [
        ("reuse", 0, "tile.products.reuse: must be at least 1, got 0"),
        ("mac.event", "conversion", "is charged for each conversion, not for each multiply_accumulate"),
        ("model", "Multiplier", "tile.products.model: unknown model 'Multiplier'"),
    ],
)
def test_units_that_cannot_be_are_refused(path, value, fact):
    with pytest.raises(SpecError) as caught:
        load_chip("isaac-ce-attention", {f"tile.products.{path}": value})
    assert fact in str(caught.value)
