"""ISAAC's published figures, computed from the components of its Table I; and what moves when a component does."""

import pytest

from pimsim import load_chip
from pimsim.chip.chip import area_by_component, power_by_component

CORE_TABLE = {  # Table I of the paper: mW and mm² of all instances in one IMA
    "adc": (16, 0.0096),
    "dac": (4, 0.00017),
    "sample_hold": (0.01, 0.00004),
    "array": (2.4, 0.0002),
    "shift_add": (0.2, 0.00024),
    "input_register": (1.24, 0.0021),
    "output_register": (0.23, 0.00077),
}
TILE_TABLE = {  # of one tile beside its IMAs; the router is shared by four
    "buffer": (20.7, 0.083),
    "bus": (7, 0.090),
    "activation": (0.52, 0.0006),
    "pool": (0.4, 0.00024),
    "adder": (0.05, 0.00006),
    "result_register": (1.68, 0.0032),
    "router": (42 / 4, 0.151 / 4),
}
LINK = (10.4e3, 22.88)
GIGA, MEBI = 1e9, 2**20


def table(chip):
    """Power in mW and area in mm², by component of one tile."""
    bill = chip.tile_bill()
    power, area = power_by_component(bill), area_by_component(bill)
    return {name: (power[name] * 1e3, area[name] * 1e6) for name in power}


def test_the_card_is_the_published_table(isaac):
    """Every row of Table I comes back from the card's per-instance figures, and there is nothing beside the table."""
    expected = {name: (12 * mw, 12 * mm2) for name, (mw, mm2) in CORE_TABLE.items()} | TILE_TABLE
    assert table(isaac) == {name: pytest.approx(row, rel=1e-12) for name, row in expected.items()}
    assert (isaac.link.power * 1e3, isaac.link.area * 1e6) == pytest.approx(LINK)
    whole = power_by_component(isaac.bill())
    assert whole == pytest.approx({n: 168 * mw / 1e3 for n, (mw, _) in expected.items()} | {"link": 10.4}, rel=1e-12)


def test_isaacs_published_figures_follow(isaac):
    """Tile 329.81 mW, 0.37229 mm²; chip 65.81 W, 85.42 mm²; 41,288 GOPS, 627.5 a watt, 483.5 a mm²; 0.738 MiB/mm².

    Within 0.1 %. The paper prints 330 mW, 0.372 mm², 65.8 W, 85.4 mm², 627.5 GOPS/W and 0.74 MB/mm².
    """
    power, area = zip(*table(isaac).values(), strict=True)
    peak = isaac.peak()
    computed = {
        "tile mW": sum(power),
        "tile mm2": sum(area),
        "W": isaac.power(),
        "mm2": isaac.area() * 1e6,
        "GOPS": peak.ops_per_s / GIGA,
        "GOPS/W": peak.ops_per_s_per_W / GIGA,
        "GOPS/mm2": peak.ops_per_s_per_m2 / GIGA * 1e-6,
        "MiB/mm2": peak.storage_bytes_per_m2 / MEBI * 1e-6,
    }
    published = [329.81, 0.37229, 65.81, 85.42, 41_288, 627.5, 483.5, 0.738]
    assert computed == pytest.approx(dict(zip(computed, published, strict=True)), rel=1e-3)


def test_the_chip_has_isaacs_parts(isaac):
    """168 tiles of 12 cores of 8 arrays: 16,128 arrays of 128 × 16 weights."""
    assert (isaac.tiles, isaac.arrays_per_tile, isaac.arrays) == (168, 96, 16_128)
    assert (isaac.core.planes, isaac.core.weights_per_array) == (8, 16)


def test_one_conversion_per_mac_and_what_the_unit_column_adds(isaac):
    """(16/2 slices) × (16/1 streams) / 128 rows = 1 conversion per 16-bit MAC; the 129th column makes it 129/128."""
    digital = load_chip("isaac-ce", {"core.encoding.unit_column": False})
    assert digital.core.conversions_per_mac() == 1
    assert isaac.core.conversions_per_mac() == 129 / 128


