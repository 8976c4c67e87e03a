"""MNSIM 2.0's chip: its units and sums, arrays read in turns, steps that do not overlap, and its corrections."""

import csv
import runpy
from dataclasses import replace
from math import ceil, log2
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pimsim import load_chip, load_experiment
from pimsim.chip import vary
from pimsim.chip.chip import area_by_component, power_by_component
from pimsim.chip.mesh import places
from pimsim.errors import CapacityError, SpecError
from pimsim.experiment import network_on_chip, on_chip
from pimsim.mapping import locations, place
from pimsim.network.ops import MatrixOp
from pimsim.network.zoo import load_topology
from pimsim.schedule import shares_of, traffic
from pimsim.schedule.work import works_of
from pimsim.simulation import cost_of
from pimsim.spec import to_data

ROOT = Path(__file__).parents[2]
TABLES = runpy.run_path(str(ROOT / "docs/mnsim_tables.py"))
with (Path(__file__).parent / "golden/mnsim_units.csv").open() as file:
    UNITS = {row.pop("config"): {key: float(value) for key, value in row.items()} for row in csv.DictReader(file)}
"""Every configuration of the 62 recorded of MNSIM 2.0 that the card has the parts for, each once: those with several
groups in a PE, digital arrays and other memories are left out."""


@pytest.fixture(scope="module")
def recorded():
    """With the memories of the recording."""
    return load_chip("mnsim-2.0", {"tile.buffer": "sram-mnsim-4kb", "steps.buffer": "sram-mnsim-16kb"})


@pytest.fixture(scope="module")
def mnsim():
    return load_chip("mnsim-2.0")


@pytest.fixture(scope="module")
def lenet():
    return load_topology("mnsim-lenet")


