"""Results and cards as tables a person likes to read."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pimsim.units import format_quantity, readable

BAR = 24
"""Characters of a full share bar."""
QUANTIZATION_KEYS = ("weights_dB", "inputs_dB", "added_dB", "outputs_dB")
AXIS = 41
"""Columns of text along which levels are drawn."""


def result_table(summary: Mapping[str, Any]) -> RenderableType:
    """What the chip computed, what it costs, and where the energy goes, from a result's JSON object."""
    charging = summary["charging"]
    title = f"{summary['experiment']}: {summary['network']} on {summary['chip']}"
    gated = "gated" if charging["power_gating"] else "powered"
    charged, chips, total = charging["constant_power"], summary["chips"], summary["arrays_total"]
    on = format_quantity(summary["area_on_m2"], "m2")
    tiles = f"{summary['tiles_on']} tiles on, idle tiles {gated}" if total else ""
    rows = [
        *_accuracy_rows(summary),
        ("latency", format_quantity(summary["latency_s"], "s"), "of one inference"),
        ("interval", format_quantity(summary["interval_s"], "s"), _interval_note(summary)),
        *_replay_rows(summary["replay"]),
        ("throughput", f"{summary['throughput_per_s']:,.0f} /s", ""),
        ("energy", format_quantity(summary["energy_J"], "J"), f"of one; constant power for its {charged}"),
        ("power", format_quantity(summary["power_W"], "W"), tiles),
        ("area", format_quantity(summary["area_m2"], "m2"), f"{chips} chip{'s' if chips > 1 else ''}; tiles on, {on}"),
    ]  # fmt: skip
    if total:
        rows.append(("arrays", f"{summary['arrays_used']:,}", f"of {total:,} ({summary['arrays_used'] / total:.1%})"))
    if summary["activity"] is not None:
        rows += read_rows(summary["activity"])
    copies = ", ".join(f"{layer} ×{count}" for layer, count in summary["replication"].items() if count > 1)
    rows.append(("replication", copies or "none", ""))
    if summary["programming"] is not None:
        rows += programming_rows(summary["programming"])
    return Group(
        _facts(title, rows),
        *([quantization_table(summary["quantization"])] if summary["quantization"] else []),
        *([loss_table(summary["ir_drop"])] if summary["ir_drop"] else []),
        _shares("energy by component", summary["energy_by_component_J"], "J"),
        _shares("energy by layer", summary["energy_by_layer_J"], "J"),
    )


def _interval_note(summary: Mapping[str, Any]) -> str:
    """What sets the interval, and how far it is from what no mapping could beat."""
    return f"between two; set by {summary['bottleneck']}, {summary['gap']:.2f} × the least possible"


def _replay_rows(replay: Mapping[str, Any] | None) -> list[tuple[str, str, str]]:
    if replay is None:
        return []
    later = {figure: format_quantity(replay[f"{figure}_difference_s"], "s") for figure in ("latency", "interval")}
    return [
        ("latency, replayed", format_quantity(replay["latency_s"], "s"), f"{later['latency']} later, event by event"),
        ("interval, replayed", format_quantity(replay["interval_s"], "s"),
         f"{later['interval']} longer, over {replay['images']} images; set by {replay['bottleneck']}"),
    ]  # fmt: skip


