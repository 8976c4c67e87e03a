"""Converters that columns share: how many there are, how long a read takes, and whose errors a column sees."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from cores import make_adc, make_core

from pimsim.circuits import Dac, ImperfectAdc, RampAdc


@pytest.mark.parametrize(("shared", "converters", "cycles"), [(1, 128, 1), (8, 16, 1), (100, 2, 1), (128, 1, 2)])
def test_sharing_saves_converters_and_takes_time(shared, converters, cycles):
    """⌈128 / shared⌉ converters an array; a read lasts until the last of the columns behind one is converted."""
    core = make_core(columns=128, arrays=4, columns_per_adc=shared, adc=make_adc(8), cycle=1e-7, pipeline_cycles=3)
    (adc,) = [line for line in core.bill() if line.component == "adc"]
    assert adc.number == 4 * converters
    assert core.latency(signed=False) == (8 * cycles + 3, 8 * cycles)


def test_a_slow_converter_stretches_the_read():
    """A ramp of 256 ns behind 8 columns of a 100 ns read: 20.48 reads, so 21 cycles each; once, when accumulated."""
    ramp = RampAdc(bits=8, step_time=1e-9, step_energy=0.0, area=0.0)
    core = make_core(columns=128, columns_per_adc=8, adc=ramp)
    assert core.latency(signed=False).interval == 8 * 21
    assert core.latency(signed=True).interval == 8 * 21


def test_columns_behind_one_converter_share_its_errors(key):
    """Offsets of some steps, and a matrix of equal columns: results repeat exactly with the converters."""
    adc = ImperfectAdc(adc=make_adc(10), offset_sigma=20.0)
    core = make_core(columns=64, columns_per_adc=8, adc=adc)  # 8 weights of 8 planes; 4 conversions each
    array = core.program(jnp.full((5, 16), 77), key=key)
    y = np.asarray(core.matmul(array, jnp.full((1, 5), 200), key=key))[0]
    assert core.conversion_planes == 4
    pairs = y.reshape(8, 2)
    assert (pairs[:, 0] == pairs[:, 1]).all()
    assert len(np.unique(pairs[:, 0])) == 8


@pytest.mark.parametrize(("field", "expected"), [("offset_sigma", 1.0), ("noise", 1.0)])
def test_errors_of_converters_spread_products_as_they_should(field, expected, key):
    """One slice and one read: the error of a product is that of its conversion, in steps, plus what rounding adds.

    Offsets of 3.5 steps, or as much thermal noise; rounding adds 1/12 to the variance. Within 4 standard errors.
    """
    adc = ImperfectAdc(adc=make_adc(12), **{field: 3.5})
    core = make_core(cell_bits=7, input_bits=1, columns=2**16, adc=adc)
    array = core.program(jnp.ones((64, 8000), int), key=key)
    error = np.asarray(core.matmul(array, jnp.ones((1, 64), int), key=key))[0] - 64.0
    variance = (expected * 3.5) ** 2 + 1 / 12
    assert abs(error.mean()) < 4 * (variance / len(error)) ** 0.5
    assert abs(error.var() - variance) < 4 * variance * (2 / len(error)) ** 0.5


def test_a_converters_offset_stays_and_its_noise_does_not(key):
    """An instance repeats its own error and draws its noise anew; another key is another chip."""
    x = jnp.ones((2, 64), int)
    for field, same in (("offset_sigma", True), ("noise", False)):
        core = make_core(cell_bits=7, input_bits=1, adc=ImperfectAdc(adc=make_adc(12), **{field: 9.0}))
        y = np.asarray(core.matmul(core.program(jnp.ones((64, 50), int), key=key), x, key=key))
        assert (y[0] == y[1]).all() == same


def test_noise_of_the_drivers_reaches_every_column(key):
    """Σ_r (x_r + n) W: columns of equal weights see the same noise, of spread W √R per read, to 4 standard errors."""
    quiet = Dac(bits=8, rate=1.0, power=0.0, area=0.0)
    core = make_core(cell_bits=7, adc=make_adc(16), dac=replace(quiet, noise=0.5))
    array = core.program(jnp.full((32, 3), 100), key=key)
    y = np.asarray(core.matmul(array, jnp.full((4000, 32), 1), key=key), float)
    assert (y[:, 0] == y[:, 1]).all()
    spread = 100 * 0.5 * 32**0.5
    assert abs(y[:, 0].mean() - 3200) < 4 * spread / 4000**0.5
    assert abs(y[:, 0].std() - spread) < 4 * spread / 8000**0.5


def test_bent_voltages_bend_products(key):
    """One read of 3 bits with an INL of 0.3: W (x + 4·0.3·s(1-s)), s = x/7."""
    core = make_core(cell_bits=7, input_bits=3, adc=make_adc(16))
    core = replace(core, dac=Dac(bits=3, rate=1.0, power=0.0, area=0.0, inl=0.3))
    x = np.arange(8)[:, None]
    y = core.matmul(core.program(jnp.full((1, 1), 100), key=key), jnp.asarray(x))
    np.testing.assert_array_equal(y, np.rint(100 * (x + 1.2 * x / 7 * (1 - x / 7))))
