"""Events × costs: the energy, power and area of one inference on any chip."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Shaped

from pimsim.chip import STANDARD, Chip, Line, Machine, kind_of
from pimsim.chip.kinds import merged
from pimsim.errors import SpecError
from pimsim.events import events_by_layer, observed
from pimsim.inference import Activity
from pimsim.mapping import Distribution, Placement, matrices_of, streaming_of
from pimsim.network.ops import Op, VectorOp
from pimsim.schedule import Edge, Timeline
from pimsim.spec import AbstractSpec
from pimsim.units import Area, Areas, Counts, Energies, Energy, Power, Powers, Time


class Charging(AbstractSpec):
    """What idle and constant power an inference is charged for."""

    power_gating: bool = True
    """Whether tiles without work are off; otherwise every tile of every chip leaks."""
    constant_power: Literal["interval", "latency"] = "interval"
    """The time for which leakage and constant power are charged to one inference: the interval, in which a pipeline
    that never idles finishes one, or the latency of one inference alone on the chip."""


@dataclass(frozen=True)
class CostReport:
    """What one inference costs; energies by layer and component sum to the total."""

    layer: Shaped[np.ndarray, " layer"]
    component: Shaped[np.ndarray, " component"]
    event: Shaped[np.ndarray, " event"]
    energy: Energies[np.ndarray, "layer component"]
    """Drawn by events."""
    static_energy: Energies[np.ndarray, " component"]
    """Leakage and constant power over the time charged for."""
    event_count: Counts[np.ndarray, "layer event"]
    component_area: Areas[np.ndarray, " component"]
    """Of all chips, whole."""
    total_energy: Energy
    power: Power
    """Energy over the time that it is charged for."""
    area: Area
    area_on: Area
    """Of the tiles that are on."""
    time: Time
    """What leakage and constant power are charged for."""
    chips: int
    tiles_on: int
    """Of a machine without tiles: its chips."""
    power_gating: bool
    """As in Charging."""
    constant_power: str
    """As in Charging."""

    def energy_by_layer(self) -> dict[str, Energy]:
        """Energy of each layer; what belongs to none is "static"."""
        by_layer = dict(zip(self.layer.tolist(), self.energy.sum(axis=1).tolist(), strict=True))
        return by_layer | {"static": float(self.static_energy.sum())}

    def energy_by_component(self) -> dict[str, Energy]:
        return dict(zip(self.component.tolist(), (self.energy.sum(axis=0) + self.static_energy).tolist(), strict=True))

    def area_by_component(self) -> dict[str, Area]:
        return dict(zip(self.component.tolist(), self.component_area.tolist(), strict=True))

    def events(self) -> dict[str, float]:
        """How often each event happens in one inference."""
        return dict(zip(self.event.tolist(), self.event_count.sum(axis=0).tolist(), strict=True))


def account(
    ops: Sequence[Op],
    placement: Placement,
    chip: Chip,
    edges: Sequence[Edge],
    timeline: Timeline,
    signed: Mapping[str, bool],
    charging: Charging,
    activity: Activity | None = None,
) -> CostReport:
    """Multiply what happens by what it costs; what depends on data is that of `activity`, or nominal without it.

    Raises SpecError when a layer asks for an event that no component of the chip answers.
    """
    events = events_by_layer(ops, placement, chip, edges, signed)
    if activity is not None:
        events = [observed(op.layer, counts, activity) for op, counts in zip(ops, events, strict=True)]
    tiles, kinds = np.array([part.tiles for part in chip.parts]), [part.kind for part in chip.parts]
    at_work = np.bincount(kind_of(chip, placement.tiles_at_work()), minlength=len(tiles))
    on = at_work if charging.power_gating else placement.chips * tiles
    of_layer = dict(zip(placement.matrix.tolist(), placement.kind.tolist(), strict=True))
    price = [kinds.index(of_layer.get(op.layer, STANDARD)) for op in ops]
    shares = (on / tiles).tolist()
    return _charged(
        chip.name, ops, chip.bills(), events, timeline, charging, placement.chips, int(on.sum()), shares, price
    )


def account_streamed(
    ops: Sequence[Op], distribution: Distribution, machine: Machine, timeline: Timeline, charging: Charging
) -> CostReport:
    """The same on machines that stream weights: the events of the passes of all chips, each in all units charged."""
    streaming, charged = streaming_of(machine), {line.event for line in machine.bill()}
    one = {event: count for event, count in machine.events().items() if event in charged}
    passes = [0.0 if isinstance(op, VectorOp) else streaming.passes(matrices_of(op)) for op in ops]
    events = [{event: count * number for event, count in one.items()} for number in passes]
    bill = [line._replace(cost=replace(line.cost, energy=line.number * line.cost.energy)) for line in machine.bill()]
    chips = distribution.chips
    return _charged(machine.name, ops, [bill], events, timeline, charging, chips, tiles=chips, on=[float(chips)])


def _charged(
    name: str,
    ops: Sequence[Op],
    bills: Sequence[Sequence[Line]],
    events: Sequence[Mapping[str, float]],
    timeline: Timeline,
    charging: Charging,
    chips: int,
    tiles: int,
    on: Sequence[float],
    price: Sequence[int] | None = None,
) -> CostReport:
    """Events of each layer times what they cost, and what `on` chips' worth of tiles leak and all chips always draw.

    There is a bill for each kind of tile, and `price` says which is that of each layer; the first if not given.
    """
    bill = merged(bills)
    known = {line.event for line in bill} - {""}
    if unpaid := set().union(*events) - known:
        fact = f"no component is charged for {', '.join(sorted(unpaid))}"
        raise SpecError(name, fact, f"Its bill has: {', '.join(sorted(known))}.")
    count = np.array([[counts.get(line.event, 0.0) for line in bill] for counts in events])
    energies = np.array([[line.cost.energy for line in own] for own in bills])
    dynamic = count * energies[[0] * len(ops) if price is None else price]
    acting = [index for index, line in enumerate(bill) if line.event]
    time = timeline.interval if charging.constant_power == "interval" else timeline.latency
    of_kinds = list(zip(bills, on, strict=True))
    static = time * np.sum([standing_power(own, share, chips)[:, 0] for own, share in of_kinds], axis=0)
    area = np.array([line.number * line.cost.area for line in bill]) * chips
    total = float(dynamic.sum() + static.sum())
    area_on = sum(_in_tiles(own) * share for own, share in of_kinds)
    return CostReport(
        layer=np.array([op.layer for op in ops]),
        component=np.array([line.component for line in bill]),
        event=np.array([bill[index].event for index in acting]),
        energy=dynamic,
        static_energy=static,
        event_count=count[:, acting],
        component_area=area,
        total_energy=total,
        power=total / time,
        area=float(area.sum()),
        area_on=float(area_on),
        time=time,
        chips=chips,
        tiles_on=tiles,
        power_gating=charging.power_gating,
        constant_power=charging.constant_power,
    )


def _in_tiles(bill: Sequence[Line]) -> Area:
    return sum(line.number * line.cost.area for line in bill if line.component != "link")


@dataclass(frozen=True)
class Repriced:
    """What one inference costs on each of many chips that differ in their components' parameters."""

    component: Shaped[np.ndarray, " component"]
    energy: Energies[np.ndarray, "component variant"]
    """With leakage and constant power over the time charged for."""
    total_energy: Energies[np.ndarray, " variant"]
    power: Powers[np.ndarray, " variant"]
    """Energy over the time that it is charged for."""
    area: Areas[np.ndarray, " variant"]
    """Of all chips, whole."""
    full_power: Powers[np.ndarray, " variant"]
    """Of one chip, with every component at its full rate."""


