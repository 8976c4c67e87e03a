"""Every way to write weights into cells and inputs onto rows is the same integer product, and its price is known."""

import math
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from cores import G_MAX, make_adc, make_core

from pimsim.chip import (
    Differential,
    Fixed,
    Offset,
    OffsetInputs,
    SignMagnitudeInputs,
    TwosComplement,
    TwosComplementInputs,
)
from pimsim.chip.encoding import places, slices
from pimsim.chip.programming import check_weights
from pimsim.chip.reading import check_inputs
from pimsim.devices import Ideal
from pimsim.errors import SpecError

ENCODINGS = {
    "offset": Offset(unit_column=False),
    "unit-column": Offset(),
    "flip": Offset(unit_column=False, column_flip=True),
    "flip-unit-column": Offset(column_flip=True),
    "differential": Differential(),
    "differential-digital": Differential(subtraction="digital"),
    "twos-complement": TwosComplement(),
}
INPUTS = {
    "unsigned": None,
    "twos-complement": TwosComplementInputs(),
    "sign-magnitude": SignMagnitudeInputs(),
    "offset": OffsetInputs(),
}
ROWS, COLS, VECTORS = 11, 3, 8
UNIT_ERROR = {False: 0.0, True: 1e-6}
"""Exact; but a unit column of level ℓ counts 1/ℓ, which may have no exact binary form."""


def weight_range(core):
    least = -(2 ** (core.weight_bits - 1))
    return least + (core.encoding.polarities == 2 and core.weight_bits > 1), -least - 1


def input_range(core, signed):
    if not signed:
        return 0, 2**core.input_bits - 1
    most = 2 ** (core.input_bits - 1) - 1
    return -most - (not core.inputs.bipolar), most


def samples(core, signed, seed):
    """Weights and inputs that contain the ends of their ranges."""
    rng = np.random.default_rng(seed)
    (least, most), (low, high) = weight_range(core), input_range(core, signed)
    weights = rng.integers(least, most, (ROWS, COLS), endpoint=True)
    weights[:, 0], weights[0, 1], weights[0, 2] = rng.choice([least, most]), least, most
    x = rng.integers(low, high, (VECTORS, ROWS), endpoint=True)
    x[0], x[1], x[2] = low, high, rng.choice([low, high], ROWS)
    return weights, x


def rows_that_fit(core, signed):
    """Rows whose largest sum has a code of its own in 16 bits, whichever its sign."""
    digit = max(2**stream.width - 1 for stream in core.conversions(signed))
    both = core.encoding.analog_pairs or core.digits_have_sign(signed)
    return (2**16 - 1) // (1 + both) // ((2**core.cell_bits - 1) * digit)


def check_exact(core, signed, key, seed=0):
    """The product on arrays of as many rows as 16-bit conversions allow, and of two columns of weights."""
    core = replace(core, rows=min(ROWS - 2, rows_that_fit(core, signed)), columns=2 * core.planes)
    weights, x = samples(core, signed, seed)
    several = core.encoding.unit_level > 1
    array = core.program(jnp.asarray(weights), key=key, signed=signed)
    np.testing.assert_allclose(core.matmul(array, jnp.asarray(x)), x @ weights, rtol=0, atol=UNIT_ERROR[several])


