"""What is asked of a schedule, and its answer: when the layers of one inference work."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Shaped

from pimsim.errors import SpecError, require
from pimsim.schedule.buffers import Buffers
from pimsim.spec import AbstractSpec
from pimsim.units import Time, Times

MAX_REPLAY = 1000
Kind = Literal["layer_pipeline", "batch_pipeline", "sequential"]


class SchedulePlan(AbstractSpec):
    """How the layers of a network take turns."""

    kind: Kind = "layer_pipeline"
    """`layer_pipeline`: a vector starts as soon as its window is there, as on ISAAC. `batch_pipeline`: layers overlap
    across images, while those of one image follow one another. `sequential`: one layer of one image at a time."""
    contention: bool = False
    """Whether the mesh and the buses bound the interval, as links between chips, memory and issue always do."""
    buffers: Buffers = "unbounded"
    """What the buffers at the inputs of layers hold: anything; `tile`, what the buffers of their tiles do; or so many
    vectors of each input, by layer (of others anything). A layer whose results find no room waits."""
    replay: int = 0
    """Images that are replayed event by event beside the schedule; 0 for none. With contention their transfers queue
    for the links of the mesh, the buses, and the links between chips."""

    def __check_init__(self):
        if self.replay:
            require("replay", self.replay, 2, MAX_REPLAY)
        asked = "buffers" if self.buffers != "unbounded" else "replay" if self.replay else ""
        if asked and self.kind != "layer_pipeline":
            fact = f"is of a layer pipeline; `{self.kind}` keeps whole tensors between layers"
            raise SpecError(asked, fact, "Choose `schedule.kind: layer_pipeline`.")


@dataclass(frozen=True)
class Timeline:
    """When the layers of one inference work, and how soon the next can follow."""

    layer: Shaped[np.ndarray, " layer"]
    start: Times[np.ndarray, " layer"]
    """Of the layer's first vector."""
    finish: Times[np.ndarray, " layer"]
    """Of its last."""
    busy: Times[np.ndarray, " layer"]
    """How long one inference keeps the layer's busiest copy, or the units of a product of results; 0 for others."""
    latency: Time
    interval: Time
    bottleneck: str
    """What sets the interval: a layer, "link" (between chips), "memory", "issue" (of a tile), "mesh", "bus",
    "rewriting" (of the arrays), or "buffer of" the layer for room in whose buffers others wait longest."""
    kind: str
    """As in SchedulePlan."""
    resource: Shaped[np.ndarray, " resource"]
    """What tiles or layers share: the links between chips, the mesh, the buses of the tiles, the memory, the tiles
    themselves, which start one operation at a time."""
    occupied: Times[np.ndarray, " resource"]
    """How long one inference keeps the busiest of each."""
    busiest: Shaped[np.ndarray, " resource"]
    """Which one that is."""
    bound: Shaped[np.ndarray, " bound"]
    """What no mapping on the same arrays gets around: "arrays", "issue" (of the tiles), "memory", "links" (of the mesh,
    which bound the interval only under contention)."""
    least: Times[np.ndarray, " bound"]
    """The least interval that each allows by itself."""
    gap: float
    """The interval over the largest of the bounds that apply."""
