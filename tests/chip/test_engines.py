"""One answer, however it is computed: proofs of exactness, lanes, chunks, the naive engine, one matrix, and moments."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cores import G_MAX, make_adc, make_core

from pimsim.chip import (
    Differential,
    Fixed,
    Maximum,
    Offset,
    OffsetInputs,
    SignMagnitudeInputs,
    TwosComplement,
    TwosComplementInputs,
    bit_true,
    reading,
)
from pimsim.chip.folded import error_moments, folds_to_integers, folds_to_one_matrix, linear, statistical
from pimsim.circuits import Dac, IdealAdc, ImperfectAdc
from pimsim.devices import Ideal, Reram
from pimsim.errors import SpecError
from pimsim.numerics import leaves_to_arrays

NOISY_CELLS = Reram(g_min=0.1 * G_MAX, g_max=G_MAX, programming_noise=0.03 * G_MAX)
NOISY_READS = replace(NOISY_CELLS, read_noise=0.02 * G_MAX, proportional_read_noise=0.03)

PROVABLE = {
    # cores whose converters are about as wide as random columns need, and whether inputs are signed
    "differential": (make_core(adc=make_adc(4), rows=8), False),
    "differential-digital": (make_core(adc=make_adc(3), encoding=Differential(subtraction="digital"), rows=8), False),
    "differential-signed": (make_core(adc=make_adc(5), inputs=SignMagnitudeInputs(), rows=8), True),
    "differential-odd": (make_core(adc=make_adc(4, sign_magnitude=True), rows=8), False),
    "offset": (make_core(adc=make_adc(4), encoding=Offset(unit_column=False), rows=8), False),
    "offset-flip": (make_core(adc=make_adc(3), encoding=Offset(column_flip=True), rows=8), True),
    "offset-accumulated": (make_core(adc=make_adc(12), encoding=Offset(), rows=8, accumulate="analog"), False),
    "twos-complement": (make_core(adc=make_adc(4), encoding=TwosComplement(), rows=8, inputs=OffsetInputs()), True),
    "fixed": (make_core(adc=make_adc(4), full_scale=Fixed(high=(12.0,), low=(-3.0,)), rows=8), False),
    "many-bits": (make_core(adc=make_adc(8), dac_bits=4, rows=8, encoding=TwosComplement()), False),
}
MATRICES = 250


def random_matrices(core, rng):
    """Matrices of 20 rows and 4 columns, from nearly empty ones to those of the largest weights alone."""
    most = 2 ** (core.weight_bits - 1) - 1
    density, size = rng.beta(0.5, 0.5, (2, MATRICES, 1, 1))
    weights = np.rint(rng.uniform(-1, 1, (MATRICES, 20, 4)) * size * most).astype(int)
    weights[rng.random(weights.shape) > density] = 0
    if core.encoding.polarities == 1:  # zero is half of the cells' range there: nearly empty means nearly -2^(b-1)
        weights = np.where(rng.random((MATRICES, 1, 1)) < 0.7, weights // 2 - (most + 1) // 2, weights)
    return weights


def hard_inputs(core, weights, signed, rng):
    """Vectors at the ends of the range, those that drive each column's sums furthest apart, and random ones."""
    bits = core.input_bits
    low = -(2 ** (bits - 1)) + core.inputs.bipolar if signed else 0
    high = 2 ** (bits - signed) - 1
    driven = [np.where(sign * weights.T > 0, high, low) for sign in (1, -1)]
    ends = np.array([[low], [high], [-1 if signed else high]]).repeat(20, axis=1)
    return np.concatenate([ends, *driven, rng.integers(low, high, (5, 20), endpoint=True)])


@pytest.mark.parametrize("name", PROVABLE)
def test_what_is_proved_to_fold_is_the_integer_product(name, key):
    """Of 250 matrices for each of ten cores, those that `auto` folds come out of the bit-true engine exact, on inputs
    made to overflow them; the proof holds for some of them, and of the others some do overflow."""
    core, signed = PROVABLE[name]
    rng = np.random.default_rng(sorted(PROVABLE).index(name))
    ranges = core.ranges(core.cuts(20, 4).rows, signed)
    proved, exact = [], []
    for weights in random_matrices(core, rng):
        x = hard_inputs(core, weights, signed, rng)
        array = core.program(jnp.asarray(weights), key=key, signed=signed)
        exact.append(bool((np.asarray(core.matmul(array, jnp.asarray(x))) == x @ weights).all()))
        proved.append(folds_to_integers(core, weights, signed, ranges))
    proved, exact = np.array(proved), np.array(exact)
    assert exact[proved].all()
    assert 0.02 * MATRICES < proved.sum() < 0.98 * MATRICES
    assert not exact[~proved].all()


