"""The buffers at the inputs of layers: where there are any, what they hold, and how long a vector stays in one."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int

from pimsim.chip import Chip
from pimsim.errors import CapacityError, SpecError, nearest, require
from pimsim.mapping import Placement, locations
from pimsim.network.ops import Op, VectorOp, each
from pimsim.schedule.traffic import Edge
from pimsim.schedule.work import IMAGE, vector_counts

UNBOUNDED = 2**62
SHOWN = 3
"""Buffers beside the first that an error names."""

Buffers = Literal["unbounded", "tile"] | dict[str, int]
"""What input buffers hold: anything, what the tiles' buffers leave them, or so many vectors of each input, by layer (of
others anything)."""


class Buffer(NamedTuple):
    """Where a layer keeps the vectors of one of its inputs until it has used them."""

    producer: str
    consumer: str
    place: int
    """Which of the consumer's inputs."""
    size: int
    """Vectors that it holds."""
    last_use: Int[np.ndarray, " producer"]
    """For each vector, the consumer's last that needs it or one before it: buffers are emptied in raster order. -1
    where there is none."""


def passes_by(op: Op, index: int) -> bool:
    """Whether a layer takes an input, vector by vector, on its way to the next buffer: it has no buffer for it then."""
    return isinstance(op, VectorOp) and index == 0 and np.array_equal(op.need[0], each(op.vectors))


def first_needed(op: Op, index: int) -> Int[np.ndarray, " vector"]:
    """The first vector of an input that each vector needs."""
    if op.first:
        return op.first[index]
    own = each(op.vectors)
    return own if np.array_equal(op.need[index], own) else np.zeros_like(own)


def buffers_of(
    ops: Sequence[Op], placement: Placement, chip: Chip, edges: Sequence[Edge], held: Buffers
) -> list[Buffer]:
    """Every buffer of a network. Raises SpecError for a layer that does not exist or holds less than a vector."""
    counts = vector_counts(ops)
    places = [(op, index) for op in ops for index in range(len(op.inputs)) if not passes_by(op, index)]
    if isinstance(held, dict):
        for layer, size in held.items():
            if layer not in counts:
                raise SpecError(f"schedule.buffers.{layer}", "is no layer of the network", nearest(layer, set(counts)))
            require(f"schedule.buffers.{layer}", size, 1)
        sizes = [held.get(op.layer, UNBOUNDED) for op, _ in places]
    elif held == "tile":
        sizes = tile_shares(ops, placement, chip, edges, places)
    else:
        sizes = [UNBOUNDED] * len(places)
    return [
        Buffer(op.inputs[index], op.layer, index, size, last_use(op, index, counts[op.inputs[index]]))
        for (op, index), size in zip(places, sizes, strict=True)
    ]


def last_use(op: Op, index: int, vectors: int) -> Int[np.ndarray, " producer"]:
    """As in Buffer, of an input of so many vectors."""
    still = np.minimum.accumulate(first_needed(op, index)[::-1])[::-1]
    return np.searchsorted(still, np.arange(vectors), side="right") - 1


def receivers(ops: Sequence[Op], buffers: Sequence[Buffer]) -> dict[str, list[Buffer]]:
    """The buffers that the vectors of each layer and of the image go to, through the layers that they pass by; these
    have none of their own, since there is room for their results before they begin."""
    into, past = defaultdict(list), defaultdict(list)
    for buffer in buffers:
        into[buffer.producer].append(buffer)
    for op in ops:
        if passes_by(op, 0):
            past[op.inputs[0]].append(op.layer)
    for name in [IMAGE, *(op.layer for op in ops)][::-1]:
        into[name] = into[name] + [buffer for layer in past[name] for buffer in into.pop(layer)]
    return into


