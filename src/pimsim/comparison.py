"""Chips, experiments and results side by side: `pimsim compare`."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pimsim.catalog import cards, is_file_name, unknown
from pimsim.chip import AbstractChip, Chip, Machine
from pimsim.errors import PimsimError, SpecError
from pimsim.experiment import NO_DATA, load_any_chip, load_experiment, network_on_chip
from pimsim.network.ops import MatrixOp
from pimsim.network.zoo import load_topology
from pimsim.results import chip_summary, read_result, result_summary
from pimsim.show import is_chip
from pimsim.simulation import simulate


class Figure(NamedTuple):
    """A row of the comparison."""

    key: str
    """In JSON, with its unit."""
    higher: bool | None
    """Whether more is better; None where neither is."""


PEAK = (
    Figure("peak_ops_per_s", True),
    Figure("peak_ops_per_s_per_W", True),
    Figure("peak_ops_per_s_per_m2", True),
    Figure("peak_power_W", None),
    Figure("chip_area_m2", None),
)
"""Of one chip, with every component at its full rate."""
RUN = (
    Figure("throughput_per_s", True),
    Figure("latency_s", False),
    Figure("energy_J", False),
    Figure("energy_delay_Js", False),
    Figure("throughput_per_s_per_m2", True),
    Figure("inferences_per_J", True),
    Figure("utilisation", True),
    Figure("power_W", None),
    Figure("area_m2", None),
    Figure("area_on_m2", None),
    Figure("chips", None),
)
"""Of all chips that the network takes, as it runs."""


def compare(
    names: Sequence[str], network: str | None, operand_bits: int | None, chips: int | None = None
) -> dict[str, Any]:
    """The figures of each, null where it has none, and who is best in each row.

    A chip runs `network` for its cost; an experiment runs that, or its own; a result is read. With `operand_bits`
    chips and experiments get weights and inputs of that width, with `chips` so many chips each instead of as many as
    hold one copy of the weights, and everything is computed anew.
    """
    columns = []
    for name in names:
        try:
            columns.append({"name": name} | figures_of(name, network, operand_bits, chips))
        except PimsimError as error:
            raise error if error.place.startswith(name) else error.within(name, ": ") from None
    ran = {column["network"] for column in columns} - {None}
    if len(ran) > 1:
        fact = f"they run different networks: {', '.join(sorted(ran))}"
        raise SpecError("compare", fact, "Name one for all: --network NAME.")
    asked = {"network": min(ran, default=None), "operand_bits": operand_bits, "chips": chips}
    return asked | {"columns": columns, "best": best(columns)}


def figures_of(name: str, network: str | None, bits: int | None, chips: int | None) -> dict[str, Any]:
    """The figures of one chip, experiment or result."""
    if name.endswith(".h5"):
        summary = result_summary(read_result(name))
        if bits or chips or network not in (None, summary["network"]):
            raise SpecError(name, "is a result, which nothing changes", "Name its experiment, which is run again.")
        return run_figures(summary)
    budget = {"mapping.budget": {"chips": chips}} if chips else {}
    if not is_chip(name):
        if not is_file_name(name) and name not in cards("experiment"):
            raise unknown(name, ["chip", "experiment"])
        wide = {f"chip.core.{field}": bits for field in ("weight_bits", "input_bits") if bits}
        own = {"network": network} if network else {}
        return run_figures(result_summary(simulate(load_experiment(name, {"dataset": NO_DATA} | own | wide | budget))))
    chip = load_any_chip(name)
    fields = ("core.weight_bits", "core.input_bits") if isinstance(chip, Chip) else ("weight_bits", "input_bits")
    wide = {field: bits for field in fields if bits}
    if network and (not isinstance(chip, Machine) or chip.streaming):
        inside = {f"chip.{field}": value for field, value in wide.items()}
        return run_figures(result_summary(simulate(network_on_chip(name, network, inside | budget))))
    return chip_figures(load_any_chip(name, wide))


def chip_figures(chip: AbstractChip) -> dict[str, Any]:
    """Of a chip on which nothing ran."""
    summary = chip_summary(chip)
    return {"network": None, "kinds": {}} | peak_figures(summary) | {figure.key: None for figure in RUN}


def run_figures(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Of a run, from its JSON object."""
    macs = sum(op.macs for op in load_topology(summary["network"]).ops() if isinstance(op, MatrixOp))
    figures = {key: summary[key] for key in ("network", "kinds", *(f.key for f in RUN if f.key in summary))}
    throughput, energy, area = (summary[key] for key in ("throughput_per_s", "energy_J", "area_m2"))
    return figures | peak_figures(summary) | {
        "energy_delay_Js": energy * summary["latency_s"],
        "throughput_per_s_per_m2": throughput / area,
        "inferences_per_J": 1 / energy,
        "utilisation": 2 * macs * throughput / (summary["peak"]["ops_per_s"] * summary["chips"]),
    }  # fmt: skip


def peak_figures(summary: Mapping[str, Any]) -> dict[str, float]:
    ops, per_watt, per_area = (summary["peak"][key] for key in ("ops_per_s", "ops_per_s_per_W", "ops_per_s_per_m2"))
    figures = (ops, per_watt, per_area, ops / per_watt, ops / per_area)
    return dict(zip((figure.key for figure in PEAK), figures, strict=True))


def best(columns: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The names that are best in each row in which one can be, several where they tie."""
    found = {}
    for key, higher in (*PEAK, *RUN):
        values = [column[key] for column in columns if column[key] is not None]
        if higher is not None and len(values) > 1:
            top = max(values) if higher else min(values)
            found[key] = [column["name"] for column in columns if column[key] == top]
    return found