@pytest.mark.parametrize(
    "changes",
    [
        {"device": NOISY_CELLS},
        {"device": Reram(g_min=0.0, g_max=G_MAX, read_noise=1e-9)},
        {"adc": ImperfectAdc(adc=make_adc(16), noise=0.1)},
        {"adc": IdealAdc()},
        {"dac": Dac(bits=1, rate=1.0, power=0.0, area=0.0, noise=0.1)},
        {"full_scale": Maximum(), "adc": make_adc(6)},
        {"full_scale": Fixed(high=(65535.5,), low=(0.5,))},
        {"adc_bits": ((16,) * 4,) * 8},
        {"encoding": Offset(), "pedestal": "kept", "device": Ideal(g_min=0.1 * G_MAX, g_max=G_MAX)},
        {"encoding": Offset(), "pedestal": "digital", "device": Ideal(g_min=0.1 * G_MAX, g_max=G_MAX)},
    ],
    ids=lambda changes: "+".join(changes),
)
def test_nothing_folds_that_is_random_or_rounds(changes):
    """Inexact cells, reads, drivers and converters, ranges without a code for each level, pedestals in the way."""
    core = make_core(**changes)
    weights = np.ones((5, 3), int)
    assert folds_to_integers(make_core(), weights, False, make_core().ranges(5, False))
    assert not folds_to_integers(core, weights, False, core.ranges(5, False))


def test_a_read_that_repeats_another_is_played_once_with_the_same_result(key):
    """17 · v has each of its digits twice. A vector that differs makes all reads of its chunk be played."""
    core = make_core(
        adc=make_adc(6), device=Reram(2e-6, 200e-6, programming_noise=3e-6), full_scale=Fixed(high=(63.0,))
    )
    rng = np.random.default_rng(0)
    weights, x = rng.integers(-127, 128, (40, 9)), 17 * rng.integers(0, 16, (100, 40))
    other = np.concatenate([x, rng.integers(0, 256, (1, 40))])
    array = core.program(jnp.asarray(weights), key=key)
    assert array.ranges.uniform
    reads = reading.reads_of(core, core.conversions(False), array)
    first = reads.repeated(jnp.asarray(x[:4]))
    for code, count in ((x, 4), (other, 8)):
        merged, different = reads.merged(jnp.asarray(code), first)
        assert different == count
        assert merged.weight[:count].sum() == 255
    y = np.asarray(core.matmul(array, jnp.asarray(x)))
    np.testing.assert_array_equal(y, np.asarray(core.matmul(array, jnp.asarray(other)))[:-1])
    np.testing.assert_array_equal(y, naive_matmul(core, array, jnp.asarray(x)))


LANES = {
    "differential": make_core(adc=make_adc(7), full_scale=Maximum()),
    "fixed": make_core(adc=make_adc(5), full_scale=Fixed(high=(13.7, 21.0, 9.0, 55.5), low=(-3.1,))),
    "digital": make_core(adc=make_adc(6), encoding=Differential(subtraction="digital"), full_scale=Maximum()),
    "unit": make_core(adc=make_adc(6), encoding=Offset(column_flip=True), dac_bits=2),
    "table": make_core(adc=make_adc(8), adc_bits=((3, 8, 0, 5),) * 8, full_scale=Maximum()),
}


@pytest.mark.parametrize("name", LANES)
def test_sums_travel_by_any_way_with_the_same_result(name, key, monkeypatch):
    """Through 8-bit units, several to a float32 word, or each by itself: clipped and added to the same bits."""
    core = LANES[name]
    rng = np.random.default_rng(0)
    weights, x = rng.integers(-127, 128, (300, 9)), rng.integers(0, 256, (17, 300))
    ways, rules_of = {}, reading.rules_of
    for way, units, edit in (
        ("bytes", True, lambda rules: rules),
        ("packed", False, lambda rules: rules),
        ("plain", False, lambda rules: replace(rules, lanes=1, lane_step=1)),
        ("divided", False, lambda rules: replace(rules, multiplies=False)),
        ("wide", False, lambda rules: replace(rules, narrow=False, uniform=rules.uniform)),
    ):
        seen = []

        def spied(*args, edit=edit, seen=seen):
            seen.append(edit(rules_of(*args)))
            return seen[-1]

        monkeypatch.setattr(reading, "has_matrix_units", lambda units=units: units)
        monkeypatch.setattr(reading, "rules_of", spied)
        anew = replace(core, description=way)  # a static field: the engine compiles anew
        array = anew.program(jnp.asarray(weights), key=key)
        ways[way] = np.asarray(anew.matmul(array, jnp.asarray(x)), float)
        lanes = seen[0].lanes
        assert lanes == 0 if way == "bytes" else lanes == 1 if way == "plain" else lanes >= 1
        if way == "packed" and name == "differential":
            assert lanes == 2
    for y in ways.values():
        np.testing.assert_array_equal(y, ways["plain"])
    assert (ways["plain"] != x @ weights).any()


