"""A result as tables."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pimsim.tables.forms import facts, layers_of_kinds, shares
from pimsim.units import format_quantity

QUANTIZATION_KEYS = ("weights_dB", "inputs_dB", "added_dB", "outputs_dB")


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
        *_training_rows(summary["training"]),
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
    rows += kind_rows(summary["kinds"])
    if summary["activity"] is not None:
        rows += read_rows(summary["activity"])
    copies = ", ".join(f"{layer} ×{count}" for layer, count in summary["replication"].items() if count > 1)
    rows.append(("replication", copies or "none", ""))
    if summary["programming"] is not None:
        rows += programming_rows(summary["programming"])
    return Group(
        facts(title, rows),
        *([quantization_table(summary["quantization"])] if summary["quantization"] else []),
        *([loss_table(summary["ir_drop"])] if summary["ir_drop"] else []),
        shares("energy by component", summary["energy_by_component_J"], "J"),
        shares("energy by layer", summary["energy_by_layer_J"], "J"),
    )


def kind_rows(kinds: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """The layers in tiles of each kind, a row each."""
    return [(f"{name} tiles", ", ".join(layers), "") for name, layers in layers_of_kinds(kinds).items()]


def _training_rows(training: Mapping[str, Any] | None) -> list[tuple[str, str, str]]:
    if training is None:
        return []
    change = f"{training['held_out_before']:.2%} → {training['held_out_after']:.2%}"
    return [("trained", change, f"of the held-out images; epoch {training['best_epoch']} of {training['epochs']}")]


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
