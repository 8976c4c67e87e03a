"""What was published next to what the same chip's card gives here: `pimsim validate`.

`configs/published/*.yaml` hold what was published; nothing here knows a value. A row is *recomputed* (it follows from
the parts on the card), *fitted* (a number was chosen so that it, or its neighbours, come out) or *reported* (for
comparison: nobody claims that it holds).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, fsum, log
from typing import Any, Literal

import equinox as eqx

from pimsim.cardfile import read_yaml
from pimsim.catalog import published
from pimsim.chip import AbstractChip
from pimsim.errors import CardNotFound, PimsimError, SpecError, nearest, quoted
from pimsim.experiment import load_any_chip, on_chip
from pimsim.quantities import Run, measure, measure_run, quantity_of, unit_of
from pimsim.simulation import cost_of
from pimsim.spec import AbstractSpec, from_data

Kind = Literal["recomputed", "fitted", "reported"]
Confidence = Literal["high", "medium", "low"]


class Point(AbstractSpec):
    """One published value, with what to set on the card to compute it."""

    value: str
    """A number and a unit as in the paper: "330 mW"."""
    set: dict[str, Any] = eqx.field(default_factory=dict)


class Claim(AbstractSpec):
    """A published value of a quantity, or several of it under different settings."""

    quantity: str
    """By its name in `pimsim.quantities`."""
    tolerance: str
    """"0.1 %"."""
    network: str = ""
    """That the chip runs, where the quantity is one of a run."""
    value: str = ""
    parts: tuple[str, ...] = ()
    """The components that count, of a power or an area, where not all do."""
    set: dict[str, Any] = eqx.field(default_factory=dict)
    points: tuple[Point, ...] = ()
    label: str = ""
    kind: Kind = "recomputed"
    confidence: Confidence = "high"
    fitted: str = ""
    """What was fitted; of points: what one common factor on all of them would adjust."""


class Published(AbstractSpec):
    """What one source says of one chip."""

    chip: str
    claims: tuple[Claim, ...]


@dataclass(frozen=True)
class Row:
    """One comparison, in SI."""

    chip: str
    quantity: str
    ours: float
    theirs: float
    difference: float
    """Relative."""
    tolerance: float
    holds: bool | None
    """None where nobody claims that it does."""
    kind: Kind
    fitted: str
    source: str
    confidence: Confidence
    assumed: str
    unit: str
    """Of ours and theirs."""
    shown: tuple[str, str]
    """Ours and theirs as the paper would print them."""

    @property
    def fails(self) -> bool:
        return self.holds is False and self.confidence != "low"


def validate(names: Sequence[str] = ()) -> list[Row]:
    """The rows of these chips, or of all. Raises CardNotFound for a name of which nothing published is stored."""
    known = published()
    for name in names:
        if name not in known:
            raise CardNotFound(name, "nothing published is stored of a chip of this name", nearest(name, known))
    return [row for name in names or known for row in compare(load_published(name), load_any_chip)]


def load_published(name: str) -> Published:
    try:
        return from_data(read_yaml(published()[name]), Published)
    except PimsimError as error:
        raise error.within(f"published {name}", ": ") from None


def compare(said: Published, load: Callable[[str, Mapping[str, Any]], AbstractChip]) -> list[Row]:
    """The rows of one source; `load(name, settings)` gives the chip."""
    rows, evaluate = [], Evaluation(load)
    for claim in said.claims:
        points = claim.points or (Point(value=claim.value, set=claim.set),)
        pairs = [(evaluate(said.chip, claim, point), point) for point in points]
        for ours, point in pairs:
            rows.append(make_row(said, claim, settings(claim, point), ours, point.value))
        if len(points) > 1 and claim.fitted:
            rows += common_factor(said, claim, pairs)
    return rows


class Evaluation:
    """Figures of chips: a card is read once for all that is claimed of it at the same settings, a network run once."""

    def __init__(self, load: Callable[[str, Mapping[str, Any]], AbstractChip]):
        self.load = load
        self.chips: dict[str, AbstractChip] = {}
        self.runs: dict[tuple[str, str], Run] = {}

    def __call__(self, name: str, claim: Claim, point: Point) -> float:
        key = repr((name, sorted(point.set.items())))
        if key not in self.chips:
            self.chips[key] = self.load(name, dict(point.set))
        if not claim.network:
            return measure(self.chips[key], claim.quantity, claim.parts)
        if (key, claim.network) not in self.runs:
            self.runs[key, claim.network] = run(self.chips[key], claim.network)
        return measure_run(self.runs[key, claim.network], claim.quantity)


def run(chip: AbstractChip, network: str) -> Run:
    """One inference, as is usual on the chip."""
    return cost_of(on_chip(chip, network))


def common_factor(said: Published, claim: Claim, pairs: Sequence[tuple[float, Point]]) -> list[Row]:
    """The worst point when one factor is fitted to all of them, and when each is predicted from the others."""
    logs = [log(quantity_of(point.value)[0] / ours) for ours, point in pairs]
    whole = [exp(fsum(logs) / len(logs))] * len(logs)
    others = [exp((fsum(logs) - own) / (len(logs) - 1)) for own in logs]
    rows = []
    for what, factors in (("one factor fitted", whole), ("each from the others", others)):
        scaled = [(ours * by, point) for (ours, point), by in zip(pairs, factors, strict=True)]
        ours, point = max(scaled, key=lambda pair: abs(log(quantity_of(pair[1].value)[0] / pair[0])))
        row = make_row(said, claim, f"worst, {what}", ours, point.value, kind="fitted", fitted=claim.fitted)
        rows.append(row)
    return rows


def settings(claim: Claim, point: Point) -> str:
    """What distinguishes a point from its neighbours."""
    return ", ".join(f"{path.split('.')[-1]} {value}" for path, value in point.set.items()) if claim.points else ""


def make_row(
    said: Published, claim: Claim, note: str, ours: float, value: str, kind: Kind | None = None, fitted: str = ""
) -> Row:
    theirs, scale, unit = quantity_of(value)
    kind = kind or claim.kind
    if unit != unit_of(claim.quantity):
        raise SpecError(claim.quantity, f"{value} is not its unit")
    tolerance = percent(claim.tolerance)
    difference = ours / theirs - 1
    what = claim.label or f"{claim.quantity} {claim.network}".replace("_", " ").strip()
    name = " ".join(filter(None, [what, f"({note})" if note else ""]))
    digits = max(4, len(value.split()[0].replace(".", "").lstrip("0")))
    return Row(
        chip=said.chip,
        quantity=name,
        ours=ours,
        theirs=theirs,
        difference=difference,
        tolerance=tolerance,
        holds=None if kind == "reported" else abs(difference) <= tolerance,
        kind=kind,
        fitted=fitted or (claim.fitted if kind == "fitted" else ""),
        source=claim.source or said.source,
        confidence=claim.confidence,
        assumed=claim.assumed,
        unit=unit,
        shown=(f"{ours / scale:.{digits}g}", value),
    )


def percent(text: str) -> float:
    """ "0.1 %" → 0.001."""
    try:
        return float(text.removesuffix("%")) / 100
    except ValueError:
        raise SpecError("tolerance", f"expected a percentage, got {quoted(text)}", 'Write "0.1 %".') from None
