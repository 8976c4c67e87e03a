"""Published figures next to ours, and chips side by side."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pimsim.tables.forms import layers_of_kinds
from pimsim.units import format_quantity

MARKS = {True: "yes", False: "NO", None: "-"}
VALIDATION_HEADS = ("chip", "quantity", "ours", "theirs", "difference", "tolerance", "holds", "kind")


def validation_cells(rows: Sequence[Any]) -> list[tuple[str, ...]]:
    """Rows of `pimsim.validation` as text; † marks what rests on an assumption."""
    return [
        (
            row.chip, row.quantity + (" †" if row.assumed else ""), *row.shown, f"{row.difference:+.2%}",
            f"{row.tolerance:.3g}" if not row.tolerance else f"{100 * row.tolerance:.3g} %", MARKS[row.holds],
            row.kind + (" (low confidence)" if row.confidence == "low" else ""),
        )
        for row in rows
    ]  # fmt: skip


def validation_table(rows: Sequence[Any]) -> RenderableType:
    """What was published next to what this package computes, below the name of each chip."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for head in VALIDATION_HEADS[1:]:
        right = head in ("ours", "theirs", "difference", "tolerance")
        wraps = head in ("quantity", "theirs", "kind")  # the others are as short as their headings
        table.add_column(head, justify="right" if right else "left", no_wrap=not wraps, overflow="fold")
    for chip, of in groupby(zip(rows, validation_cells(rows), strict=True), key=lambda pair: pair[0].chip):
        table.add_section()
        table.add_row(Text(chip, style="bold"))
        for row, (_, *cells) in of:
            table.add_row(*map(Text, cells), style="bold red" if row.fails else "dim" if row.holds is None else "")
    return Group(table, Text(validation_summary(rows)))


def validation_summary(rows: Sequence[Any]) -> str:
    """How many rows there are of each kind, and how many of them hold."""
    counts = []
    for kind in ("recomputed", "fitted"):
        of = [row for row in rows if row.kind == kind]
        counts.append(f"{sum(bool(row.holds) for row in of)} of {len(of)} {kind} rows hold")
    return f"{', '.join(counts)}; {sum(row.kind == 'reported' for row in rows)} are reported for comparison."


def validation_markdown(rows: Sequence[Any]) -> str:
    """The same as a page of Markdown, with what was fitted and assumed below."""
    lines = ["| " + " | ".join(VALIDATION_HEADS) + " |", "|---" * len(VALIDATION_HEADS) + "|"]
    lines += ["| " + " | ".join(cells) + " |" for cells in validation_cells(rows)]
    notes = {}
    for row in rows:
        for what, text in (("fitted", row.fitted), ("assumed", row.assumed)):
            if text:
                notes.setdefault(f"{row.chip}, {what}: {text}", row)
    return "\n".join([*lines, "", validation_summary(rows), "", *(f"- {note}" for note in notes)])


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
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("")
    for column in comparison["columns"]:
        table.add_column(Text(column["name"]), justify="right")
    for key, (head, unit, scale) in COMPARED.items():
        cells = []
        for column in comparison["columns"]:
            value, star = column[key], column["name"] in comparison["best"].get(key, ())
            shown = "" if value is None else format_quantity(value, unit) if unit else f"{value / scale:,.4g}"
            cells.append(Text(f"{shown} *" if star else shown, style="bold" if star else ""))
        if any(map(str, cells)):
            table.add_row(Text(head), *cells)
    in_kinds = [kind_counts(column["kinds"]) for column in comparison["columns"]]
    if any(in_kinds):
        table.add_row(Text("layers in tiles of a kind"), *map(Text, in_kinds))
    bits = f", operands of {comparison['operand_bits']} bits" if comparison["operand_bits"] else ""
    title = f"{comparison['network'] or 'peak figures'}{bits}"
    return Group(Text(title, style="bold"), table)
