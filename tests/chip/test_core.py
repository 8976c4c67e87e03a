"""The ISAAC core against integer arithmetic, and against a core played by hand."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import in_levels, play

from pimsim import load_chip
from pimsim.chip import bit_true
from pimsim.errors import SpecError

SHAPES = [(1, 1), (128, 16), (129, 17), (700, 300)]
WEIGHT_RANGE = (-(2**15), 2**15 - 1)


def input_range(bits, signed):
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def multiply(core, weights, x, key, signed):
    array = core.program(jnp.asarray(weights), key=key, signed=signed)
    return np.asarray(core.matmul(array, jnp.asarray(x)))


def extreme_inputs(rows, low, high, rng):
    """Eight vectors: all zero, all at either end, ends alternating, a single one, and three at random."""
    alternating = np.where(np.arange(rows) % 2, low, high)
    single = np.eye(1, rows, rows - 1, dtype=int)[0] * high
    fixed = [np.zeros(rows, int), np.full(rows, low), np.full(rows, high), alternating, single]
    return np.concatenate([fixed, rng.integers(low, high, (3, rows), endpoint=True)])


def extreme_weights(shape, low, high, rng):
    """Matrices at the ends of the range, one within a step of the top, and one at random."""
    checkers = np.indices(shape).sum(axis=0) % 2
    yield from (np.full(shape, low), np.full(shape, high), np.where(checkers, low, high), np.zeros(shape, int))
    yield np.where(np.arange(shape[1]) % 2, low, high) * np.ones(shape, int)
    yield rng.integers(max(low, high - 1), high, shape, endpoint=True)
    yield rng.integers(low, high, shape, endpoint=True)


@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_isaac_core_is_an_integer_product(isaac, key, shape, signed):
    """With exact cells, 8-bit conversions and column flip, analog equals digital bit for bit, at every extreme."""
    rng = np.random.default_rng(shape)
    x = extreme_inputs(shape[0], *input_range(16, signed), rng)
    for weights in extreme_weights(shape, *WEIGHT_RANGE, rng):
        np.testing.assert_array_equal(multiply(isaac.core, weights, x, key, signed), x @ weights)


@st.composite
def matrices(draw):
    """A shape of few, weights from a palette of few values or from all, and inputs likewise."""

    def filled(shape, low, high):
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        number = st.one_of(st.sampled_from([low, high]), st.integers(low, high))
        palette = draw(st.one_of(st.none(), st.lists(number, min_size=1, max_size=4)))
        return rng.integers(low, high, shape, endpoint=True) if palette is None else rng.choice(palette, shape)

    rows, cols = draw(st.sampled_from([(1, 1), (128, 16), (129, 17)]))
    signed = draw(st.booleans())
    return filled((rows, cols), *WEIGHT_RANGE), filled((8, rows), *input_range(16, signed)), signed


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(case=matrices())
def test_any_weights_and_inputs_multiply_exactly(isaac, key, case):
    """The noise-free core is the integer product for any 16-bit weights and inputs, sparse, constant or random."""
    weights, x, signed = case
    np.testing.assert_array_equal(multiply(isaac.core, weights, x, key, signed), x @ weights)


@pytest.mark.parametrize(
    ("bits", "flip", "exact"), [(8, True, True), (7, True, False), (9, False, True), (8, False, False)]
)
def test_column_flip_saves_exactly_one_bit_of_the_adc(key, bits, flip, exact):
    """128 cells of 2 bits sum to 384, which takes 9 bits; flip halves it, to 8, and a bit less than that is lossy.

    The adversary: every cell at its highest level (or, for 7 bits, the unit column's 128), every input at its largest.
    """
    core = load_chip("isaac-ce", {"core.adc.bits": bits, "core.encoding.column_flip": flip}).core
    x = np.full((8, 128), 2**16 - 1)
    weights = np.full((128, 16), 2**15 - 1)
    y = multiply(core, weights, x, key, signed=False)
    assert (y == x @ weights).all() == exact
    dense = np.random.default_rng(0).integers(*WEIGHT_RANGE, (128, 16), endpoint=True)
    x = np.random.default_rng(1).integers(2**15, 2**16, (8, 128))
    assert (multiply(core, dense, x, key, signed=False) == x @ dense).all() or not exact


def test_a_seven_bit_adc_is_wrong_on_dense_random_inputs_too(key):
    """Not the adversary alone: for random weights, inputs of many ones overflow 7 bits in most results."""
    core = load_chip("isaac-ce", {"core.adc.bits": 7}).core
    rng = np.random.default_rng(0)
    weights, x = rng.integers(*WEIGHT_RANGE, (128, 16)), rng.integers(2**15, 2**16, (8, 128)) | 0x5555
    assert (multiply(core, weights, x, key, signed=False) != x @ weights).mean() > 0.5


CODES = [
    # weight, input, cell and DAC bits; signed inputs, unit column, column flip
    (16, 16, 2, 1, True, False, True),
    (16, 16, 4, 4, True, True, True),
    (16, 5, 1, 2, False, True, False),
    (13, 16, 3, 1, False, False, True),
    (11, 1, 4, 1, False, True, True),
    (8, 8, 1, 1, True, False, False),
    (8, 8, 4, 2, False, False, True),
    (7, 2, 2, 2, True, True, False),
    (5, 13, 3, 4, True, False, True),
    (3, 3, 2, 2, False, True, True),
    (2, 10, 4, 1, True, True, True),
    (1, 7, 1, 4, False, True, False),
]


@pytest.mark.parametrize(("weight", "inputs", "cell", "dac", "signed", "unit", "flip"), CODES)
def test_any_number_of_bits_is_exact_with_enough_adc_bits(key, weight, inputs, cell, dac, signed, unit, flip):
    """Weights of 1 to 16 bits in cells of 1 to 4, inputs of 1 to 16 bits at 1, 2 or 4 a cycle, Σx analog or digital.

    Enough is ⌈log2(largest sum + 1)⌉, for a sum of 40 rows at the top level times the largest input of a cycle, and
    with flip one less, unless the unit column, which sums to as many inputs, asks for more.
    """
    widest = 2 ** min(dac, inputs - signed) - 1
    bits = int(40 * (2**cell - 1) * widest).bit_length() - flip
    if unit:
        bits = max(bits, (40 * widest).bit_length())
    core = load_chip("isaac-ce", {
        "core.rows": 40, "core.columns": 32, "core.columns_per_adc": 32, "core.weight_bits": weight,
        "core.input_bits": inputs, "core.cell_bits": cell, "core.dac.bits": dac, "core.adc.bits": bits,
        "core.encoding.unit_column": unit, "core.encoding.column_flip": flip,
    }).core  # fmt: skip
    rng = np.random.default_rng(CODES.index((weight, inputs, cell, dac, signed, unit, flip)))
    x = extreme_inputs(77, *input_range(inputs, signed), rng)
    for weights in extreme_weights((77, 5), -(2 ** (weight - 1)), 2 ** (weight - 1) - 1, rng):
        np.testing.assert_array_equal(multiply(core, weights, x, key, signed), x @ weights)


@pytest.mark.parametrize("on_off", [1.05, 2.0, 1e9])
def test_no_ratio_of_conductances_costs_exactness(isaac, key, on_off):
    """What the reference column removes leaves the levels, whether g_min is nearly g_max or nearly nothing."""
    device = replace(isaac.core.device, g_min=1e-6, g_max=on_off * 1e-6)
    core = replace(isaac.core, device=device)
    rng = np.random.default_rng(0)
    weights = rng.integers(*WEIGHT_RANGE, (128, 16), endpoint=True)
    x = extreme_inputs(128, *input_range(16, False), rng)
    np.testing.assert_array_equal(multiply(core, weights, x, key, signed=False), x @ weights)


NOISY = [
    ({}, (129, 17), False),
    ({}, (129, 17), True),
    ({"core.encoding.unit_column": False, "core.encoding.column_flip": False}, (40, 20), True),
    ({"core.dac.bits": 2, "core.cell_bits": 3, "core.adc.bits": 11, "core.pedestal": "kept"}, (40, 20), False),
]


@pytest.mark.parametrize(("changes", "shape", "signed"), NOISY)
def test_the_engine_plays_what_a_plain_loop_plays(key, changes, shape, signed):
    """With cells off their levels, some stuck, every conversion of the engine is that of the loop: bit for bit."""
    cell = {"model": "Reram", "g_min": "0.5 uS", "g_max": "500 uS", "programming_noise": "40 uS"}
    device = {"model": "StuckAt", "device": cell, "hrs_rate": 0.05, "lrs_rate": 0.05}
    core = load_chip("isaac-ce", {"core.device": device} | changes).core
    rng = np.random.default_rng(0)
    weights = rng.integers(*WEIGHT_RANGE, shape, endpoint=True)
    x = extreme_inputs(shape[0], *input_range(16, signed), rng)
    array = core.program(jnp.asarray(weights), key=key, signed=signed)
    y = np.asarray(core.matmul(array, jnp.asarray(x)))
    assert (y != x @ weights).mean() > 0.5
    np.testing.assert_array_equal(y, play(core, array, weights, x, signed=signed))


def test_exact_cells_hold_the_slices_of_the_offset_weight(isaac, key):
    """The programmed levels are the 2-bit digits of W + 2^15, or all their complements in a column, and unit cells."""
    rng = np.random.default_rng(0)
    weights = rng.integers(*WEIGHT_RANGE, (128, 16), endpoint=True)
    array = isaac.core.program(jnp.asarray(weights), key=key)
    levels = in_levels(isaac.core, array.cells, 128, signed=False)[0, 0]
    digits = (weights[..., None] + 2**15) >> (2 * np.arange(8)) & 3
    plain, complement = (levels == digits).all(axis=0), (levels == 3 - digits).all(axis=0)
    assert (plain | complement).all()
    assert (digits.sum(axis=0)[complement] >= 256).all()
    assert (levels.sum(axis=0) <= 255).all()
    assert (in_levels(isaac.core, array.units, 128, signed=False) == 1).all()


@pytest.fixture(scope="module")
def noisy():
    return load_chip("isaac-ce", {"core.device.programming_noise": "25 uS"}).core


def test_batch_and_chunk_change_no_bit(noisy, key, monkeypatch):
    """However many vectors go together, and however few share a tile of memory, each result is the same to the bit."""
    rng = np.random.default_rng(0)
    array = noisy.program(jnp.asarray(rng.integers(*WEIGHT_RANGE, (129, 17))), key=key)
    x = jnp.asarray(rng.integers(0, 2**16, (72, 129)))
    together = np.asarray(noisy.matmul(array, x))
    for batch in (1, 5, 64):
        parts = [noisy.matmul(array, x[i : i + batch]) for i in range(0, 72, batch)][: 72 // batch]
        np.testing.assert_array_equal(np.concatenate(parts), together[: batch * len(parts)])
    for tile_bytes in (1, 2**14, 2**30):
        monkeypatch.setattr(bit_true, "TILE_BYTES", tile_bytes)
        anew = replace(noisy, description=f"{tile_bytes} B")  # a static field: the engine compiles anew
        np.testing.assert_array_equal(anew.matmul(array, x), together)
    order = rng.permutation(72)
    np.testing.assert_array_equal(noisy.matmul(array, x[order]), together[order])


def test_a_key_fixes_every_cell_and_each_array_has_its_own(noisy, key):
    """The same key programs the same bits; another key, and another array of the same matrix, have other errors."""
    weights = jnp.tile(jnp.arange(-64, 64)[:, None] * 256, (2, 32))
    once, again, other = (noisy.program(weights, key=k) for k in (key, key, jax.random.key(1)))
    assert (once.cells == again.cells).all()
    assert (once.units == again.units).all()
    assert (once.cells != other.cells).mean() > 0.99
    arrays = np.asarray(once.cells).reshape(4, -1)
    assert all((arrays[i] != arrays[j]).mean() > 0.99 for i in range(4) for j in range(i))


def test_blocks_without_an_array_contribute_nothing(noisy, key):
    """What is not occupied is zero, and what is occupied is programmed as if the rest were."""
    rng = np.random.default_rng(0)
    weights = rng.integers(*WEIGHT_RANGE, (256, 32))
    x = jnp.asarray(rng.integers(0, 2**16, (8, 256)))
    mask = np.array([[True, False], [False, True]])
    y = noisy.matmul(noisy.program(jnp.asarray(weights), key=key, occupied=jnp.asarray(mask)), x)
    full = noisy.program(jnp.asarray(weights), key=key)
    top, bottom = (noisy.matmul(full, x.at[:, rows].set(0)) for rows in (slice(128, 256), slice(0, 128)))
    np.testing.assert_array_equal(y[:, :16], top[:, :16])
    np.testing.assert_array_equal(y[:, 16:], bottom[:, 16:])


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("signed", [False, True])
def test_streams_add_up_to_the_input(isaac, bits, signed):
    """Σ weight · ((x >> shift) & (2^width - 1)) is x, for every x that the input bits can write."""
    core = replace(isaac.core, input_bits=7, dac=replace(isaac.core.dac, bits=bits))
    x = np.arange(*input_range(7, signed))
    total = sum(s.weight * ((x >> s.shift) & (2**s.width - 1)) for s in core.streams(signed))
    np.testing.assert_array_equal(total, x)
    assert core.latency(signed=signed).interval == len(core.streams(signed))


@pytest.mark.parametrize("rows", [1, 127, 128, 129, 256, 700])
@pytest.mark.parametrize("cols", [1, 16, 17, 300])
def test_cuts_cover_a_matrix_with_the_fewest_arrays(isaac, rows, cols):
    """No block exceeds an array, none is empty, and one array fewer in either direction would not hold the matrix."""
    blocks, height, arrays, width = isaac.core.cuts(rows, cols)
    assert height <= 128
    assert width <= 16
    assert (blocks - 1) * height < rows <= blocks * height
    assert (arrays - 1) * width < cols <= arrays * width
    assert (blocks - 1) * 128 < rows
    assert (arrays - 1) * 16 < cols


@pytest.mark.parametrize(
    ("weights", "fact"),
    [
        (jnp.array([[2**15]]), "must be -32768 to 32767"),
        (jnp.array([[-(2**15) - 1]]), "must be -32768 to 32767"),
        (jnp.zeros((0, 3), int), "expected a matrix"),
        (jnp.zeros((3, 0), int), "expected a matrix"),
    ],
)
def test_weights_that_no_cell_can_hold_are_refused(isaac, key, weights, fact):
    with pytest.raises(SpecError, match=fact) as caught:
        isaac.core.program(weights, key=key)
    assert caught.value.place == "weights"


@pytest.mark.parametrize("rows", [127, 129, 130])
def test_vectors_of_another_length_than_the_matrix_are_refused(isaac, key, rows):
    """Too short would read as padded with zeros, too long as cut off."""
    array = isaac.core.program(jnp.ones((128 if rows != 130 else 129, 2), int), key=key)
    with pytest.raises(SpecError, match="expected vectors"):
        isaac.core.matmul(array, jnp.ones((3, rows), int))


@pytest.mark.parametrize(
    ("path", "value"),
    [("core.weight_bits", 0), ("core.weight_bits", 17), ("core.input_bits", 0), ("core.cell_bits", 9),
     ("core.rows", 0), ("core.columns", 7), ("core.columns_per_adc", 129), ("core.adc.bits", 0), ("core.dac.bits", 17),
     ("core.cycle", "0 s"), ("core.arrays", -1), ("tile.cores", 0), ("mesh_rows", 0)],
)  # fmt: skip
def test_impossible_sizes_are_refused_by_name(path, value):
    """A SpecError's place is the path that cannot be meant."""
    with pytest.raises(SpecError) as caught:
        load_chip("isaac-ce", {path: value})
    assert path in str(caught.value)
