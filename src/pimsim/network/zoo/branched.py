"""Networks with branches: GoogLeNet, ResNet, SqueezeNet, MobileNet, DenseNet.

Batch normalisation is part of the convolution before it, as an inference has it. That of DenseNet, which stands before
a convolution and reads what many layers made, is left out: one multiplication and one addition a value.
"""

from pimsim.network.layers import (
    AbstractLayer,
    Add,
    AvgPool,
    Concat,
    Conv2d,
    Dense,
    GlobalAvgPool,
    LocalResponseNorm,
    MaxPool,
    Relu,
    Relu6,
)
from pimsim.network.zoo.plain import Layers

CLASSES = 1000


def conv(
    name: str,
    channels: int,
    kernel: int,
    read: str = "",
    *,
    stride: int = 1,
    groups: int = 1,
    activation: AbstractLayer,
) -> Layers:
    """A convolution that keeps the image's size up to its stride, and its activation, called `name`."""
    layer = Conv2d(channels, kernel, stride, kernel // 2, groups)
    yield (f"{name}/conv", layer, read) if read else (f"{name}/conv", layer)
    yield name, activation


def inception(name: str, read: str, *widths: int) -> Layers:
    """Channels as in the paper's table: 1×1, 3×3 reduce, 3×3, 5×5 reduce, 5×5, pool."""
    one, *inner, pooled = widths
    yield from conv(f"{name}/1x1", one, 1, read, activation=Relu())
    for size, (reduced, channels) in ((3, inner[:2]), (5, inner[2:])):
        yield from conv(f"{name}/{size}x{size}_reduce", reduced, 1, read, activation=Relu())
        yield from conv(f"{name}/{size}x{size}", channels, size, activation=Relu())
    yield f"{name}/pool", MaxPool(3, 1, 1), read
    yield from conv(f"{name}/pool_proj", pooled, 1, activation=Relu())
    yield name, Concat(), tuple(f"{name}/{branch}" for branch in ("1x1", "3x3", "5x5", "pool_proj"))


def googlenet() -> Layers:
    yield from conv("conv1", 64, 7, stride=2, activation=Relu())
    yield "pool1", MaxPool(3, 2, ceil=True)
    yield "norm1", LocalResponseNorm()
    yield from conv("conv2_reduce", 64, 1, activation=Relu())
    yield from conv("conv2", 192, 3, activation=Relu())
    yield "norm2", LocalResponseNorm()
    yield "3", MaxPool(3, 2, ceil=True)
    read = "3"
    for name, *widths in (
        ("3a", 64, 96, 128, 16, 32, 32),
        ("3b", 128, 128, 192, 32, 96, 64),
        ("4",),
        ("4a", 192, 96, 208, 16, 48, 64),
        ("4b", 160, 112, 224, 24, 64, 64),
        ("4c", 128, 128, 256, 24, 64, 64),
        ("4d", 112, 144, 288, 32, 64, 64),
        ("4e", 256, 160, 320, 32, 128, 128),
        ("5",),
        ("5a", 256, 160, 320, 32, 128, 128),
        ("5b", 384, 192, 384, 48, 128, 128),
    ):
        if widths:
            yield from inception(name, read, *widths)
        else:
            yield name, MaxPool(3, 2, ceil=True)
        read = name
    yield "pool", GlobalAvgPool()
    yield "fc", Dense(CLASSES)


def resnet(blocks: tuple[int, int, int, int], bottleneck: bool) -> Layers:
    """The stride of a bottleneck is at its 3×3 convolution, as in the networks people run (v1.5)."""
    yield from conv("conv1", 64, 7, stride=2, activation=Relu())
    yield "pool1", MaxPool(3, 2, 1)
    read, known = "pool1", 64
    for scale, count in enumerate(blocks, 2):
        width = 32 * 2 ** (scale - 1)
        made = 4 * width if bottleneck else width
        for place in range(1, count + 1):
            name, stride = f"conv{scale}_{place}", 2 if scale > 2 and place == 1 else 1
            shortcut = read
            if made != known or stride > 1:
                shortcut, known = f"{name}/shortcut", made
                yield shortcut, Conv2d(made, 1, stride), read
            if bottleneck:
                yield from conv(f"{name}/1", width, 1, read, activation=Relu())
                yield from conv(f"{name}/2", width, 3, stride=stride, activation=Relu())
            else:
                yield from conv(f"{name}/1", width, 3, read, stride=stride, activation=Relu())
            kernel = 1 if bottleneck else 3
            yield f"{name}/last", Conv2d(made, kernel, padding=kernel // 2)
            yield f"{name}/sum", Add(), (f"{name}/last", shortcut)
            yield name, Relu()
            read = name
    yield "pool", GlobalAvgPool()
    yield "fc", Dense(CLASSES)


def squeezenet(channels: int, kernel: int, pools: tuple[int, int, int]) -> Layers:
    """`pools` says which layers a pool follows: the first convolution is 1, the fire modules are 2 to 9."""
    yield "conv1", Conv2d(channels, kernel, stride=2)
    yield "fire1", Relu()
    for place, width in enumerate((16, 16, 32, 32, 48, 48, 64, 64), 2):
        if place - 1 in pools:
            yield f"pool{place - 1}", MaxPool(3, 2, ceil=True)
        name = f"fire{place}"
        yield from conv(f"{name}/squeeze", width, 1, activation=Relu())
        for size in (1, 3):
            yield from conv(f"{name}/expand{size}", 4 * width, size, f"{name}/squeeze", activation=Relu())
        yield name, Concat(), (f"{name}/expand1", f"{name}/expand3")
    yield from conv("conv10", CLASSES, 1, activation=Relu())
    yield "pool", GlobalAvgPool()


def mobilenet_v1() -> Layers:
    yield from conv("conv1", 32, 3, stride=2, activation=Relu())
    read = 32
    for place, (channels, stride) in enumerate(
        [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)], 2
    ):
        yield from conv(f"depthwise{place}", read, 3, stride=stride, groups=read, activation=Relu())
        yield from conv(f"pointwise{place}", channels, 1, activation=Relu())
        read = channels
    yield "pool", GlobalAvgPool()
    yield "fc", Dense(CLASSES)


def mobilenet_v2() -> Layers:
    yield from conv("conv1", 32, 3, stride=2, activation=Relu6())
    read, known, place = "conv1", 32, 1
    for factor, channels, count, first in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ):  # fmt: skip
        for stride in [first, *[1] * (count - 1)]:
            place += 1
            name, wide = f"block{place}", factor * known
            if factor > 1:
                yield from conv(f"{name}/expand", wide, 1, activation=Relu6())
            yield from conv(f"{name}/depthwise", wide, 3, stride=stride, groups=wide, activation=Relu6())
            narrow = f"{name}/project"
            yield narrow, Conv2d(channels, 1)
            if stride == 1 and channels == known:
                yield name, Add(), (narrow, read)
            read, known = name if stride == 1 and channels == known else narrow, channels
    yield from conv("conv_last", 1280, 1, activation=Relu6())
    yield "pool", GlobalAvgPool()
    yield "fc", Dense(CLASSES)


def densenet(blocks: tuple[int, int, int, int], growth: int) -> Layers:
    yield from conv("conv1", 2 * growth, 7, stride=2, activation=Relu())
    yield "pool1", MaxPool(3, 2, 1)
    read, channels = "pool1", 2 * growth
    for block, count in enumerate(blocks, 1):
        if block > 1:
            channels //= 2
            yield f"transition{block - 1}/relu", Relu(), read
            yield f"transition{block - 1}/conv", Conv2d(channels, 1)
            read = f"transition{block - 1}"
            yield read, AvgPool(2)
        for place in range(1, count + 1):
            name = f"block{block}_{place}"
            yield f"{name}/relu", Relu(), read
            yield from conv(f"{name}/narrow", 4 * growth, 1, activation=Relu())
            yield f"{name}/conv", Conv2d(growth, 3, padding=1)
            yield name, Concat(), (read, f"{name}/conv")
            read, channels = name, channels + growth
    yield "relu", Relu()
    yield "pool", GlobalAvgPool()
    yield "fc", Dense(CLASSES)
