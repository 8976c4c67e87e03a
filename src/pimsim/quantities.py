"""What can be claimed of a chip: quantities by name, each in SI, and published values as papers write them."""

from collections.abc import Callable, Collection
from typing import Any

from pimsim.accounting import CostReport
from pimsim.chip import AbstractChip, Chip, Machine
from pimsim.chip.chip import area_by_component, power_by_component
from pimsim.chip.crossbar import bits_table
from pimsim.errors import SpecError, nearest, quoted
from pimsim.schedule import Timeline

Measure = Callable[[Any], float]
Bill = Callable[[Any], dict[str, float]]
UNITS = {
    "1": (1.0, "1"), "W": (1.0, "W"), "mW": (1e-3, "W"), "mm2": (1e-6, "m2"), "um2": (1e-12, "m2"), "ns": (1e-9, "s"),
    "us": (1e-6, "s"), "uJ": (1e-6, "J"), "nJ": (1e-9, "J"), "pJ": (1e-12, "J"), "fJ": (1e-15, "J"),
    "MiB": (2.0**20, "B"), "GOPS": (1e9, "op/s"), "TOPS": (1e12, "op/s"),
    "GOPS/W": (1e9, "op/s/W"), "TOPS/W": (1e12, "op/s/W"),
    "GOPS/mm2": (1e15, "op/s/m2"), "TOPS/mm2": (1e18, "op/s/m2"), "MiB/mm2": (2.0**20 * 1e6, "B/m2"),
}  # fmt: skip
"""As papers write them: what one is in SI, and the SI unit."""

BILLS: dict[str, tuple[str, Bill]] = {
    "power": ("W", lambda chip: power_by_component(chip.bill())),
    "area": ("m2", lambda chip: area_by_component(chip.bill())),
    "tile_power": ("W", lambda chip: power_by_component(chip.tile_bill())),
    "tile_area": ("m2", lambda chip: area_by_component(chip.tile_bill())),
    "core_power": ("W", lambda chip: power_by_component(chip.core.bill())),
    "core_area": ("m2", lambda chip: area_by_component(chip.core.bill())),
}
"""Sums over components, or over some of them; `power_share` and the like are what those make of the whole."""
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
    "weights": ("1", lambda chip: float(chip.arrays * chip.core.rows * chip.core.weights_per_array)),
    "conversions_per_mac": ("1", lambda chip: chip.core.conversions_per_mac()),
    "conversion_energy": ("J", lambda chip: chip.core.adc.cost().energy),
    "conversion_bits": ("1", lambda chip: float(bits_table(chip.core, True).mean())),
    "vector_cycles": ("1", lambda chip: float(chip.core.latency(signed=True).depth)),
    "vector_interval": ("1", lambda chip: float(chip.core.latency(signed=True).interval)),
    "vector_latency": ("s", lambda chip: chip.core.latency(signed=True).depth * chip.core.cycle),
    "vector_energy": ("J", lambda chip: _core_power(chip) * ARRAYS["vector_latency"][1](chip)),
    "peak_one_at_a_time": ("op/s", lambda chip: chip.peak().ops_per_s / _overlap(chip)),
}
"""Of chips of arrays; `vector_energy` is power × latency, as it is published; intervals are in cycles."""
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
SHARE = "_share"


def measure(chip: AbstractChip, quantity: str, parts: Collection[str] = ()) -> float:
    """A quantity of a chip, in SI; of sums over components, those of `parts` where any are named."""
    arrays, whole = isinstance(chip, Chip), quantity.removesuffix(SHARE)
    bills = {name: bill for name, bill in BILLS.items() if arrays or name in ("power", "area")}
    if whole in bills:
        return _sum_of(bills[whole][1](chip), parts, share=whole != quantity)
    known = ANY | (ARRAYS if arrays else {}) | (PASSES if isinstance(chip, Machine) else {})
    if quantity not in known:
        remedy = nearest(quantity, [*known, *bills])
        raise SpecError("quantity", f"{chip.name} has no {quoted(quantity)}", remedy)
    return known[quantity][1](chip)


def measure_run(ran: Run, quantity: str) -> float:
    """A quantity of an inference, in SI."""
    if quantity not in NETWORKS:
        raise SpecError("quantity", f"a run has no {quoted(quantity)}", nearest(quantity, NETWORKS))
    return NETWORKS[quantity][1](ran)


def unit_of(quantity: str) -> str:
    """The SI unit of a quantity."""
    if quantity.removesuffix(SHARE) != quantity:
        return "1"
    return (BILLS | ANY | ARRAYS | PASSES | NETWORKS)[quantity][0]


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


def _sum_of(bill: dict[str, float], parts: Collection[str], *, share: bool) -> float:
    for part in parts:
        if part not in bill:
            raise SpecError("parts", f"no component is called {quoted(part)}", nearest(part, bill))
    chosen = sum(bill[part] for part in parts or bill)
    return chosen / sum(bill.values()) if share else chosen


def _core_power(chip: Chip) -> float:
    return sum(power_by_component(chip.core.bill()).values())


def _overlap(chip: Chip) -> float:
    latency = chip.core.latency(signed=True)
    return latency.depth / latency.interval