IDLE = {
    "exact": make_core(adc=make_adc(7), full_scale=Maximum()),
    "low": make_core(adc=make_adc(5), full_scale=Fixed(high=(20.3,), low=(-3.1,))),
    "unit": make_core(adc=make_adc(6), encoding=Offset(), device=NOISY_CELLS),
    "signed": make_core(inputs=SignMagnitudeInputs(), device=NOISY_READS),
    "offset": make_core(inputs=OffsetInputs(), adc=make_adc(6), full_scale=Maximum()),
    "converters": make_core(adc=ImperfectAdc(adc=make_adc(8), offset_sigma=3.0)),
    "thermal": make_core(adc=ImperfectAdc(adc=make_adc(8), noise=0.7)),
    "drivers": make_core(dac=Dac(bits=1, rate=1.0, power=0.0, area=0.0, noise=0.1)),
}


@pytest.mark.parametrize("name", IDLE)
def test_vectors_without_input_are_answered_as_if_played(name, key, monkeypatch):
    """Chunks of nothing but zeros are not played; every vector gets what it gets alone, to the bit, wherever it is."""
    core, signed = IDLE[name], name in ("signed", "offset")
    monkeypatch.setattr(bit_true, "TILE_BYTES", 2**12)
    monkeypatch.setattr(bit_true, "UNIT_TILE_BYTES", 2**12)
    rng = np.random.default_rng(0)
    weights, x = rng.integers(-127, 128, (40, 5)), rng.integers(-127 if signed else 0, 128, (90, 40))
    x[rng.random(90) < 0.7] = 0
    array = core.program(jnp.asarray(weights), key=key, signed=signed)
    together = np.asarray(core.matmul(array, jnp.asarray(x), key=key))
    for n in (*np.flatnonzero(x.any(axis=1))[:3], *np.flatnonzero(~x.any(axis=1))[[0, 1, -1]]):
        alone = core.matmul(array, jnp.asarray(x[n : n + 1]), key=key, index=jnp.array([n]))
        np.testing.assert_array_equal(together[n], alone[0])


