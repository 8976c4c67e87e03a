"""A core as slow and as plain as it can be: every stream, slice, array and conversion in a loop, on NumPy's float64."""

import numpy as np


def play(core, array, weights, x, *, signed):
    """The product of x[vector, row] with a programmed array, from its conductances and ISAAC's scheme alone."""
    blocks, arrays, height, width, slices = array.cells.shape
    full, offset = 2**core.cell_bits - 1, 2 ** (core.weight_bits - 1)
    cells = in_levels(core, array.cells, height, signed)
    ones = None if array.units is None else in_levels(core, array.units, height, signed)
    y = np.zeros((len(x), weights.shape[1]), np.int64)
    for block, column in np.ndindex(blocks, arrays):
        rows = slice(block * height, min((block + 1) * height, weights.shape[0]))
        cols = slice(column * width, min((column + 1) * width, weights.shape[1]))
        unsigned = weights[rows, cols].astype(np.int64) + offset
        used, filled = unsigned.shape
        for bit, cycle_width, weight in cycles(core, signed):
            driven = (x[:, rows] >> bit) & (2**cycle_width - 1)
            total = driven.sum(axis=1) if ones is None else convert(core, driven @ ones[block, column, :used])
            for s in range(slices):
                levels = (unsigned >> (core.cell_bits * s)) & full
                code = convert(core, driven @ cells[block, column, :used, :filled, s])
                flipped = core.encoding.column_flip & (levels.sum(axis=0) > threshold(core, signed))
                code = np.where(flipped, full * total[:, None] - code, code)
                y[:, cols] += weight * 2 ** (core.cell_bits * s) * code
            y[:, cols] -= weight * offset * total[:, None]
    return y


def cycles(core, signed):
    """(first bit, bits, weight) of each read cycle: dac_bits at a time, and two's complement's sign bit by itself."""
    magnitude = core.input_bits - 1 if signed else core.input_bits
    plan = [(bit, min(core.dac.bits, magnitude - bit), 2**bit) for bit in range(0, magnitude, core.dac.bits)]
    return [*plan, (magnitude, 1, -(2**magnitude))] if signed else plan


def threshold(core, signed):
    """The largest sum of levels that the converter resolves when every input of a cycle is at its largest."""
    return (2**core.adc.bits - 1) // largest_input(core, signed)


def largest_input(core, signed):
    return max(2**width - 1 for _, width, _ in cycles(core, signed))


def convert(core, current):
    return np.clip(np.rint(current), 0, 2**core.adc.bits - 1).astype(np.int64)


def in_levels(core, g, height, signed):
    """Conductances in steps of one level above g_min, on the power-of-two grid that makes float32 sums exact."""
    largest_sum = height * (2**core.cell_bits - 1) * largest_input(core, signed)
    grid = 2.0 ** (np.ceil(np.log2(2 * largest_sum)) - 24)
    level = np.float32((core.device.g_max - core.device.g_min) / (2**core.cell_bits - 1))
    pedestal = np.float32(core.device.g_min if core.pedestal == "reference" else 0.0)
    return np.rint((np.asarray(g) - pedestal) / level / np.float32(grid)).astype(np.float64) * grid
