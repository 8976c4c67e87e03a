"""Converters: one contract for all readouts, full scales, instances that miss, and what sharing one costs in time."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pimsim.chip import Calibrated, Fixed, Lossless, Maximum
from pimsim.circuits import Dac, FlashAdc, IdealAdc, ImperfectAdc, IntegrateFireAdc, RampAdc, SarAdc
from pimsim.circuits.adc import AdcErrors
from pimsim.errors import SpecError

SAR = SarAdc(bits=6, rate=1e9, power=1e-3, area=1e-9)
FLASH = FlashAdc(bits=6, rate=1e9, comparator_energy=1e-15, comparator_area=1e-12)
RAMP = RampAdc(bits=6, step_time=1e-9, step_energy=1e-15, area=1e-10)
FIRE = IntegrateFireAdc(bits=6, spike_time=1e-9, spike_energy=1e-15, area=1e-10)
READOUTS = [SAR, FLASH, RAMP, FIRE]
INSTANCES = 20_000


@pytest.mark.parametrize("adc", READOUTS, ids=lambda adc: type(adc).__name__)
@pytest.mark.parametrize("sign_magnitude", [False, True])
def test_all_readouts_give_the_codes_of_the_contract(adc, sign_magnitude):
    """rint half to even, clipped to 0 … n-1: by Python's own round, for eighths of a step within and beyond."""
    adc = replace(adc, sign_magnitude=sign_magnitude)
    steps = np.arange(-20, 8 * (adc.codes + 2)) / 8
    expected = [min(max(round(s), 0), adc.codes - 1) for s in steps.tolist()]
    np.testing.assert_array_equal(adc.convert(jnp.asarray(steps), None, adc.codes), expected)


@pytest.mark.parametrize("bits", [2, 5, 8])
def test_sign_magnitude_gives_up_a_code_so_that_zero_is_one(bits):
    """n = 2^b - 1 is odd: in a range symmetric about zero, zero current is the middle code, exactly; with 2^b it lies
    between two."""
    odd, even = (replace(SAR, bits=bits, sign_magnitude=each).codes for each in (True, False))
    assert (odd, even) == (2**bits - 1, 2**bits)
    for codes, whole in ((odd, True), (even, False)):
        middle = 3.7 * (codes - 1) / (2 * 3.7)
        assert (middle % 1 == 0) == whole


