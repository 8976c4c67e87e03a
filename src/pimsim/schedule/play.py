"""Images through a placement, event by event: what queues for shared servers waits.

A vector starts when its inputs are there, its copy is free and there is room for its result, as in the pipeline; its
operands then pass its tiles' buses, and its result the links on its way. Each of these serves one transfer after the
other, in the order in which they come.
"""

import heapq
import math
from collections import defaultdict, deque
from collections.abc import Callable
from itertools import count
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from pimsim.network.ops import ProductOp
from pimsim.schedule.buffers import UNBOUNDED, Buffer, receivers
from pimsim.schedule.flow import Flow
from pimsim.schedule.lanes import Lanes, lanes_of
from pimsim.schedule.passed import Passed
from pimsim.schedule.shared import Shared, Way
from pimsim.schedule.work import IMAGE, ROUNDING, Work

Progress = Callable[[str, int, int], None]


def silent(what: str, done: int, of: int) -> None:
    """No progress is shown."""


class Played(NamedTuple):
    """Cycles of the vectors of all images, and of waiting."""

    passed: Passed
    waited: Float[np.ndarray, " server"]
    """For each shared server, of all that came to it."""


def play(
    flow: Flow, shared: Shared, images: int, every: float, progress: Progress = lambda what, done, of: None
) -> Played:
    """Send images through the layers, one every so many cycles, or as soon as there is room for it."""
    player = _Player(flow, shared, images)
    for image in range(images):
        player.at(math.ceil(image * every - ROUNDING), player.enter, image)
    for image in range(1, images + 1):
        player.run(until=image * player.last.vectors)
        progress("replay", image, images)
    player.run()
    layers = player.layers.items()
    start, finish = ({name: np.array(getattr(layer, of)[:-1]) for name, layer in layers} for of in ("start", "finish"))
    return Played(Passed(start, finish), player.waited)


class _Layer:
    """A layer, or the image at the door, and where its vectors are."""

    def __init__(self, name: str, counts: dict[str, int], images: int, work: Work | None, rooms: list[Buffer]):
        inputs = zip(work.op.inputs, work.op.need, strict=True) if work else ()
        self.name, self.work, self.rooms, self.vectors = name, work, rooms, counts[name]
        self.wanted = [_wanted(need, counts[source]) for source, need in inputs]
        total = images * self.vectors
        self.missing = [len(self.wanted) or 1] * total
        """Inputs that are not there yet."""
        self.start, self.finish, self.done, self.gone = ([0] * (total + 1) for _ in range(4))
        self.delivered = self.left = 0
        """Vectors that are there with all before them, and that no longer need their inputs with all before them."""
        self.lanes: Lanes | None = lanes_of(work, images) if work else None
        self.blocked: list[int] = []
        """Vectors that found no room, a heap."""
        self.busy_until = 0.0
        """When the units of a product are free."""


