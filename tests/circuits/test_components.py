"""The component library: published points, laws of converters and memories, and processes."""

import math
from dataclasses import replace

import numpy as np
import pytest

from pimsim import load_chip, load_component
from pimsim.catalog import COMPONENTS, cards
from pimsim.circuits import AdderTree, Circuit, LinearAdc, LineDriver, Process, SurveyAdc, factors
from pimsim.circuits.process import AREA, ENERGY, NODES, REFERENCE
from pimsim.errors import CardNotFound, SpecError
from pimsim.show import show
from pimsim.spec import from_data

PICO, MICRO2 = 1e-12, 1e-12
ISAAC = {
    "core.adc": "adc-isaac-8b", "core.dac": "dac-isaac-1b", "core.sample_hold": "sample-hold-isaac",
    "core.array": "array-isaac", "core.shift_add": "shift-add-isaac",
    "core.input_register": "input-register-isaac-2kb", "core.output_register": "output-register-isaac-256b",
    "tile.buffer": "edram-isaac-64kb", "tile.bus": "bus-isaac", "tile.activation": "sigmoid-isaac",
    "tile.pool": "pool-isaac", "tile.adder": "adder-isaac", "tile.output_register": "result-register-isaac-3kb",
    "tile.router": "router-isaac", "link": "link-hypertransport",
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "power", "energy", "area"),
    [
        ("adc-isaac-8b", 2e-3, 1.5625, 1200),
        ("adc-kull-8b", 3.1e-3, 2.5833, 1500),
        ("adc-newton-9b", 3.1e-3, 2.5833, 1500),
        ("adc-forms-4b", 15.2e-3 / 32, 0.22619, 284.375),
        ("adc-timely-8b", 145e-15 / 150e-9, 0.145, 310),
        ("dac-isaac-1b", 4e-3 / 1024, 0.390625, 0.166016),
        ("dac-brahms-8b", 0.291e-12 * 1.1e9, 0.291, 438),
        ("dac-timely-8b", 37.5e-15 / 150e-9, 0.0375, 240),
        ("sense-amp-timely", 41.7e-15 / 150e-9, 0.0417, 40),
        ("shift-add-isaac", 0.05e-3, 0.01953125, 60),
        ("adder-aladdin-32b", 0.21e-3, 0.21, 278),
        ("sram-puma", 0.57e-3, 0.57 / 16, 3920),
        ("router-isaac", 42e-3, 5.25, 151_000),
        ("dram-threedsim", 0.117, 2.7429, 0),
    ],
)
def test_cards_cost_what_was_published(name, power, energy, area):
    """Watt, picojoule an event and square micrometre of one instance."""
    cost = load_component(name).cost()
    assert (cost.power, cost.energy / PICO, cost.area / MICRO2) == pytest.approx((power, energy, area), rel=1e-4)


def test_isaac_of_named_components_is_isaac(isaac):
    """Each card is one instance of a published group: with the counts of the chip they are the paper's totals."""
    named = load_chip("isaac-ce", ISAAC)
    for line, other in zip(isaac.bill(), named.bill(), strict=True):
        assert (line.component, line.event, line.number) == (other.component, other.event, other.number)
        assert replace(line.cost, latency=0.0) == replace(other.cost, latency=0.0)
    assert (named.power(), named.area()) == pytest.approx((65.81, 85.42e-6), rel=1e-3)


@pytest.mark.parametrize(("name", "key", "number", "power"), [
    ("adc-isaac-8b", "adc", 8, 16e-3), ("dac-isaac-1b", "dac", 8 * 128, 4e-3),
    ("sample-hold-isaac", "sample_hold", 8 * 128, 10e-6), ("array-isaac", "array", 8, 2.4e-3),
    ("shift-add-isaac", "shift_add", 4, 0.2e-3),
])  # fmt: skip
def test_group_totals_are_not_instances(isaac, name, key, number, power):
    """The published power of an IMA's group is the number of instances times the card's."""
    line = next(line for line in isaac.core.bill() if line.component == key)
    assert line.number == number
    assert number * load_component(name).cost().power == pytest.approx(power, rel=1e-12)


