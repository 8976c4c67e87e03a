"""Quantities: what is written is what is meant, and nothing else is accepted."""

import math
import random

import numpy as np
import pytest

from pimsim import units
from pimsim.errors import UnitError
from pimsim.units import BINARY, LARGEST, PREFIXES, SMALLEST, SQUARED, Unit, format_quantity, parse, readable, unit_of

ANNOTATIONS = (units.Rate, units.RatePerPower, units.RatePerArea, units.StorageDensity)
UNITS = [unit for unit in vars(units).values() if isinstance(unit, Unit) and unit is not units.COUNT]
UNITS += [unit_of(annotation) for annotation in ANNOTATIONS]
BASE = [unit for unit in UNITS if unit.symbol not in ("m2", "bit")]
every_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.quantity)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("unit", BASE, ids=lambda unit: unit.quantity)
def test_a_prefix_is_a_power_of_ten(unit, prefix):
    """2.5 kW is the float that Python calls 2.5e3, not one beside it."""
    exponent = round(math.log10(PREFIXES[prefix]))
    assert parse(f"2.5 {prefix}{unit.symbol}", unit) == float(f"2.5e{exponent}")


@pytest.mark.parametrize(("prefix", "exponent"), [("n", -9), ("u", -6), ("m", -3), ("c", -2), ("", 0)])
def test_the_prefix_of_an_area_is_squared_with_it(prefix, exponent):
    assert parse(f"3 {prefix}m2", units.AREA) == float(f"3e{2 * exponent}")
    assert set(SQUARED) == {"n", "u", "m", "c", ""}


@pytest.mark.parametrize("name", ["", "K", "M", "G"])
def test_storage_counts_in_1024_and_bandwidth_in_1000(name):
    assert parse(f"3 {name}B", units.STORAGE) == 24 * BINARY[name]
    assert parse(f"3 {name}B", units.STORAGE) == 8 * parse(f"3 {name}bit", units.STORAGE)
    assert parse("1.5 MiB", units.STORAGE) == parse("1.5 MB", units.STORAGE) == 1.5 * 8 * 1024**2
    assert parse("6.4 GB/s", units.BANDWIDTH) == 6.4e9 * 8


@every_unit
def test_what_is_formatted_can_be_read_again(unit):
    """parse(format(x)) is x to the digits printed, over all magnitudes, and from any of the ways a unit is written."""
    draw = random.Random(1)
    for _ in range(200):
        value = 10 ** draw.uniform(-20, 20)
        assert parse(format_quantity(value, unit.symbol, 17), unit) == pytest.approx(value, rel=1e-15)
        assert parse(format_quantity(value, unit.symbol), unit) == pytest.approx(value, rel=5.1e-4)


@every_unit
def test_the_data_of_a_quantity_is_exact(unit):
    """A float written out in the base unit comes back to the last bit."""
    draw = random.Random(2)
    for _ in range(200):
        value = 10 ** draw.uniform(-20, 20)
        assert parse(f"{value!r} {unit.symbol}", unit) == value


@every_unit
def test_the_prefix_suits_the_value(unit):
    """Between the smallest and the largest prefix, the number shown is 1 to 1000."""
    if unit.symbol == "m2":
        assert format_quantity(85.42e-6, "m2") == "85.42 mm²"
        assert format_quantity(9.6e-9, "m2") == "9600 µm²"
        return
    for exponent in range(10) if unit.symbol == "bit" else range(-18, 15):
        for digits in (1, 9.99, 9.9999, 3.21987):
            number = format_quantity(digits * 10.0**exponent, unit.symbol).split()[0]
            assert 1 <= float(number) <= (1024 if unit.symbol == "bit" else 1000)


@every_unit
def test_each_unit_reads_its_own_example(unit):
    assert parse(unit.example, unit) > 0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("16 mW / 8", 0.002),
        ("16 mW/8", 0.002),
        ("10 mW * 16384", 163.84),
        ("1 W / 3 * 3", 1.0),
        ("4 mW / 1024", 4e-3 / 1024),
        ("  16   mW ", 0.016),
        ("16mW", 0.016),
        ("1e3 mW", 1.0),
        (".5 W", 0.5),
        ("5. W", 5.0),
        ("+5 W", 5.0),
        ("0 W", 0.0),
        ("16\N{NO-BREAK SPACE}mW", 0.016),
        ("2 \N{MICRO SIGN}W", 2e-6),
        ("2 \N{GREEK SMALL LETTER MU}W", 2e-6),
    ],
)
def test_figures_may_carry_their_arithmetic_and_come_from_any_keyboard(text, value):
    assert parse(text, units.POWER) == value


