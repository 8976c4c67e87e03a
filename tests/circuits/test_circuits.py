"""What surrounds the cell: conversion, and cost from the same fields."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from pimsim.circuits import Buffer, Circuit, Dac, SarAdc
from pimsim.errors import SpecError

ADC = SarAdc(bits=8, rate=1.28e9, power=2e-3, area=1.2e-9)


@pytest.mark.parametrize("bits", [1, 4, 8, 12])
def test_codes_are_the_nearest_whole_numbers_within_range(bits):
    """Half goes to the even neighbour; what lies outside goes to the nearer end, 0 or 2^n - 1."""
    top = 2**bits - 1
    adc = replace(ADC, bits=bits)
    assert (adc.convert(jnp.arange(top + 1.0), None, adc.codes) == jnp.arange(top + 1)).all()
    halves = np.arange(top) + 0.5
    even = [h - 0.5 + (h - 0.5) % 2 for h in halves]
    np.testing.assert_array_equal(adc.convert(jnp.asarray(halves), None, adc.codes), even)
    assert adc.convert(jnp.array([-1e9, -0.6, top + 0.6, 1e9]), None, adc.codes).tolist() == [0, 0, top, top]


def test_an_adc_costs_what_was_published_at_the_published_bits():
    """And any other resolution a linear share n/8 and a share that doubles with each bit, power and area alike."""
    cost = ADC.cost()
    assert (cost.power, cost.area) == pytest.approx((2e-3, 1.2e-9), rel=1e-12)
    for bits in range(1, 17):
        other = replace(ADC, bits=bits).cost()
        for field, share in (("power", ADC.capacitor_power), ("area", ADC.capacitor_area)):
            expected = getattr(cost, field) * ((1 - share) * bits / 8 + share * 2.0 ** (bits - 8))
            assert getattr(other, field) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("bits", [2, 6, 9, 15])
def test_the_shares_are_between_linear_and_doubling(bits):
    """Without capacitors, power is proportional to the bits; with nothing else, it doubles with each."""
    power = {share: [replace(ADC, bits=n, capacitor_power=share).cost().power for n in (bits, bits + 1)]
             for share in (0.0, 1.0)}  # fmt: skip
    assert power[0.0][1] / power[0.0][0] == pytest.approx((bits + 1) / bits, rel=1e-12)
    assert power[1.0][1] / power[1.0][0] == pytest.approx(2, rel=1e-12)


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_a_dac_doubles_with_each_bit(bits):
    cost = Dac(bits=bits, rate=1e7, power=4e-6, area=1e-13).cost()
    assert (cost.power, cost.area) == pytest.approx((4e-6 * 2 ** (bits - 1), 1e-13 * 2 ** (bits - 1)), rel=1e-12)


@pytest.mark.parametrize(
    ("circuit", "rate"),
    [
        (ADC, 1.28e9),
        (replace(ADC, bits=5), 1.28e9),
        (Dac(bits=2, rate=1e7, power=4e-6, area=1e-13), 1e7),
        (Circuit(power=3e-4, rate=1.6384e11, area=1e-10), 1.6384e11),
        (Buffer(capacity=2.0**19, bandwidth=8.192e10, power=20.7e-3, area=8.3e-8), 8.192e10),
    ],
)
def test_events_at_the_full_rate_draw_the_full_power(circuit, rate):
    """Energy per event times events per second is the power."""
    cost = circuit.cost()
    assert cost.energy * rate == pytest.approx(cost.power, rel=1e-12)
    assert cost.leakage == cost.constant == 0


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: replace(ADC, bits=0), "bits"),
        (lambda: replace(ADC, bits=17), "bits"),
        (lambda: replace(ADC, rate=0.0), "rate"),
        (lambda: replace(ADC, capacitor_power=1.1), "capacitor_power"),
        (lambda: Dac(bits=17, rate=1e7, power=1e-6, area=1e-13), "bits"),
        (lambda: Dac(bits=1, rate=0.0, power=1e-6, area=1e-13), "rate"),
        (lambda: Circuit(power=1e-6, rate=0.0, area=1e-13), "rate"),
        (lambda: Circuit(power=1e-6, rate=1e7, area=1e-13, number=0), "number"),
        (lambda: Buffer(capacity=0.0, bandwidth=1e9, power=1e-3, area=1e-9), "capacity"),
        (lambda: Buffer(capacity=8.0, bandwidth=0.0, power=1e-3, area=1e-9), "bandwidth"),
    ],
)
def test_impossible_circuits_are_refused(make, field):
    """A SpecError names the field that cannot be meant."""
    with pytest.raises(SpecError) as caught:
        make()
    assert caught.value.place == field