def reprice(report: CostReport, many: Chip) -> Repriced:
    """The events of one report at the prices of many chips, from `chip.vary`: what `account` says of each.

        reprice(report, vary(chip, {"core.adc.bits": [6, 7, 8]})).total_energy

    Raises SpecError for a chip whose components are not those of the report.
    """
    if many.kinds:
        fact = "has tiles of several kinds, which the events of a report do not tell apart"
        raise SpecError(many.name, fact, "Account for each chip.")
    bill = many.bill()
    if [line.component for line in bill] != report.component.tolist():
        raise SpecError(
            many.name, "has other components than the chip of the report", "Vary the chip that was charged."
        )
    events = report.events()
    dynamic = by_line([events.get(line.event, 0.0) * line.cost.energy for line in bill])
    energy, area, power = np.broadcast_arrays(
        dynamic + report.time * standing_power(bill, report.tiles_on / many.tiles, report.chips),
        by_line([line.number * line.cost.area for line in bill]) * report.chips,
        by_line([line.number * line.cost.power for line in bill]),
    )
    total = energy.sum(axis=0)
    return Repriced(
        component=report.component,
        energy=energy,
        total_energy=total,
        power=total / report.time,
        area=area.sum(axis=0),
        full_power=power.sum(axis=0),
    )


def by_line(values: Sequence[Any]) -> Float[np.ndarray, "component variant"]:
    """A number, or one a variant, for each line of a bill."""
    return np.array(np.broadcast_arrays(*values), float).reshape(len(values), -1)


def standing_power(bill: Sequence[Line], on: float, chips: int) -> Powers[np.ndarray, "component variant"]:
    """Leakage of so many chips' worth of tiles and constant power of all chips, by line of a chip's bill."""
    leakage = by_line([line.number * line.cost.leakage for line in bill]) * on
    return leakage + by_line([line.number * line.cost.constant for line in bill]) * chips
