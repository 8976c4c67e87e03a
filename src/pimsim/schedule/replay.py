"""The schedule's second fidelity: the same placement, replayed event by event, and how far the two are apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped

from pimsim.chip import Chip
from pimsim.mapping import Placement
from pimsim.network.ops import Op
from pimsim.schedule.flow import flow_of
from pimsim.schedule.passed import spacing
from pimsim.schedule.play import Progress, play, silent
from pimsim.schedule.shared import shared_of
from pimsim.schedule.timeline import SchedulePlan, Timeline
from pimsim.schedule.traffic import Edge
from pimsim.schedule.work import ROUNDING, works_of
from pimsim.units import Time, Times


@dataclass(frozen=True)
class Replay:
    """A few images through the layers, their buffers and what they share, beside what the schedule says of them."""

    layer: Shaped[np.ndarray, " layer"]
    start: Times[np.ndarray, " layer"]
    """Of the layer's first vector of the first image."""
    finish: Times[np.ndarray, " layer"]
    """Of its last."""
    entered: Times[np.ndarray, " image"]
    """They come at the schedule's interval."""
    left: Times[np.ndarray, " image"]
    latency: Time
    """Of the first image."""
    interval: Time
    """Between images that leave, by the later half of them, and no shorter than between those that come."""
    latency_difference: Time
    """From the schedule's to this one."""
    interval_difference: Time
    bottleneck: str
    """The schedule's, or, where images leave later than they come, what others waited for longest."""


def replay(
    ops: Sequence[Op],
    placement: Placement,
    chip: Chip,
    edges: Sequence[Edge],
    signed: Mapping[str, bool],
    plan: SchedulePlan,
    timeline: Timeline,
    progress: Progress = silent,
) -> Replay:
    """Send `plan.replay` images through a placement, with the plan's contention and buffers."""
    cycle, works = chip.tick, works_of(ops, placement, chip, signed, edges)
    flow = flow_of(works, placement, chip, edges, plan.buffers)
    shared = shared_of(flow, placement, chip, edges, plan.contention)
    every = timeline.interval / cycle
    played = play(flow, shared, plan.replay, every, progress)
    spans = np.array([played.passed.span(op) for op in ops])
    entered = np.ceil(np.arange(plan.replay) * every - ROUNDING)
    left = played.passed.leaving(ops[-1])
    interval = spacing(left, every)
    longer = interval > every and played.waited.any()
    return Replay(
        layer=timeline.layer,
        start=spans[:, 0] * cycle,
        finish=spans[:, 1] * cycle,
        entered=entered * cycle,
        left=left * cycle,
        latency=float(left[0] * cycle),
        interval=float(interval * cycle),
        latency_difference=float(left[0] * cycle - timeline.latency),
        interval_difference=float(interval * cycle - timeline.interval),
        bottleneck=shared.names[int(np.argmax(played.waited))] if longer else timeline.bottleneck,
    )