@pytest.mark.parametrize(
    ("bits", "split", "split_area", "newton", "survey", "survey_area"),
    [
        (4, 0.786, 361, 1.148, 0.924, 5190), (5, 0.988, 477, 1.435, 0.936, 5211), (6, 1.196, 627, 1.722, 1.065, 5416),
        (7, 1.418, 845, 2.009, 1.312, 5765), (8, 1.667, 1200, 2.296, 1.929, 6469), (9, 1.969, 1828, 2.583, 5.530, 8865),
        (10, 2.379, 3002, None, 16.42, 12275),
    ],
)  # fmt: skip
def test_the_laws_of_converters_give_their_tables(bits, split, split_area, newton, survey, survey_area):
    """pJ and µm² by bits: ISAAC's split at 1.2 GS/s, Newton's line, the survey at 1.28 GS/s and 32 nm.

    The survey's coefficients are printed with four decimals in an exponent, which makes 0.2 % of the energy.
    """
    sar = replace(load_component("adc-isaac-8b"), bits=bits, rate=1.2e9).cost()
    assert (sar.energy / PICO, sar.area / MICRO2) == pytest.approx((split, split_area), rel=1e-3)
    if newton:
        assert replace(load_component("adc-newton-9b"), bits=bits).cost().energy / PICO == pytest.approx(
            newton, rel=1e-3
        )
    cost = replace(load_component("adc-survey"), bits=bits).cost()
    assert (cost.energy / PICO, cost.area / MICRO2) == pytest.approx((survey, survey_area), rel=2e-3)


def test_the_closed_form_gives_its_published_point():
    """8 bits, 0.9 V, 128 rows: 0.70 pJ, 2085 µm², 11.8 ns."""
    cost = load_component("adc-closed-form").cost()
    assert (cost.energy / PICO, cost.area / MICRO2, cost.latency * 1e9) == pytest.approx((0.70, 2085, 11.8), rel=3e-3)
    assert replace(load_component("adc-closed-form"), bits=1).cost().area == 0


@pytest.mark.parametrize(("name", "low", "high"), [
    ("adc-isaac-8b", 1, 16), ("adc-newton-9b", 1, 9), ("adc-closed-form", 1, 10), ("adc-survey", 4, 16),
])  # fmt: skip
def test_a_converter_of_more_bits_is_never_cheaper(name, low, high):
    """Over the whole range of its law; one bit beyond it is refused."""
    adc = load_component(name)
    costs = [replace(adc, bits=bits).cost() for bits in range(low, high + 1)]
    for field in ("energy", "area"):
        assert (np.diff([getattr(cost, field) for cost in costs]) >= 0).all()
    for bits in (low - 1, high + 1):
        with pytest.raises(SpecError, match="bits"):
            replace(adc, bits=bits)


def test_a_memory_follows_its_capacity():
    """Twice the bits: 2^0.6 the energy, 2^0.93 the area, √2 the cycle; PUMA's four sizes are within 15 and 8 %."""
    sram = load_component("sram-puma")
    for size, milliwatt, square in ((256, 0.16, 560), (512, 0.24, 1080), (1024, 0.33, 1920), (2048, 0.57, 3920)):
        cost = replace(sram, capacity=8.0 * size).cost()
        assert cost.energy * 16 == pytest.approx(milliwatt * PICO, rel=0.15)
        assert cost.area / MICRO2 == pytest.approx(square, rel=0.08)
    half = replace(sram, capacity=sram.capacity / 2).cost()
    assert sram.cost().latency / half.latency == pytest.approx(math.sqrt(2), rel=1e-12)
    assert sram.cost().energy / half.energy == pytest.approx(2**0.6, rel=1e-12)
    with pytest.raises(SpecError, match=r"0\.25 to 2 KB"):
        replace(sram, capacity=8.0 * 4096)


def test_a_line_takes_the_charge_of_its_capacitance():
    """C V² for each charge: doubled by twice the cells, quadrupled by twice the swing."""
    line = LineDriver(segments=128, segment=1e-16, load=3e-16, swing=0.5, rate=1e7, area=0.0)
    assert line.cost().energy == pytest.approx(128 * 4e-16 * 0.25, rel=1e-12)
    assert replace(line, swing=1.0).cost().energy == pytest.approx(4 * line.cost().energy, rel=1e-12)
    assert replace(line, segments=256).cost().energy == pytest.approx(2 * line.cost().energy, rel=1e-12)


