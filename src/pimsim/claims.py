"""What was published, as `configs/published/*.yaml` have it: claims of values, one by one or in tables."""

import math
from dataclasses import replace
from itertools import product
from typing import Any, Literal

import equinox as eqx

from pimsim.cardfile import read_yaml
from pimsim.catalog import published
from pimsim.errors import PimsimError, SpecError, quoted
from pimsim.spec import AbstractSpec, from_data

Kind = Literal["recomputed", "fitted", "reported"]
Confidence = Literal["high", "medium", "low"]
UNITS = {
    "1": (1.0, "1"), "W": (1.0, "W"), "mW": (1e-3, "W"), "mm2": (1e-6, "m2"), "um2": (1e-12, "m2"), "ns": (1e-9, "s"),
    "us": (1e-6, "s"), "uJ": (1e-6, "J"), "nJ": (1e-9, "J"), "pJ": (1e-12, "J"), "fJ": (1e-15, "J"),
    "MiB": (2.0**20, "B"), "GOPS": (1e9, "op/s"), "TOPS": (1e12, "op/s"), "GOPS/W": (1e9, "op/s/W"),
    "TOPS/W": (1e12, "op/s/W"),
    "GOPS/mm2": (1e15, "op/s/m2"), "TOPS/mm2": (1e18, "op/s/m2"), "MiB/mm2": (2.0**20 * 1e6, "B/m2"),
}  # fmt: skip
"""As papers write them: what one is in SI, and the SI unit."""


class Point(AbstractSpec):
    """One published value, with what to set on the card to compute it."""

    value: str
    """A number and a unit as in the paper: "330 mW"."""
    set: dict[str, Any] = eqx.field(default_factory=dict)
    chip: str = ""
    """Where it is another one than the source is about."""
    quantity: str = ""
    """Where it is another one than the claim's."""


class Claim(AbstractSpec):
    """A published value of a quantity, or several of it under different settings."""

    quantity: str
    tolerance: str
    """"0.1 %"."""
    network: str = ""
    """That the chip runs, where the quantity is one of a run."""
    value: str = ""
    set: dict[str, Any] = eqx.field(default_factory=dict)
    points: tuple[Point, ...] = ()
    label: str = ""
    kind: Kind = "recomputed"
    confidence: Confidence = "high"
    fitted: str = ""
    """What was fitted, where the card states it as a number."""
    fit: dict[str, tuple[str, ...]] = eqx.field(default_factory=dict)
    """What is to be fitted to the points, by name, and the paths on the card that one factor multiplies. The points are
    then summed up before the fit (`kind` says whether that claims anything), after it, and each from the others."""
    calibrated: Kind = "fitted"
    """`reported` where the fit does not come near enough; likewise for each from the others."""
    others: Kind = "fitted"
    together: str = ""
    """The setting whose equal values are left out together; without it every point is on its own."""
    axes: dict[str, tuple[Any, ...]] = eqx.field(default_factory=dict)
    """Of a table instead of points: settings (several paths, separated by spaces, take the same), and their values."""
    table: tuple[float, ...] = ()
    """In the order of the axes, the last one fastest."""
    unit: str = ""
    """Of the table."""


class Published(AbstractSpec):
    """What one source says of one chip."""

    chip: str
    claims: tuple[Claim, ...]


def load_published(name: str) -> Published:
    try:
        return from_data(read_yaml(published()[name]), Published)
    except PimsimError as error:
        raise error.within(f"published {name}", ": ") from None


def points_of(claim: Claim) -> list[Point]:
    """What a claim says, value by value, each with its quantity."""
    if claim.fit and claim.network:
        raise SpecError("fit", "is of chips, not of what they run", "Claim a quantity of the chip.")
    if len(claim.table) != (math.prod(map(len, claim.axes.values())) if claim.axes else 0):
        raise SpecError("table", f"has {len(claim.table)} values, its axes another number")
    points = list(claim.points) if claim.points else [] if claim.axes else [Point(value=claim.value, set=claim.set)]
    for value, place in zip(claim.table, product(*claim.axes.values()), strict=True) if claim.axes else ():
        set_to = {path: at for paths, at in zip(claim.axes, place, strict=True) for path in paths.split()}
        points.append(Point(value=f"{value} {claim.unit}", set=claim.set | set_to))
    return [replace(point, quantity=point.quantity or claim.quantity) for point in points]


def group_of(claim: Claim, point: Point, number: int) -> str:
    return str(point.set.get(claim.together)) if claim.together else str(number)


def settings(claim: Claim, point: Point) -> str:
    """What distinguishes a point from its neighbours."""
    if not (claim.points or claim.axes):
        return ""
    named = [f"{path.split('.')[-1]} {value}" for path, value in point.set.items() if path not in claim.set]
    other = point.quantity if point.quantity != claim.quantity else ""
    return ", ".join(filter(None, [point.chip, other, *named]))


def quantity_of(text: str) -> tuple[float, float, str]:
    """ "330 mW" → 0.33, 0.001, "W"."""
    number, _, symbol = text.partition(" ")
    scale, unit = UNITS.get(symbol or "1", (None, ""))
    try:
        if scale is not None:
            return float(number) * scale, scale, unit
    except ValueError:
        pass
    raise SpecError("value", f"expected a number and a unit, got {quoted(text)}", f"Units: {', '.join(UNITS)}.")


def percent(text: str) -> float:
    """ "0.1 %" → 0.001."""
    try:
        return float(text.removesuffix("%")) / 100
    except ValueError:
        raise SpecError("tolerance", f"expected a percentage, got {quoted(text)}", 'Write "0.1 %".') from None
