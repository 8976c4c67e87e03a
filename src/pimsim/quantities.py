"""Figures of chips and of the networks they run that papers print: by name, the unit and what gives it."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from pimsim.accounting import CostReport
from pimsim.chip import AbstractChip, Chip, Machine
from pimsim.chip.charges import bits_table
from pimsim.chip.chip import area_by_component, power_by_component
from pimsim.errors import SpecError, nearest, quoted
from pimsim.experiment import on_chip
from pimsim.schedule import Timeline
from pimsim.simulation import cost_of

Measure = Callable[[Any], Any]
Bill = Callable[[Any], Mapping[str, Any]]
BILLS: dict[str, tuple[str, Bill]] = {
    "power": ("W", lambda chip: power_by_component(chip.bill())),
    "area": ("m2", lambda chip: area_by_component(chip.bill())),
}
"""Sums over components, or over some of them; `power_share` and the like are what those make of the whole."""
ARRAY_BILLS: dict[str, tuple[str, Bill]] = {
    "tile_power": ("W", lambda chip: power_by_component(chip.tile_bill())),
    "tile_area": ("m2", lambda chip: area_by_component(chip.tile_bill())),
    "core_power": ("W", lambda chip: power_by_component(chip.core.bill())),
    "core_area": ("m2", lambda chip: area_by_component(chip.core.bill())),
}
"""Of chips of arrays."""
PASS_BILLS: dict[str, tuple[str, Bill]] = {"pass_energy": ("J", lambda machine: machine.energy_by_unit())}
"""Of machines, whose parameters may be arrays."""
ANY: dict[str, tuple[str, Measure]] = {
    "peak": ("op/s", lambda chip: chip.peak().ops_per_s),
    "power_efficiency": ("op/s/W", lambda chip: chip.peak().ops_per_s_per_W),
    "area_efficiency": ("op/s/m2", lambda chip: chip.peak().ops_per_s_per_m2),
    "storage_density": ("B/m2", lambda chip: chip.peak().storage_bytes_per_m2),
    "storage": ("B", lambda chip: chip.peak().storage_bytes_per_m2 * chip.area()),
    "mac_energy": ("J", lambda chip: 2 * chip.power() / chip.peak().ops_per_s),
}
ARRAYS: dict[str, tuple[str, Measure]] = {
    "arrays": ("1", lambda chip: float(chip.arrays)),
    "weights": ("1", lambda chip: float(sum(p.arrays * p.core.rows * p.core.weights_per_array for p in chip.parts))),
    "conversions_per_mac": ("1", lambda chip: chip.core.conversions_per_mac()),
    "conversion_energy": ("J", lambda chip: chip.core.adc.cost().energy),
    "conversion_bits": ("1", lambda chip: float(bits_table(chip.core, True).mean())),
    "vector_cycles": ("1", lambda chip: float(chip.core.latency(signed=True).depth)),
    "vector_interval": ("1", lambda chip: float(chip.core.latency(signed=True).interval)),
    "vector_latency": ("s", lambda chip: chip.core.latency(signed=True).depth * chip.core.cycle),
    "vector_energy": ("J", lambda chip: measure(chip, "core_power") * ARRAYS["vector_latency"][1](chip)),
    "peak_one_at_a_time": ("op/s", lambda chip: chip.peak().ops_per_s / _overlap(chip)),
}
"""Of chips of arrays; `vector_energy` is power × latency, as it is published; intervals are in cycles."""
PASSES: dict[str, tuple[str, Measure]] = {
    "peak": ("op/s", lambda machine: machine.rate()),
    "power_efficiency": ("op/s/W", lambda machine: machine.rate() / machine.power()),
    "area_efficiency": ("op/s/m2", lambda machine: machine.rate() / machine.area()),
    "mac_energy": ("J", lambda machine: 2 * machine.power() / machine.rate()),
    "pass_time": ("s", lambda machine: machine.one_pass().time),
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
SHARE = "_share"
OF_UNITS = {"area": "area", "energy": "pass_energy"}
"""Before the point in the name of a machine's quantity: what is summed up over the units behind it."""


def _overlap(chip: Chip) -> float:
    latency = chip.core.latency(signed=True)
    return latency.depth / latency.interval


def measure(chip: AbstractChip, name: str, parts: Sequence[str] = ()) -> float:
    """A quantity of a chip, in SI."""
    return quantity(chip, name, parts)[1](chip)


def quantity(chip: AbstractChip, name: str, parts: Sequence[str] = ()) -> tuple[str, Measure]:
    """The unit of a quantity, and what gives it; of sums over components, those of `parts` where any are named.

    Of a machine also `area.adc` or `energy.adc+inputs`: the parts in the name, and the energy of a pass.
    """
    arrays, machine = isinstance(chip, Chip), isinstance(chip, Machine)
    bills = BILLS | (ARRAY_BILLS if arrays else {}) | (PASS_BILLS if machine else {})
    what, _, units = name.partition(".")
    if machine and what in OF_UNITS and units:
        name, parts = OF_UNITS[what], units.split("+")
    whole = name.removesuffix(SHARE)
    if whole in bills:
        (unit, bill), share = bills[whole], whole != name
        return "1" if share else unit, partial(sum_of, bill=bill, parts=parts, share=share)
    known = ANY | (ARRAYS if arrays else {}) | (PASSES if machine else {})
    if name not in known:
        raise SpecError("quantity", f"{chip.name} has no {quoted(name)}", nearest(name, [*known, *bills]))
    if parts:
        raise SpecError("parts", f"{name} is no sum over components", f"These are: {', '.join(bills)}.")
    return known[name]


def sum_of(chip: AbstractChip, bill: Bill, parts: Sequence[str], *, share: bool) -> Any:
    """Of those parts of a bill, or of all; or their share. Raises SpecError for a name that is none of them."""
    figures = bill(chip)
    for part in parts:
        if part not in figures:
            raise SpecError("parts", f"no component is called {quoted(part)}", nearest(part, figures))
    chosen = sum(figures[part] for part in parts or figures)
    return chosen / sum(figures.values()) if share else chosen


def run(chip: AbstractChip, network: str) -> Run:
    """One inference, as is usual on the chip."""
    return cost_of(on_chip(chip, network))


def measure_run(ran: Run, name: str) -> float:
    """A quantity of an inference, in SI."""
    return quantity_of_run(name)[1](ran)


def quantity_of_run(name: str) -> tuple[str, Measure]:
    if name not in NETWORKS:
        raise SpecError("quantity", f"a run has no {quoted(name)}", nearest(name, NETWORKS))
    return NETWORKS[name]
