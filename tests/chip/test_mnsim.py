"""MNSIM 2.0's chip: its units and sums, arrays read in turns, steps that do not overlap, and what the corrections do."""

import csv
import runpy
from math import ceil, log2
from pathlib import Path

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
SMALL_BUFFERS = {"tile.buffer": "sram-mnsim-4kb", "steps.buffer": "sram-mnsim-16kb"}


@pytest.fixture(scope="module")
def mnsim():
    return load_chip("mnsim-2.0")


@pytest.fixture(scope="module")
def lenet():
    return load_topology("mnsim-lenet")


def configured(unit):
    """The card with the units of a configuration, so many of which its own geometry asks for."""
    arrays, adcs, dacs = (int(unit[key]) for key in ("xbars_per_PE", "ADCs_per_PE", "DACs_per_PE"))
    rows, columns, cores = int(unit["xbar_rows"]), int(unit["xbar_cols"]), round(unit["num_jointmodule"] / adcs) + 1
    lines = {"word": dacs / (rows * arrays), "bit": adcs / (columns * arrays)}
    watts = {"word": switch(unit["input_demux"]), "bit": switch(unit["output_mux"])}
    areas = {"word": unit["one_demux_area_um2"], "bit": unit["one_mux_area_um2"]}
    turns = unit["input_demux"] * unit["output_mux"]
    changes = SMALL_BUFFERS | {
        "core.rows": rows, "core.columns": columns, "core.arrays": arrays,
        "core.columns_per_adc": columns * arrays // adcs, "core.array.area": f"{unit['one_xbar_area_um2']} um2",
        "core.array.power": f"{unit['one_xbar_read_power_W'] / turns!r} W",
        "core.adc.area": f"{unit['one_ADC_area_um2']} um2", "core.adc.power": f"{unit['one_ADC_power_W']} W",
        "core.dac.area": f"{unit['one_DAC_area_um2'] * lines['word']!r} um2",
        "core.dac.power": f"{unit['one_DAC_power_W'] * lines['word']!r} W",
        "core.shift_add.number": adcs, "core.output_register.number": adcs, "core.input_register.number": dacs,
        "tile.cores": cores, "tile.pool.power": "0 W",
    }  # fmt: skip
    for kind in ("adc", "dac"):
        bits = int(unit[f"{kind.upper()}_bits"])
        changes |= {f"core.{kind}.bits": bits, f"core.{kind}.reference_bits": bits}
    for line, share in lines.items():
        changes |= {f"core.{line}_line.power": f"{watts[line] * share!r} W"}
        changes |= {f"core.{line}_line.area": f"{areas[line] * share!r} um2"}
    merging = int(unit["num_jointmodule"])
    none = {"tile.adder.power": "0 W", "tile.adder.area": "0 um2"}
    return load_chip("mnsim-2.0", changes | ({"tile.adder.number": merging} if merging else none))


def switch(ways):
    """Power of a multiplexer: 8 transistors for 2:1, three times as many for each doubling, of 12 nW each."""
    return 8 * 3 ** max(0, ceil(log2(ways)) - 1) * 12e-9


@pytest.mark.parametrize("name", UNITS)
def test_units_add_up_as_in_mnsim(name):
    """Areas and powers of a PE's parts, of a PE and of a tile, to 1e-3."""
    unit, chip = UNITS[name], configured(UNITS[name])
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
        return {key: numbers(value) if isinstance(value, dict) else value for key, value in data.items() if key not in told}

    corrected = load_chip("mnsim-corrected")
    assert numbers(to_data(load_chip("mnsim-2.0", TABLES["EVERY"]))) == numbers(to_data(corrected))
    assert all(f"({label.split()[0]})" in corrected.source for label in TABLES["CORRECTIONS"])


def test_the_page_has_what_the_script_prints():
    """Run `python docs/mnsim_tables.py` and paste it."""
    page = (ROOT / "docs/mnsim.md").read_text(encoding="utf-8")
    for table in (TABLES["totals"](), TABLES["effects"]()):
        assert "\n".join(table) in page


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
    """The timeline is that of a plain loop: a vector waits for its window and for the vector before it, to the cycle."""
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
    """Then the four memories of inputs see what the tile's sees; gated, each sees its own, and together that is less."""
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
    (path, value), = changes.items()
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
    with pytest.raises(SpecError, match="mnsim-2.0 reads arrays in turns"):
        load_experiment("isaac-mlp", {"chip": "mnsim-2.0"})
    with pytest.raises(SpecError, match="read in turns are for costs"):
        mnsim.core.program(np.ones((3, 2), int), key=None)
    with pytest.raises(SpecError, match="shells fill a square mesh"):
        load_chip("mnsim-2.0", {"mesh_rows": 32})
    with pytest.raises(SpecError, match="change how long the steps of a vector take"):
        vary(mnsim, {"steps.buffer.latency": [1e-9, 2e-9]})