@pytest.mark.parametrize(
    ("path", "value", "component", "factor"),
    [
        ("core.adc.power", "16 mW / 4", "adc", 2),
        ("core.dac.power", "4 mW / 512", "dac", 2),
        ("core.array.power", "2.4 mW / 2", "array", 4),
        ("core.shift_add.number", 6, "shift_add", 1.5),
        ("tile.buffer.power", "0 W", "buffer", 0),
        ("tile.router.power", "21 mW", "router", 0.5),
        ("tile.router.shared_by", 1, "router", 4),
        ("link.power", "20.8 W", "link", 2),
    ],
)
def test_the_total_moves_by_what_one_component_moves(isaac, path, value, component, factor):
    """Chip power is the sum over its bill: changing one component changes it by exactly that component's change."""
    changed = load_chip("isaac-ce", {path: value, "mesh_rows": 28} if path.endswith("shared_by") else {path: value})
    assert changed.tiles == isaac.tiles
    before = power_by_component(isaac.bill())
    after = power_by_component(changed.bill())
    assert after == pytest.approx(before | {component: factor * before[component]}, rel=1e-12)
    assert changed.power() - isaac.power() == pytest.approx((factor - 1) * before[component], rel=1e-9)


def test_the_area_moves_by_what_one_component_moves(isaac):
    """Twice the ADC's area adds the ADCs' area once more: 168 × 12 × 0.0096 mm²."""
    changed = load_chip("isaac-ce", {"core.adc.area": "0.0096 mm2 / 4"})
    assert changed.area() - isaac.area() == pytest.approx(168 * 12 * 0.0096e-6, rel=1e-9)


def test_peak_figures_scale_with_the_hardware(isaac):
    """Half the tiles, half the operations; inputs of half the bits, twice; links aside, efficiency stays."""
    half = load_chip("isaac-ce", {"mesh_cols": 3, "link.power": "5.2 W", "link.area": "11.44 mm2"})
    assert half.peak().ops_per_s == pytest.approx(isaac.peak().ops_per_s / 2, rel=1e-12)
    assert half.peak().ops_per_s_per_W == pytest.approx(isaac.peak().ops_per_s_per_W, rel=1e-12)
    assert half.peak().storage_bytes_per_m2 == pytest.approx(isaac.peak().storage_bytes_per_m2, rel=1e-12)
    short = load_chip("isaac-ce", {"core.input_bits": 8})
    assert short.peak().ops_per_s == pytest.approx(isaac.peak().ops_per_s * 2, rel=1e-12)


@pytest.mark.parametrize("unit_column", [False, True])
@pytest.mark.parametrize("signed", [False, True])
def test_a_busy_core_draws_the_tables_power(unit_column, signed):
    """A full 128 × 16 matrix on each of 8 arrays for 16 cycles of 100 ns: events × energies = power × 1.6 µs.

    To the last digits, and so for every component of the core; with the unit column, what columns count takes 129/128.
    """
    core = load_chip("isaac-ce", {"core.encoding.unit_column": unit_column}).core
    events = core.events(core.rows, core.weights_per_array, signed=signed)
    seconds = core.latency(signed=signed).interval * core.cycle
    assert seconds == pytest.approx(1.6e-6, rel=1e-12)
    drawn = {line.component: core.arrays * events[line.event] * line.cost.energy for line in core.bill()}
    per_row = ("dac", "input_register")
    columns = {name: 1 if name in per_row or not unit_column else 129 / 128 for name in CORE_TABLE}
    expected = {name: mw * 1e-3 * seconds * columns[name] for name, (mw, _) in CORE_TABLE.items()}
    assert drawn == pytest.approx(expected, rel=1e-12)


def test_events_are_additive_over_columns_and_vectors(isaac):
    """A matrix's columns split over two arrays: what columns count grows by a unit column, what rows count doubles."""
    core = isaac.core
    whole, left, right = (core.events(100, cols, signed=False) for cols in (16, 10, 6))
    for event in ("conversion", "sample", "shift_add", "result_update"):
        assert left[event] + right[event] == whole[event] + 16
    assert left["cell_read"] + right["cell_read"] == whole["cell_read"] + 16 * 100
    for event in ("row_drive", "input_bit_read"):
        assert left[event] == right[event] == whole[event]
