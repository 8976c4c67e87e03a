"""What a crossbar core refuses when it is built: parts that do not fit each other."""

from pimsim.chip.crossbar import CrossbarCore
from pimsim.chip.reads import charges_cells
from pimsim.errors import SpecError, require


def check_core(core: CrossbarCore) -> None:
    """Raise SpecError for the first part that does not fit."""
    for field, low, high in (
        ("rows", 1, 65536), ("columns", 1, 65536), ("arrays", 1, 65536), ("cell_bits", 1, 8),
        ("weight_bits", 1, 16), ("input_bits", 1, 16), ("pipeline_cycles", 0, 1000),
        ("columns_per_adc", 1, max(1, core.columns)),
    ):  # fmt: skip
        require(field, getattr(core, field), low, high)
    if core.cycle <= 0:
        raise SpecError("cycle", "must be more than 0 s")
    if core.planes > core.columns and not core.slices_apart:
        raise SpecError("columns", f"must hold one weight of {core.planes} cells, got {core.columns}")
    if 2**core.cell_bits > core.device.most_levels:
        fact = f"{core.device.name} holds {core.device.most_levels} levels, got {core.cell_bits} bits"
        raise SpecError("cell_bits", fact)
    if core.layout is not None and core.accumulate == "analog":
        raise SpecError("layout", "reads that are summed before a conversion take no turns")
    check_slices(core)
    check_adc_bits(core)
    check_read_pulse(core)
    if core.wires is not None and (core.wires.feed != "input" or core.wires.interleaved):
        fact = "arrays of a core have one word line a row, which carries the input"
        raise SpecError("wires", fact, "Leave out `feed` and `interleaved`.")
    if core.mitigation is not None:
        core.mitigation.check(core)
    if not core.device.is_ohmic:
        check_sinh(core)


def check_sinh(core: CrossbarCore) -> None:
    """Cells that do not obey Ohm's law are neither reduced to a matrix nor summed before they answer."""
    cell = f"{core.device.name} does not obey Ohm's law"
    if core.wires is not None:
        remedy = "Leave out one of the two. Both, for one array: pimsim.circuits.solve_nodes with sinh_voltage."
        raise SpecError("wires", f"{cell}, so an array has no effective conductance", remedy)
    if core.accumulate == "analog" and not core.drives_exactly:
        remedy = "Convert every read (digital), or drive the rows with one bit (dac.bits)."
        raise SpecError("accumulate", f"{cell}, so reads cannot be summed before the cells answer", remedy)


def check_read_pulse(core: CrossbarCore) -> None:
    """Cells are read within a cycle, and by a known pulse where they are charged for what they conduct."""
    if core.read_pulse is None and charges_cells(core):
        remedy = "State core.read_pulse, or choose an array with an energy of its own, such as array-isaac."
        raise SpecError("read_pulse", "is missing, and the array states no energy of a read", remedy)
    if core.read_pulse is not None and core.read_pulse.width > core.cycle:
        fact = f"must be at most a cycle, {core.cycle:g} s, got {core.read_pulse.width:g} s"
        raise SpecError("read_pulse.width", fact)


def check_slices(core: CrossbarCore) -> None:
    """Slices hold the weight's bits, each in the cell's."""
    usual = core.encoding.widths(core.weight_bits, core.cell_bits)
    if sum(core.widths) != sum(usual):
        raise SpecError("slice_bits", f"must add up to {sum(usual)}, got {list(core.widths)}")
    if any(not 1 <= width <= core.cell_bits for width in core.widths):
        raise SpecError("slice_bits", f"must be 1 to {core.cell_bits} (cell_bits) each, got {list(core.widths)}")
    if core.encoding.unit_level >= 2**core.cell_bits:
        raise SpecError("encoding.unit_cell_level", f"does not fit in a cell of {core.cell_bits} bits")


def check_adc_bits(core: CrossbarCore) -> None:
    """A table of bits has a column for each slice, within the converter's."""
    for row in core.adc_bits:
        if len(row) != len(core.widths) or any(not 0 <= bits <= core.adc.bits for bits in row):
            fact = f"expected {len(core.widths)} numbers of 0 to {core.adc.bits} bits in each row, got {list(row)}"
            raise SpecError("adc_bits", fact)
