"""What happens in one inference: how often each component of a chip acts for each layer."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from pimsim.chip import Chip, Share, StoreAndForward
from pimsim.chip.reads import FULL_READ, ROW_TOGGLE
from pimsim.inference import Activity
from pimsim.mapping import Placement, product
from pimsim.network.ops import MatrixOp, Op, ProductOp, VectorOp
from pimsim.schedule import Edge, shares_of


def events_by_layer(
    ops: Sequence[Op], placement: Placement, chip: Chip, edges: Sequence[Edge], signed: Mapping[str, bool]
) -> list[dict[str, float]]:
    """Every event of each layer in one inference: in its arrays, around them, and on its inputs' way to it."""
    arrive, pass_matrix, act = chip.tile.arrival_events, chip.tile.matrix_events, chip.tile.vector_events
    in_arrays = _array_events([op for op in ops if isinstance(op, MatrixOp)], placement, chip, signed)
    coming = defaultdict(list)
    for edge in edges:
        coming[edge.consumer].append(edge)
    shares = {} if chip.steps is None else shares_of(ops, placement, chip, edges)

    def of_layer(op: Op) -> Iterator[tuple[Mapping[str, float], int]]:
        """Events, and how often they happen."""
        bits = placement.input_bits_of(op.layer, chip.core.input_bits)
        for edge in coming[op.layer]:
            yield {"flit_hop": edge.flit_hops}, 1
            if chip.memory is not None:
                yield {"dram_bit": edge.memory_bits}, 1
            if chip.steps is None:
                yield arrive(edge.received, bits), 1
        if chip.steps is not None and op.layer in shares:
            yield _in_steps(chip, chip.steps, op, shares[op.layer]), op.vectors
            if isinstance(op, MatrixOp):
                yield in_arrays[op.layer], op.vectors
        elif isinstance(op, VectorOp):
            yield act(op.kind, op.values, op.operands), 1
        elif isinstance(op, ProductOp):
            yield chip.tile.product_events(product(op), bits), 1
        else:
            partial_sums = sum(cols * count for (_, cols), count in placement.block_shapes(op.layer).items())
            yield pass_matrix(op.rows, op.cols, partial_sums, bits), op.vectors
            yield in_arrays[op.layer], op.vectors
        if isinstance(op, MatrixOp) and placement.rounds > 1:
            cells = placement.copies(op.layer) * placement.cells(op.layer, chip.core)
            yield {"cell_write": float(chip.core.pulses_per_cell * cells)}, 1

    return [_summed(of_layer(op)) for op in ops]


def _in_steps(chip: Chip, steps: StoreAndForward, op: Op, share: Share) -> dict[str, float]:
    """What happens around the arrays for one vector of a layer whose steps do not overlap."""
    buffers = steps.buffer_events(share, chip.core)
    if not isinstance(op, VectorOp):
        return buffers | {"addition": float(share.tiles * (share.cores - 1) * share.cols), "result": float(share.width)}
    if op.kind == "add" and not steps.sums_charged:
        return {}
    acts = chip.tile.vector_events(op.kind, op.values, op.operands)
    return buffers | {event: count / op.vectors for event, count in acts.items()}


def observed(layer: str, events: Mapping[str, float], activity: Activity) -> dict[str, float]:
    """The events of a layer, with those that depend on data as they happened."""
    if layer not in (names := activity.matrix.tolist()):
        return dict(events)
    own = names.index(layer)
    found = {FULL_READ: activity.full_reads[own].sum(), ROW_TOGGLE: activity.driven_rows[own].sum()}
    return {name: float(found.get(name, count)) for name, count in events.items()}


def _array_events(
    ops: Sequence[MatrixOp], placement: Placement, chip: Chip, signed: Mapping[str, bool]
) -> dict[str, dict[str, float]]:
    """What one vector makes the arrays of each layer do: blocks of each shape × the events of one, as one product."""
    found, cores, kinds = {}, chip.cores, dict(zip(placement.matrix.tolist(), placement.kind.tolist(), strict=True))
    alike = {op.layer: (kinds[op.layer], placement.precision(op.layer), signed[op.layer]) for op in ops}
    for each in set(alike.values()):
        kind, bits, sign = each
        blocks = {layer: _charged_blocks(layer, placement, chip) for layer, own in alike.items() if own == each}
        shapes = sorted(set().union(*blocks.values()))
        rows, cols = np.array(shapes).T
        events = cores[kind].at(bits).events(rows, cols, signed=sign)
        number = np.array([[own.get(shape, 0) for shape in shapes] for own in blocks.values()], float)
        counts = number @ np.array(np.broadcast_arrays(*events.values())).T
        found |= {
            layer: dict(zip(events, row, strict=True)) for layer, row in zip(blocks, counts.tolist(), strict=True)
        }
    return found


def _charged_blocks(layer: str, placement: Placement, chip: Chip) -> dict[tuple[int, int], int]:
    """How many blocks of each (rows, cols) one replica is charged for."""
    shapes, layout = placement.block_shapes(layer), chip.core.layout
    if layout is None or not layout.blocks_alike:
        return shapes
    rows, cols = (max(sizes) for sizes in zip(*shapes, strict=True))
    return {(rows, cols): sum(shapes.values())}


def _summed(happened: Iterable[tuple[Mapping[str, float], int]]) -> dict[str, float]:
    total = defaultdict(float)
    for events, times in happened:
        for name, count in events.items():
            total[name] += count * times
    return dict(total)
