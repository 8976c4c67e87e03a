"""The bit-true engine: every read, slice, array and conversion of a matrix product, as the hardware plays it.

What stands between two conversions stays in the L2 cache: a chunk of vectors passes one row of arrays, one read at a
time, and the conversions are fused behind the product. Where sums are small integers they travel together: several in
one float32 word, or through 8-bit units, exactly.
"""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, UInt32

from pimsim.chip.codes import CodeCounts, count_codes, no_codes
from pimsim.chip.inputs import digits
from pimsim.chip.operands import Columns, Reads, Rules
from pimsim.circuits import AbstractAdc
from pimsim.circuits.adc import AdcErrors
from pimsim.numerics import contract, contract_in_halves, counter_normal

TILE_BYTES, UNIT_TILE_BYTES = 2**20, 2**23
"""Bytes of currents between two conversions; sums that 8-bit units make quickly are worth fewer, longer steps."""
UNIT_ROWS = 16
"""Rows that 8-bit matrix units take at a time, at least: zeros fill up the last."""
SAMPLE = 64
"""Vectors that show which reads may repeat others."""


Drive = Callable[[Array, Array], Array]
"""What digits count as, given the noise of their drivers."""
State = tuple[Array, CodeCounts | None]
"""Products so far, and codes so far."""