@pytest.mark.parametrize("codes", [16, 15])
def test_lossless_is_one_code_a_level(codes):
    """From zero where sums are not negative, else from -n/2; the last code is n - 1 levels above."""
    assert Lossless().limits(0, codes, 0.0, 100.0, None) == (0.0, codes - 1)
    low, high = Lossless().limits(0, codes, -100.0, 100.0, None)
    assert high - low == codes - 1
    assert low == -(codes // 2)


def test_the_maximum_is_what_a_column_can_carry():
    assert Maximum().limits(0, 256, -384.0, 384.0, None) == (-384.0, 384.0)


@pytest.mark.parametrize("percentile", [100.0, 99.0, 90.0])
def test_a_calibrated_range_holds_its_share_of_the_samples(percentile):
    """Of the magnitudes, a share of `percentile` lies within; the range starts at zero, or is symmetric about it."""
    rng = np.random.default_rng(0)
    signed = rng.normal(size=10_000)
    low, high = Calibrated(percentile).limits(0, 256, -1.0, 1.0, signed)
    assert low == -high
    assert abs((np.abs(signed) <= high).mean() - percentile / 100) <= 1e-3
    assert Calibrated(percentile).limits(0, 256, 0.0, 1.0, np.abs(signed)) == (0.0, high)


def test_a_calibrated_range_of_no_current_is_still_a_range():
    """A layer whose inputs were all zero."""
    low, high = Calibrated().limits(0, 256, 0.0, 10.0, np.zeros(5))
    assert low < high


def test_a_calibrated_range_without_data_is_refused():
    with pytest.raises(SpecError, match="needs currents to calibrate on") as caught:
        Calibrated().limits(0, 256, 0.0, 1.0, None)
    assert caught.value.place == "full_scale"


def test_a_fixed_range_is_for_all_slices_or_for_each():
    one, each = Fixed(high=(5.0,), low=(-1.0,)), Fixed(high=(5.0, 6.0), low=(-1.0, -2.0))
    assert [one.limits(s, 8, 0.0, 9.0, None) for s in range(2)] == [(-1.0, 5.0)] * 2
    assert [each.limits(s, 8, 0.0, 9.0, None) for s in range(2)] == [(-1.0, 5.0), (-2.0, 6.0)]


@pytest.mark.parametrize(
    ("make", "place"),
    [
        (lambda: Fixed(high=(1.0,), low=(1.0,)), "high"),
        (lambda: Fixed(high=(1.0,), low=(2.0,)), "high"),
        (lambda: Fixed(high=(1.0, -1.0)), "high"),
        (lambda: Fixed(high=(float("nan"),)), "high"),
        (lambda: Fixed(high=(1.0, 2.0, 3.0), low=(0.0, 0.0)), "low"),
        (lambda: Calibrated(50.0), "percentile"),
        (lambda: Calibrated(101.0), "percentile"),
        (lambda: replace(FLASH, bits=11), "bits"),
        (lambda: replace(FLASH, rate=0.0), "rate"),
        (lambda: replace(RAMP, bits=13), "bits"),
        (lambda: replace(RAMP, step_time=0.0), "step_time"),
        (lambda: replace(FIRE, bits=0), "bits"),
        (lambda: replace(FIRE, spike_time=-1e-9), "spike_time"),
        (lambda: ImperfectAdc(adc=SAR, gain_sigma=-0.1), "gain_sigma"),
        (lambda: ImperfectAdc(adc=SAR, noise=float("nan")), "noise"),
        (lambda: Dac(bits=1, rate=1.0, power=0.0, area=0.0, noise=-1.0), "noise"),
    ],
)
def test_impossible_converters_are_refused(make, place):
    """A range that ends before it starts, resolutions beyond what is stated, times and spreads below zero."""
    with pytest.raises(SpecError) as caught:
        make()
    assert caught.value.place == place


def test_a_flash_converter_costs_a_comparator_a_boundary():
    """2^b - 1 comparators: one more bit doubles them and adds one; the time stays."""
    costs = [replace(FLASH, bits=bits).cost() for bits in (5, 6)]
    assert costs[1].energy == pytest.approx(2 * costs[0].energy + FLASH.comparator_energy, rel=1e-12)
    assert costs[1].area == pytest.approx(63 * FLASH.comparator_area, rel=1e-12)
    assert replace(FLASH, bits=5).conversion_time() == FLASH.conversion_time() == 1e-9


@pytest.mark.parametrize(("adc", "steps"), [(RAMP, lambda b: 2**b), (FIRE, lambda b: 2**b - 1)])
def test_ramps_and_spikes_take_a_step_a_code(adc, steps):
    """Time and energy of the longest conversion are its steps times those of one; the area is one column's."""
    for bits in (1, 4, 8):
        other = replace(adc, bits=bits)
        assert other.conversion_time() == pytest.approx(steps(bits) * 1e-9, rel=1e-12)
        assert other.cost().energy == pytest.approx(steps(bits) * 1e-15, rel=1e-12)
        assert other.cost().area == adc.area


@pytest.mark.parametrize("adc", READOUTS, ids=lambda adc: type(adc).__name__)
def test_a_busy_converter_draws_its_power(adc):
    """Energy over the time of a conversion, one after the other, is the power."""
    assert adc.cost().energy / adc.conversion_time() == pytest.approx(adc.cost().power, rel=1e-12)


def test_an_ideal_converter_is_free_and_an_imperfect_one_costs_what_it_wraps():
    assert IdealAdc().cost().energy == IdealAdc().conversion_time() == 0
    assert ImperfectAdc(adc=RAMP, noise=1.0).cost() == RAMP.cost()
    assert ImperfectAdc(adc=RAMP, noise=1.0).conversion_time() == RAMP.conversion_time()
    assert (ImperfectAdc(adc=RAMP).bits, ImperfectAdc(adc=IdealAdc()).quantizes) == (6, False)


@pytest.mark.parametrize(("field", "attribute"), [("gain_sigma", "gain"), ("offset_sigma", "offset"),
                                                  ("inl_sigma", "bow"), ("dnl_sigma", "steps")])  # fmt: skip
def test_every_instance_has_errors_of_its_own(field, attribute, key):
    """Normal with mean zero and the stated spread, within 4 standard errors; the other errors are zero."""
    errors = ImperfectAdc(adc=replace(SAR, bits=2), **{field: 0.3}).errors((INSTANCES,), key=key)
    drawn = np.asarray(getattr(errors, attribute), float).ravel()
    assert abs(drawn.mean()) < 4 * 0.3 / len(drawn) ** 0.5
    assert abs(drawn.std() - 0.3) < 4 * 0.3 / (2 * len(drawn)) ** 0.5
    others = {"gain", "offset", "bow", "steps"} - {attribute}
    assert all((np.asarray(getattr(errors, other)) == 0).all() for other in others)
    again = ImperfectAdc(adc=replace(SAR, bits=2), **{field: 0.3}).errors((INSTANCES,), key=key)
    assert jax.tree.all(jax.tree.map(lambda a, b: (a == b).all(), errors, again))


def converted(currents, **errors):
    """Codes of one instance with the given errors, of 64 codes."""
    zero = {"gain": 0.0, "offset": 0.0, "bow": 0.0}
    one = {name: jnp.array([value]) for name, value in (zero | {k: v for k, v in errors.items() if k in zero}).items()}
    dnl = jnp.asarray(errors.get("steps", np.zeros(64)))[None]
    currents = jnp.asarray(np.asarray(currents, float))[:, None]
    return np.asarray(SAR.convert(currents, AdcErrors(**one, steps=dnl), SAR.codes))[:, 0]


def test_errors_move_codes_as_their_names_say():
    """Gain and offset are a straight line, INL a parabola that vanishes at both ends, DNL a shift of single codes."""
    inside = np.arange(10, 50)
    np.testing.assert_array_equal(converted(inside, gain=0.1), np.rint(inside * 1.1))
    np.testing.assert_array_equal(converted(inside, offset=2.0), inside + 2)
    np.testing.assert_array_equal(converted([0, 63], bow=3.0), [0, 63])
    np.testing.assert_array_equal(converted([31, 32], bow=3.0), [34, 35])
    np.testing.assert_array_equal(converted([8], bow=3.0), np.rint([8 + 12 * 8 / 63 * 55 / 63]))
    one = np.zeros(64)
    one[20] = 1.2
    np.testing.assert_array_equal(converted([19, 20, 21], steps=one), [19, 21, 21])
    np.testing.assert_array_equal(converted([-5, 70], offset=9.0), [4, 63])


def test_converters_without_errors_are_exact():
    """Errors of zero change no code."""
    steps = np.arange(-9, 600) / 8
    np.testing.assert_array_equal(converted(steps), SAR.convert(jnp.asarray(steps), None, SAR.codes))


@pytest.mark.parametrize("inl", [0.0, 0.4])
def test_a_drivers_voltages_bend_between_the_ends(inl):
    """The digit plus a parabola that vanishes at both ends and is `inl` in the middle; odd in the digit."""
    dac = Dac(bits=3, rate=1.0, power=0.0, area=0.0, inl=inl)
    digit = jnp.arange(-7.0, 8.0)
    voltage = np.asarray(dac.voltage(digit))
    np.testing.assert_allclose(voltage, -voltage[::-1], atol=1e-12)
    np.testing.assert_allclose(voltage[[0, 7, 14]], [-7, 0, 7], atol=1e-12)
    assert dac.voltage(jnp.array(3.5)) == pytest.approx(3.5 + inl, rel=1e-12)
    assert dac.is_exact == (inl == 0)


def test_a_driver_of_more_bits_than_its_cost_is_stated_for_has_a_function_and_no_cost():
    """Beyond 4 bits the doubling is refused, unless it costs nothing."""
    with pytest.raises(SpecError, match="stated up to 4 bits"):
        Dac(bits=5, rate=1e7, power=1e-6, area=1e-13).cost()
    assert Dac(bits=8, rate=1e7, power=0.0, area=0.0).cost().energy == 0
