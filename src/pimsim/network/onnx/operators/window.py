"""Windows as ONNX writes them: kernel, strides, dilations, and padding given or asked for by name."""

from math import ceil

from pimsim.errors import NetworkError
from pimsim.network.layers.window import Padding, Pair
from pimsim.network.onnx.call import Call
from pimsim.network.onnx.layout import IMAGE_GROUPS, Groups, Tensor
from pimsim.network.ops import Shape


def image(call: Call) -> Tensor:
    """The first input as an image, or as a signal, which is an image of height 1."""
    tensor = call.tensor()
    groups = image_groups(call.op, tensor.shape)
    return call.builder.laid(call.name, tensor, groups)


def image_groups(op: str, shape: Shape) -> Groups:
    """How images of this shape lie; NetworkError where they are none."""
    if len(shape) not in IMAGE_GROUPS or shape[0] != 1:
        fact = f"{op} is read for (1, channels, length) and (1, channels, height, width), got {shape}"
        raise NetworkError("", fact)
    return IMAGE_GROUPS[len(shape)]


def pairs(values: list[int] | None, rank: int, default: int = 1) -> Pair:
    """One number an axis of the image, as height and width."""
    given = list(values) if values else [default] * (rank - 2)
    return (given[0], given[1]) if rank == 4 else (default, given[0])


def padding(call: Call, size: Shape, kernel: Pair, stride: Pair, dilation: Pair) -> Padding:
    """Rows and columns to add to an image of this size: ((top, bottom), (left, right))."""
    rank, auto = len(call.tensor().shape), call.text("auto_pad", "NOTSET")
    if auto == "VALID":
        return (0, 0), (0, 0)
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        return same_padding(size, kernel, stride, dilation, auto == "SAME_LOWER")
    given = call.get("pads") or [0] * (2 * (rank - 2))
    half = len(given) // 2
    sides = list(zip(given[:half], given[half:], strict=True))
    return (sides[0], sides[1]) if rank == 4 else ((0, 0), sides[0])


def same_padding(size: Shape, kernel: Pair, stride: Pair, dilation: Pair, lower: bool) -> Padding:
    """What makes ⌈size / stride⌉ windows fit; an odd pixel goes to the end, or to the beginning."""
    sides = []
    for n, k, s, d in zip(size, kernel, stride, dilation, strict=True):
        total = max((ceil(n / s) - 1) * s + (k - 1) * d + 1 - n, 0)
        small = total // 2
        sides.append((total - small, small) if lower else (small, total - small))
    return sides[0], sides[1]