def test_ohm_and_square_metre_are_read_as_printed():
    for text in ("10 kohm", "10 k\N{OHM SIGN}", "10 k\N{GREEK CAPITAL LETTER OMEGA}"):
        assert parse(text, units.RESISTANCE) == 1e4
    assert parse("0.083 mm²", units.AREA) == parse("0.083 mm2", units.AREA) == 0.083e-6


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        (25, "expected a power, got 25"),
        (2.5, "expected a power, got 2.5"),
        (float("nan"), "got nan"),
        (float("inf"), "got inf"),
        (10**400, "expected a power"),
        pytest.param(16**5000, "thousands of digits", id="hex"),
        (True, "got True"),
        (None, "got nothing"),
        ([1], r"got \[1\]"),
        ({"a": 1}, "got {"),
        ("", "got ''"),
        ("25", "got '25'"),
        ("W", "got 'W'"),
        ("watt", "got 'watt'"),
        ("25 V", "V is not a unit of power"),
        ("25 w", "w is not a unit of power"),
        ("25 KW", "KW is not a unit of power"),
        ("25 hW", "hW is not a unit of power"),
        ("25 W/s", "W/s is not a unit of power"),
        ("25 W2", "W2 is not a unit of power"),
        ("nan W", "got 'nan W'"),
        ("inf W", "got 'inf W'"),
        ("-3 mW", "must not be negative"),
        ("1 W * -2", "must not be negative"),
        ("1 W / 0", "divides by zero"),
        ("1 W / 0.0 * 2", "divides by zero"),
        ("1,000 W", "expected a power"),
        ("10² W", "expected a power"),
        ("1 W + 1 W", "expected a power"),
        ("1 W / 2 W", "expected a power"),
        ("1 / 2 W", "expected a power"),
        ("16 mW / 8 /", "expected a power"),
        ("__import__('os') W", "expected a power"),
        ("1e400 W", "beyond"),
        ("1e-400 W", "beyond"),
        ("1e99999999999999999999 W", "beyond"),
        ("9" * 90_000 + " W", "beyond"),
        ("9" * 90_000, "expected a power"),
        ("1 W" + " / 10" * 400, "beyond"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_every_other_form_is_refused_with_fact_and_remedy(text, fact):
    with pytest.raises(UnitError, match=fact) as caught:
        parse(text, units.POWER)
    assert len(str(caught.value)) < 250
    assert '"' in caught.value.remedy  # an example of how to write it
    assert parse(caught.value.remedy.split('"')[1], units.POWER) >= 0


def test_a_number_without_its_unit_is_told_how_to_get_one():
    with pytest.raises(UnitError) as caught:
        parse(25, units.CONDUCTANCE)
    assert str(caught.value) == 'expected a conductance, got 25\n  Write the unit: "25 uS".'


def test_voltages_and_currents_have_a_sign():
    assert parse("-0.2 V", units.VOLTAGE) == -0.2
    assert parse("-3 uA", units.CURRENT) == -3e-6
    assert {unit.quantity for unit in UNITS if unit.signed} == {"voltage", "current"}


@every_unit
def test_no_unit_is_read_as_another(unit):
    """Text in one unit is refused for every other quantity."""
    for other in UNITS:
        if other.symbol != unit.symbol:
            with pytest.raises(UnitError, match="is not a unit of"):
                parse(f"3 {unit.symbol}", other)


def test_magnitudes_end_where_sums_would_overflow():
    for edge, beyond in ((LARGEST, 1e25), (SMALLEST, 1e-25)):
        assert parse(f"{edge!r} W", units.POWER) == edge
        with pytest.raises(UnitError, match="beyond"):
            parse(f"{beyond!r} W", units.POWER)


def test_readable_prefixes_quantities_and_leaves_other_text_alone():
    assert readable("5e-07 S") == "500 nS"
    assert readable("2e3 ohm") == "2 kΩ"
    for text in ("balance", "isaac ce", "8", "8 bananas", "", "x S", "CMO/HfOx ReRAM"):
        assert readable(text) == text


def test_only_quantities_carry_a_unit():
    assert unit_of(units.Voltage) is units.VOLTAGE
    assert unit_of(units.Energies[np.ndarray, "layer"]) is units.ENERGY
    assert unit_of(float) is None