def _accuracy_rows(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    accuracy = summary["accuracy"]
    if accuracy["samples"] is None:
        return [("accuracy", "not asked for", "no data ran: energies are nominal")]
    samples = f"{accuracy['samples']} images of {summary['dataset']}"
    spread = f" ± {accuracy['crossbar_std']:.2%}" if accuracy["trials"] > 1 else ""
    trials = f"{accuracy['trials']} programmed chip{'s' if accuracy['trials'] > 1 else ''}, {summary['engine']}"
    if accuracy["float"] is None:
        notes = {"quantized": "exact integers", "crossbar": trials}
        return [
            ("accuracy", "not known", f"{samples} have no labels: outputs are compared with those of float arithmetic"),
            *(_agreement_row(side, summary["agreement"][side], note) for side, note in notes.items()),
        ]
    return [
        ("accuracy, float", f"{accuracy['float']:.2%}", samples),
        ("accuracy, quantized", f"{accuracy['quantized']:.2%}", "exact integers"),
        ("accuracy, crossbar", f"{accuracy['crossbar_mean']:.2%}{spread}", trials),
    ]


def _agreement_row(side: str, near: Mapping[str, float | None], note: str) -> tuple[str, str, str]:
    ratio = "no error" if near["sqnr_dB"] is None else f"SQNR {near['sqnr_dB']:.1f} dB"
    return f"same class, {side}", f"{near['top1']:.2%}", f"cosine {near['cosine']:.5f}, {ratio}; {note}"


KINDS = {
    "nominal": "nominal: digits and levels as frequent as each other",
    "moments": "of a sample of the data",
    "exact": "of all data",
}
"""What the energy of cells is from."""


def read_rows(activity: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What the cells take, where it is known how they are read, and how far off the estimate of others would be."""
    if activity["cell_energy_J"] is None:
        return []
    charged = "" if activity["charged"] else "; not charged"
    rows = [("cells, V² G t", format_quantity(activity["cell_energy_J"], "J"), KINDS[activity["kind"]] + charged)]
    gap = activity["gap"]
    if gap["independent"] is not None:
        rows.append(("", f"{gap['independent']:+.1%}", f"by layer means; {gap['first_moment']:+.1%} by first moments"))
    return rows


def programming_rows(programming: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Cells and pulses, and of energy, time and endurance what is stated."""
    cells, missed = programming["cells"], programming["unconverged"]
    worn = programming["lifetime_inferences"]
    wear = [] if worn is None else [("wears out", f"after {worn:,.0f} inferences", "each of them rewrites the arrays")]
    if programming["pulses"] is None:
        known = "by write and verify; pulses are counted where data runs"
        return [("programming", f"{cells:,} cells", known), *wear]
    verified = "one pulse each, not verified" if missed is None else f"{missed:.2%} of them unconverged"
    rows = [("programming", f"{programming['pulses']:,.0f} pulses", f"of {cells:,} cells; {verified}")]
    energy, time, left = (programming[key] for key in ("energy_J", "time_s", "reprogrammings"))
    if energy is not None:
        note = f"as much as {programming['inferences']:,.1f} inferences"
        rows.append(("programming, energy", format_quantity(energy, "J"), note))
    if time is not None:
        rows.append(("programming, time", format_quantity(time, "s"), f"{programming['parallel']:,} cells at a time"))
    if left is not None:
        note = f"more, of the {programming['endurance']:g} writes that a cell survives"
        rows.append(("endurance", f"{left:,.0f} programmings", note))
    known = (("energy", energy), ("time", time), ("endurance", left))
    if unstated := [name for name, value in known if value is None]:
        rows.append(("not stated", ", ".join(unstated), "of programming, by the cell's card"))
    return rows + wear


def quantization_table(layers: Mapping[str, Mapping[str, Any]]) -> RenderableType:
    """What rounding costs each layer; the one that adds the most noise is marked."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("")
    for heading in ("bits", "weights", "inputs", "added", "so far"):
        table.add_column(heading, justify="right", no_wrap=True)
    worst = min((own["added_dB"] for own in layers.values() if own["added_dB"] is not None), default=None)
    for layer, own in layers.items():
        ratios = ["exact" if own[key] is None else f"{own[key]:.1f}" for key in QUANTIZATION_KEYS]
        if own["added_dB"] == worst and worst is not None:
            ratios[2] += " *"
        table.add_row(Text(layer), f"{own['weight_bits']} × {own['input_bits']}", *ratios)
    title = "quantization by layer: signal over noise in dB; * adds the most"
    return Group(Text(title, style="bold"), table)


def loss_table(losses: Mapping[str, Mapping[str, float]]) -> RenderableType:
    """What wires take of the current of each layer's columns."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("")
    for heading in ("mean column", "worst column"):
        table.add_column(heading, justify="right", no_wrap=True)
    for layer, loss in losses.items():
        table.add_row(Text(layer), f"{loss['mean']:.2%}", f"{loss['worst']:.2%}")
    return Group(Text("IR drop by layer: share of a column's current lost with all rows driven", style="bold"), table)


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
            ("conversions per MAC", f"{summary['conversions_per_mac']:.4f}", "of a full array"),
        ]
    return Group(
        _facts(titled(summary["chip"], summary["description"]), rows),
        _shares("power by component", summary["power_by_component_W"], "W"),
        _shares("area by component", summary["area_by_component_m2"], "m2"),
        source_table(sources),
    )


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
    """What was published next to what this package computes."""
    table = Table(box=box.SIMPLE_HEAD)
    for head in VALIDATION_HEADS:
        right = head in ("ours", "theirs", "difference", "tolerance")
        table.add_column(head, justify="right" if right else "left", no_wrap=head != "quantity")
    for row, cells in zip(rows, validation_cells(rows), strict=True):
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
    bits = f", operands of {comparison['operand_bits']} bits" if comparison["operand_bits"] else ""
    title = f"{comparison['network'] or 'peak figures'}{bits}"
    return Group(Text(title, style="bold"), table)


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
    return _facts(title, [(path, value, "") for path, value in pretty.items()])


def titled(name: str, description: str) -> str:
    """A card's name and, unless it begins with the name already, what it is."""
    if description.lower().startswith(name.lower()):
        return description
    return f"{name}: {description}" if description else name


def _facts(title: str, rows: list[tuple[str, str, str]]) -> RenderableType:
    table = Table(box=box.SIMPLE, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(style="bold")
    table.add_column(style="dim")
    for row in rows:
        table.add_row(*map(Text, row))
    return Group(Text(title, style="bold"), table)


def _shares(title: str, values: Mapping[str, float], unit: str) -> RenderableType:
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
