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

from pimsim.accounting import CostReport
from pimsim.cardfile import read_yaml
from pimsim.catalog import published
from pimsim.chip import AbstractChip, Chip, Machine
from pimsim.chip.chip import area_by_component, power_by_component
from pimsim.errors import CardNotFound, PimsimError, SpecError, nearest, quoted
from pimsim.experiment import load_any_chip, on_chip
from pimsim.schedule import Timeline
from pimsim.simulation import cost_of
from pimsim.spec import AbstractSpec, from_data

Kind = Literal["recomputed", "fitted", "reported"]
Confidence = Literal["high", "medium", "low"]
Measure = Callable[[Any], float]
UNITS = {
    "1": (1.0, "1"), "W": (1.0, "W"), "mW": (1e-3, "W"), "mm2": (1e-6, "m2"), "um2": (1e-12, "m2"), "ns": (1e-9, "s"),
    "us": (1e-6, "s"), "uJ": (1e-6, "J"), "nJ": (1e-9, "J"), "pJ": (1e-12, "J"), "fJ": (1e-15, "J"),
    "MiB": (2.0**20, "B"), "GOPS": (1e9, "op/s"), "TOPS": (1e12, "op/s"), "GOPS/W": (1e9, "op/s/W"),
    "TOPS/W": (1e12, "op/s/W"),
    "GOPS/mm2": (1e15, "op/s/m2"), "TOPS/mm2": (1e18, "op/s/m2"), "MiB/mm2": (2.0**20 * 1e6, "B/m2"),
}  # fmt: skip
"""As papers write them: what one is in SI, and the SI unit."""

ANY: dict[str, tuple[str, Measure]] = {
    "power": ("W", lambda chip: chip.power()),
    "area": ("m2", lambda chip: chip.area()),
    "peak": ("op/s", lambda chip: chip.peak().ops_per_s),
    "power_efficiency": ("op/s/W", lambda chip: chip.peak().ops_per_s_per_W),
    "area_efficiency": ("op/s/m2", lambda chip: chip.peak().ops_per_s_per_m2),
    "storage_density": ("B/m2", lambda chip: chip.peak().storage_bytes_per_m2),
    "storage": ("B", lambda chip: chip.peak().storage_bytes_per_m2 * chip.area()),
    "mac_energy": ("J", lambda chip: 2 * chip.power() / chip.peak().ops_per_s),
}
ARRAYS: dict[str, tuple[str, Measure]] = {
    "tile_power": ("W", lambda chip: sum(power_by_component(chip.tile_bill()).values())),
    "tile_area": ("m2", lambda chip: sum(area_by_component(chip.tile_bill()).values())),
    "core_power": ("W", lambda chip: sum(power_by_component(chip.core.bill()).values())),
    "core_area": ("m2", lambda chip: sum(area_by_component(chip.core.bill()).values())),
    "adc_power": ("W", lambda chip: power_by_component(chip.bill())["adc"]),
    "adc_share": ("1", lambda chip: power_by_component(chip.bill())["adc"] / chip.power()),
    "router_power": ("W", lambda chip: power_by_component(chip.bill())["router"]),
    "arrays": ("1", lambda chip: float(chip.arrays)),
    "conversions_per_mac": ("1", lambda chip: chip.core.conversions_per_mac()),
    "vector_cycles": ("1", lambda chip: float(chip.core.latency(signed=True).depth)),
    "vector_latency": ("s", lambda chip: chip.core.latency(signed=True).depth * chip.core.cycle),
    "vector_energy": ("J", lambda chip: ARRAYS["core_power"][1](chip) * ARRAYS["vector_latency"][1](chip)),
    "peak_one_at_a_time": ("op/s", lambda chip: chip.peak().ops_per_s / _overlap(chip)),
}
"""Of chips of arrays; `vector_energy` is power × latency, as it is published."""
PASSES: dict[str, tuple[str, Measure]] = {
    "pass_time": ("s", lambda machine: machine.one_pass().time),
    "pass_energy": ("J", lambda machine: machine.pass_energy()),
}
"""Of machines."""
Run = tuple[Timeline, CostReport]
NETWORKS: dict[str, tuple[str, Measure]] = {
    "tiles": ("1", lambda run: float(run[1].tiles_on)),
    "tiles_area": ("m2", lambda run: run[1].area_on),
    "latency": ("s", lambda run: run[0].latency),
    "energy": ("J", lambda run: run[1].total_energy),
}
"""Of one inference of a network."""


def _overlap(chip: Chip) -> float:
    latency = chip.core.latency(signed=True)
    return latency.depth / latency.interval


class Point(AbstractSpec):
    """One published value, with what to set on the card to compute it."""

    value: str
    """A number and a unit as in the paper: "330 mW"."""
    set: dict[str, Any] = eqx.field(default_factory=dict)


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
            return measure(self.chips[key], claim.quantity)
        if (key, claim.network) not in self.runs:
            self.runs[key, claim.network] = run(self.chips[key], claim.network)
        return measure_run(self.runs[key, claim.network], claim.quantity)


def run(chip: AbstractChip, network: str) -> Run:
    """One inference, as is usual on the chip."""
    if not isinstance(chip, Chip):
        raise SpecError("network", f"{chip.name} has no arrays to run a network on")
    return cost_of(on_chip(chip, network))


def measure_run(ran: Run, quantity: str) -> float:
    """A quantity of an inference, in SI."""
    if quantity not in NETWORKS:
        raise SpecError("quantity", f"a run has no {quoted(quantity)}", nearest(quantity, NETWORKS))
    return NETWORKS[quantity][1](ran)


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


def measure(chip: AbstractChip, quantity: str) -> float:
    """A quantity of a chip, in SI."""
    known = ANY | (ARRAYS if isinstance(chip, Chip) else {}) | (PASSES if isinstance(chip, Machine) else {})
    if quantity not in known:
        raise SpecError("quantity", f"{chip.name} has no {quoted(quantity)}", nearest(quantity, known))
    return known[quantity][1](chip)


def make_row(
    said: Published, claim: Claim, note: str, ours: float, value: str, kind: Kind | None = None, fitted: str = ""
) -> Row:
    theirs, scale, unit = quantity_of(value)
    kind = kind or claim.kind
    if unit != (ANY | ARRAYS | PASSES | NETWORKS)[claim.quantity][0]:
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
