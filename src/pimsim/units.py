"""Physical quantities as types: SI inside, prefixes only at the edge.

A scalar field is annotated `Conductance`, an array `Conductances[Array, "row col"]`. Both carry a `Unit`, from which
the reader of YAML knows what text to accept ("25 uS"), and the writer of results which unit to record. What may be
either, in arithmetic that does not care, is `Varying[Energy, " variant"]`.
"""

import math
import re
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from typing import TYPE_CHECKING, Annotated, get_args, get_origin

from jaxtyping import Float

from pimsim.errors import QUOTED, UnitError, quoted


@dataclass(frozen=True)
class Unit:
    """A kind of quantity and the SI unit it is kept in."""

    quantity: str
    symbol: str
    example: str
    signed: bool = False

    @property
    def one(self) -> str:
        """As a noun with its article."""
        return f"{'an' if self.quantity[0] in 'aeiou' else 'a'} {self.quantity}"


PREFIXES = {"a": 1e-18, "f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9,
            "T": 1e12}  # fmt: skip
SQUARED = {"n": 1e-18, "u": 1e-12, "m": 1e-6, "c": 1e-4, "": 1.0}
SMALLEST, LARGEST = 1e-24, 1e24
BINARY = {"": 1.0, "K": 2.0**10, "M": 2.0**20, "G": 2.0**30, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}
PLAIN = {"\N{MICRO SIGN}": "u", "\N{GREEK SMALL LETTER MU}": "u", "\N{OHM SIGN}": "ohm",
         "\N{GREEK CAPITAL LETTER OMEGA}": "ohm", "m²": "m2"}  # fmt: skip
"""What keyboards and papers write, and what the tables above call it."""

VOLTAGE = Unit("voltage", "V", "0.2 V", signed=True)
CURRENT = Unit("current", "A", "10 uA", signed=True)
CONDUCTANCE = Unit("conductance", "S", "25 uS")
RESISTANCE = Unit("resistance", "ohm", "10 kohm")
TIME = Unit("time", "s", "100 ns")
FREQUENCY = Unit("frequency", "Hz", "1.2 GHz")
ENERGY = Unit("energy", "J", "1.5 pJ")
POWER = Unit("power", "W", "16 mW")
AREA = Unit("area", "m2", "0.083 mm2")
STORAGE = Unit("storage", "bit", "64 KB")
BANDWIDTH = Unit("bandwidth", "bit/s", "6.4 GB/s")
TEMPERATURE = Unit("temperature", "K", "300 K")
CAPACITANCE = Unit("capacitance", "F", "1 fF")
LENGTH = Unit("length", "m", "32 nm")
ACTIVATION = Unit("activation energy", "eV", "1.1 eV")
COUNT = Unit("count", "1", "1")
SYMBOLS = ("V", "A", "S", "ohm", "s", "Hz", "J", "W", "m2", "K", "F", "eV", "m", "bit", "bit/s")

if TYPE_CHECKING:
    from typing import Annotated as Areas
    from typing import Annotated as Conductances
    from typing import Annotated as Counts
    from typing import Annotated as Currents
    from typing import Annotated as Energies
    from typing import Annotated as Powers
    from typing import Annotated as Ratios
    from typing import Annotated as Times
    from typing import Annotated as Varying
    from typing import Annotated as Voltages
else:

    class _Quantities:
        """`Energies[Array, "layer"]`: a float array with axes and a unit."""

        def __init__(self, unit: Unit):
            self.unit = unit

        def __getitem__(self, item):
            return Annotated[Float[item], self.unit]

    class _Varying:
        """`Varying[Energy, " variant"]`: a quantity, or a NumPy array of it; type checkers see the quantity."""

        def __getitem__(self, item):
            import numpy as np  # which `pimsim list` does not wait for

            quantity, axes = item
            return quantity | Float[np.ndarray, axes]

    Varying = _Varying()
    Conductances = _Quantities(CONDUCTANCE)
    Counts = _Quantities(COUNT)
    Currents = _Quantities(CURRENT)
    Energies = _Quantities(ENERGY)
    Powers = _Quantities(POWER)
    Ratios = _Quantities(COUNT)
    Times = _Quantities(TIME)
    Voltages = _Quantities(VOLTAGE)
    Areas = _Quantities(AREA)

Voltage = Annotated[float, VOLTAGE]
Conductance = Annotated[float, CONDUCTANCE]
Resistance = Annotated[float, RESISTANCE]
Time = Annotated[float, TIME]
Frequency = Annotated[float, FREQUENCY]
Energy = Annotated[float, ENERGY]
Power = Annotated[float, POWER]
Area = Annotated[float, AREA]
Storage = Annotated[float, STORAGE]
Bandwidth = Annotated[float, BANDWIDTH]
Temperature = Annotated[float, TEMPERATURE]
Capacitance = Annotated[float, CAPACITANCE]
Length = Annotated[float, LENGTH]
ActivationEnergy = Annotated[float, ACTIVATION]
Rate = Annotated[float, Unit("rate of operations", "op/s", "41 Gop/s")]
RatePerPower = Annotated[float, Unit("power efficiency", "op/s/W", "600 Gop/s/W")]
RatePerArea = Annotated[float, Unit("area efficiency", "op/s/m2", "0.5 Top/s/m2")]
StorageDensity = Annotated[float, Unit("storage density", "B/m2", "0.7 MB/m2")]

NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
QUANTITY = re.compile(rf"({NUMBER})\s*([A-Za-z]+2?(?:/[A-Za-z]+2?)*)((?:\s*[*/]\s*{NUMBER})*)")
FACTOR = re.compile(rf"([*/])\s*({NUMBER})")


def unit_of(annotation: object) -> Unit | None:
    """The unit an annotation carries, if it is a quantity."""
    if get_origin(annotation) is Annotated:
        return next((extra for extra in get_args(annotation)[1:] if isinstance(extra, Unit)), None)
    return None


def parse(text: object, unit: Unit) -> float:
    """A quantity in SI from text such as "25 uS", or a published figure with its arithmetic: "16 mW / 8".

    The value is the float nearest to what is written: "25 uS" is 25e-6, where 25 × 1e-6 misses it by a bit.
    Raises UnitError: no unit, another quantity's unit, negative where nothing negative exists, or so large or small
    that nobody means it and sums of it might overflow.
    """
    expected, remedy = f"expected {unit.one}", f'Write a number and its unit: "{unit.example}".'
    if isinstance(text, int | float) and not isinstance(text, bool):
        raise UnitError("", f"{expected}, got {quoted(text)}", f'Write the unit: "{_suggest(text, unit)}".')
    match = QUANTITY.fullmatch(_plain(text).strip()) if isinstance(text, str) else None
    if match is None:
        raise UnitError("", f"{expected}, got {quoted(text)}", remedy)
    number, symbol, factors = match.groups()
    scale = _scale(symbol, unit)
    if scale is None:
        fact = f"{expected}, got {quoted(text)}: {symbol[:QUOTED]} is not a unit of {unit.quantity}"
        raise UnitError("", fact, remedy)
    try:
        exact = Decimal(number) * Decimal(repr(scale))
        for operator, factor in FACTOR.findall(factors):
            exact = exact * Decimal(factor) if operator == "*" else exact / Decimal(factor)
    except ZeroDivisionError:
        raise UnitError("", f"{quoted(text)} divides by zero", remedy) from None
    except DecimalException:  # an exponent of too many digits
        exact = Decimal("inf")
    value = float(exact)
    if value < 0 and not unit.signed:
        raise UnitError("", f"{unit.one} must not be negative, got {quoted(text)}", remedy)
    if exact and not SMALLEST <= abs(value) <= LARGEST:
        fact = f"{quoted(text)} is beyond {SMALLEST:g} to {LARGEST:g} {unit.symbol}"
        raise UnitError("", fact, remedy)
    return value


def format_quantity(value: float, unit: str, digits: int = 4) -> str:
    """A value with the prefix that suits it: 3.2e-12, "J" → "3.2 pJ"; areas in mm² and µm²."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {_pretty(unit)}"
    if unit == "m2":
        prefix = next((p for p in ("m", "u", "n") if abs(value) >= 0.01 * SQUARED[p]), "n")
        return f"{value / SQUARED[prefix]:.{digits}g} {_pretty(prefix + unit)}"
    scales = BINARY if unit == "bit" else PREFIXES
    for prefix, scale in sorted(scales.items(), key=lambda item: -item[1]):
        if abs(value) >= scale * 0.9995:
            return f"{value / scale:.{digits}g} {_pretty(prefix + unit)}"
    return f"{value:.{digits}g} {_pretty(unit)}"


def readable(text: str) -> str:
    """A quantity as YAML data hold it, "5e-07 S", with the prefix that suits it; any other text as it is."""
    number, _, symbol = text.partition(" ")
    try:
        return format_quantity(float(number), symbol, 6) if symbol in SYMBOLS else text
    except ValueError:
        return text


def _plain(text: str) -> str:
    for fancy, plain in PLAIN.items():
        text = text.replace(fancy, plain)
    return text


def _scale(symbol: str, unit: Unit) -> float | None:
    """What one `symbol` is in the unit's SI base, or None when it measures something else."""
    base = unit.symbol
    if base in ("bit", "bit/s"):
        return _binary_scale(symbol, base)
    if not symbol.endswith(base):
        return None
    return (SQUARED if base == "m2" else PREFIXES).get(symbol.removesuffix(base))


def _binary_scale(symbol: str, base: str) -> float | None:
    """Storage counts in powers of 1024 (64 KB), bandwidth in powers of 1000 (6.4 GB/s)."""
    powers = BINARY if base == "bit" else PREFIXES
    tail = base[3:]
    for name, bits in (("bit", 1), ("B", 8)):
        if symbol.endswith(name + tail):
            power = powers.get(symbol.removesuffix(name + tail))
            return None if power is None else power * bits
    return None


def _suggest(value: int | float, unit: Unit) -> str:
    if abs(value) < 1e15 and (value >= 0 or unit.signed):
        return f"{value:g} {unit.example.split()[-1]}"
    return unit.example  # what was given is no number that anyone means


def _pretty(symbol: str) -> str:
    return re.sub("^u", "µ", symbol).replace("ohm", "Ω").replace("m2", "m²")
