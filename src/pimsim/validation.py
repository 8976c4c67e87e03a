"""What was published next to what the same chip's card gives here: `pimsim validate`.

`configs/published/*.yaml` hold what was published; nothing here knows a value. A row is *recomputed* (it follows from
the parts on the card), *fitted* (a number was chosen so that it, or its neighbours, come out) or *reported* (for
comparison: nobody claims that it holds).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pimsim.calibration import Measurement, calibrate
from pimsim.catalog import published
from pimsim.chip import AbstractChip
from pimsim.claims import (
    Claim,
    Confidence,
    Kind,
    Point,
    Published,
    group_of,
    load_published,
    percent,
    points_of,
    quantity_of,
    settings,
)
from pimsim.errors import CardNotFound, SpecError, nearest
from pimsim.experiment import load_any_chip
from pimsim.quantities import Run, measure, quantity, quantity_of_run, run


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


def compare(said: Published, load: Callable[[str, Mapping[str, Any]], AbstractChip]) -> list[Row]:
    """The rows of one source; `load(name, settings)` gives the chip."""
    rows, evaluate = [], Evaluation(load)
    for claim in said.claims:
        points = points_of(claim)
        chips = [evaluate.chip(point.chip or said.chip, point) for point in points]
        for chip, point in zip(chips, points, strict=True):
            known = quantity_of_run(point.quantity) if claim.network else quantity(chip, point.quantity)
            if quantity_of(point.value)[2] != known[0]:
                raise SpecError(point.quantity, f"{point.value} is not its unit")
        if claim.fit:
            rows += three_ways(said, claim, list(zip(chips, points, strict=True)))
            continue
        for point in points:
            rows.append(make_row(said, claim, point, evaluate(said.chip, claim, point), settings(claim, point)))
    return rows


class Evaluation:
    """Figures of chips: a card is read once for all that is claimed of it at the same settings, a network run once."""

    def __init__(self, load: Callable[[str, Mapping[str, Any]], AbstractChip]):
        self.load = load
        self.chips: dict[str, AbstractChip] = {}
        self.runs: dict[tuple[str, str], Run] = {}

    def chip(self, name: str, point: Point) -> AbstractChip:
        key = self._key(name, point)
        if key not in self.chips:
            self.chips[key] = self.load(name, dict(point.set))
        return self.chips[key]

    def __call__(self, source: str, claim: Claim, point: Point) -> float:
        chip, key = self.chip(point.chip or source, point), self._key(point.chip or source, point)
        if not claim.network:
            return measure(chip, point.quantity)
        if (key, claim.network) not in self.runs:
            self.runs[key, claim.network] = run(chip, claim.network)
        return quantity_of_run(point.quantity)[1](self.runs[key, claim.network])

    @staticmethod
    def _key(name: str, point: Point) -> str:
        return repr((name, sorted(point.set.items())))


def three_ways(said: Published, claim: Claim, chips: Sequence[tuple[AbstractChip, Point]]) -> list[Row]:
    """Before the fit every point, or the worst where no claim is made; the worst after it, and from the others."""
    points = [point for _, point in chips]
    measurements = [
        Measurement(chip, quantity(chip, point.quantity)[1], quantity_of(point.value)[0], group_of(claim, point, n))
        for n, (chip, point) in enumerate(chips)
    ]
    done = calibrate(measurements, claim.fit)
    what = ", ".join(f"{name} x {factor:.3g}" for name, factor in done.factors.items())
    if claim.kind == "recomputed" and claim.points:
        notes = [f"{settings(claim, point)}, uncalibrated" for point in points]
        rows = [make_row(said, claim, *row) for row in zip(points, done.uncalibrated, notes, strict=True)]
    else:
        rows = [worst_row(said, claim, points, "uncalibrated", done.uncalibrated, claim.kind, "")]
    rows.append(worst_row(said, claim, points, "calibrated", done.calibrated, claim.calibrated, what))
    if done.others is not None:
        rows.append(worst_row(said, claim, points, "each from the others", done.others, claim.others, what))
    return rows


def worst_row(
    said: Published, claim: Claim, points: Sequence[Point], way: str, ours: Sequence[float], kind: Kind, fitted: str
) -> Row:
    misses = [ours / quantity_of(point.value)[0] - 1 for ours, point in zip(ours, points, strict=True)]
    worst = max(range(len(points)), key=lambda n: abs(math.log(1 + misses[n])))
    note = way
    if len(points) > 1:
        mean = sum(map(abs, misses)) / len(misses)
        place = settings(claim, points[worst]) or points[worst].chip
        note = f"{way}: worst of {len(points)}, at {place}; mean {mean:.1%}"
    return make_row(said, claim, replace(points[worst], chip=""), ours[worst], note, kind, fitted)


def make_row(
    said: Published, claim: Claim, point: Point, ours: float, note: str, kind: Kind | None = None, fitted: str = ""
) -> Row:
    theirs, scale, unit = quantity_of(point.value)
    kind = kind or claim.kind
    tolerance = percent(claim.tolerance)
    difference = ours / theirs - 1
    what = claim.label or f"{claim.quantity} {claim.network}".replace("_", " ").strip()
    name = " ".join(filter(None, [what, f"({note})" if note else ""]))
    digits = max(4, len(point.value.split()[0].replace(".", "").lstrip("0")))
    return Row(
        chip=point.chip or said.chip,
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
        shown=(f"{ours / scale:.{digits}g}", point.value),
    )
