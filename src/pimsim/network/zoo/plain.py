"""Networks whose layers follow one another: perceptrons, LeNet, AlexNet, VGG, MSRA, DeepFace."""

from collections.abc import Iterator, Sequence

from pimsim.network.layers import (
    AbstractLayer,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    LeakyRelu,
    LocallyConnected,
    LocalResponseNorm,
    MaxPool,
    Relu,
    Sigmoid,
)

Layers = Iterator[tuple[str, AbstractLayer] | tuple[str, AbstractLayer, str | tuple[str, ...]]]
"""Layers as `build_network` takes them."""


def dense(sizes: Sequence[int], activation: AbstractLayer, first: int = 1) -> Layers:
    """fc1, act1, fc2, … with an activation after each but the last."""
    for place, size in enumerate(sizes, first):
        if place > first:
            yield f"act{place - 1}", activation
        yield f"fc{place}", Dense(size)


def perceptron(activation: AbstractLayer, *sizes: int) -> Layers:
    yield "flatten", Flatten()
    yield from dense(sizes, activation)


def lenet5() -> Layers:
    yield "conv1", Conv2d(6, 5, padding=2)
    yield "relu1", Relu()
    yield "pool1", MaxPool(2)
    yield "conv2", Conv2d(16, 5)
    yield "relu2", Relu()
    yield "pool2", MaxPool(2)
    yield from perceptron(Relu(), 120, 84, 10)


def digits_cnn() -> Layers:
    for place, channels in enumerate((16, 32), 1):
        yield f"conv{place}", Conv2d(channels, 3, padding=1)
        yield f"relu{place}", Relu()
        yield f"pool{place}", MaxPool(2)
    yield from perceptron(Relu(), 64, 10)


def mlbench_mlp(*sizes: int) -> Layers:
    """PRIME's perceptrons, which have sigmoids: its bit lines end in them."""
    yield from perceptron(Sigmoid(), *sizes)


def mlbench_cnn(channels: int, kernel: int, hidden: int) -> Layers:
    """PRIME's small networks: one convolution, one pool, two dense layers."""
    yield "conv1", Conv2d(channels, kernel)
    yield "sigmoid1", Sigmoid()
    yield "pool1", MaxPool(2)
    yield from perceptron(Sigmoid(), hidden, 10)


def alexnet() -> Layers:
    yield "conv1", Conv2d(96, 11, stride=4)
    yield "relu1", Relu()
    yield "norm1", LocalResponseNorm()
    yield "pool1", MaxPool(3, 2)
    yield "conv2", Conv2d(256, 5, padding=2, groups=2)
    yield "relu2", Relu()
    yield "norm2", LocalResponseNorm()
    yield "pool2", MaxPool(3, 2)
    for place, channels, groups in ((3, 384, 1), (4, 384, 2), (5, 256, 2)):
        yield f"conv{place}", Conv2d(channels, 3, padding=1, groups=groups)
        yield f"relu{place}", Relu()
    yield "pool5", MaxPool(3, 2)
    yield "flatten", Flatten()
    yield from dense((4096, 4096, 1000), Relu(), first=6)


def vgg(kernels: str) -> Layers:
    """One word a scale, one digit a convolution: the size of its kernel."""
    for scale, (word, channels) in enumerate(zip(kernels.split(), (64, 128, 256, 512, 512), strict=True), 1):
        for place, kernel in enumerate(map(int, word), 1):
            yield f"conv{scale}_{place}", Conv2d(channels, kernel, padding=kernel // 2)
            yield f"relu{scale}_{place}", Relu()
        yield f"pool{scale}", MaxPool(2)
    yield "flatten", Flatten()
    yield from dense((4096, 4096, 1000), Relu(), first=6)


def msra(depth: int, channels: tuple[int, int, int]) -> Layers:
    """A 7×7 convolution, three scales of `depth` 3×3 convolutions, a pyramid of 7, 3, 2 and 1 bins a side."""
    yield "conv1", Conv2d(96, 7, stride=2, padding=3)
    yield "prelu1", LeakyRelu()
    for scale, width in enumerate(channels, 2):
        yield f"pool{scale - 1}", MaxPool(2)
        for place in range(1, depth + 1):
            yield f"conv{scale}_{place}", Conv2d(width, 3, padding=1)
            yield f"prelu{scale}_{place}", LeakyRelu()
    last, levels = f"prelu4_{depth}", (7, 3, 2, 1)
    for bins in levels:  # of an image of 14 × 14: windows of ⌈14/bins⌉, ⌊14/bins⌋ apart
        yield f"pyramid{bins}", MaxPool(-(-14 // bins), 14 // bins), last
        yield f"flatten{bins}", Flatten()
    yield "pyramid", Concat(), tuple(f"flatten{bins}" for bins in levels)
    yield from dense((4096, 4096, 1000), LeakyRelu())


def deepface() -> Layers:
    yield "conv1", Conv2d(32, 11)
    yield "relu1", Relu()
    yield "pool2", MaxPool(3, 2, ceil=True)
    yield "conv3", Conv2d(16, 9)
    yield "relu3", Relu()
    for place, kernel, stride in ((4, 9, 1), (5, 7, 2), (6, 5, 1)):
        yield f"local{place}", LocallyConnected(16, kernel, stride)
        yield f"relu{place}", Relu()
    yield "flatten", Flatten()
    yield from dense((4096, 4030), Relu(), first=7)
