"""Noise of reading: one normal number a column and read, of the variance that independent cells would bring."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cores import G_MAX, make_core
from scipy import stats

from pimsim.chip import Differential, Offset, SignMagnitudeInputs, TwosComplement, TwosComplementInputs
from pimsim.circuits import IdealAdc
from pimsim.devices import NonNegative, Reram, StuckAt
from pimsim.numerics import counter_normal, key_words

CELL = Reram(g_min=0.1 * G_MAX, g_max=G_MAX, read_noise=0.01 * G_MAX, proportional_read_noise=0.04)
VECTORS, ROWS, COLS = 4000, 30, 6
LARGEST = 5.0
"""Standard errors that the largest of a few hundred correlations may reach."""


def weights_of(seed=0):
    return np.random.default_rng(seed).integers(-127, 128, (ROWS, COLS))


def noise(core, weights, vector, key, *, signed=False, index=None):
    """What VECTORS reads of one vector are off, [vector col]."""
    array = core.program(jnp.asarray(weights), key=key, signed=signed)
    x = jnp.tile(jnp.asarray(vector), (VECTORS, 1))
    return np.asarray(core.matmul(array, x, key=key, index=index)) - vector @ weights


def variance_by_hand(core, weights, vector, signed):
    """Σ over reads, slices, polarities and rows of (what the read counts · its digit · the slice's place · σ(G))²."""
    weights, vector = weights.astype(np.int64), vector.astype(np.int64)
    if core.encoding.polarities == 2:
        stored = [np.maximum(weights, 0), np.maximum(-weights, 0)]
    elif isinstance(core.encoding, TwosComplement):
        stored = [weights & (2**core.weight_bits - 1)]
    else:
        stored = [weights + 2 ** (core.weight_bits - 1)]
    step = (core.device.g_max - core.device.g_min) / (2**core.cell_bits - 1)
    code = vector & (2**core.input_bits - 1) if signed and not core.inputs.bipolar else np.abs(vector)
    variance = np.zeros(weights.shape[1])
    for part in stored:
        place = 0
        for width in core.widths:
            level = (part >> place) & (2**width - 1)
            sigma = np.asarray(core.device.read_spread(jnp.asarray(core.device.g_min + step * level))) / step
            for stream in core.streams(signed):
                digit = (code >> stream.shift) & (2**stream.width - 1)
                variance += (2.0**place * stream.weight) ** 2 * (digit**2 @ sigma**2)
            place += width
    return variance


CASES = {
    "one bit a read": ({}, False),
    "three bits a read": ({"dac_bits": 3}, False),
    "all bits a read": ({"dac_bits": 8}, False),
    "accumulated": ({"accumulate": "analog"}, False),
    "accumulated, two bits a read": ({"accumulate": "analog", "dac_bits": 2}, False),
    "polarities apart": ({"encoding": Differential(subtraction="digital")}, False),
    "offset": ({"encoding": Offset(unit_column=False)}, False),
    "two's complement": ({"encoding": TwosComplement(), "inputs": TwosComplementInputs()}, True),
    "sign and magnitude": ({"inputs": SignMagnitudeInputs(), "dac_bits": 2}, True),
    "one slice": ({"cell_bits": 7}, False),
}


@pytest.mark.parametrize("case", CASES)
def test_a_columns_variance_is_that_of_its_cells(case, key):
    """Σ x² σ²(G) over rows, times what slices and reads count squared: within 4 standard errors, without bias."""
    fields, signed = CASES[case]
    core = make_core(**{"device": CELL, "adc": IdealAdc()} | fields)
    vector = np.random.default_rng(1).integers(-127 if signed else 0, 128, ROWS)
    error = noise(core, weights_of(), vector, key, signed=signed)
    variance = variance_by_hand(core, weights_of(), vector, signed)
    assert (np.abs(error.mean(axis=0)) < 4 * (variance / VECTORS) ** 0.5).all()
    assert (np.abs(error.var(axis=0) / variance - 1) < 4 * (2 / VECTORS) ** 0.5).all()
    assert stats.kstest((error / variance**0.5).ravel(), "norm").pvalue > 1e-3


def test_the_unit_column_is_noisy_too(key):
    """An offset core's Σx carries the noise of its column, which all weights of an array share: 2^14 times Σ x² σ²."""
    usual = {"device": replace(CELL, proportional_read_noise=0.0), "adc": IdealAdc(), "input_bits": 1}
    vector = np.ones(ROWS, int)
    with_, without = (
        noise(make_core(**usual, encoding=Offset(unit_column=unit)), weights_of(), vector, key)
        for unit in (True, False)
    )
    sigma = 0.01 / (0.9 / 3)
    columns = (1 + 16 + 256 + 4096) * ROWS * sigma**2
    unit = 128**2 * ROWS * sigma**2
    assert (np.abs(without.var(axis=0) / columns - 1) < 4 * (2 / VECTORS) ** 0.5).all()
    assert (np.abs(with_.var(axis=0) / (columns + unit) - 1) < 4 * (2 / VECTORS) ** 0.5).all()
    shared = np.cov(with_.T)[np.triu_indices(COLS, 1)]
    error = ((columns + unit) ** 2 + unit**2) ** 0.5 / VECTORS**0.5
    assert (np.abs(shared - unit) < 4 * error).all()


def test_columns_vectors_and_reads_are_independent(key):
    """Correlations of what they are off: within 5 standard errors, the largest of a hundred."""
    core = make_core(device=CELL, adc=IdealAdc(), cell_bits=7, input_bits=2)
    one, two, three = (noise(core, weights_of(), np.full(ROWS, value), key) for value in (1, 2, 3))
    unit = (three - three.mean(axis=0)) / three.std(axis=0)
    columns = unit.T @ unit / VECTORS - np.eye(COLS)
    assert np.abs(columns).max() < LARGEST / VECTORS**0.5
    for lag in (1, 2, 7, 512):
        assert np.abs(unit[lag:].T @ unit[:-lag] / VECTORS).max() < LARGEST / (VECTORS - lag) ** 0.5
    # the first read of 3 is that of 1, and the second that of 2: the same numbers, drawn under the same names
    np.testing.assert_allclose(three, one + two, atol=1e-3)
    reads = np.corrcoef(one.T, two.T)[:COLS, COLS:]
    assert np.abs(reads).max() < LARGEST / VECTORS**0.5


def test_blocks_of_rows_are_independent(key):
    """Two arrays that hold the same rows: their noises do not correlate, so their sum has twice the variance."""
    core = make_core(device=CELL, adc=IdealAdc(), cell_bits=7, input_bits=1, rows=ROWS)
    twice = np.concatenate([weights_of()] * 2)
    vector = np.ones(2 * ROWS, int)
    both = noise(core, twice, vector, key)
    half = variance_by_hand(core, weights_of(), vector[:ROWS], False)
    assert (np.abs(both.var(axis=0) / (2 * half) - 1) < 4 * (2 / VECTORS) ** 0.5).all()


def test_names_and_keys_decide_the_noise(key):
    """The same key and names repeat it; other names shift it; another key redraws it."""
    core = make_core(device=CELL, adc=IdealAdc())
    vector = np.full(ROWS, 77)
    first, again = (noise(core, weights_of(), vector, key) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    later = noise(core, weights_of(), vector, key, index=jnp.arange(5, VECTORS + 5))
    np.testing.assert_array_equal(later[:-5], first[5:])
    other = noise(core, weights_of(), vector, jax.random.key(1))
    correlation = np.corrcoef(first.T, other.T)[:COLS, COLS:]
    assert np.abs(correlation).max() < LARGEST / VECTORS**0.5


@pytest.mark.parametrize("wrap", [NonNegative, lambda cell: StuckAt(cell, 0.0, 0.0)], ids=["non-negative", "stuck-at"])
def test_wrapped_cells_read_as_noisily(wrap, key):
    """What a wrapper adds to programming leaves the noise of reading, number by number."""
    vector = np.full(ROWS, 77)
    bare, wrapped = (noise(make_core(device=d, adc=IdealAdc()), weights_of(), vector, key) for d in (CELL, wrap(CELL)))
    np.testing.assert_array_equal(bare, wrapped)


def test_no_input_no_noise(key):
    """Currents that do not flow do not fluctuate."""
    core = make_core(device=CELL, adc=IdealAdc())
    assert (noise(core, weights_of(), np.zeros(ROWS, int), key) == 0).all()


SEED = jnp.array([123456789, 987654321], jnp.uint32)


def test_numbers_named_by_indices_are_normal():
    """A million: mean, variance, third and fourth moment within 4 standard errors, and the distribution as a whole."""
    n = 1_000_000
    z = np.asarray(counter_normal(SEED, 3, jnp.arange(1000), jnp.arange(1000)), float).ravel()
    assert abs(z.mean()) < 4 / n**0.5
    assert abs(z.var() - 1) < 4 * (2 / n) ** 0.5
    assert abs((z**3).mean()) < 4 * (15 / n) ** 0.5
    assert abs((z**4).mean() - 3) < 4 * (96 / n) ** 0.5
    assert stats.kstest(z, "norm").pvalue > 1e-3
    assert abs((np.abs(z) > 4).mean() - 2 * stats.norm.sf(4)) < 4 * (2 * stats.norm.sf(4) / n) ** 0.5
    assert np.isfinite(z).all()
    assert np.abs(z).max() < 6


@pytest.mark.parametrize("axis", ["row", "col", "stream", "seed", "other-seed"])
def test_numbers_of_neighbouring_names_are_unrelated(axis):
    """Rows, columns, streams and seeds next to each other: z and z², and z and z', do not correlate."""
    rows, cols, n = jnp.arange(500), jnp.arange(500), 250_000
    z = np.asarray(counter_normal(SEED, 0, rows, cols), float)
    shifted = {
        "row": lambda: counter_normal(SEED, 0, rows + 1, cols),
        "col": lambda: counter_normal(SEED, 0, rows, cols + 1),
        "stream": lambda: counter_normal(SEED, 1, rows, cols),
        "seed": lambda: counter_normal(SEED.at[0].add(1), 0, rows, cols),
        "other-seed": lambda: counter_normal(SEED.at[1].add(1), 0, rows, cols),
    }
    other = np.asarray(shifted[axis](), float)
    assert abs((z * other).mean()) < 4 / n**0.5
    assert abs(((z**2 - 1) * (other**2 - 1)).mean()) < 4 * 2 / n**0.5
    assert abs((z * (other**2 - 1)).mean()) < 4 * 2**0.5 / n**0.5


def test_numbers_are_functions_of_their_names(key):
    """Any part of a table equals the same part of the whole, also where names are large."""
    rows = jnp.array([0, 7, 2**31 - 1, 2**20])
    table = counter_normal(key_words(key), 5, rows, jnp.arange(100))
    np.testing.assert_array_equal(table[1:3, 40:41], counter_normal(key_words(key), 5, rows[1:3], jnp.array([40])))
    assert len(np.unique(np.asarray(table))) > 395
