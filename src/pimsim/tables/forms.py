"""Forms of a table: facts, shares of a sum, listings."""

from collections.abc import Mapping

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pimsim.units import format_quantity, readable

BAR = 24
"""Characters of a full share bar."""


def facts(title: str, rows: list[tuple[str, str, str]]) -> RenderableType:
    """A name, a value and a note a row."""
    table = Table(box=box.SIMPLE, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(style="bold")
    table.add_column(style="dim")
    for row in rows:
        table.add_row(*map(Text, row))
    return Group(Text(title, style="bold"), table)


def shares(title: str, values: Mapping[str, float], unit: str) -> RenderableType:
    """Values in falling order, with their share of the sum."""
    total = sum(values.values())
    table = Table(box=box.SIMPLE_HEAD, show_header=False)
    table.add_column(no_wrap=True, min_width=19)
    table.add_column(justify="right", no_wrap=True, min_width=10)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="cyan", no_wrap=True)
    for name, value in sorted(values.items(), key=lambda item: -item[1]):
        if value > 0:
            share = value / total
            table.add_row(Text(name), format_quantity(value, unit), f"{share:.1%}", "█" * round(BAR * share) or "▏")
    table.add_section()
    table.add_row("total", Text(format_quantity(total, unit), style="bold"), "", "")
    return Group(Text(title, style="bold"), table)


def source_table(sources: Mapping[str, str]) -> RenderableType:
    """Where numbers come from."""
    table = Table(box=box.SIMPLE, show_header=False)
    for path, text in sources.items():
        table.add_row(Text(path), Text(text))
    return Group(Text("sources", style="bold"), table)


def listing_table(heading: str, entries: Mapping[str, str]) -> Table:
    """Names and what they are."""
    table = Table.grid(padding=(0, 2))
    table.add_row(Text(heading, style="bold"))
    for name, description in entries.items():
        table.add_row(Text(f"  {name}"), Text(description, style="dim"))
    return table


def value_table(title: str, rows: Mapping[str, str]) -> RenderableType:
    """Paths and their values, quantities with prefixes."""
    pretty = {path: " → ".join(map(readable, value.split(" → "))) for path, value in rows.items()}
    return facts(title, [(path, value, "") for path, value in pretty.items()])


def layers_of_kinds(kinds: Mapping[str, str]) -> dict[str, list[str]]:
    """The layers in tiles of each kind; none where there is no more to say than that all are in the chip's own."""
    names = dict.fromkeys(kinds.values())
    if names.keys() <= {"standard"}:
        return {}
    return {name: [layer for layer, own in kinds.items() if own == name] for name in names}


def titled(name: str, description: str) -> str:
    """A card's name and, unless it begins with the name already, what it is."""
    if description.lower().startswith(name.lower()):
        return description
    return f"{name}: {description}" if description else name
