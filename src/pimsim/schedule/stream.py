"""Images in a row through layers whose buffers can be full: the layer pipeline with room to wait for, solved exactly.

    start[v] = max(arrival[need(v)], start[v - R] + interval, left[v - B])

A vector starts when there is room for its result in each buffer that it goes to, of B vectors: when the one B places
before it has left, which it does when the last vector that needs it, or one before it, has started (in a product of two
results: is done). Each layer is taken as far as all that is known, by running maxima, and then those that it held up.
"""

from typing import NamedTuple

import numpy as np

from pimsim.network.ops import ProductOp
from pimsim.schedule.buffers import UNBOUNDED, Buffer, receivers, require_room
from pimsim.schedule.flow import Flow
from pimsim.schedule.passed import Passed, spacing
from pimsim.schedule.station import Cycles, Station

MOST_IMAGES = 16
"""A stream that has not settled after so many is taken as it is."""


class Stream(NamedTuple):
    """When images pass, and what holds them up."""

    passed: Passed
    held_up: dict[str, int]
    """Cycles for which vectors waited for room and nothing else, by the layer in whose buffers."""

    @property
    def fullest(self) -> str:
        """The layer for room in whose buffers others waited longest."""
        return max(self.held_up, key=self.held_up.__getitem__)


def stream(flow: Flow, images: int, every: int) -> Stream:
    """Send images through the layers, one every so many cycles, or as soon as there is room for it.

    Raises CapacityError where layers wait for each other for ever.
    """
    line = _Line(flow, images, every)
    line.run(images)
    return line.stream()


class Settled(NamedTuple):
    """What becomes of a stream of images."""

    stream: Stream
    interval: float
    """Cycles from one finished image to the next."""


