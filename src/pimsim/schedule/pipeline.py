"""When the layers of an inference work: ISAAC's layer pipeline, solved exactly, and slower ways to take turns."""

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from pimsim.chip import Chip
from pimsim.mapping import Placement
from pimsim.network.ops import Op, ProductOp
from pimsim.schedule.bounds import lower_bounds
from pimsim.schedule.flow import flow_of
from pimsim.schedule.loads import shared_loads
from pimsim.schedule.recurrence import following, paced
from pimsim.schedule.stream import settled
from pimsim.schedule.timeline import SchedulePlan, Timeline
from pimsim.schedule.traffic import Edge
from pimsim.schedule.work import IMAGE, ROUNDING, Work, rewriting, works_of

CONTENDED = ("mesh", "bus")
"""Shared resources that bound the interval only if asked."""


class Span(NamedTuple):
    """Cycles from the start of a layer's first vector to the result of its last."""

    start: int
    finish: int


def schedule(
    ops: Sequence[Op],
    placement: Placement,
    chip: Chip,
    edges: Sequence[Edge],
    signed: Mapping[str, bool],
    plan: SchedulePlan | None = None,
) -> Timeline:
    """Run one image through the layers, to the cycle, and find what sets the pace of many.

    Digital units keep pace with the arrays and add no cycle of their own. What crosses chips waits for the links, which
    each tensor has to itself on its way; the interval is no shorter than all of them together take. Where arrays are
    rewritten (`mapping.overflow`), the first round of the next inference is written when the last of this one is done.
    With buffers that can be full, images enter at the interval that all else allows; raises CapacityError where layers
    then wait for each other for ever.
    """
    plan, cycle = plan or SchedulePlan(), chip.tick
    works = works_of(ops, placement, chip, signed, edges)
    crossing = {(edge.producer, edge.consumer): edge.link_bits for edge in edges if edge.link_bits}
    take_turns = layer_pipeline if plan.kind == "layer_pipeline" else one_after_another
    spans = take_turns(works, crossing, chip, rewriting(placement, chip))
    start, finish = np.array(spans).T
    busy = np.array([work.busy for work in works])
    loads = shared_loads(ops, placement, chip, edges)
    pace = {work.op.layer: work.busy for work in works}
    if placement.rounds > 1:
        pace = {"rewriting": max(span.finish for work, span in zip(works, spans, strict=True) if work.rounds)} | pace
    if plan.kind == "sequential":
        pace = {ops[int(np.argmax(np.diff(finish, prepend=0)))].layer: spans[-1].finish}
    shared = {load.resource: load.time for load in loads if plan.contention or load.resource not in CONTENDED}
    pace = {name: math.ceil(time / cycle - ROUNDING) for name, time in shared.items()} | pace
    interval, bottleneck = max(*pace.values(), 1), max(pace, key=pace.__getitem__)
    if plan.buffers != "unbounded":
        flow = flow_of(works, placement, chip, edges, plan.buffers)
        found = settled(flow, interval)
        start, finish = np.array([found.stream.passed.span(work.op) for work in works]).T
        if found.interval > interval:
            interval, bottleneck = found.interval, f"buffer of {found.stream.fullest}"
    bounds = lower_bounds(works, placement, chip, edges)
    apply = [least for name, least in bounds.items() if plan.contention or name != "links"]
    return Timeline(
        layer=np.array([op.layer for op in ops]),
        start=start * cycle,
        finish=finish * cycle,
        busy=busy * cycle,
        latency=float(finish[-1] * cycle),
        interval=float(interval * cycle),
        bottleneck=bottleneck,
        kind=plan.kind,
        resource=np.array([load.resource for load in loads]),
        occupied=np.array([load.time for load in loads]),
        busiest=np.array([load.place for load in loads]),
        bound=np.array(list(bounds)),
        least=np.array(list(bounds.values())),
        gap=float(interval * cycle / max(apply)),
    )


def layer_pipeline(
    works: Sequence[Work], crossing: Mapping[tuple[str, str], float], chip: Chip, writing: Sequence[int]
) -> list[Span]:
    """Every vector starts when its window has arrived and its copy is free.

        start[v] = max(arrival[need(v)], written, start[v - R] + interval)

    Vector v runs on copy v mod R; those of a product of two results follow one another. Results are delivered in raster
    order: a vector has arrived when all before it have. Arrays are written when what they held before is done with.
    """
    needs = ((name, n) for work in works for name, n in zip(work.op.inputs, work.op.need, strict=True))
    arrived = {IMAGE: np.zeros(1 + max((int(n.max()) for name, n in needs if name == IMAGE), default=0), int)}
    spans, written, free = [], {}, 0
    for work in works:
        arriving = _arrivals(work.op, arrived, crossing, chip)
        if isinstance(work.op, ProductOp):
            left, right = arriving
            ready = np.maximum(left, right + work.depth)
            start, finished = int(ready.min()), following(ready, work.each)
        else:
            finished = ready = functools.reduce(np.maximum, arriving)
            start = int(ready.min())
            for turn in work.rounds:
                opened = written.setdefault(turn, free + writing[turn])
                begin = paced(np.maximum(ready, opened) if opened else ready, work.copies, work.interval)
                start = int(begin.min()) if turn == work.rounds[0] else start
                finished = begin + work.depth
                free = max(free, int(finished.max()))
        arrived[work.op.layer] = np.maximum.accumulate(finished)
        spans.append(Span(start, int(arrived[work.op.layer][-1])))
    return spans


def one_after_another(
    works: Sequence[Work], crossing: Mapping[tuple[str, str], float], chip: Chip, writing: Sequence[int]
) -> list[Span]:
    """Each layer starts when the one before it is done, its own inputs have crossed the links, in turn, and its arrays
    are written, which begins when what they held before is done with."""
    spans, written, now, free = [], {}, 0, 0
    for work in works:
        bits = [crossing.get((name, work.op.layer), 0.0) for name in work.op.inputs]
        now += sum(math.ceil(each / chip.link.bandwidth / chip.tick - ROUNDING) for each in bits)
        start = now
        if isinstance(work.op, ProductOp):
            start = now + work.depth
            now = start + math.ceil(work.op.vectors * work.each - ROUNDING)
        for turn in work.rounds:
            begin = max(now, written.setdefault(turn, free + writing[turn]))
            start = begin if turn == work.rounds[0] else start
            now = free = begin + (-(-work.op.vectors // work.copies) - 1) * work.interval + work.depth
        spans.append(Span(start, now))
    return spans


def _arrivals(
    op: Op,
    arrived: Mapping[str, Int[np.ndarray, " producer"]],
    crossing: Mapping[tuple[str, str], float],
    chip: Chip,
) -> Iterator[Int[np.ndarray, " vector"]]:
    """For each input of a layer, when what its vectors need of it is there."""
    for name, need in zip(op.inputs, op.need, strict=True):
        bits = crossing.get((name, op.layer))
        yield (transfer(arrived[name], bits, chip) if bits else arrived[name])[need]


def transfer(finished: Int[np.ndarray, " vector"], bits: float, chip: Chip) -> Int[np.ndarray, " vector"]:
    """When vectors of a tensor of which `bits` leave for other chips have arrived, one after the other.

    Several vectors share a cycle where they are short: each takes its part of the link's time, to the bit.
    """
    return following(finished, bits / len(finished) / chip.link.bandwidth / chip.tick)