@pytest.mark.parametrize("inputs", [2, 4, 64])
@pytest.mark.parametrize("bits", [1, 8])
def test_a_tree_has_the_adders_of_its_levels(inputs, bits):
    """n/2 adders of b bits, n/4 of b + 1, …: one-bit adders, which the area counts."""
    tree = AdderTree(
        inputs=inputs, bits=bits, adder_energy=1e-15, adder_area=1.0, sum_time=2.0, carry_time=1.0, rate=1.0
    )
    levels = int(math.log2(inputs))
    assert tree.cost().area == sum(inputs // 2 ** (level + 1) * (bits + level) for level in range(levels))
    assert tree.cost().latency == 2 * levels + bits + levels - 2


@pytest.mark.parametrize("a", [130e-9, 65e-9, 28e-9])
@pytest.mark.parametrize("b", [45e-9, 22e-9])
def test_porting_composes(a, b):
    """A → B → C is A → C, A → A changes nothing, and A → B → A neither."""
    first, second, third = Process(node=a, supply=1.1), Process(node=b, supply=0.9), Process(node=7e-9, supply=0.7)
    steps = np.array(factors(first, second)) * np.array(factors(second, third))
    np.testing.assert_allclose(steps, factors(first, third), rtol=1e-12)
    assert factors(first, first) == (1, 1, 1, 1)
    np.testing.assert_allclose(np.array(factors(first, second)) * factors(second, first), 1, rtol=1e-12)


def test_porting_follows_the_published_table():
    """Areas as printed, to the 4 % that two digits leave; energies exactly. 65 → 28 nm is 0.253: forwards."""
    for i, of in enumerate(NODES.tolist()):
        for j, to in enumerate(NODES.tolist()):
            by = factors(Process(node=of), Process(node=to))
            assert by.area == pytest.approx(AREA[i, j], rel=0.04)
            table = np.polyval(ENERGY[j], REFERENCE) / np.polyval(ENERGY[i], REFERENCE)
            assert by.energy == by.leakage == pytest.approx(table, rel=1e-12)
    assert factors(Process(node=65e-9), Process(node=28e-9)).area == pytest.approx(0.253, rel=0.02)


def test_supply_is_charged_squared_and_slows_by_the_overdrive():
    """E ∝ V²; t ∝ V/(V - V_t)^α, with α = 2 and V_t → 0 the same as 1/V.

    The macro of Jia et al. (JSSC 2020), 65 nm: 400 TOPS/W at 0.85 V and 192 at 1.2 V, to 5 %.
    """
    low, high = Process(node=65e-9, supply=0.85), Process(node=65e-9, supply=1.2)
    by = factors(low, high)
    assert (by.energy, by.area, by.leakage) == pytest.approx(((1.2 / 0.85) ** 2, 1, 1), rel=1e-12)
    assert by.energy == pytest.approx(400 / 192, rel=0.05)
    assert by.delay == pytest.approx(1.2 / 0.85 * (0.45 / 0.8) ** 1.3, rel=1e-12)
    square = [replace(process, threshold=0.0, alpha=2.0) for process in (low, high)]
    assert factors(*square).delay == pytest.approx(0.85 / 1.2, rel=1e-12)


@pytest.mark.parametrize("volt", [0.7, 0.9, 1.0, 1.1])
def test_the_square_of_the_supply_is_near_the_tables_polynomials(volt):
    """Within 12 %, at every node."""
    polynomial = np.array([np.polyval(row, volt) / np.polyval(row, REFERENCE) for row in ENERGY])
    np.testing.assert_allclose((volt / REFERENCE) ** 2 / polynomial, 1, atol=0.12)


def test_a_ported_circuit_costs_by_the_factors():
    """Energy, area, leakage and latency by theirs; power as energy in the time that an event now takes."""
    adder = load_component("adder-aladdin-32b", {"process.supply": "0.9 V"})
    ported = replace(adder, ported_to=Process(node=14e-9, supply=0.7))
    by, cost, then = factors(adder.process, ported.ported_to), adder.cost(), ported.cost()
    assert (then.energy, then.area, then.leakage, then.latency, then.power) == pytest.approx(
        (cost.energy * by.energy, cost.area * by.area, cost.leakage * by.leakage, cost.latency * by.delay,
         cost.power * by.energy / by.delay), rel=1e-12)  # fmt: skip
    adc = replace(load_component("adc-isaac-8b"), ported_to=Process(node=65e-9))
    assert adc.conversion_time() == pytest.approx(65 / 32 / 1.28e9, rel=1e-12)
    assert adc.cost().energy / adc.conversion_time() == pytest.approx(adc.cost().power, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "changes", "match"),
    [
        ("adc-isaac-8b", {"ported_to.node": "5 nm"}, "7 nm to 130 nm"),
        ("adc-isaac-8b", {"ported_to.node": "180 nm"}, "7 nm to 130 nm"),
        ("adc-isaac-8b", {"ported_to": {"node": "22 nm", "supply": "0.8 V"}}, "process.supply: is missing"),
        ("adc-closed-form", {"ported_to": {"node": "22 nm", "supply": "1.5 V"}}, "supply: must be 0.6 to 1.2"),
        ("adc-closed-form", {"ported_to": {"node": "22 nm", "supply": "0.6 V", "threshold": "0.55 V"}}, "threshold"),
        ("adc-closed-form", {"process.supply": "0 V"}, "process.supply: is missing"),
        ("adc-mnsim-6b", {"ported_to.node": "22 nm"}, "process: is missing"),
        ("adc-survey", {"ported_to.node": "22 nm"}, "a law that knows nodes"),
        ("adc-survey", {"rate": "20 GHz"}, "rate"),
        ("adder-tree-28nm", {"inputs": 100}, "power of two"),
    ],
)
def test_what_no_law_covers_is_refused(name, changes, match):
    with pytest.raises(SpecError, match=match):
        load_component(name, changes)


