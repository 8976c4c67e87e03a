"""When vectors pass the layers."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from pimsim.network.ops import Op


class Passed(NamedTuple):
    """Cycles of the vectors of each layer and of the image, image after image."""

    start: dict[str, Int[np.ndarray, " vector"]]
    finish: dict[str, Int[np.ndarray, " vector"]]
    """When a vector, and with it all before it, is there."""

    def span(self, op: Op) -> tuple[int, int]:
        """From the start of the first vector of the first image to the result of the last."""
        return int(self.start[op.layer][: op.vectors].min()), int(self.finish[op.layer][op.vectors - 1])

    def leaving(self, op: Op) -> Int[np.ndarray, " image"]:
        """When each image has passed a layer."""
        return self.finish[op.layer][op.vectors - 1 :: op.vectors]


def spacing(left: Int[np.ndarray, " image"], every: float) -> float:
    """Cycles between images that leave, by the later half of them: they cannot leave more often than they come."""
    half = len(left) // 2
    return max(every, float(left[-1] - left[half - 1]) / (len(left) - half))