def tile_shares(
    ops: Sequence[Op], placement: Placement, chip: Chip, edges: Sequence[Edge], places: Sequence[tuple[Op, int]]
) -> list[int]:
    """Vectors that fit where the layers that meet on a tile share its buffer in proportion to what each must hold.

    Tiles keep what they receive of an input, and the fullest of them sets what fits; what stays where it is made, such
    as what a pool takes in, lies there in equal parts.
    """
    where, counts = locations(ops, placement), vector_counts(ops)
    image = next((edge.values for edge in edges if edge.producer == IMAGE), 0)
    width = {op.layer: op.width for op in ops} | {IMAGE: image / counts[IMAGE]}
    received = {(edge.producer, edge.consumer): edge.share for edge in edges}
    least = least_sizes(ops, places)
    asked = np.zeros(placement.chips * placement.tiles_per_chip)
    for (op, index), vectors in zip(places, least, strict=True):
        tiles = where[op.layer]
        stays = isinstance(op, VectorOp) and index == 0 and op.layer not in placement.pool
        equal = np.full(len(tiles), 1 / len(tiles))
        share = equal if stays else received.get((op.inputs[index], op.layer), equal)
        asked[tiles] += vectors * width[op.inputs[index]] * chip.core.input_bits * share
    return [
        int(vectors * chip.tile.buffer.capacity / max(asked[where[op.layer]].max(), 1.0))
        for (op, _), vectors in zip(places, least, strict=True)
    ]


def least_sizes(ops: Sequence[Op], places: Sequence[tuple[Op, int]]) -> list[int]:
    """Vectors that each buffer must hold at least: of a window, from its first to its last; and where branches of one
    layer meet, what a branch makes of that layer's vectors before the others have come as far."""
    by_name = {op.layer: op for op in ops}
    found = []
    for op, index in places:
        source = op.inputs[index]
        until = {source: np.maximum.accumulate(op.need[index])}
        others = {name: np.maximum.accumulate(need) for name, need in zip(op.inputs, op.need, strict=True)}
        others.pop(source)
        if others:
            made = made_meanwhile(source, asked_of(others, ops, by_name), by_name)
            until[source] = until[source] if made is None else np.maximum(until[source], made)
        still = np.minimum.accumulate(first_needed(op, index)[::-1])[::-1]
        found.append(int((until[source] - still).max()) + 1)
    return found


def asked_of(
    until: Mapping[str, Int[np.ndarray, " vector"]], ops: Sequence[Op], by_name: Mapping[str, Op]
) -> dict[str, Int[np.ndarray, " vector"]]:
    """How far each layer must have come before some layers, and the image, have come as far as given."""
    asked = dict(until)
    for name in reversed([op.layer for op in ops]):
        if name in asked:
            for earlier, need in zip(by_name[name].inputs, by_name[name].need, strict=True):
                further = np.maximum.accumulate(need)[asked[name]]
                asked[earlier] = np.maximum(asked.get(earlier, 0), further)
    return asked


def made_meanwhile(
    name: str, asked: Mapping[str, Int[np.ndarray, " vector"]], by_name: Mapping[str, Op]
) -> Int[np.ndarray, " vector"] | None:
    """How far a layer comes when others have come as far as asked; None where it waits for none of them."""
    if name in asked or name not in by_name:
        return asked.get(name)
    op = by_name[name]
    reach = [
        np.searchsorted(np.maximum.accumulate(need), made, side="right") - 1
        for source, need in zip(op.inputs, op.need, strict=True)
        if (made := made_meanwhile(source, asked, by_name)) is not None
    ]
    return np.minimum.reduce(reach) if reach else None


def require_room(buffers: Sequence[tuple[Buffer, int]]) -> None:
    """Raise CapacityError for buffers in which vectors wait for ever, given with the sizes at which none does."""
    if buffers:
        (first, size), *others = buffers
        more = "".join(f", {other.consumer} {needed:,} of {other.producer}" for other, needed in others[:SHOWN])
        more += f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
        fact = f"holds {first.size:,} vectors of {first.producer} and has to hold {size:,}{more}: layers wait in a ring"
        raise CapacityError(first.consumer, fact, "Give it more by `schedule.buffers`, or tiles a larger buffer.")
