"""The scale of a core's conversions: which currents there may be, and what a code stands for."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from pimsim.chip.core import Ranges
from pimsim.chip.crossbar import CrossbarCore


def ranges_of(
    core: CrossbarCore, rows: int, signed: bool, samples: list[Float[np.ndarray, " n"]] | None = None
) -> Ranges:
    """The full scale of each slice, for blocks of `rows` rows and, if it is calibrated, currents of each slice."""
    lowest, highest = current_bounds(core, rows, signed)
    codes = core.adc.codes
    limits = [
        core.full_scale.limits(s, codes, lowest, highest, None if samples is None else samples[s])
        for s in range(len(core.widths))
    ]
    low, high = np.array(limits).T
    unit_range = bool((high - low == codes - 1).all() and (low % 1 == 0).all() and not core.adc_bits)
    unit = not core.adc.quantizes or (unit_range and bool((low == 0).all()))
    uniform = bool((low == low[0]).all() and (high == high[0]).all() and not core.adc_bits)
    multiplies = reciprocal_is_exact(lowest, highest, low, high, codes) and not core.adc_bits
    return Ranges(jnp.asarray(low), jnp.asarray(high), unit, unit_range, uniform and core.adc.quantizes, multiplies)


def current_bounds(core: CrossbarCore, rows: int, signed: bool) -> tuple[float, float]:
    """The least and the greatest sum that a column of `rows` cells can carry in one conversion."""
    digit = max(2**stream.width - 1 for stream in core.conversions(signed))
    highest = float(rows * digit * (2**core.cell_bits - 1))
    both = core.encoding.analog_pairs or core.digits_have_sign(signed)
    return (-highest if both else 0.0), highest


def reciprocal_is_exact(
    lowest: float, highest: float, low: Float[np.ndarray, " slice"], high: Float[np.ndarray, " slice"], codes: int
) -> bool:
    """Whether multiplying by 1/step rounds every whole sum to the code that dividing by step does; tried on all."""
    if highest - lowest > 2**16:
        return False
    sums = np.arange(lowest, highest + 1, dtype=np.float32)[:, None] - low.astype(np.float32)
    step = ((high - low) / max(codes - 1, 1)).astype(np.float32)
    return bool((np.rint(sums / step) == np.rint(sums * (1 / step.astype(np.float64)).astype(np.float32))).all())