def configured(chip, unit):
    """The chip with the units of a configuration, so many of which its own geometry asks for."""
    arrays, adcs, dacs, merging = (
        int(unit[key]) for key in ("xbars_per_PE", "ADCs_per_PE", "DACs_per_PE", "num_jointmodule")
    )
    rows, columns, core = int(unit["xbar_rows"]), int(unit["xbar_cols"]), chip.core
    of_row, of_column = dacs / (rows * arrays), adcs / (columns * arrays)  # drivers and converters are shared

    def part(circuit, name, power, share=1.0, **changes):
        """A component at a figure of MNSIM's, of which so much belongs to one of ours."""
        return replace(circuit, power=power * share, area=1e-12 * unit[f"one_{name}_area_um2"] * share, **changes)

    adc, dac, cells = (unit[f"one_{name}_power_W"] for name in ("ADC", "DAC", "xbar_read"))
    turns = unit["input_demux"] * unit["output_mux"]
    core = replace(
        core, rows=rows, columns=columns, arrays=arrays, columns_per_adc=columns * arrays // adcs,
        array=part(core.array, "xbar", cells / turns),
        adc=part(core.adc, "ADC", adc, bits=int(unit["ADC_bits"]), reference_bits=int(unit["ADC_bits"])),
        dac=part(core.dac, "DAC", dac, of_row, bits=int(unit["DAC_bits"]), reference_bits=int(unit["DAC_bits"])),
        word_line=part(core.word_line, "demux", switch(unit["input_demux"]), of_row),
        bit_line=part(core.bit_line, "mux", switch(unit["output_mux"]), of_column),
        shift_add=replace(core.shift_add, number=adcs), output_register=replace(core.output_register, number=adcs),
        input_register=replace(core.input_register, number=dacs),
    )  # fmt: skip
    adder = chip.tile.adder
    adder = replace(adder, number=merging) if merging else replace(adder, power=0.0, area=0.0)
    pool = replace(chip.tile.pool, power=0.0)  # MNSIM adds the power of tiles that do not pool
    tile = replace(chip.tile, cores=merging // adcs + 1, adder=adder, pool=pool)
    return replace(chip, core=core, tile=tile)


def switch(ways):
    """Power of a multiplexer: 8 transistors for 2:1, three times as many for each doubling, of 12 nW each."""
    return 8 * 3 ** max(0, ceil(log2(ways)) - 1) * 12e-9


def test_the_units_of_the_card_are_the_default_ones(recorded, mnsim):
    assert power_by_component(configured(recorded, UNITS["default"]).core.bill()) == pytest.approx(
        power_by_component(mnsim.core.bill())
    )


@pytest.mark.parametrize("name", UNITS)
def test_units_add_up_as_in_mnsim(recorded, name):
    """Areas and powers of a PE's parts, of a PE and of a tile, to 1e-3."""
    unit, chip = UNITS[name], configured(recorded, UNITS[name])
    core, memory = chip.core.bill(), chip.steps.buffer.cost()
    power, area = power_by_component(core), area_by_component(core)
    digital = sum(power[part] for part in ("shift_add", "input_register", "output_register", "word_line", "bit_line"))
    tile = chip.tile_bill()
    ours = {
        "PE_xbar_power_W": power["array"], "PE_ADC_power_W": power["adc"], "PE_DAC_power_W": power["dac"],
        "PE_digital_power_W": digital, "PE_inbuf_power_W": memory.power,
        "PE_power_W": sum(power.values()) + memory.power, "PE_area_um2": 1e12 * (sum(area.values()) + memory.area),
        "tile_power_W": sum(power_by_component(tile).values()),
        "tile_area_um2": 1e12 * sum(area_by_component(tile).values()),
    }  # fmt: skip
    assert ours == pytest.approx({key: unit[key] for key in ours}, rel=1e-3)


def test_the_corrections_are_the_corrected_card():
    """Those of the table, together and no others: everything else of the two chips is the same."""
    told = ("source", "assumed", "description", "name")

    def numbers(data):
        own = {key: value for key, value in data.items() if key not in told}
        return {key: numbers(value) if isinstance(value, dict) else value for key, value in own.items()}

    corrected = load_chip("mnsim-corrected")
    assert numbers(to_data(load_chip("mnsim-2.0", TABLES["EVERY"]))) == numbers(to_data(corrected))
    assert all(f"({label.split()[0]})" in corrected.source for label in TABLES["CORRECTIONS"])


def test_the_page_has_what_the_script_prints():
    """Run `python docs/mnsim_tables.py` and paste it. Here, the smallest network, which comes first."""
    page = (ROOT / "docs/mnsim.md").read_text(encoding="utf-8").splitlines()
    *_, lenet = TABLES["totals"](("mnsim-lenet",))
    assert lenet in page
    _, _, *rows = TABLES["effects"](("mnsim-lenet",))
    assert len(rows) == 7
    assert all(any(line.startswith(row) for line in page) for row in rows)


@pytest.mark.parametrize("order", ["raster", "snake", "shells"])
def test_an_order_visits_every_router_once(order):
    """There and back, the next router is a neighbour; row by row it is not at the end of a row."""
    path = places(order, 6, 6)
    assert sorted(map(tuple, path.tolist())) == [(row, col) for row in range(6) for col in range(6)]
    steps = np.abs(np.diff(path, axis=0)).sum(axis=1)
    assert (steps == 1).all() == (order != "raster")


def test_full_arrays_are_charged_alike():
    """What the two ways to charge a turn disagree on is arrays that are not full: of half the columns, half of what is
    converted is charged; of half the rows and columns, a quarter of the cells."""
    used, share = (load_chip("mnsim-2.0", {"core.layout.charged": each}).core for each in ("used", "share"))
    full = used.events(256, 256, signed=True)
    assert full == share.events(256, 256, signed=True)
    assert full["conversion"] == 9 * 8 * 2 * 256  # streams, slices, turns of rows, columns
    assert full["row_drive"] == 9 * 8 * 2 * 256  # streams, slices, turns of columns, rows
    assert full["cell_read"] == 9 * 16 * 256 * 256
    half, told = (core.events(256, 128, signed=True) for core in (used, share))
    assert half["conversion"] == 2 * told["conversion"]
    quarter, told = (core.events(128, 128, signed=True) for core in (used, share))
    assert quarter["cell_read"] == 4 * told["cell_read"]


@pytest.mark.parametrize(("rows", "taps", "blocks"), [(2304, 9, 10), (2304, 1, 9), (400, 25, 2), (17 * 17 * 3, 289, 4)])
def test_arrays_take_whole_channels(mnsim, rows, taps, blocks):
    """28 channels of a 3 × 3 kernel in 256 rows; a kernel larger than an array is cut."""
    cuts = mnsim.core.cuts(rows, 300, taps)
    assert (cuts.blocks, cuts.arrays) == (blocks, 2)
    assert taps > 256 or cuts.rows % taps == 0
    assert cuts.rows * blocks >= rows


@pytest.mark.parametrize(("name", "macs"), [("lenet", 651_720), ("alexnet", 42_259_456), ("vgg-8", 626_403_328),
                                            ("vgg-16", 313_217_024), ("resnet-18", 153_818_112)])  # fmt: skip
def test_networks_multiply_as_often_as_in_mnsim(name, macs):
    assert sum(op.macs for op in load_topology(f"mnsim-{name}").ops() if isinstance(op, MatrixOp)) == macs


def test_layers_have_tiles_of_their_own(mnsim, lenet):
    """Sixteen arrays hold a block, eight stand in a tile; no two layers meet, and a pool has a tile."""
    ops = lenet.ops()
    placement = place(ops, mnsim, "none", tiles="own")
    where = locations(ops, placement)
    layers = [op.layer for op in ops if isinstance(op, MatrixOp) or op.layer in placement.pool]
    tiles = np.concatenate([where[layer] for layer in layers])
    assert len(tiles) == len(set(tiles.tolist())) == placement.tiles_on() == 14
    assert placement.arrays_used == 16 * 6
    shared = place(ops, mnsim, "none")
    assert (shared.tiles_on(), shared.arrays_used) == (12, 16 * 6)
    with pytest.raises(SpecError, match="take turns in the arrays have no tiles of their own"):
        place(ops, mnsim, "none", tiles="own", overflow="reload")
    few = load_chip("mnsim-2.0", {"mesh_rows": 3, "mesh_cols": 3, "steps.accumulator": [1, 0]})
    with pytest.raises(CapacityError, match="112 arrays are needed and there are 72: 40 are lacking"):
        place(ops, few, "none", tiles="own", overflow="refuse")
    assert place(ops, few, "none", tiles="own").chips == 2


def test_a_vector_leaves_before_the_next_one_starts(mnsim, lenet):
    """The timeline is that of a plain loop, to the cycle: a vector waits for its window and for the one before it."""
    ops = lenet.ops()
    placement = place(ops, mnsim, "none", tiles="own")
    edges = traffic(ops, placement, mnsim, 3 * 32 * 32)
    timeline, _ = cost_of(on_chip(mnsim, "mnsim-lenet"))
    left = {"input": [0] * 32 * 32}
    for work in works_of(ops, placement, mnsim, lenet.signed_inputs(), edges):
        free, left[work.op.layer] = 0, []
        for vector in range(work.op.vectors):
            needed = (left[name][need[vector]] for name, need in zip(work.op.inputs, work.op.need, strict=True))
            free = max(free, *needed) + work.depth
            left[work.op.layer].append(free)
    assert timeline.latency == pytest.approx(2e-9 * left["fc2"][-1], rel=1e-12)
    share = shares_of(ops, placement, mnsim, edges)["conv1"]
    assert (share.rows, share.cols, share.cores, share.tiles) == (75, 6, 4, 2)


def test_a_memory_that_is_not_gated_draws_as_long_as_any(mnsim):
    """Then the four memories of inputs see what the tile's sees; gated, each sees its own accesses."""
    gated = load_chip("mnsim-2.0", {"steps.gated": True})
    loose, own = (cost_of(on_chip(chip, "mnsim-lenet"))[1] for chip in (mnsim, gated))
    layer = loose.layer.tolist().index("conv2")

    def bits(report):
        count = dict(zip(report.event.tolist(), report.event_count[layer].tolist(), strict=True))
        return count["input_buffer_bit"], count["buffer_bit"]

    (inputs, results), (own_inputs, own_results) = bits(loose), bits(own)
    assert inputs == 4 * results
    assert own_inputs / 4 + own_results == results
    assert own.total_energy < loose.total_energy


@pytest.mark.parametrize(
    "changes",
    [
        {"core.adc.power": "2.52 mW"}, {"core.array.power": "5 mW"}, {"steps.buffer.power": "6 mW"},
        {"tile.buffer.power": "6 mW"}, {"tile.pool.power": "0.2 mW"},
    ],
)  # fmt: skip
def test_a_component_moves_the_total(mnsim, changes):
    """By as much as its own part grows: nothing of the totals is written down."""
    (path,) = changes
    part = {"core.adc.power": "adc", "core.array.power": "array", "steps.buffer.power": "input_buffer",
            "tile.buffer.power": "buffer", "tile.pool.power": "pool"}[path]  # fmt: skip
    before, after = (cost_of(on_chip(chip, "mnsim-lenet"))[1] for chip in (mnsim, load_chip("mnsim-2.0", changes)))
    grown = after.energy_by_component()[part] - before.energy_by_component()[part]
    assert grown > 0
    assert after.total_energy - before.total_energy == pytest.approx(grown)


def test_what_is_usual_on_a_chip_is_overruled_by_name():
    assert network_on_chip("mnsim-2.0", "mnsim-lenet").mapping.tiles == "own"
    asked = network_on_chip("mnsim-2.0", "mnsim-lenet", {"mapping.tiles": "shared"})
    assert (asked.mapping.tiles, asked.mapping.replicate) == ("shared", "none")
    assert asked.name == "mnsim-2.0-mnsim-lenet"


def test_what_is_refused(mnsim):
    with pytest.raises(SpecError, match="reads arrays in turns"):
        load_experiment("isaac-mlp", {"chip": "mnsim-2.0"})
    with pytest.raises(SpecError, match="read in turns are for costs"):
        mnsim.core.program(jnp.ones((3, 2), int), key=jax.random.key(0))
    with pytest.raises(SpecError, match=r"steps.accumulator\[0\]: must be 0 to 63, got 64"):
        load_chip("mnsim-2.0", {"steps.accumulator": [64, 0]})
    with pytest.raises(SpecError, match="seed: is no plan"):
        on_chip(replace(mnsim, usual={"seed": 1}), "mnsim-lenet")
    with pytest.raises(SpecError, match="shells fill a square mesh"):
        load_chip("mnsim-2.0", {"mesh_rows": 32})
    with pytest.raises(SpecError, match="change how long the steps of a vector take"):
        vary(mnsim, {"steps.buffer.latency": [1e-9, 2e-9]})
