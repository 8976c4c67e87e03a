"""Published figures next to ours."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

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
