"""Physical quantities as types: SI inside, prefixes only at the edge.

A scalar field is annotated `Conductance`, an array `Conductances[Array, "row col"]`. Both carry a `Unit`, from which
the reader of YAML knows what text to accept ("25 uS"), and the writer of results which unit to record.
"""

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, get_args, get_origin

from jaxtyping import Float

from pimsim.errors import UnitError


@dataclass(frozen=True)
class Unit:
    """A kind of quantity and the SI unit it is kept in."""

    quantity: str
    symbol: str
    example: str
    signed: bool = False


PREFIXES = {"a": 1e-18, "f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "µ": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6,
            "G": 1e9, "T": 1e12}  # fmt: skip
BINARY = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}

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
COUNT = Unit("count", "1", "1")

if TYPE_CHECKING:
    from typing import Annotated as Areas
    from typing import Annotated as Conductances
    from typing import Annotated as Counts
    from typing import Annotated as Energies
    from typing import Annotated as Powers
    from typing import Annotated as Ratios
    from typing import Annotated as Times
else:

    class _Quantities:
        """`Energies[Array, "layer"]`: a float array with axes and a unit."""

        def __init__(self, unit: Unit):
            self.unit = unit

        def __getitem__(self, item):
            return Annotated[Float[item], self.unit]

    Conductances = _Quantities(CONDUCTANCE)
    Counts = _Quantities(COUNT)
    Energies = _Quantities(ENERGY)
    Powers = _Quantities(POWER)
    Ratios = _Quantities(COUNT)
    Times = _Quantities(TIME)
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
Rate = Annotated[float, Unit("rate of operations", "op/s", "41 Gop/s")]
RatePerPower = Annotated[float, Unit("power efficiency", "op/s/W", "600 Gop/s/W")]
RatePerArea = Annotated[float, Unit("area efficiency", "op/s/m2", "0.5 Top/s/m2")]
StorageDensity = Annotated[float, Unit("storage density", "B/m2", "0.7 MB/m2")]

NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
QUANTITY = re.compile(rf"({NUMBER})\s*([A-Za-zµΩ][A-Za-zµΩ0-9/]*)((?:\s*[*/]\s*{NUMBER})*)")
FACTOR = re.compile(rf"([*/])\s*({NUMBER})")


def unit_of(annotation: object) -> Unit | None:
    """The unit an annotation carries, if it is a quantity."""
    if get_origin(annotation) is Annotated:
        return next((extra for extra in get_args(annotation)[1:] if isinstance(extra, Unit)), None)
    return None


def parse(text: object, unit: Unit) -> float:
    """A quantity in SI from text such as "25 uS", or a published figure with its arithmetic: "16 mW / 8".

    Raises UnitError: no unit, another quantity's unit, not a finite number, negative where nothing negative exists.
    """
    remedy = f'Write a number and its unit: "{unit.example}".'
    if isinstance(text, int | float) and not isinstance(text, bool):
        raise UnitError("", f"expected a {unit.quantity}, got {text}", f'Write the unit: "{_suggest(text, unit)}".')
    match = QUANTITY.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise UnitError("", f"expected a {unit.quantity}, got {text!r}", remedy)
    number, symbol, factors = match.groups()
    scale = _scale(symbol, unit)
    if scale is None:
        raise UnitError(
            "", f"expected a {unit.quantity}, got {text!r}: {symbol} is not a unit of {unit.quantity}", remedy
        )
    value = float(number) * scale
    for operator, factor in FACTOR.findall(factors):
        if operator == "/" and float(factor) == 0:
            raise UnitError("", f"{text!r} divides by zero", remedy)
        value = value * float(factor) if operator == "*" else value / float(factor)
    if not math.isfinite(value):
        raise UnitError("", f"{text!r} is not a finite number", remedy)
    if value < 0 and not unit.signed:
        raise UnitError("", f"a {unit.quantity} must not be negative, got {text!r}")
    return value


def format_quantity(value: float, unit: str, digits: int = 4) -> str:
    """A value with the prefix that suits it: 3.2e-12, "J" → "3.2 pJ"; areas in mm² and µm²."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {_pretty(unit)}"
    if unit == "m2":
        prefix = next((p for p in ("m", "u", "n") if abs(value) >= 0.01 * PREFIXES[p] ** 2), "n")
        return f"{value / PREFIXES[prefix] ** 2:.{digits}g} {_pretty(prefix)}m²"
    for prefix, scale in sorted(PREFIXES.items(), key=lambda item: -item[1]):
        if prefix != "µ" and abs(value) >= scale * 0.9995:
            return f"{value / scale:.{digits}g} {_pretty(prefix + unit)}"
    return f"{value:.{digits}g} {_pretty(unit)}"


def _scale(symbol: str, unit: Unit) -> float | None:
    """What one `symbol` is in the unit's SI base, or None when it measures something else."""
    base = unit.symbol
    symbol = symbol.replace("Ω", "ohm")
    if base in ("bit", "bit/s"):
        return _binary_scale(symbol, base)
    if not symbol.endswith(base):
        return None
    prefix = symbol[: -len(base)]
    if base == "m2":
        return {"m": 1e-6, "u": 1e-12, "µ": 1e-12, "n": 1e-18, "c": 1e-4, "": 1.0}.get(prefix)
    return PREFIXES.get(prefix)


def _binary_scale(symbol: str, base: str) -> float | None:
    """Storage counts in powers of 1024 (64 KB), bandwidth in powers of 1000 (6.4 GB/s)."""
    powers = BINARY if base == "bit" else PREFIXES
    tail = base[3:]
    for name, bits in (("bit", 1), ("B", 8)):
        if symbol.endswith(name + tail):
            power = powers.get(symbol[: -len(name + tail)])
            return None if power is None else float(power * bits)
    return None


def _suggest(value: float, unit: Unit) -> str:
    return f"{value:g} {unit.example.split()[-1]}" if math.isfinite(value) else unit.example


def _pretty(symbol: str) -> str:
    return symbol.replace("u", "µ") if symbol.startswith("u") else symbol.replace("ohm", "Ω")