def bit_true(
    columns: Columns,
    code: Int[Array, "vector row"],
    index: Int[Array, " vector"],
    reads: Reads,
    rules: Rules,
    adc: AbstractAdc,
    drive: Drive,
    seed: UInt32[Array, " 2"],
    counted: Bool[Array, " vector"] | None = None,
) -> tuple[Float[Array, "vector col"], CodeCounts | None]:
    """Multiply vectors by the stored matrix, one row of arrays and one read at a time.

        y[n,c] = Σ_k Σ_b w_b Σ_p gain[k,p,c] (lo + step · ADC(Σ_r x_b[n,k,r] cells[k,r,p,c]))

    but for the constant part, lo, and the same, with input_gain, for the column that measures Σx. Where the rules say
    that conversions are uniform, `step` is left out too. `index` names each vector; with `seed` it names the
    noise of its conversions, whatever chunk it is computed in. Vectors without any input come last, and chunks of
    nothing else are not played: all of them have one answer, unless drivers or converters are noisy.

    With `counted`, all vectors are played, and the conversions of those that it names are counted by their codes.
    """
    blocks, rows, planes, cols = columns.cells.shape
    width = planes * cols // max(rules.lanes, 1)
    tile = UNIT_TILE_BYTES if rules.lanes == 0 else TILE_BYTES
    chunk = max(8, min(-(-len(code) // 8) * 8, tile // (4 * width) // 8 * 8))
    padding = -len(code) % chunk
    order, back = _driven_first(code)
    code = jnp.pad(code.astype(rules.code_type)[order], ((0, padding), (0, blocks * rows - code.shape[1])))
    index = jnp.pad(index[order], (0, padding))
    columns = columns.with_rows(-rows % UNIT_ROWS if rules.lanes == 0 else 0)
    columns = eqx.tree_at(lambda c: c.cells, columns, _packed(columns.cells, rules))
    noisy = columns.noisy or adc.thermal_noise_drawn or not rules.exact_dac
    repeated = None if noisy or not rules.uniform or counted is not None else reads.repeated(code[:SAMPLE])
    passage = _Passage(columns, reads, repeated, rules, adc, drive, seed)

    real = None if counted is None else jnp.pad(counted[order], (0, padding)).reshape(-1, chunk)
    work = code.reshape(-1, chunk, blocks, rows), index.reshape(-1, chunk), real
    if counted is not None or not rules.exact_dac or adc.thermal_noise_drawn:
        nothing = None if counted is None else no_codes(planes + (columns.units is not None), adc)
        counts, y = lax.scan(passage.of_chunk, nothing, work)
        return y.reshape(-1, cols)[back], counts
    played = jnp.minimum(len(work[0]), jnp.any(code != 0, axis=1).sum() // chunk + 1)

    def of_next(number: Array, y: Array) -> Float[Array, "chunk vector col"]:
        return y.at[number].set(passage.of_chunk(None, jax.tree.map(lambda w: w[number], work))[1])

    y = lax.fori_loop(0, played, of_next, jnp.zeros((len(work[0]), chunk, cols))).reshape(-1, cols)
    at = jnp.minimum(back, played * chunk - 1)  # where chunks are left, the last vector played has no input
    return y[at], None


class _Passage(NamedTuple):
    """What every chunk of vectors passes."""

    columns: Columns
    """With cells as operands of one product."""
    reads: Reads
    repeated: Int[Array, " read"] | None
    """The reads that others may repeat, if any may."""
    rules: Rules
    adc: AbstractAdc
    drive: Drive
    seed: UInt32[Array, " 2"]

    def of_chunk(
        self, counts: CodeCounts | None, work: tuple[Array, Array, Array | None]
    ) -> tuple[CodeCounts | None, Float[Array, "vector col"]]:
        """The products of vectors, [vector block row], with their names, and with which of them are counted."""
        vectors, names, real = work
        chunk, blocks, rows = vectors.shape
        own, different = self.reads, len(self.reads.shift)
        if self.repeated is not None:
            own, different = own.merged(vectors.reshape(chunk, -1), self.repeated)
        digital = jnp.float32 if self.rules.uniform and self.rules.narrow else jnp.float64

        def of_block(state: State, block: tuple[Columns, Array, Array]) -> tuple[State, None]:
            column, vector, number = block

            def of_read(order: Array, state: State) -> State:
                total, counts = state
                scale = jax.tree.map(lambda each: each[order], own)
                place = _Place(names, number * len(own.shift) + order, self.seed, real)
                driven = digits(vector, scale.shift, scale.mask)
                sums, counts = _read(column, driven, scale, self.rules, self.adc, self.drive, place, digital, counts)
                return total + scale.weight * sums.astype(jnp.float64), counts

            return lax.fori_loop(0, different, of_read, state), None

        filling = self.columns.cells.shape[1] - rows
        by_block = jnp.pad(vectors, ((0, 0), (0, 0), (0, filling))).swapaxes(0, 1)
        start = jnp.zeros((chunk, self.columns.gain.shape[-1]), jnp.float64), counts
        total, counts = lax.scan(of_block, start, (self.columns, by_block, jnp.arange(blocks)))[0]
        return counts, total


def _driven_first(code: Int[Array, "vector row"]) -> tuple[Int[Array, " vector"], Int[Array, " vector"]]:
    """An order in which vectors without any input come last, and where each vector is found in it."""
    driven = jnp.any(code != 0, axis=1)
    before = jnp.cumsum(driven, dtype=jnp.int32)
    place = jnp.arange(len(code), dtype=jnp.int32)
    back = jnp.where(driven, before - 1, before[-1] + place - before)
    return jnp.zeros_like(back).at[back].set(place, unique_indices=True), back


class _Place(eqx.Module):
    """Where noise is drawn: which vectors, which block and read, under which seed; and which vectors count."""

    vectors: Int[Array, " vector"]
    read: Int[Array, ""]
    seed: UInt32[Array, " 2"]
    real: Bool[Array, " vector"] | None

    def normal(self, first: int, count: int) -> Float[Array, "vector count"]:
        """Standard normal numbers of the conversions `first` …, one for each vector."""
        return counter_normal(self.seed, self.read, self.vectors, first + jnp.arange(count))


def _read(
    column: Columns,
    digit: Array,
    scale: Reads,
    rules: Rules,
    adc: AbstractAdc,
    drive: Drive,
    place: _Place,
    digital: type,
    counts: CodeCounts | None,
) -> State:
    """One read of one row of arrays: product, conversions, and the shift-and-add over planes; codes join the counts."""
    planes, cols = column.gain.shape
    row_noise = planes * cols + (0 if column.units is None else column.units.shape[1])
    if not rules.exact_dac:
        digit = drive(digit.astype(jnp.float32), place.normal(row_noise, digit.shape[1]))
    lanes = _sums(digit, column.cells, rules)
    squares = _squares(digit, rules)
    spread = None if column.variance is None else _spread(squares, column.variance, rules)
    gain = column.gain if rules.uniform else column.gain * scale.step[:, None]
    total = jnp.zeros((len(digit), cols), digital)
    per_lane = planes // len(lanes)
    for lane, sums in enumerate(lanes):
        for p in range(per_lane):
            plane = lane * per_lane + p
            current = sums[:, p * cols : (p + 1) * cols].astype(jnp.float32)
            sigma = None if spread is None else spread[:, plane * cols : (plane + 1) * cols]
            own = None if column.errors is None else jax.tree.map(lambda e, at=plane: e[at], column.errors)
            codes = _converted(current, sigma, scale, plane, own, rules, adc, place, plane * cols)
            total += gain[plane].astype(digital) * codes.astype(digital)
            used = (column.gain[plane] != 0) & (scale.codes[plane] > 1)
            counts = count_codes(counts, plane, codes, place.real, used)
    if column.units is not None:
        current = contract(digit.astype(jnp.float32), column.units)
        sigma = None if column.unit_variance is None else _spread(squares, column.unit_variance, rules)
        codes = _converted(current, sigma, scale, planes - 1, None, rules, adc, place, planes * cols)
        ones = codes[:, column.array_of_col].astype(digital)
        step = 1.0 if rules.uniform else scale.step[planes - 1]
        total += (column.input_gain * step).astype(digital) * ones
        used = jnp.zeros(codes.shape[1], bool).at[column.array_of_col].max((column.gain != 0).any(axis=0))
        counts = count_codes(counts, planes, codes, place.real, used & (scale.codes[planes - 1] > 1))
    return total, counts


def _converted(
    current: Array, sigma: Array | None, scale: Reads, plane: int, errors: AdcErrors | None, rules: Rules,
    adc: AbstractAdc, place: _Place, first: int,
) -> Float[Array, "vector col"]:  # fmt: skip
    """The codes of one plane's currents, with the noise of the cells and of the converter drawn together."""
    steps = current
    if not rules.unit_scale:
        above = current - scale.low[plane].astype(jnp.float32)
        steps = above * scale.per_step[plane] if rules.multiplies else above / scale.step[plane].astype(jnp.float32)
    if sigma is not None or adc.thermal_noise_drawn:
        relative = 0.0 if sigma is None else sigma if rules.unit_scale else sigma * scale.per_step[plane]
        both = jnp.sqrt(relative**2 + adc.thermal_noise**2) if adc.thermal_noise_drawn else relative
        steps = steps + both * place.normal(first, current.shape[1])
    if not adc.quantizes:
        return steps
    return adc.convert(steps, errors, scale.codes[plane])


def _sums(digit: Array, cells: Array, rules: Rules) -> list[Array]:
    """Column sums: a list of lanes, each [vector, plane·col]."""
    if rules.lanes == 0:
        return [lax.dot(digit.astype(jnp.int8), cells, preferred_element_type=jnp.int32)]
    word = contract(digit.astype(jnp.float32), cells)
    lanes = []
    for _ in range(rules.lanes - 1):
        rest = jnp.rint(word * (1 / rules.lane_step))
        lanes.append(word - rest * rules.lane_step)
        word = rest
    return [*lanes, word]


def _squares(digit: Array, rules: Rules) -> Float[Array, "vector row"]:
    """Squares of the voltages that bring noise: of one read, or of all that are summed, each with its weight."""
    if not rules.summed:
        return jnp.square(digit.astype(jnp.float32))
    whole = jnp.rint(digit).astype(jnp.int32)
    parts = [stream.weight * digits(whole, stream.shift, 2**stream.width - 1) for stream in rules.summed]
    return jnp.sum(jnp.square(jnp.stack(parts).astype(jnp.float32)), axis=0)


def _spread(squares: Array, variance: Array, rules: Rules) -> Float[Array, "vector conversion"]:
    """Standard deviation of column currents: the root of Σ_r x² σ²(G)."""
    product = contract_in_halves if rules.halves else contract
    return jnp.sqrt(product(squares, variance.reshape(len(variance), -1)))


def _packed(cells: Float[Array, "block row plane col"], rules: Rules) -> Array:
    """Cells as the operand of one product: 8-bit integers, or lanes of planes packed into one word."""
    blocks, rows, planes, cols = cells.shape
    if rules.lanes == 0:
        return jnp.rint(cells).astype(jnp.int8).reshape(blocks, rows, -1)
    by_lane = cells.reshape(blocks, rows, rules.lanes, planes // rules.lanes * cols)
    place = rules.lane_step ** jnp.arange(rules.lanes, dtype=jnp.float32)
    return jnp.einsum("brlc,l->brc", by_lane, place) if rules.lanes > 1 else by_lane[:, :, 0]