def naive_matmul(core, array, x):
    path = Path(__file__).parents[2] / "benchmarks" / "naive.py"
    spec = importlib.util.spec_from_file_location("naive", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return np.asarray(module.naive_matmul(core, array, x))


@pytest.mark.parametrize("device", [Ideal(g_min=0.0, g_max=G_MAX), NOISY_CELLS], ids=["exact", "noisy"])
@pytest.mark.parametrize("encoding", [Differential(), Offset(), Offset(unit_column=False)], ids=repr)
def test_the_engine_plays_what_one_einsum_plays(encoding, device, key):
    """Programming noise and clipping included; with steps of a power of two, so that none hangs on a division."""
    both = encoding.polarities == 2
    scale = Fixed(high=(255.0,), low=(-255.0 if both else -1.0,))
    adc = make_adc(8, sign_magnitude=both)
    core = make_core(encoding=encoding, device=device, adc=adc, full_scale=scale)
    rng = np.random.default_rng(0)
    weights, x = rng.integers(-127, 128, (300, 9)), rng.integers(0, 256, (40, 300))
    array = core.program(jnp.asarray(weights), key=key)
    y = np.asarray(core.matmul(array, jnp.asarray(x)), float)
    np.testing.assert_allclose(y, naive_matmul(core, array, x), rtol=1e-12, atol=1e-6)
    assert (y != x @ weights).any()


@pytest.mark.parametrize("accumulate", ["digital", "analog"])
def test_noise_belongs_to_vectors_not_to_chunks(accumulate, key, monkeypatch):
    """With programming and read noise: batches, names of vectors, and the size of a tile of memory change no bit."""
    adc = make_adc(8, sign_magnitude=True)
    core = make_core(device=NOISY_READS, adc=adc, full_scale=Maximum(), accumulate=accumulate)
    rng = np.random.default_rng(0)
    array = core.program(jnp.asarray(rng.integers(-127, 128, (200, 9))), key=key)
    x = jnp.asarray(rng.integers(0, 256, (48, 200)))
    together = np.asarray(core.matmul(array, x, key=key))
    for batch in (8, 24):
        parts = [
            core.matmul(array, x[at : at + batch], key=key, index=jnp.arange(at, at + batch))
            for at in range(0, 48, batch)
        ]
        np.testing.assert_array_equal(np.concatenate(parts), together)
    order = rng.permutation(48)
    np.testing.assert_array_equal(core.matmul(array, x[order], key=key, index=jnp.asarray(order)), together[order])
    monkeypatch.setattr(bit_true, "TILE_BYTES", 1)
    anew = replace(core, description="small tiles")
    np.testing.assert_array_equal(anew.matmul(array, x, key=key), together)
    assert (core.matmul(array, x, key=jax.random.key(1)) != together).any()
    assert (np.asarray(core.matmul(array, x, key=key, index=jnp.arange(1, 49))) != together).any()


LINEAR = {
    "differential": ({}, False),
    "sign-magnitude": ({"inputs": SignMagnitudeInputs(), "encoding": Differential(subtraction="digital")}, True),
    "twos-complement": ({"inputs": TwosComplementInputs(), "encoding": TwosComplement()}, True),
    "offset-inputs": ({"inputs": OffsetInputs(), "encoding": Offset(unit_column=False, column_flip=True)}, True),
    "unit-column": ({"encoding": Offset(unit_cell_level=2), "dac_bits": 2}, False),
    "accumulated": ({"encoding": Offset(), "accumulate": "analog"}, False),
    "pedestal-digital": ({"encoding": Offset(unit_column=False), "pedestal": "digital"}, False),
    "pedestal-kept": ({"encoding": Offset(unit_column=False), "pedestal": "kept"}, False),
}


@pytest.mark.parametrize("name", LINEAR)
def test_without_conversions_the_product_is_one_matrix(name, key):
    """Noisy cells, all slices and reads: one real matrix gives what the bit-true engine gives, to 1e-12."""
    fields, signed = LINEAR[name]
    core = make_core(**{"device": NOISY_CELLS, "adc": IdealAdc()} | fields)
    rng = np.random.default_rng(0)
    weights, x = rng.integers(-127, 128, (200, 9)), rng.integers(-127 if signed else 0, 128, (24, 200))
    array = core.program(jnp.asarray(weights), key=key, signed=signed)
    assert folds_to_one_matrix(core)
    y = np.asarray(core.matmul(array, jnp.asarray(x)))
    one = np.asarray(linear(leaves_to_arrays(core), core.traits, array, jnp.asarray(x)))
    np.testing.assert_allclose(one, y, rtol=0, atol=1e-12 * np.abs(y).max())


def test_the_statistical_engine_has_the_moments_it_measured(key):
    """On 4000 vectors, mean and spread of every column's error are the measured ones within 4 standard errors; columns
    and vectors are independent; and the moments are those of the bit-true engine's errors."""
    core = make_core(device=NOISY_CELLS, adc=make_adc(6, sign_magnitude=True), full_scale=Maximum())
    rng = np.random.default_rng(0)
    weights = jnp.asarray(rng.integers(-127, 128, (100, 8)))
    sample, x = (jnp.asarray(rng.integers(0, 256, (count, 100))) for count in (256, 4000))
    array = core.program(weights, key=key)
    moments = error_moments(leaves_to_arrays(core), core.traits, array, weights, sample, key)
    error = np.asarray(core.matmul(array, sample)) - np.asarray(sample @ weights)
    np.testing.assert_allclose(moments.mean, error.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(moments.spread, error.std(axis=0), rtol=1e-9)
    drawn = np.asarray(statistical(moments, weights, x, False, key, jnp.arange(4000))) - np.asarray(x @ weights)
    spread = np.asarray(moments.spread)
    assert (np.abs(drawn.mean(axis=0) - moments.mean) < 4 * spread / 4000**0.5).all()
    assert (np.abs(drawn.std(axis=0) - spread) < 4 * spread / 8000**0.5).all()
    unit = (drawn - np.asarray(moments.mean)) / spread
    assert np.abs(np.corrcoef(unit.T) - np.eye(8)).max() < 4 / 4000**0.5
    some = statistical(moments, weights, x[7:9], False, key, jnp.arange(7, 9)) - x[7:9] @ weights
    np.testing.assert_allclose(some, drawn[7:9], rtol=1e-9)


def test_reading_with_noise_takes_a_key(key):
    """From cells, drivers and converters alike; without noise none is needed."""
    quiet = make_core()
    for changes in (
        {"device": NOISY_READS},
        {"dac": replace(quiet.dac, noise=0.1)},
        {"adc": ImperfectAdc(adc=make_adc(4), noise=0.1)},
    ):
        core = replace(quiet, **changes)
        array = core.program(jnp.ones((4, 2), int), key=key)
        with pytest.raises(SpecError, match="needs a key"):
            core.matmul(array, jnp.ones((1, 4), int))
    quiet.matmul(quiet.program(jnp.ones((4, 2), int), key=key), jnp.ones((1, 4), int))
