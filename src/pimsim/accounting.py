"""Events × costs: the energy, power and area of one inference on any chip."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Shaped

from pimsim.chip import Chip, Line
from pimsim.errors import SpecError
from pimsim.mapping import Placement, product
from pimsim.network.ops import Op, ProductOp, VectorOp
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
    time: Time
    """What leakage and constant power are charged for."""
    chips: int
    tiles_on: int
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
) -> CostReport:
    """Multiply what happens by what it costs.

    Raises SpecError when a layer asks for an event that no component of the chip answers.
    """
    bill = chip.bill()
    events = [layer_events(op, placement, chip, edges, signed) for op in ops]
    names = [line.event for line in bill if line.event]
    if unpaid := {name for counts in events for name in counts} - set(names):
        fact = f"no component is charged for {', '.join(sorted(unpaid))}"
        raise SpecError(chip.name, fact, f"Its bill has: {', '.join(sorted(set(names)))}.")
    count = np.array([[counts.get(name, 0.0) for name in names] for counts in events])
    dynamic = np.array([[counts.get(line.event, 0.0) * line.cost.energy for line in bill] for counts in events])
    time = timeline.interval if charging.constant_power == "interval" else timeline.latency
    tiles = placement.tiles_on() if charging.power_gating else placement.chips * chip.tiles
    static = time * standing_power(bill, chip, tiles, placement.chips)[:, 0]
    area = np.array([line.number * line.cost.area for line in bill]) * placement.chips
    total = float(dynamic.sum() + static.sum())
    return CostReport(
        layer=np.array([op.layer for op in ops]),
        component=np.array([line.component for line in bill]),
        event=np.array(names),
        energy=dynamic,
        static_energy=static,
        event_count=count,
        component_area=area,
        total_energy=total,
        power=total / time,
        area=float(area.sum()),
        time=time,
        chips=placement.chips,
        tiles_on=tiles,
        power_gating=charging.power_gating,
        constant_power=charging.constant_power,
    )


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
    bill = many.bill()
    if [line.component for line in bill] != report.component.tolist():
        raise SpecError(
            many.name, "has other components than the chip of the report", "Vary the chip that was charged."
        )
    events = report.events()
    dynamic = by_line([events.get(line.event, 0.0) * line.cost.energy for line in bill])
    energy, area, power = np.broadcast_arrays(
        dynamic + report.time * standing_power(bill, many, report.tiles_on, report.chips),
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


def layer_events(
    op: Op, placement: Placement, chip: Chip, edges: Sequence[Edge], signed: Mapping[str, bool]
) -> dict[str, float]:
    """Every event of one layer in one inference: in its arrays, around them, and on its inputs' way to it."""
    bits, total = chip.core.input_bits, defaultdict(float)

    def happens(events: Mapping[str, float], times: int = 1) -> None:
        for name, count in events.items():
            total[name] += count * times

    for edge in edges:
        if edge.consumer == op.layer:
            happens({"flit_hop": edge.flit_hops})
            happens(chip.tile.arrival_events(edge.values * edge.copies, bits))
    if isinstance(op, VectorOp):
        happens(chip.tile.vector_events(op.kind, op.values, op.operands))
        return total
    if isinstance(op, ProductOp):
        happens(chip.tile.product_events(product(op), bits))
        return total
    blocks = placement.blocks(op.layer)
    partial_sums = sum(cols for *_, cols in blocks)
    happens(chip.tile.matrix_events(op.rows, op.cols, partial_sums, bits), op.vectors)
    for (rows, cols), count in Counter((rows, cols) for _, rows, _, cols in blocks).items():
        happens(chip.core.events(rows, cols, signed=signed[op.layer]), op.vectors * count)
    if placement.rounds > 1:
        cells = sum(chip.core.cells(rows, cols) for _, rows, _, cols in blocks) * placement.copies(op.layer)
        happens({"cell_write": float(cells * chip.core.pulses_per_cell)})
    return total


def standing_power(bill: Sequence[Line], chip: Chip, tiles: int, chips: int) -> Powers[np.ndarray, "component variant"]:
    """Leakage of the tiles that are on and constant power of the chips, by line of the chip's bill."""
    leakage = by_line([line.number * line.cost.leakage for line in bill]) * tiles / chip.tiles
    return leakage + by_line([line.number * line.cost.constant for line in bill]) * chips
