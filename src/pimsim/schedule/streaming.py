"""When the layers of an inference work on machines that stream weights: one after the other."""

from collections.abc import Mapping, Sequence

import numpy as np

from pimsim.chip import Machine
from pimsim.mapping import Distribution, matrices_of, streaming_of
from pimsim.network.ops import MatrixOp, Op, VectorOp
from pimsim.schedule.timeline import Timeline
from pimsim.units import Time

RESOURCES = ("multipliers", "memory", "link")
IMAGE = "input"


def stream_weights(ops: Sequence[Op], distribution: Distribution, machine: Machine) -> Timeline:
    """Every layer takes as long as the slowest of multiplying, reading its weights and receiving its inputs.

    The latter overlap within a layer; the next starts when all chips are done. Digital units keep pace and add no time.
    A layer without weights of its own is shared by the chips as its first input is.
    """
    copies = dict(zip(distribution.matrix.tolist(), distribution.copies.tolist(), strict=True))
    for op in ops:
        copies.setdefault(op.layer, copies.get(op.inputs[0], distribution.chips))
    values = {op.layer: op.vectors * op.width for op in ops}
    times = np.array([_times(op, copies, values, distribution.chips, machine) for op in ops])
    taken = times.max(axis=1)
    finish, least = taken.cumsum(), times.sum(axis=0)
    layer = np.array([op.layer for op in ops])
    return Timeline(
        layer=layer,
        start=finish - taken,
        finish=finish,
        busy=taken,
        latency=float(finish[-1]),
        interval=float(finish[-1]),
        bottleneck=str(layer[taken.argmax()]),
        kind="sequential",
        resource=np.array(RESOURCES),
        occupied=least,
        busiest=layer[times.argmax(axis=0)],
        bound=np.array(RESOURCES),
        least=least,
        gap=float(finish[-1] / least.max()),
    )


def _times(
    op: Op, copies: Mapping[str, int], values: Mapping[str, int], chips: int, machine: Machine
) -> tuple[Time, Time, Time]:
    """How long each resource works for a layer."""
    own = copies[op.layer]
    arriving = op.inputs[1:] if isinstance(op, VectorOp) else op.inputs
    bits = machine.input_bits * sum(received(values, name, own, copies, chips) for name in arriving)
    crossing = bits / machine.link.bandwidth if bits and machine.link else 0.0
    if isinstance(op, VectorOp):
        return 0.0, 0.0, crossing
    streaming = streaming_of(machine)
    groups = 1 if isinstance(op, MatrixOp) and op.recurrent else own  # its vectors wait for each other
    share = streaming.share(matrices_of(op), groups, chips // own)
    reading = share.weights * machine.weight_bits / streaming.bandwidth
    return share.passes * machine.one_pass().time, reading, crossing


def received(values: Mapping[str, int], producer: str, own: int, copies: Mapping[str, int], chips: int) -> float:
    """Values of a tensor that a chip needs and another one has made.

    It needs 1 / `own` of the vectors, whole. Of the producer's it has 1 / copies, and of these the part of the columns
    that it made. Windows that reach over the edge of a part are left out, as is the image's way onto the chips.
    """
    if producer == IMAGE:
        return 0.0
    return values[producer] / own * (1 - min(own, copies[producer]) / chips)