@pytest.mark.parametrize("accumulate", ["digital", "analog"])
@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_times_every_input_code_is_the_integer_product(encoding, inputs, accumulate, key):
    """Bits of cells, converters, weights and inputs change from one pair of codes to the next: each value comes up."""
    at = len(INPUTS) * list(ENCODINGS).index(encoding) + list(INPUTS).index(inputs)
    signed = inputs != "unsigned"
    core = make_core(
        encoding=ENCODINGS[encoding], accumulate=accumulate, cell_bits=1 + at % 7, dac_bits=1 + (at + at // 7) % 8,
        weight_bits=2 + at % 9, input_bits=2 + at % 7, inputs=INPUTS[inputs] or TwosComplementInputs(),
    )  # fmt: skip
    check_exact(core, signed, key, seed=at)


def random_core(rng):
    """Any core whose conversions fit in 16 bits, with slices of any widths, and whether its inputs are signed."""
    encoding = ENCODINGS[rng.choice(list(ENCODINGS))]
    cell_bits, accumulate = int(rng.integers(1, 9)), str(rng.choice(["digital", "analog"]))
    if encoding.unit_level:
        encoding = replace(encoding, unit_cell_level=int(rng.integers(1, 2**cell_bits)))
    inputs = INPUTS[rng.choice(list(INPUTS))]
    core = make_core(
        encoding=encoding, cell_bits=cell_bits, inputs=inputs or TwosComplementInputs(), accumulate=accumulate,
        dac_bits=int(rng.integers(1, 9)), weight_bits=int(rng.integers(1, 13)), input_bits=int(rng.integers(1, 9)),
    )  # fmt: skip
    if rng.random() < 0.5 and not isinstance(encoding, TwosComplement):
        left, widths = sum(core.widths), []
        while left:
            widths.append(int(rng.integers(1, min(cell_bits, left) + 1)))
            left -= widths[-1]
        core = replace(core, slice_bits=tuple(widths))
    return core, inputs is not None


@pytest.mark.parametrize("seed", range(24))
def test_any_core_with_enough_codes_is_the_integer_product(seed, key):
    """1 to 8 bits a cell and a read, 1 to 12 a weight, equal or unequal slices, one or many conversions."""
    rng = np.random.default_rng(seed)
    core, signed = random_core(rng)
    while rows_that_fit(core, signed) == 0:
        core, signed = random_core(rng)
    check_exact(core, signed, key, seed)


@pytest.mark.parametrize("widths", [(1, 2, 4), (4, 2, 1), (3, 1, 3), (1, 1, 1, 4)])
def test_unequal_slices_make_up_the_weight(widths):
    """Σ_s 2^(bits below s) · slice_s is the value, and no slice exceeds its width."""
    values = jnp.arange(128)[:, None]
    levels = slices(values, widths)
    np.testing.assert_array_equal((levels * places(widths)[:, None]).sum(axis=0), values)
    assert levels.max(axis=(1, 2)).tolist() == [2**width - 1 for width in widths]


@pytest.mark.parametrize(
    ("encoding", "slices_", "converted"),
    [("offset", 4, 4), ("differential", 8, 4), ("differential-digital", 8, 8), ("twos-complement", 5, 5)],
)
def test_columns_and_conversions_follow_from_the_encoding(encoding, slices_, converted):
    """Eight bits in cells of 2: pairs take twice the columns, and analog subtraction half the conversions of those."""
    core = make_core(encoding=ENCODINGS[encoding])
    assert (core.planes, core.conversion_planes) == (slices_, converted)
    events = core.events(10, 3, signed=False)
    assert events["cell_read"] == 8 * 10 * 3 * slices_
    assert events["conversion"] == 8 * 3 * converted


def test_one_conversion_after_analog_accumulation(key):
    """Reads as many, conversions an eighth; and the reads of a vector take no longer for the conversion."""
    each, once = (make_core(accumulate=accumulate) for accumulate in ("digital", "analog"))
    many, few = (core.events(10, 3, signed=False) for core in (each, once))
    assert few["conversion"] == many["conversion"] / 8
    assert few["row_drive"] == many["row_drive"]
    assert few["cell_read"] == many["cell_read"]


PRIME_BITS = ((6, 6), (6, 6))


def prime(low_low):
    """PRIME's composing: 6-bit inputs in two reads of 3, 8-bit weights in two cells of 4, 6-bit conversions.

    The part of low inputs and low weights is left out unless `low_low`.
    """
    high = 128.0 * 15 * 7
    return make_core(
        rows=128, cell_bits=4, dac_bits=3, weight_bits=9, input_bits=6, adc=make_adc(6),
        full_scale=Fixed(high=(high,), low=(-high,)), adc_bits=((6 if low_low else 0, 6), (6, 6)),
    )  # fmt: skip


@pytest.mark.parametrize("low_low", [False, True])
def test_prime_composes_inputs_and_weights(low_low, key):
    """HH, HL and LH of the four parts, each to 6 bits of the full scale, by hand: shifted, added, and nothing else."""
    core = prime(low_low)
    rng = np.random.default_rng(0)
    weights, x = rng.integers(-255, 256, (200, 5)), rng.integers(0, 64, (9, 200))
    step = 2 * 128 * 15 * 7 / 63
    expected = np.zeros((9, 5))
    for rows in (slice(0, 100), slice(100, 200)):  # two arrays, evenly filled
        for read, part in ((0, x[:, rows] & 7), (3, x[:, rows] >> 3)):
            for place in (0, 4):
                level = np.sign(weights[rows]) * ((np.abs(weights[rows]) >> place) & 15)
                if read or place or low_low:
                    first = -128 * 15 * 7
                    value = first + step * np.clip(np.rint((part @ level - first) / step), 0, 63)
                    expected += 2.0 ** (read + place) * value
    array = core.program(jnp.asarray(weights), key=key)
    np.testing.assert_allclose(core.matmul(array, jnp.asarray(x)), expected, rtol=1e-12, atol=1e-6)


def test_a_conversion_left_out_costs_nothing():
    """Three of PRIME's four parts are converted, so conversions take three quarters of the bits; sums stay."""
    with_, without = (prime(low_low).events(100, 5, signed=False) for low_low in (True, False))
    assert without["conversion"] == 0.75 * with_["conversion"]
    assert without["sample"] == with_["sample"]


def test_a_conversion_of_fewer_bits_has_fewer_codes(key):
    """A table of bits: every conversion at 5 bits is a 5-bit converter, though the converter could do 8."""
    rng = np.random.default_rng(0)
    weights, x = rng.integers(-127, 128, (60, 4)), rng.integers(0, 256, (6, 60))
    whole = Fixed(high=(300.0,), low=(-300.0,))
    table = make_core(adc=make_adc(8), adc_bits=((5,) * 4,) * 8, full_scale=whole)
    plain = make_core(adc=make_adc(5), full_scale=whole)
    y, z = (np.asarray(c.matmul(c.program(jnp.asarray(weights), key=key), jnp.asarray(x))) for c in (table, plain))
    np.testing.assert_allclose(y, z, rtol=1e-12, atol=1e-6)


def product(core, weights, x, key):
    return np.asarray(core.matmul(core.program(jnp.asarray(weights), key=key), jnp.asarray(x)), float)


@pytest.mark.parametrize("encoding", ["offset", "unit-column", "differential-digital", "twos-complement"])
def test_what_becomes_of_the_pedestal(encoding, key):
    """With an on/off ratio of 10 every cell carries r = g_min/step levels too many.

    A reference column removes them exactly; the digital side removes r Σx behind conversions that resolve it; and where
    nobody does, every conversion counts r Σx: Σ_p gain_p times that is added to the product, and the unit column's.
    """
    ideal = Ideal(g_min=0.1 * G_MAX, g_max=G_MAX)
    rng = np.random.default_rng(0)
    weights, x = rng.integers(-127, 128, (40, 6)), rng.integers(0, 256, (5, 40))
    ratio = 0.1 / (0.9 / 3)
    # steps of a third of a level: fine enough for the pedestal, which is a third of one
    third = Fixed(high=((2**16 - 1) / 3,), low=(0.0,))
    usual = {"encoding": ENCODINGS[encoding], "device": ideal, "full_scale": third}
    y = {rule: product(make_core(**usual, pedestal=rule), weights, x, key) for rule in ("reference", "digital", "kept")}
    exact, sums = x @ weights, x.sum(axis=1)[:, None]
    gains = {"offset": 255.0, "unit-column": 255.0, "differential-digital": 0.0, "twos-complement": 127.0 - 128.0}
    gains["offset"] = gains["unit-column"] = 1 + 4 + 16 + 64
    gains["twos-complement"] = 1 + 4 + 16 + 64 - 128
    unit = -128 if encoding == "unit-column" else 0
    np.testing.assert_allclose(y["reference"], exact, rtol=0, atol=0.5)
    np.testing.assert_allclose(y["kept"], exact + ratio * (gains[encoding] + unit) * sums, rtol=0, atol=0.5)
    if encoding != "unit-column":
        np.testing.assert_allclose(y["digital"], exact, rtol=0, atol=0.5)


def test_pairs_subtracted_as_currents_have_no_pedestal(key):
    """It cancels before the conversion, whatever the rule for it."""
    rng = np.random.default_rng(0)
    weights, x = rng.integers(-127, 128, (40, 6)), rng.integers(0, 256, (5, 40))
    for pedestal in ("reference", "digital", "kept"):
        core = make_core(device=Ideal(g_min=0.1 * G_MAX, g_max=G_MAX), pedestal=pedestal)
        np.testing.assert_array_equal(product(core, weights, x, key), x @ weights)


@pytest.mark.parametrize("bits", [3, 8])
def test_a_lossless_range_holds_as_many_levels_as_there_are_codes(bits, key):
    """One column of one row: levels up to the codes are exact, beyond them the last code is what comes out."""
    core = make_core(encoding=Offset(unit_column=False), cell_bits=8, weight_bits=8, input_bits=1, adc=make_adc(bits))
    weights = np.arange(-128, 128)[None]
    y = product(core, weights, np.ones((1, 1), int), key)[0]
    np.testing.assert_array_equal(y, np.minimum(np.arange(256), 2**bits - 1) - 128)


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"slice_bits": (2, 2, 2)}, "slice_bits"),
        ({"slice_bits": (3, 2, 2)}, "slice_bits"),
        ({"slice_bits": (2, 2, 2, 1, 0)}, "slice_bits"),
        ({"adc_bits": ((8, 8, 8),)}, "adc_bits"),
        ({"adc_bits": ((17, 8, 8, 8),)}, "adc_bits"),
        ({"adc_bits": ((-1, 8, 8, 8),)}, "adc_bits"),
        ({"encoding": Offset(unit_cell_level=4)}, "encoding.unit_cell_level"),
    ],
)
def test_bits_that_do_not_fit_are_refused(fields, place):
    """Slices that do not add up to the weight or to a cell, tables of another shape, a level no cell has."""
    with pytest.raises(SpecError) as caught:
        make_core(**fields)
    assert caught.value.place == place


