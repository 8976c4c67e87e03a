"""Networks for images of 32 × 32, as MNSIM 2.0 (commit ca39ccb, Interface/network.py) has them: not those of the papers
that they are named after."""

from pimsim.network.layers import Add, Conv2d, Flatten, MaxPool, Relu
from pimsim.network.zoo.plain import Layers, dense

CLASSES = 10


def sequence(*sizes: str | tuple[int, ...]) -> Layers:
    """conv1, pool1, … from (channels, kernel, padding, stride) and "pool"; a ReLU behind each convolution."""
    place = 0
    for size in sizes:
        if isinstance(size, str):
            yield f"pool{place}", MaxPool(2)
            continue
        place += 1
        channels, kernel, padding, stride = (*size, 3, 1, 1)[:4] if len(size) == 1 else size
        yield f"conv{place}", Conv2d(channels, kernel, stride=stride, padding=padding)
        yield f"relu{place}", Relu()


def small_lenet() -> Layers:
    yield from sequence((6, 5, 0, 1), "pool", (16, 5, 0, 1), "pool", (120, 5, 0, 1))
    yield "flatten", Flatten()
    yield from dense((84, CLASSES), Relu())


def small_alexnet() -> Layers:
    yield from sequence((64, 3, 1, 2), "pool", (192,), "pool", (384,), (256,), (256,), "pool")
    yield "flatten", Flatten()
    yield from dense((512, CLASSES), Relu())


def small_vgg8() -> Layers:
    wide = (1024, 3, 0, 1)
    yield from sequence((128,), (128,), "pool", (256,), (256,), "pool", (512,), (512,), "pool", wide, "pool")
    yield "flatten", Flatten()
    yield from dense((CLASSES,), Relu())


def small_vgg16() -> Layers:
    scales = ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3)
    yield from sequence(*(each for scale in scales for each in (*((n,) for n in scale), "pool")), *((512,),) * 3)
    yield "flatten", Flatten()
    yield from dense((CLASSES,), Relu())


def small_resnet18() -> Layers:
    """Shortcuts that change the shape are convolutions of 3×3; the last pool is missing."""
    yield from sequence((64,), "pool")
    read, known = "pool1", 64
    for block, channels in enumerate((64, 64, 128, 128, 256, 256, 512, 512), 1):
        name, stride = f"block{block}", 1 if channels == known else 2
        yield f"{name}/conv1", Conv2d(channels, 3, stride=stride, padding=1), read
        yield f"{name}/relu1", Relu()
        yield f"{name}/conv2", Conv2d(channels, 3, padding=1)
        shortcut = read
        if stride == 2:
            shortcut = f"{name}/shortcut"
            yield shortcut, Conv2d(channels, 3, stride=2, padding=1), read
        yield f"{name}/sum", Add(), (f"{name}/conv2", shortcut)
        read, known = f"{name}/relu", channels
        yield read, Relu()
    yield "flatten", Flatten()
    yield from dense((512, CLASSES), Relu())