def settled(flow: Flow, every: int) -> Settled:
    """Send images, one every so many cycles, until all layers do what they did a few images before, later by the same
    time, and no buffer holds images from before that; or, where that does not happen, many.

    Raises CapacityError where layers wait for each other for ever.
    """
    line = _Line(flow, MOST_IMAGES, every)
    held = max((-(-b.size // flow.counts[b.producer]) for b in flow.buffers if b.size < UNBOUNDED), default=0)
    for images in range(1, MOST_IMAGES + 1):
        line.run(images)
        for period in range(1, images // 2 + 1 if images > min(held, MOST_IMAGES // 2) else 1):
            if (shift := line.repeats(images, period)) is not None:
                return Settled(line.stream(), shift / period)
    return Settled(line.stream(), spacing(line.stream().passed.leaving(flow.works[-1].op), float(every)))


class _Line:
    """The stations of a stream, and who waits for whom."""

    def __init__(self, flow: Flow, images: int, every: int):
        self.ops, works = [work.op for work in flow.works], {work.op.layer: work for work in flow.works}
        bounded = [buffer for buffer in flow.buffers if buffer.size < UNBOUNDED]
        rooms = receivers(self.ops, bounded)
        self.stations = {
            name: Station(count, images, works.get(name), rooms[name], flow.leaving[name])
            for name, count in flow.counts.items()
        }
        self.every, self.size = every, {buffer[:3]: buffer.size for buffer in bounded}
        self.enlarged: dict[tuple[str, str, int], tuple[Buffer, int]] = {}
        self.held_up = dict.fromkeys(self.stations, 0)
        self.neighbours = {name: set() for name in self.stations}
        for op in self.ops:
            for source in op.inputs:
                self.neighbours[source].add(op.layer)
        for name, station in self.stations.items():
            for buffer in station.rooms:
                self.neighbours[buffer.consumer].add(name)

    def run(self, images: int) -> None:
        """Take all stations to the end of so many images."""
        for station in self.stations.values():
            station.total = images * station.vectors
        waiting = dict.fromkeys(self.stations)
        while waiting:
            name = next(iter(waiting))
            del waiting[name]
            if self.advance(name):
                waiting |= dict.fromkeys(self.neighbours[name])
            if not waiting:
                waiting |= dict.fromkeys(self.enlarge())
        require_room(list(self.enlarged.values()))

    def repeats(self, images: int, period: int) -> int | None:
        """By how many cycles later the last layer repeats, in the last `period` images, those before; None if not so,
        or if another does not: what runs ahead into a buffer without end may repeat sooner, and no other."""
        shift = {}
        for name, station in self.stations.items():
            times = station.start[: station.total].reshape(images, -1)
            late = times[-period:] - times[-2 * period : -period]
            shift[name] = int(late[0, 0])
            if (late != shift[name]).any():
                return None
        held = ((name, buffer.consumer) for name, station in self.stations.items() for buffer in station.rooms)
        fed = ((source, op.layer) for op in self.ops for source in op.inputs)
        if all(shift[a] == shift[b] for a, b in held) and all(shift[a] <= shift[b] for a, b in fed):
            return shift[self.ops[-1].layer]
        return None

    def stream(self) -> Stream:
        """What has become known."""
        start, finish = (
            {name: getattr(station, times)[: station.total] for name, station in self.stations.items()}
            for times in ("start", "finish")
        )
        return Stream(Passed(start, finish), self.held_up)

    def advance(self, name: str) -> bool:
        """Take a station as far as what it waits for is known; whether that was any further."""
        station, before = self.stations[name], self.stations[name].done
        while (vectors := self.known(station)) > 0:
            image, first = divmod(station.done, station.vectors)
            ready = self.ready(name, station, image, slice(first, first + vectors))
            room = np.zeros(vectors, int)
            for buffer in station.rooms:
                left = self.leaving(station, buffer, vectors)
                self.held_up[buffer.consumer] += int(np.maximum(left - ready, 0).sum())
                room = np.maximum(room, left)
            station.record(*station.begin(np.maximum(ready, room), first))
        return station.done > before

    def ready(self, name: str, station: Station, image: int, vectors: slice) -> Cycles:
        """When the inputs of some vectors of an image are there."""
        if station.work is None:
            return np.full(vectors.stop - vectors.start, image * self.every)
        arriving = []
        for source, need in zip(station.work.op.inputs, station.work.op.need, strict=True):
            producer = self.stations[source]
            arriving.append(producer.arrival.get(name, producer.finish)[image * producer.vectors + need[vectors]])
        if isinstance(station.work.op, ProductOp):
            arriving[1] = arriving[1] + station.work.depth
        return np.maximum.reduce(arriving)

    def known(self, station: Station) -> int:
        """Of how many vectors more, of one image, it is known when they can start."""
        if station.done == station.total:
            return 0
        return min(self.supplied(station), *(self.room(station, buffer) for buffer in station.rooms), station.vectors)

    def supplied(self, station: Station) -> int:
        """The same, of their inputs alone."""
        (image, first), end = divmod(station.done, station.vectors), station.vectors
        for source, until in zip(station.work.op.inputs if station.work else (), station.until, strict=True):
            producer = self.stations[source]
            there = producer.done - image * producer.vectors
            if there < producer.vectors:
                end = min(end, int(until.searchsorted(there)))
        return max(end - first, 0)

    def room(self, station: Station, buffer: Buffer) -> int:
        """How many vectors more find room in a buffer, as far as is known."""
        user = self.stations[buffer.consumer]
        image, vector = divmod(user.done, user.vectors)
        left = image * station.vectors + int(buffer.last_use.searchsorted(vector))
        return left + self.size[buffer[:3]] - station.done

    def leaving(self, station: Station, buffer: Buffer, vectors: int) -> Cycles:
        """When those leave a buffer in whose place the next vectors come; 0 where there never was one."""
        user, place = self.stations[buffer.consumer], station.done - self.size[buffer[:3]] + np.arange(vectors)
        image, vector = np.divmod(place, station.vectors)
        last = image * user.vectors + buffer.last_use[vector]
        return np.where(last >= 0, user.gone[np.maximum(last, 0)], 0)

    def enlarge(self) -> list[str]:
        """Where nothing is known any more: give a vector more to the least buffer that is full and yet starves its
        layer, and name the stations that waited for it. None where all is done."""
        full = [
            (self.size[buffer[:3]], buffer.consumer, name, buffer)
            for name, station in self.stations.items()
            if station.done < station.total and self.supplied(station) > 0
            for buffer in station.rooms
            if self.room(station, buffer) <= 0 and self.supplied(self.stations[buffer.consumer]) == 0
        ]
        if not full:
            return []
        size, _, name, buffer = min(full, key=lambda each: each[:3])
        self.size[buffer[:3]] = size + 1
        self.enlarged[buffer[:3]] = buffer, size + 1
        return [name]