def test_a_table_of_bits_has_a_row_for_every_conversion(key):
    """Eight reads want eight rows; after analog accumulation, one."""
    core = make_core(adc_bits=((8, 8, 8, 8),) * 7)
    array = core.program(jnp.ones((4, 1), int), key=key)
    with pytest.raises(SpecError, match="expected 8 rows"):
        core.matmul(array, jnp.ones((1, 4), int))
    with pytest.raises(SpecError, match="expected 8 rows"):
        core.events(4, 1, signed=False)
    once = make_core(adc_bits=((8, 8, 8, 8),), accumulate="analog")
    assert once.events(4, 1, signed=False)["conversion"] == 4 * 8 / 16


@pytest.mark.parametrize(
    ("weights", "fact"),
    [
        ([[128]], "must be -127 to 127"),
        ([[-128]], "must be -127 to 127"),
        ([[0.5]], "expected integers"),
        ([[math.nan]], "expected integers"),
        ([[math.inf]], "expected integers"),
        (np.zeros((0, 3), int), "expected a matrix"),
        (np.zeros((3, 0), int), "expected a matrix"),
        ([1, 2], "expected a matrix"),
    ],
)
def test_weights_that_pairs_of_cells_cannot_hold_are_refused(weights, fact):
    """Among them -2^(b-1), whose magnitude has a bit too many."""
    with pytest.raises(SpecError, match=fact) as caught:
        check_weights(make_core(), jnp.asarray(weights))
    assert caught.value.place == "weights"


@pytest.mark.parametrize(
    ("inputs", "signed", "x", "fact"),
    [
        (TwosComplementInputs(), False, [[-1]], "must be 0 to 255"),
        (TwosComplementInputs(), False, [[256]], "must be 0 to 255"),
        (TwosComplementInputs(), True, [[128]], "must be -128 to 127"),
        (OffsetInputs(), True, [[-129]], "must be -128 to 127"),
        (SignMagnitudeInputs(), True, [[-128]], "must be -127 to 127"),
        (TwosComplementInputs(), False, [[0.5]], "expected integers"),
        (TwosComplementInputs(), False, [[1, 2]], "expected vectors"),
    ],
)
def test_inputs_that_no_stream_can_carry_are_refused(inputs, signed, x, fact, key):
    """Out of range, of another length, or no integers."""
    core = make_core(inputs=inputs)
    array = core.program(jnp.ones((1, 1), int), key=key, signed=signed)
    with pytest.raises(SpecError, match=fact) as caught:
        check_inputs(core, array, jnp.asarray(x))
    assert caught.value.place == "x"
