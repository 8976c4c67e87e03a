"""Small networks for 28×28 digits, trained here: a residual one, a depthwise one, a transformer on patches."""

from pimsim.network.layers import Add, Conv2d, Dense, Flatten, GlobalAvgPool, LayerNorm, Relu, Tokens
from pimsim.network.zoo.branched import conv
from pimsim.network.zoo.plain import Layers
from pimsim.network.zoo.sequence import attention, feed_forward

DIGITS = 10


def resnet8(*widths: int) -> Layers:
    """One block of two 3×3 convolutions a width: seven convolutions in a row, and one dense layer."""
    yield from conv("conv1", widths[0], 3, stride=2, activation=Relu())
    read = "conv1"
    for place, width in enumerate(widths, 1):
        name, stride = f"block{place}", 1 if place == 1 else 2
        yield from conv(f"{name}/1", width, 3, read, stride=stride, activation=Relu())
        yield f"{name}/last", Conv2d(width, 3, padding=1)
        shortcut = read
        if stride > 1:
            shortcut = f"{name}/shortcut"
            yield shortcut, Conv2d(width, 1, stride), read
        yield f"{name}/sum", Add(), (f"{name}/last", shortcut)
        yield name, Relu()
        read = name
    yield "pool", GlobalAvgPool()
    yield "fc", Dense(DIGITS)


def mobilenet_digits(first: int, *stages: tuple[int, int]) -> Layers:
    """A convolution, then a depthwise and a pointwise one for each (channels, stride)."""
    yield from conv("conv1", first, 3, stride=2, activation=Relu())
    read = first
    for place, (channels, stride) in enumerate(stages, 2):
        yield from conv(f"depthwise{place}", read, 3, stride=stride, groups=read, activation=Relu())
        yield from conv(f"pointwise{place}", channels, 1, activation=Relu())
        read = channels
    yield "pool", GlobalAvgPool()
    yield "fc", Dense(DIGITS)


def vit_digits(patch: int, width: int, layers: int, heads: int) -> Layers:
    """Encoder layers with the norm before each matrix, over square patches as tokens.

    Positions come from a depthwise convolution, which sees the zeros around the image (Chu et al., ICLR 2023).
    """
    yield "patches", Conv2d(width, patch, patch)
    yield "positions", Conv2d(width, 3, padding=1, groups=width)
    yield "placed", Add(), ("patches", "positions")
    read = "tokens"
    yield read, Tokens()
    for place in range(1, layers + 1):
        name = f"layer{place}"
        yield f"{name}/norm1", LayerNorm(), read
        yield from attention(f"{name}/attention", f"{name}/norm1", width, heads)
        yield f"{name}/sum1", Add(), (f"{name}/attention", read)
        yield f"{name}/norm2", LayerNorm()
        yield from feed_forward(f"{name}/ffn", f"{name}/norm2", width)
        read = f"{name}/sum2"
        yield read, Add(), (f"{name}/ffn", f"{name}/sum1")
    yield "norm", LayerNorm()
    yield "flatten", Flatten()
    yield "fc", Dense(DIGITS)
