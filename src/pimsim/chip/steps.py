"""Vectors whose steps do not overlap: stored, fetched, multiplied, written, sent, one after the other."""

from math import ceil, log2
from typing import NamedTuple

from pimsim.chip.core import Line
from pimsim.chip.crossbar import CrossbarCore
from pimsim.circuits import AbstractBuffer, AbstractUnit
from pimsim.errors import require, require_positive
from pimsim.spec import AbstractSpec
from pimsim.units import Bandwidth, Time


class Share(NamedTuple):
    """What one vector of a layer is to the busiest of the tiles that work for it, in values, and where these are."""

    arriving: float
    """New to a core's buffer, or to the tile's where no core works."""
    fetched: float
    """Taken out of it: what the core's registers do not hold from the vector before."""
    rows: int
    cols: int
    """Of the largest block of the layer's matrix; of other layers cols is what they write."""
    cores: int
    """At work in a tile; 0 where there is no matrix."""
    tiles: int
    width: int
    """Results of the layer."""
    within: int
    """Links from the tile that gathers the layer's results to the farthest tile of the layer."""
    onward: int
    """Links from it to the farthest tile that needs them."""


class Words(NamedTuple):
    """Accesses to memory for one vector, each of one word, one after the other."""

    stored: int
    fetched: int
    written: int
    sent: int


class StoreAndForward(AbstractSpec):
    """A vector is stored in the buffers of the cores, fetched, multiplied, written to the buffer of the tile and sent.

        t = words · t_word + turns · t_core + clocks · t_clock + bits within the tile / B_tile
            + within (t_clock + bits of a tile / B_mesh) + onward · bits of the layer / B_mesh

    The next vector of the layer follows when this one has left. The core's `cycle` is the time of a turn, a word takes
    the latency of its buffer, and the results of two layers are added at `accumulator`. This is how MNSIM 2.0 (Zhu et
    al., IEEE TCAD 2023) has a pixel pass.
    """

    buffer: AbstractBuffer
    """Of the inputs of one core; `tile.buffer` holds results."""
    word_bits: int
    """That one access moves."""
    clock: Time
    """Of registers and of the adders that merge the results of cores."""
    tile_bandwidth: Bandwidth
    """Between the cores of a tile and its buffer."""
    mesh_bandwidth: Bandwidth
    """Of a link between tiles."""
    accumulator: tuple[int, int]
    """(row, col) on the mesh where results of layers are added."""
    add_time: Time
    """Of such an addition."""
    merged: bool = True
    """Whether a tile writes and sends the sums of its cores, or what each of its cores made, as MNSIM 2.0 has it."""
    gated: bool = True
    """Whether a buffer draws power for its own accesses, or, as in MNSIM 2.0, whenever one of the tile's is at work."""
    sums_charged: bool = True
    """Whether additions of results take energy, which MNSIM 2.0 leaves out of its totals."""

    def __check_init__(self):
        require("word_bits", self.word_bits, 1, 65536)
        for field, unit in (("clock", "s"), ("tile_bandwidth", "bit/s"), ("mesh_bandwidth", "bit/s")):
            require_positive(field, getattr(self, field), unit)
        require("add_time", self.add_time, 0)

    def bill(self, cores: int) -> list[Line]:
        """The components of one tile."""
        return [Line("input_buffer", "input_buffer_bit", cores, self.buffer.cost())]

    def words(self, share: Share, core: CrossbarCore) -> Words:
        """Accesses for one vector; results are as wide as the sums of conversions, and the network's once sent."""
        makers = 1 if self.merged else max(1, share.cores)
        made = core.adc.bits + merges(share) if share.cores else core.input_bits
        bits = (share.arriving * core.input_bits, share.fetched * core.input_bits,
                share.cols * makers * made, share.cols * makers * core.input_bits)  # fmt: skip
        return Words(*(ceil(each / self.word_bits - 1e-9) for each in bits))

    def matrix_time(self, share: Share, core: CrossbarCore, results: AbstractBuffer, signed: bool) -> Time:
        """From the arrival of a vector until its result has left."""
        of_rows, of_cols = core.layout.turns(share.rows, share.cols) if core.layout else (1, 1)
        levels = merges(share)
        turns = len(core.streams(signed)) * of_rows * of_cols
        clocks = (of_rows + 1) * of_cols + levels  # a register is filled in each turn, emptied in each of the columns
        inside = share.cols * (levels * core.adc.bits + levels * (levels - 1) / 2)
        gathered = share.cols * core.input_bits * (1 if self.merged else share.cores)
        return (
            self._access(self.words(share, core), results)
            + turns * core.cycle
            + clocks * self.clock
            + inside / self.tile_bandwidth
            + share.within * (self.clock + gathered / self.mesh_bandwidth)
            + self._onward(share, core)
        )

    def pool_time(self, share: Share, core: CrossbarCore, results: AbstractBuffer, pool: AbstractUnit) -> Time:
        """Of one vector of windows, of which the pool's units take one each at a time."""
        pooling = ceil(share.width / pool.number) * pool.cost().latency
        return self._access(self.words(share, core), results) + pooling + self._onward(share, core)

    def sum_time(self, share: Share, core: CrossbarCore, results: AbstractBuffer) -> Time:
        """Of one vector of sums: what is added is stored and fetched."""
        return self._access(self.words(share, core), results) + self.add_time + self._onward(share, core)

    def buffer_events(self, share: Share, core: CrossbarCore) -> dict[str, float]:
        """Bits that all tiles of a layer move in their buffers for one vector."""
        words = self.words(share, core)
        inputs, results = words.stored + words.fetched, words.written + words.sent
        if not self.gated or not share.cores:
            inputs = results = inputs + results
        each = self.word_bits * share.tiles
        return {"input_buffer_bit": float(each * share.cores * inputs), "buffer_bit": float(each * results)}

    def _access(self, words: Words, results: AbstractBuffer) -> Time:
        inputs = (words.stored + words.fetched) * self.buffer.cost().latency
        return inputs + (words.written + words.sent) * results.cost().latency

    def _onward(self, share: Share, core: CrossbarCore) -> Time:
        return share.onward * share.width * core.input_bits / self.mesh_bandwidth


def merges(share: Share) -> int:
    """Levels of the tree that adds the results of a tile's cores."""
    return ceil(log2(share.cores)) if share.cores else 0
