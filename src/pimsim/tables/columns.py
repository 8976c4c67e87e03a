"""Chips, experiments and results side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pimsim.tables.forms import layers_of_kinds
from pimsim.units import format_quantity, readable

MOST_DIFFERENCES, LONGEST_VALUE = 12, 40
"""Rows of what differs between experiments, of which more are counted, and characters of a value there."""
UNLIKE_OPERANDS = "Operands differ in width, so their operations are not alike; --operand-bits N gives all the same."
COMPARED = {
    "peak_ops_per_s": ("peak", "op/s", 1.0),
    "peak_ops_per_s_per_W": ("peak per power, Gop/s/W", "", 1e9),
    "peak_ops_per_s_per_m2": ("peak per area, Gop/s/mm²", "", 1e15),
    "peak_power_W": ("power at peak", "W", 1.0),
    "chip_area_m2": ("area of a chip", "m2", 1.0),
    "throughput_per_s": ("throughput, 1/s", "", 1.0),
    "latency_s": ("latency", "s", 1.0),
    "energy_J": ("energy", "J", 1.0),
    "energy_delay_Js": ("energy × delay, J s", "", 1.0),
    "throughput_per_s_per_m2": ("throughput per area, 1/s/mm²", "", 1e6),
    "inferences_per_J": ("inferences per joule", "", 1.0),
    "utilisation": ("utilisation, %", "", 0.01),
    "power_W": ("power", "W", 1.0),
    "area_m2": ("area", "m2", 1.0),
    "area_on_m2": ("area of tiles that are on", "m2", 1.0),
    "chips": ("chips", "", 1.0),
}
"""Rows of a comparison: heading, unit, and what one of the number shown is."""


def kind_counts(kinds: Mapping[str, str]) -> str:
    """How many layers are in tiles of each kind."""
    return ", ".join(f"{name} {len(layers)}" for name, layers in layers_of_kinds(kinds).items())


def comparison_table(comparison: Mapping[str, Any]) -> RenderableType:
    """Columns side by side; the best of each row is bold and has a star."""
    columns = comparison["columns"]
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("")
    for column in columns:
        table.add_column(Text(column["name"]), justify="right")
    widths = [f"{column['weight_bits']} × {column['input_bits']}" for column in columns]
    rows = _accuracy_rows(columns) | {"": ("weights × inputs, bits", widths)}
    for key, (head, unit, scale) in COMPARED.items():
        values = [column[key] for column in columns]
        rows[key] = head, ["" if value is None else _figure(value, unit, scale) for value in values]
    for key, (head, texts) in rows.items():
        if any(texts):
            best = [column["name"] in comparison["best"].get(key, ()) for column in columns]
            marked = zip(texts, best, strict=True)
            table.add_row(Text(head), *(Text(f"{t} *" if top else t, "bold" if top else "") for t, top in marked))
    in_kinds = [kind_counts(column["kinds"]) for column in columns]
    if any(in_kinds):
        table.add_row(Text("layers in tiles of a kind"), *map(Text, in_kinds))
    _add_differences(table, comparison["differences"])
    bits = f", operands of {comparison['operand_bits']} bits" if comparison["operand_bits"] else ""
    title = f"{comparison['network'] or 'peak figures'}{bits}"
    unlike = [] if len(set(widths)) == 1 else [Text(UNLIKE_OPERANDS)]
    return Group(Text(title, style="bold"), table, *unlike)


def _figure(value: int | float, unit: str, scale: float) -> str:
    return format_quantity(value, unit) if unit else f"{value / scale:,.4g}"


def _accuracy_rows(columns: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, list[str]]]:
    """Headings and cells of what the chips computed; outputs are judged by float arithmetic where no labels are."""
    found = [column["accuracy"] for column in columns]
    rows = {"data": ("data", [_data(column) for column in columns])}
    for key in ("float", "quantized"):
        rows[f"accuracy.{key}"] = f"accuracy, {key}", [_percent(accuracy[key]) for accuracy in found]
    rows["accuracy.crossbar_mean"] = "accuracy, crossbar", [_of_chips(accuracy) for accuracy in found]
    if any(accuracy["samples"] and accuracy["float"] is None for accuracy in found):
        near = [column["agreement"] for column in columns]
        for side in ("quantized", "crossbar"):
            same = [_percent(each and each[side]["top1"]) for each in near]
            rows[f"agreement.{side}.top1"] = f"same class as float, {side}", same
    return rows


def _data(column: Mapping[str, Any]) -> str:
    samples, trials = (column["accuracy"][key] for key in ("samples", "trials"))
    if samples is None:
        return ""
    return f"{samples:,} of {column['dataset']}, {trials} chip{'s' if trials > 1 else ''}"


def _of_chips(accuracy: Mapping[str, Any]) -> str:
    known = accuracy["crossbar_mean"] is not None and accuracy["trials"] > 1
    return _percent(accuracy["crossbar_mean"]) + (f" ± {accuracy['crossbar_std']:.2%}" if known else "")


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.2%}"


def _add_differences(table: Table, differences: Mapping[str, Sequence[str]]) -> None:
    """What the experiments of the columns say, where they differ."""
    if not differences:
        return
    table.add_section()
    for path in list(differences)[:MOST_DIFFERENCES]:
        table.add_row(Text(path), *(Text(_shortened(readable(value))) for value in differences[path]))
    more = len(differences) - MOST_DIFFERENCES
    if more > 0:
        table.add_row(Text(f"and {more} more that differ"))


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]} …"
