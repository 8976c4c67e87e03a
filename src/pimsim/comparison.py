"""Chips, experiments and results side by side: `pimsim compare`."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pimsim.cardfile import parse_yaml
from pimsim.catalog import cards, is_file_name, unknown
from pimsim.chip import AbstractChip, Chip, Machine
from pimsim.differences import differing
from pimsim.errors import PimsimError, SpecError
from pimsim.experiment import NO_DATA, load_any_chip, load_experiment, network_on_chip
from pimsim.network.ops import MatrixOp
from pimsim.network.zoo import load_topology
from pimsim.results import Result, chip_summary, read_result, result_summary
from pimsim.results.summary import inference_summary
from pimsim.show import is_chip
from pimsim.simulation import simulate
from pimsim.spec import to_data


class Figure(NamedTuple):
    """A row of the comparison."""

    key: str
    """In JSON, with its unit; a dotted path where it is inside an object."""
    higher: bool | None
    """Whether more is better; None where neither is."""

    def of(self, column: Mapping[str, Any]) -> int | float | None:
        """Its value in a column; None where there is none."""
        value: Any = column
        for key in self.key.split("."):
            value = None if value is None else value[key]
        return value


CORRECT = (
    Figure("accuracy.float", True),
    Figure("accuracy.quantized", True),
    Figure("accuracy.crossbar_mean", True),
    Figure("agreement.quantized.top1", True),
    Figure("agreement.crossbar.top1", True),
)
"""Of the data that ran."""
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
    """The figures of each, null where it has none, who is best in each row, and what differs between experiments.

    A chip runs `network` for its cost; an experiment runs that, or its own; a result is read. With `operand_bits`
    chips and experiments get weights and inputs of that width, with `chips` so many chips each instead of as many as
    hold one copy of the weights, and everything is computed anew.
    """
    columns, specifications = [], []
    for name in names:
        try:
            figures, specification = figures_of(name, network, operand_bits, chips)
        except PimsimError as error:
            raise error if error.place.startswith(name) else error.within(name, ": ") from None
        columns.append({"name": name} | figures)
        specifications.append(specification)
    ran = {column["network"] for column in columns} - {None}
    if len(ran) > 1:
        fact = f"they run different networks: {', '.join(sorted(ran))}"
        raise SpecError("compare", fact, "Name one for all: --network NAME.")
    asked = {"network": min(ran, default=None), "operand_bits": operand_bits, "chips": chips}
    return asked | {"columns": columns, "best": best(columns), "differences": differences(specifications)}


Figures = tuple[dict[str, Any], dict[str, Any] | None]
"""The figures of a column, and the experiment they are of; None of a chip on which nothing ran."""


def figures_of(name: str, network: str | None, bits: int | None, chips: int | None) -> Figures:
    """The figures of one chip, experiment or result."""
    if name.endswith(".h5"):
        result = read_result(name)
        if bits or chips or network not in (None, result.specification.network):
            raise SpecError(name, "is a result, which nothing changes", "Name its experiment, which is run again.")
        return run_figures(result)
    budget = {"mapping.budget": {"chips": chips}} if chips else {}
    if not is_chip(name):
        if not is_file_name(name) and name not in cards("experiment"):
            raise unknown(name, ["chip", "experiment"])
        wide = {f"chip.core.{field}": bits for field in ("weight_bits", "input_bits") if bits}
        own = {"network": network} if network else {}
        return run_figures(simulate(load_experiment(name, {"dataset": NO_DATA} | own | wide | budget)))
    chip = load_any_chip(name)
    fields = ("core.weight_bits", "core.input_bits") if isinstance(chip, Chip) else ("weight_bits", "input_bits")
    wide = {field: bits for field in fields if bits}
    if network and (not isinstance(chip, Machine) or chip.streaming):
        inside = {f"chip.{field}": value for field, value in wide.items()}
        return run_figures(simulate(network_on_chip(name, network, inside | budget)))
    return chip_figures(load_any_chip(name, wide)), None


def chip_figures(chip: AbstractChip) -> dict[str, Any]:
    """Of a chip on which nothing ran."""
    summary, stated = chip_summary(chip), to_data(chip)
    nothing = {"network": None, "dataset": NO_DATA, "kinds": {}} | correct_figures(inference_summary(None))
    return nothing | operand_figures(stated) | peak_figures(summary) | {figure.key: None for figure in RUN}


def run_figures(result: Result) -> Figures:
    """Of a run, and its experiment."""
    summary, experiment = result_summary(result), parse_yaml(result.specification.yaml, "experiment")
    macs = sum(op.macs for op in load_topology(summary["network"]).ops() if isinstance(op, MatrixOp))
    keys = ("network", "dataset", "kinds", *(f.key for f in RUN if f.key in summary))
    throughput, energy, area = (summary[key] for key in ("throughput_per_s", "energy_J", "area_m2"))
    found = {key: summary[key] for key in keys} | correct_figures(summary) | operand_figures(experiment["chip"])
    return found | peak_figures(summary) | {
        "energy_delay_Js": energy * summary["latency_s"],
        "throughput_per_s_per_m2": throughput / area,
        "inferences_per_J": 1 / energy,
        "utilisation": 2 * macs * throughput / (summary["peak"]["ops_per_s"] * summary["chips"]),
    }, experiment  # fmt: skip


def correct_figures(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What the chip computed, of data without labels how near it is to float arithmetic."""
    return {key: summary[key] for key in ("accuracy", "agreement")}


def operand_figures(chip: Mapping[str, Any]) -> dict[str, int]:
    """Bits of the operands, from a chip's plain data; layers of an experiment may have others of their own."""
    core = chip.get("core", chip)
    return {key: core[key] for key in ("weight_bits", "input_bits")}


def peak_figures(summary: Mapping[str, Any]) -> dict[str, float]:
    ops, per_watt, per_area = (summary["peak"][key] for key in ("ops_per_s", "ops_per_s_per_W", "ops_per_s_per_m2"))
    figures = (ops, per_watt, per_area, ops / per_watt, ops / per_area)
    return dict(zip((figure.key for figure in PEAK), figures, strict=True))


def best(columns: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The names that are best in each row in which one can be, several where they tie, but not where all do.

    Nobody is in accuracy, where the data differ.
    """
    found = {}
    data = {column["dataset"] for column in columns if column["accuracy"]["samples"] is not None}
    for figure in (*(CORRECT if len(data) == 1 else ()), *PEAK, *RUN):
        values = [figure.of(column) for column in columns]
        known = [value for value in values if value is not None]
        if figure.higher is not None and len(known) > 1 and len(set(values)) > 1:
            top = max(known) if figure.higher else min(known)
            found[figure.key] = [column["name"] for column, value in zip(columns, values, strict=True) if value == top]
    return found


def differences(specifications: Sequence[Mapping[str, Any] | None]) -> dict[str, list[str]]:
    """The paths at which the experiments differ, and what each says; of different chips the names alone.

    Nothing where a column is a chip on which nothing ran.
    """
    known = [dict(specification) for specification in specifications if specification]
    if len(known) < len(specifications):
        return {}
    names = [experiment["chip"]["name"] for experiment in known]
    if len(set(names)) > 1:
        known = [experiment | {"chip": name} for experiment, name in zip(known, names, strict=True)]
    return {path: values for path, values in differing(known).items() if path != "name"}
