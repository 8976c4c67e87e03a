"""What images pass on their way through a chip: layers at work, the buffers between them, and links to other chips."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pimsim.chip import Chip
from pimsim.errors import SpecError
from pimsim.mapping import Placement
from pimsim.schedule.buffers import Buffer, Buffers, buffers_of
from pimsim.schedule.traffic import Edge
from pimsim.schedule.work import Work, vector_counts


class Flow(NamedTuple):
    """Layers in order, and what joins them."""

    works: Sequence[Work]
    buffers: Sequence[Buffer]
    leaving: Mapping[str, Mapping[str, float]]
    """Cycles, or a part of one, that a vector of each layer, or of the image, takes on the links to each layer on other
    chips."""
    counts: Mapping[str, int]
    """Vectors of each layer and of the image."""


def flow_of(works: Sequence[Work], placement: Placement, chip: Chip, edges: Sequence[Edge], held: Buffers) -> Flow:
    """The flow through a placement. Raises SpecError where the arrays hold one layer after the other."""
    if placement.rounds > 1:
        fact = "arrays that are rewritten within an inference have no stream of images to hold up"
        raise SpecError("schedule", fact, "Leave `buffers` unbounded and `replay` at 0, or choose `overflow: spread`.")
    ops = [work.op for work in works]
    counts = vector_counts(ops)
    leaving = {name: {} for name in counts}
    reads = {op.layer: op.inputs for op in ops}
    for edge in edges:
        if edge.link_bits and edge.producer in reads[edge.consumer]:
            each = edge.link_bits / counts[edge.producer] / chip.link.bandwidth / chip.tick
            leaving[edge.producer][edge.consumer] = each
    return Flow(works, buffers_of(ops, placement, chip, edges, held), leaving, counts)