class _Player:
    """The clock, what is to happen, and who has come how far."""

    def __init__(self, flow: Flow, shared: Shared, images: int):
        ops, works = [work.op for work in flow.works], {work.op.layer: work for work in flow.works}
        bounded = [buffer for buffer in flow.buffers if buffer.size < UNBOUNDED]
        rooms, self.counts = receivers(ops, bounded), dict(flow.counts)
        self.layers = {name: _Layer(name, self.counts, images, works.get(name), rooms[name]) for name in self.counts}
        self.readers, self.emptied, self.feeders = defaultdict(list), defaultdict(list), defaultdict(list)
        for op in ops:
            for place, source in enumerate(op.inputs):
                self.readers[source].append((self.layers[op.layer], place))
        for buffer in bounded:
            after = buffer.last_use.searchsorted(np.arange(self.counts[buffer.consumer] + 1)).tolist()
            self.emptied[buffer.consumer].append((buffer, after))
        for layer in self.layers.values():
            for buffer in layer.rooms:
                self.feeders[buffer[:3]].append(layer)
        self.room = {buffer[:3]: buffer.size for buffer in bounded}
        """The first vector for which there is none, yet."""
        self.between, self.within, self.last = shared.between, shared.within, self.layers[ops[-1].layer]
        self.free, self.waited = np.zeros(len(shared.names)), np.zeros(len(shared.names))
        self.now, self.order, self.later, self.soon = 0, count(), [], deque()

    def at(self, time: int, act: Callable[..., None], *what: Any) -> None:
        """Have something happen, now or later."""
        if time > self.now:
            heapq.heappush(self.later, (time, next(self.order), act, what))
        else:
            self.soon.append((act, what))

    def run(self, until: int | None = None) -> None:
        """Let happen what is to happen, until the last layer has made so many vectors, or to the end."""
        while (self.soon or self.later) and (until is None or self.last.delivered < until):
            if not self.soon:
                self.now, _, act, what = heapq.heappop(self.later)
                self.soon.append((act, what))
            act, what = self.soon.popleft()
            act(*what)

    def enter(self, image: int) -> None:
        """An image is at the door."""
        layer = self.layers[IMAGE]
        for vector in range(image * layer.vectors, (image + 1) * layer.vectors):
            layer.missing[vector] = 0
            self.attempt(layer, vector)

    def arrive(self, layer: _Layer, place: int, image: int, vector: int) -> None:
        """A vector of an input is there, and with it all before it."""
        for each in layer.wanted[place][vector]:
            own = image * layer.vectors + each
            layer.missing[own] -= 1
            if not layer.missing[own]:
                self.attempt(layer, own)

    def attempt(self, layer: _Layer, vector: int) -> None:
        """Start a vector whose inputs are there, if its copy is free and there is room."""
        lanes = layer.lanes
        if lanes and not lanes.is_next(vector):
            return
        if lanes and (free := lanes.free_at(vector)) > self.now:
            self.at(free, self.attempt, layer, vector)
            return
        if any(vector >= self.room[buffer[:3]] for buffer in layer.rooms):
            heapq.heappush(layer.blocked, vector)
            return
        if lanes:
            lanes.take(vector)
        way = self.within.get(layer.name)
        begin = self.pass_by(way) if way else self.now
        self.at(begin, self.begin, layer, vector)

    def begin(self, layer: _Layer, vector: int) -> None:
        """A vector passes its layer."""
        layer.start[vector], work = self.now, layer.work
        if work and isinstance(work.op, ProductOp):
            layer.busy_until = max(self.now, layer.busy_until) + work.each
            self.at(math.ceil(layer.busy_until - ROUNDING), self.result, layer, vector)
        else:
            self.leave(layer, vector)
            self.at(self.now + (work.depth if work else 0), self.result, layer, vector)
        if layer.lanes and work:
            following = layer.lanes.release(vector, self.now + work.interval)
            if following is not None and not layer.missing[following]:
                self.attempt(layer, following)

    def result(self, layer: _Layer, vector: int) -> None:
        """A vector is done; it, and what waited for it, go on to the layers that read it, in raster order."""
        if layer.work and isinstance(layer.work.op, ProductOp):
            self.leave(layer, vector)
        layer.done[vector] = 1
        while layer.done[layer.delivered]:
            self.deliver(layer, layer.delivered)
            layer.delivered += 1

    def deliver(self, layer: _Layer, vector: int) -> None:
        """Send a vector to the layers that read it."""
        layer.finish[vector] = self.now
        image, own = divmod(vector, layer.vectors)
        for reader, place in self.readers[layer.name]:
            way = self.between.get((layer.name, reader.name))
            there = self.pass_by(way) if way else self.now
            setup = reader.work.depth if isinstance(reader.work.op, ProductOp) and place == 1 else 0
            self.at(there + setup, self.arrive, reader, place, image, own)
        if to_itself := self.between.get((layer.name, layer.name)):
            self.pass_by(to_itself)

    def leave(self, layer: _Layer, vector: int) -> None:
        """A vector needs its inputs no longer: others may come in their place."""
        layer.gone[vector] = 1
        if vector != layer.left:
            return
        while layer.gone[layer.left]:
            layer.left += 1
        image, own = divmod(layer.left, layer.vectors)
        for buffer, after in self.emptied[layer.name]:
            key = buffer[:3]
            self.room[key] = image * self.counts[buffer.producer] + after[own] + buffer.size
            for feeder in self.feeders[key]:
                while feeder.blocked and feeder.blocked[0] < self.room[key]:
                    self.at(self.now, self.attempt, feeder, heapq.heappop(feeder.blocked))

    def pass_by(self, way: Way) -> int:
        """Queue at all servers of a way at once; the cycle by which all have served."""
        free = self.free[way.servers]
        self.waited[way.servers] += np.maximum(free - self.now, 0)
        done = np.maximum(free, self.now) + way.cycles
        self.free[way.servers] = done
        return math.ceil(done.max() - ROUNDING)


def _wanted(need: Int[np.ndarray, " vector"], producers: int) -> list[list[int]]:
    """For each vector of an input, those that need it and none after it."""
    order = np.argsort(need, kind="stable")
    bounds = np.searchsorted(need[order], np.arange(1, producers))
    return [each.tolist() for each in np.split(order, bounds)]
