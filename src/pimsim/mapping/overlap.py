"""Which convolutions compute several places at a time."""

from functools import partial
from typing import Literal

from pimsim.chip import AbstractCore
from pimsim.errors import SpecError, require
from pimsim.network.graph import Network
from pimsim.network.layers import Conv2d
from pimsim.network.ops import MatrixOp, Shape
from pimsim.network.overlap import is_plain, overlapped, wide

Windows = Literal["single", "auto"] | dict[str, tuple[int, int]]
"""Places (height, width) that one read of a convolution brings: one; as many as save most reads; or those given."""
MOST = 8
"""Places along an axis that `auto` tries."""


def apply_windows(network: Network, windows: Windows, core: AbstractCore) -> Network:
    """The network with its convolutions as planned. Raises SpecError for places that are no counts."""
    if windows == "single":
        return network
    if windows == "auto":
        return overlapped(network, fewest_reads(network, core))
    for name, copies in windows.items():
        for axis in (0, 1):
            require(f"mapping.windows.{name}", copies[axis], 1, 64)
    try:
        return overlapped(network, windows)
    except SpecError as error:
        raise error.within("mapping.windows") from None


def fewest_reads(network: Network, core: AbstractCore) -> dict[str, tuple[int, int]]:
    """For each convolution that gains, the places that need the fewest reads of arrays, and then the fewest arrays."""
    shapes, found = network.shapes, {}
    for node in network.nodes:
        conv = node.layer
        if isinstance(conv, Conv2d) and is_plain(conv) and conv.groups == 1:
            image = shapes[node.inputs[0]]
            height, width = (min(MOST, n) for n in conv.window.positions(image))
            choices = [(i, j) for i in range(1, height + 1) for j in range(1, width + 1)]
            best = min(choices, key=partial(_reads, conv, image, core))
            if best != (1, 1):
                found[node.name] = best
    return found


def _reads(conv: Conv2d, image: Shape, core: AbstractCore, copies: tuple[int, int]) -> tuple[int, int]:
    """Reads of arrays per image, and arrays."""
    (op,) = wide(conv, image, copies).lower("", ("",), image)
    assert isinstance(op, MatrixOp)
    cuts = core.cuts(op.rows, op.cols)
    arrays = cuts.blocks * cuts.arrays
    return arrays * op.vectors, arrays
