"""One layer of a stream: when its vectors start, are done and leave its buffers, as far as that is known."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Int

from pimsim.network.ops import MatrixOp, ProductOp
from pimsim.schedule.buffers import Buffer
from pimsim.schedule.recurrence import in_turn, paced, whole_cycles
from pimsim.schedule.work import Work

Cycles = Int[np.ndarray, " vector"]
"""Of the vectors of all images, image after image."""


class Station:
    """A layer, or the image at the door, and how far its vectors have come."""

    def __init__(self, vectors: int, images: int, work: Work | None, rooms: list[Buffer], leaving: Mapping[str, float]):
        self.vectors, self.total, self.done, self.work, self.rooms = vectors, 0, 0, work, rooms
        self.start, self.finish, self.gone = (np.zeros(images * vectors, int) for _ in range(3))
        self.until = [np.maximum.accumulate(need) for need in work.op.need] if work else []
        self.free = np.zeros(work.copies if work else 1, int)
        self.busy_until = 0.0
        self.leaving, self.left = leaving, dict.fromkeys(leaving, 0.0)
        self.arrival = {consumer: np.zeros(images * vectors, int) for consumer in leaving}

    def begin(self, ready: Cycles, first: int) -> tuple[Cycles, Cycles, Cycles]:
        """Start, result and release of the inputs of vectors from one on, of one image, from when they are ready."""
        work = self.work
        if work is not None and work.interval:
            if first == 0 and isinstance(work.op, MatrixOp) and work.op.recurrent:
                self.free[:] = 0  # copies serve other inferences meanwhile
            copy = (first + np.arange(len(ready))) % work.copies
            ready[: work.copies] = np.maximum(ready[: work.copies], self.free[copy[: work.copies]])
            begin = paced(ready, work.copies, work.interval)
            self.free[copy[-work.copies :]] = begin[-work.copies :] + work.interval
            return begin, begin + work.depth, begin
        if work is not None and isinstance(work.op, ProductOp):
            done = in_turn(np.maximum(ready, self.busy_until), work.each)
            self.busy_until = float(done[-1])
            return ready, whole_cycles(done), whole_cycles(done)
        return ready, ready, ready

    def record(self, begin: Cycles, done: Cycles, gone: Cycles) -> None:
        """Note what is known of the next vectors."""
        now, then = slice(self.done, self.done + len(begin)), max(self.done - 1, 0)
        self.start[now] = begin
        for times, known in ((self.finish, done), (self.gone, gone)):
            times[now] = np.maximum.accumulate(np.maximum(known, times[then]))
        for consumer, each in self.leaving.items():
            crossed = in_turn(np.maximum(self.finish[now], self.left[consumer]), each)
            self.left[consumer] = float(crossed[-1])
            self.arrival[consumer][now] = whole_cycles(crossed)
        self.done += len(begin)
