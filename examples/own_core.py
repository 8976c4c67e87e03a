"""A crossbar core built in Python, and what each of its choices does to one matrix product.

    python examples/own_core.py

The core holds 8-bit weights in pairs of 2-bit cells and streams 8-bit inputs bit by bit. The table changes one choice
at a time and prints how far the product is off, relative to its own rms value.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import pimsim
from pimsim.chip import Calibrated, Differential, Fixed, Maximum, Offset, TwosComplement
from pimsim.circuits import ImperfectAdc
from pimsim.devices import Ideal, Reram


def main() -> None:
    core = pimsim.load_chip("isaac-ce", {"core.weight_bits": 8, "core.input_bits": 8, "core.rows": 64}).core
    cell = Ideal(g_min=1e-6, g_max=100e-6)
    adc = eqx.tree_at(lambda adc: adc.sign_magnitude, core.adc, True)  # 255 codes: zero is one of them
    base = changed(core, encoding=Differential(subtraction="analog"), device=cell, adc=adc)

    rng = np.random.default_rng(0)
    weights = np.clip(np.rint(rng.normal(0, 30, (64, 24))), -127, 127).astype(int)
    x = np.clip(np.rint(rng.exponential(40, (256, 64))), 0, 255).astype(int)
    exact = x @ weights

    choices = {
        "analog pairs, one code per level": base,
        "the same, range of all possible currents": changed(base, full_scale=Maximum()),
        "the same, range calibrated to 99.9 %": changed(base, full_scale=Calibrated(99.9)),
        "the same, range fixed to ±40 levels": changed(base, full_scale=Fixed((40.0,), (-40.0,))),
        "digital subtraction": changed(base, encoding=Differential(subtraction="digital")),
        "offset, column of ones": changed(base, encoding=Offset()),
        "two's complement": changed(base, encoding=TwosComplement()),
        "one conversion for all bits of the input": changed(base, accumulate="analog", full_scale=Calibrated(100.0)),
        "5 % programming error": changed(base, device=Reram(1e-6, 100e-6, proportional_noise=0.05)),
        "5 % read noise": changed(base, device=Reram(1e-6, 100e-6, proportional_read_noise=0.05)),
        "converters off by a code": changed(base, adc=ImperfectAdc(base.adc, offset_sigma=1.0)),
    }
    print("| core | rms error |\n|---|---|")
    for name, choice in choices.items():
        error = multiply(choice, weights, x) - exact
        print(f"| {name} | {np.sqrt(np.mean(error**2.0)) / np.sqrt(np.mean(exact**2.0)):.2%} |")


def changed(core, **fields):
    """The core with other parts."""
    return eqx.tree_at(lambda c: [getattr(c, name) for name in fields], core, list(fields.values()))


def multiply(core, weights, x):
    """The product, with full scales calibrated on the first vectors where they want to be."""
    ranges = core.ranges_for(weights, x[:64]) if core.full_scale.needs_samples else None
    array = core.program(jnp.asarray(weights), key=jax.random.key(0), ranges=ranges)
    return np.asarray(core.matmul(array, jnp.asarray(x), key=jax.random.key(1)))


if __name__ == "__main__":
    main()
