"""What a crossbar core is charged for: its components, and how often each of them acts for a vector."""

import math
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from pimsim.chip.core import Count, Line, Size, charge
from pimsim.chip.reads import array_line, nominal, row_event
from pimsim.circuits import Cost
from pimsim.devices import pulse_of
from pimsim.errors import SpecError

if TYPE_CHECKING:
    from pimsim.chip.crossbar import CrossbarCore


def events_of(core: "CrossbarCore", rows: Size, cols: Size, signed: bool) -> dict[str, Count]:
    """How often each component acts when one vector passes one array of which rows × cols weights are used."""
    (reads, times), planes = rounds(core, signed), core.planes
    extra = int(core.encoding.unit_level > 0)
    columns, counted = cols * planes + extra, cols * core.conversion_planes + extra
    spares = core.mitigation.spares if core.mitigation else 0
    happens: dict[str, Count] = {
        "row_drive": reads * rows,
        "cell_read": reads * rows * (columns + core.spare_lines),
        "sample": reads * (counted + spares),
        "conversion": times * (counted + spares) * _resolved(core, signed),
        "shift_add": times * counted,
        "input_bit_read": float(core.input_bits) * rows,
        "result_update": times * counted,
    }
    if core.layout is not None:
        drives, cells, conversions = core.layout.factors(rows, cols, core.rows, core.weights_per_array)
        driven = drives * (core.conversion_planes if core.layout.slices_apart else 1)
        factors = {"row_drive": driven, "input_bit_read": driven, "cell_read": cells}
        happens = {event: count * factors.get(event, conversions) for event, count in happens.items()}
    return nominal(core, happens) | (core.mitigation.events(rows, cols) if core.mitigation else {})


def rounds(core: "CrossbarCore", signed: bool) -> tuple[float, float]:
    """How often the rows are driven for one vector, and how often each of its columns is converted."""
    reads = float(len(core.streams(signed)))
    if core.speculation is None:
        return reads, reads if core.accumulate == "digital" else 1.0
    first = len(core.speculation.bits)
    return first + reads, first + core.speculation.failing * reads


def _resolved(core: "CrossbarCore", signed: bool) -> float:
    """The share of the converter's bits that a mean conversion resolves: one that stops early costs its share."""
    return float(bits_table(core, signed).mean() / core.adc.bits) if core.adc_bits else 1.0


def bits_table(core: "CrossbarCore", signed: bool) -> Int[np.ndarray, "read slice"]:
    """Bits resolved for each conversion."""
    reads = len(core.conversions(signed))
    if not core.adc_bits:
        return np.full((reads, len(core.widths)), core.adc.bits)
    if len(core.adc_bits) != reads:
        raise SpecError("adc_bits", f"expected {reads} rows, one a conversion, got {len(core.adc_bits)}")
    return np.array(core.adc_bits)


def bill_of(core: "CrossbarCore") -> list[Line]:
    """The components of one core."""
    adcs = core.arrays * math.ceil(core.columns / core.columns_per_adc)
    lines = [
        charge("adc", "conversion", adcs, core.adc),
        charge("dac", row_event(core.dac), core.arrays * core.rows, core.dac),
        charge("sample_hold", "sample", core.arrays * core.columns, core.sample_hold),
        array_line(core),
        charge("shift_add", "shift_add", core.shift_add.number, core.shift_add),
        charge("input_register", "input_bit_read", core.input_register.number, core.input_register),
        charge("output_register", "result_update", core.output_register.number, core.output_register),
    ]
    if (energy := pulse_of(core.device).energy) is not None:
        lines.append(Line("cell_write", "cell_write", core.arrays, Cost(energy=energy)))
    if core.word_line is not None:
        lines.append(charge("word_line", row_event(core.word_line), core.arrays * core.rows, core.word_line))
    if core.bit_line is not None:
        lines.append(charge("bit_line", "sample", core.arrays * core.columns, core.bit_line))
    if core.mitigation is not None:
        lines += core.mitigation.bill(core.arrays, core.rows)
    return lines
