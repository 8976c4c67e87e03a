"""The copies of a layer, each of which takes its vectors in order."""

from pimsim.network.ops import MatrixOp, ProductOp
from pimsim.schedule.work import Work

NEVER = 2**62


class Lanes:
    """Whose turn it is on each copy, and from when on."""

    def __init__(self, vectors: int, copies: int, images: int, by_image: bool):
        self.vectors, self.copies, self.total, self.by_image = vectors, copies, images * vectors, by_image
        self.turn = [image * vectors for image in range(images)] if by_image else list(range(copies))
        self.free = [0] * len(self.turn)

    def is_next(self, vector: int) -> bool:
        """Whether it is a vector's turn, and no other is on its way in."""
        lane = self._lane(vector)
        return self.turn[lane] == vector and self.free[lane] < NEVER

    def free_at(self, vector: int) -> int:
        """From when on its copy can start a vector."""
        return self.free[self._lane(vector)]

    def take(self, vector: int) -> None:
        """Keep its copy for a vector."""
        self.free[self._lane(vector)] = NEVER

    def release(self, vector: int, free: int) -> int | None:
        """Leave the copy to the next, which is returned, from a time on."""
        lane, (image, place) = self._lane(vector), divmod(vector, self.vectors)
        following = vector + self.copies if place + self.copies < self.vectors else None
        if following is None and not self.by_image and image * self.vectors + self.vectors < self.total:
            following = (image + 1) * self.vectors + place % self.copies
        self.turn[lane], self.free[lane] = (NEVER if following is None else following), free
        return following

    def _lane(self, vector: int) -> int:
        image, place = divmod(vector, self.vectors)
        return image if self.by_image else place % self.copies


def lanes_of(work: Work, images: int) -> Lanes | None:
    """The copies that a layer's vectors take in turn; None where nothing has to wait for a turn.

    Steps of a recurrent layer wait for those of their own image only: its copies serve other images meanwhile.
    """
    if not work.interval and not isinstance(work.op, ProductOp):
        return None
    return Lanes(work.op.vectors, work.copies, images, isinstance(work.op, MatrixOp) and work.op.recurrent > 0)
