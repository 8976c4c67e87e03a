"""Figures of chips and of the networks they run that papers print: by name, the unit and what gives it."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pimsim.accounting import CostReport
from pimsim.chip import AbstractChip, Chip, Machine
from pimsim.chip.chip import area_by_component, power_by_component
from pimsim.errors import SpecError, nearest, quoted
from pimsim.experiment import on_chip
from pimsim.schedule import Timeline
from pimsim.simulation import cost_of
from pimsim.units import Area, Energy, Varying

Measure = Callable[[Any], Any]
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
    "peak": ("op/s", lambda machine: machine.rate()),
    "power_efficiency": ("op/s/W", lambda machine: machine.rate() / machine.power()),
    "area_efficiency": ("op/s/m2", lambda machine: machine.rate() / machine.area()),
    "mac_energy": ("J", lambda machine: 2 * machine.power() / machine.rate()),
    "pass_time": ("s", lambda machine: machine.one_pass().time),
    "pass_energy": ("J", lambda machine: machine.pass_energy()),
}
"""Of machines, whose parameters may be arrays."""
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


def measure(chip: AbstractChip, name: str) -> float:
    """A quantity of a chip, in SI."""
    return quantity(chip, name)[1](chip)


def quantity(chip: AbstractChip, name: str) -> tuple[str, Measure]:
    """The unit of a quantity, and what gives it; of a machine's units also `area.adc` or `energy.adc+inputs`."""
    known = ANY | (ARRAYS if isinstance(chip, Chip) else {}) | (PASSES if isinstance(chip, Machine) else {})
    if isinstance(chip, Machine) and name.startswith(("area.", "energy.")):
        what, _, units = name.partition(".")
        return ("m2", partial(area_of, units=units)) if what == "area" else ("J", partial(energy_of, units=units))
    if name not in known:
        raise SpecError("quantity", f"{chip.name} has no {quoted(name)}", nearest(name, known))
    return known[name]


def area_of(machine: Machine, units: str) -> Varying[Area, " variant"]:
    return sum_of(area_by_component(machine.bill()), units)


def energy_of(machine: Machine, units: str) -> Varying[Energy, " variant"]:
    """For one pass."""
    return sum_of(machine.energy_by_unit(), units)


def sum_of(figures: Mapping[str, Any], units: str) -> Any:
    """Of the units in "adc+inputs". Raises SpecError for a name that is none of them."""
    for unit in units.split("+"):
        if unit not in figures:
            raise SpecError("quantity", f"the chip has no unit {quoted(unit)}", nearest(unit, figures))
    return sum(figures[unit] for unit in units.split("+"))


def run(chip: AbstractChip, network: str) -> Run:
    """One inference, as is usual on the chip."""
    if not isinstance(chip, Chip):
        raise SpecError("network", f"{chip.name} has no arrays to run a network on")
    return cost_of(on_chip(chip, network))


def measure_run(ran: Run, name: str) -> float:
    """A quantity of an inference, in SI."""
    return quantity_of_run(name)[1](ran)


def quantity_of_run(name: str) -> tuple[str, Measure]:
    if name not in NETWORKS:
        raise SpecError("quantity", f"a run has no {quoted(name)}", nearest(name, NETWORKS))
    return NETWORKS[name]
