"""Chips and cells as tables."""

from collections.abc import Mapping
from itertools import starmap
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pimsim.tables.forms import facts, shares, source_table, titled
from pimsim.units import format_quantity

AXIS = 41
"""Columns of text along which levels are drawn."""


def chip_table(summary: Mapping[str, Any], sources: Mapping[str, str]) -> RenderableType:
    """A chip's peak figures, its power and area by component, and where its numbers come from."""
    peak = summary["peak"]
    rows = [
        ("peak", format_quantity(peak["ops_per_s"], "op/s"), "every array busy, operands of full width"),
        ("power efficiency", f"{peak['ops_per_s_per_W'] / 1e9:,.1f} Gop/s/W", ""),
        ("area efficiency", f"{peak['ops_per_s_per_m2'] / 1e15:,.1f} Gop/s/mm²", ""),
        ("storage density", f"{peak['storage_bytes_per_m2'] / 2**20 / 1e6:.3f} MiB/mm²", ""),
        ("power", format_quantity(summary["power_W"], "W"), "every component at its full rate"),
        ("area", format_quantity(summary["area_m2"], "m2"), ""),
    ]
    if "tile" in summary:
        tile = summary["tile"]
        rows += [
            ("arrays", f"{summary['arrays_total']:,}", f"in {summary['tiles']} tiles"),
            ("tile", format_quantity(tile["power_W"], "W"), format_quantity(tile["area_m2"], "m2")),
            *([] if len(summary["kinds"]) == 1 else starmap(_kind_row, summary["kinds"].items())),
            ("conversions per MAC", f"{summary['conversions_per_mac']:.4f}", "of a full array"),
        ]
    return Group(
        facts(titled(summary["chip"], summary["description"]), rows),
        shares("power by component", summary["power_by_component_W"], "W"),
        shares("area by component", summary["area_by_component_m2"], "m2"),
        source_table(sources),
    )


def _kind_row(name: str, kind: Mapping[str, Any]) -> tuple[str, str, str]:
    each = f"{format_quantity(kind['tile_power_W'], 'W')}, {format_quantity(kind['tile_area_m2'], 'm2')} each"
    arrays = f"each {kind['arrays_per_tile']} arrays of {kind['rows']} × {kind['columns']}"
    return f"{name} tiles", f"{kind['tiles']}, {arrays}", each


def level_table(levels: Mapping[str, list[float]]) -> RenderableType:
    """A cell's levels along one axis of conductance: a bar from one spread below the mean to one above it."""
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("target", "mean", "spread"):
        table.add_column(heading, justify="right", no_wrap=True)
    rows = list(zip(levels["target_S"], levels["mean_S"], levels["spread_S"], strict=True))
    low = min(min(target, mean - spread) for target, mean, spread in rows)
    high = max(max(target, mean + spread) for target, mean, spread in rows)
    table.add_column(f"{format_quantity(low, 'S', 3)} to {format_quantity(high, 'S', 3)}", style="cyan", no_wrap=True)
    for target, mean, spread in rows:
        places = ((g - low) / (high - low) for g in (mean - spread, mean, mean + spread))
        start, middle, end = (round((AXIS - 1) * place) for place in places)
        bar = " " * start + "─" * (middle - start) + "█" + "─" * (end - middle)
        table.add_row(*(format_quantity(value, "S", 3) for value in (target, mean, spread)), bar)
    return Group(Text("levels", style="bold"), table)