def test_an_event_that_a_component_does_not_have_is_refused():
    """By the component, and by the chip that would put it where another is needed."""
    with pytest.raises(SpecError, match="charged for each bus_bit, not for each conversion\n  Choose"):
        load_component("bus-isaac").cost("conversion")
    with pytest.raises(SpecError, match="bus-isaac is charged for each bus_bit, not for each shift_add"):
        load_chip("isaac-ce", {"core.shift_add": "bus-isaac"})
    assert load_component("register-aladdin-1b").cost("result").energy == pytest.approx(9e-15)


def test_components_are_cards_and_overridden_as_such():
    """By name, by name and a value inside, and with lines of their own charge; an unknown name is an error."""
    chip = load_chip("isaac-ce", {"core.adc": "adc-newton-9b", "core.adc.bits": 5, "core.adc.rate": "1.28 GHz",
                                  "core.word_line": "word-line-28nm", "core.bit_line": "bit-line-28nm"})  # fmt: skip
    assert isinstance(chip.core.adc, LinearAdc)
    assert (chip.core.adc.bits, chip.core.adc.name) == (5, "adc-newton-9b")
    lines = {line.component: line for line in chip.core.bill()}
    assert (lines["word_line"].event, lines["word_line"].number) == ("row_drive", 1024)
    assert (lines["bit_line"].event, lines["bit_line"].number) == ("sample", 1024)
    with pytest.raises(CardNotFound, match="adc-newton-9b"):
        load_chip("isaac-ce", {"core.adc": "adc-newton"})


def test_a_unit_without_a_model_is_a_circuit():
    data = {"power": "1 mW", "rate": "1 GHz", "area": "1 um2"}
    assert isinstance(load_chip("isaac-ce", {"tile.bus": data}).tile.bus, Circuit)
    with pytest.raises(SpecError, match="unknown model"):
        load_chip("isaac-ce", {"tile.bus": data | {"model": "Circus"}})


@pytest.mark.parametrize(
    ("field", "card", "place"),
    [
        ("tile.activation", "adder-isaac", "tile.activation.event"),
        ("core.shift_add", "bus-isaac", "core.shift_add.event"),
        ("memory", "bus-isaac", "memory.event"),
    ],
)
def test_a_component_without_the_event_is_named_with_its_place(field, card, place):
    with pytest.raises(SpecError) as caught:
        load_chip("isaac-ce", {field: card})
    assert caught.value.place == f"isaac-ce: {place}"


def test_every_component_of_a_chip_may_be_a_card(isaac):
    """The keys that name cards are the fields of a chip, its tile and its core that hold components."""
    from pimsim.circuits import AbstractCircuit

    held = {name for part in (isaac, isaac.tile, isaac.core) for name, value in vars(part).items()
            if isinstance(value, AbstractCircuit)}  # fmt: skip
    # lines of other cores, units of dynamic products, what some chips share, and what Parts are so many of
    elsewhere = {"word_line", "bit_line", "mac", "memory", "operand_write", "circuit"}
    assert held | elsewhere == set(COMPONENTS)
    assert len(cards("component")) > 30


def test_show_says_what_one_instance_costs(tmp_path):
    """Of a shipped card, and of a file that starts from one, with its source."""
    summary, _ = show("adc-isaac-8b", {"bits": 9})
    assert summary["cost"]["energy_J"] == pytest.approx((0.9355 * 9 / 8 + 0.0645 * 2) * 1.5625 * PICO, rel=1e-12)
    assert "Table I" in summary["sources"]["."]
    own = tmp_path / "mine.yaml"
    own.write_text("base: edram-isaac-64kb\npower: 10 mW\n")
    assert show(str(own), {})[0]["cost"]["power_W"] == 0.01


def test_survey_needs_a_node():
    with pytest.raises(SpecError, match="process: is missing"):
        from_data({"bits": 8, "rate": "1 GHz"}, SurveyAdc)
