"""Networks that come with the package: tables of layers, and trained weights of those that have any."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pimsim.catalog import is_model
from pimsim.errors import CardNotFound, NetworkError, nearest
from pimsim.network.graph import Network, build_network
from pimsim.network.layers import Relu
from pimsim.network.onnx.read import read_model
from pimsim.network.ops import Shape
from pimsim.network.weightfile import read_weights
from pimsim.network.zoo.branched import densenet, googlenet, mobilenet_v1, mobilenet_v2, resnet, squeezenet
from pimsim.network.zoo.digits import mobilenet_digits, resnet8, vit_digits
from pimsim.network.zoo.plain import (
    Layers,
    alexnet,
    deepface,
    digits_cnn,
    lenet5,
    mlbench_cnn,
    mlbench_mlp,
    msra,
    perceptron,
    vgg,
)
from pimsim.network.zoo.sequence import bert, gpt, lstm
from pimsim.network.zoo.small_images import small_alexnet, small_lenet, small_resnet18, small_vgg8, small_vgg16

WEIGHTS = Path(__file__).parents[1] / "weights"
DIGIT, SMALL, PHOTO = (28, 28, 1), (32, 32, 3), (224, 224, 3)


class Entry(NamedTuple):
    """A network of the zoo. Its first field, a literal, is what `pimsim list networks` reads without importing."""

    description: str
    source: str
    input_shape: Shape
    layers: Callable[[], Layers]


PRIME = "Chi et al., ISCA 2016, MlBench"
VGG = "Simonyan and Zisserman, ICLR 2015"
MSRA = "He et al., ICCV 2015, Table 3"
RESNET = "He et al., CVPR 2016; stride at the 3×3 convolution (v1.5)"
SQUEEZE = "Iandola et al., arXiv:1602.07360"
GPT2 = "Radford et al., 2019"
MNSIM = "MNSIM 2.0, commit ca39ccb, Interface/network.py"

ZOO = {
    "lenet5": Entry(
        "LeNet-5 for 28×28 digits, with ReLU and max pooling", "LeCun et al., Proc. IEEE 86, 2278 (1998), modernised",
        DIGIT, lenet5,
    ),
    "mlp": Entry("Perceptron for digits, 784-256-128-10", "ours", DIGIT, partial(perceptron, Relu(), 256, 128, 10)),
    "resnet8-digits": Entry(
        "ResNet-8 for digits: 16, 32 and 64 channels", "ours, after He et al., CVPR 2016", DIGIT,
        partial(resnet8, 16, 32, 64),
    ),
    "mobilenet-digits": Entry(
        "MobileNet for digits: five pairs of depthwise and pointwise", "ours, after Howard et al., arXiv:1704.04861",
        DIGIT, partial(mobilenet_digits, 16, (32, 1), (32, 2), (64, 1), (64, 2), (96, 1)),
    ),
    "vit-digits": Entry(
        "Transformer on 49 patches of a digit, 2 layers of width 32", "ours, after Dosovitskiy et al., ICLR 2021",
        DIGIT, partial(vit_digits, 4, 32, 2, 4),
    ),
    "digits-cnn": Entry("CNN for 8×8 digits: 16 and 32 maps, 128-64-10", "ours", (8, 8, 1), digits_cnn),
    "cnn-1": Entry("MlBench CNN-1: 5 maps of 5×5, 720-70-10", PRIME, DIGIT, partial(mlbench_cnn, 5, 5, 70)),
    "cnn-2": Entry("MlBench CNN-2: 10 maps of 7×7, 1210-120-10", PRIME, DIGIT, partial(mlbench_cnn, 10, 7, 120)),
    "mlp-s": Entry("MlBench MLP-S: 784-500-250-10", PRIME, DIGIT, partial(mlbench_mlp, 500, 250, 10)),
    "mlp-m": Entry("MlBench MLP-M: 784-1000-500-250-10", PRIME, DIGIT, partial(mlbench_mlp, 1000, 500, 250, 10)),
    "mlp-l": Entry("MlBench MLP-L: 784-1500-1000-500-10", PRIME, DIGIT, partial(mlbench_mlp, 1500, 1000, 500, 10)),
    "alexnet": Entry("AlexNet in its two groups", "Krizhevsky et al., NIPS 2012", (227, 227, 3), alexnet),
    "vgg-a": Entry("VGG-A, 11 layers", VGG, PHOTO, partial(vgg, "3 3 33 33 33")),
    "vgg-b": Entry("VGG-B, 13 layers", VGG, PHOTO, partial(vgg, "33 33 33 33 33")),
    "vgg-c": Entry("VGG-C, 16 layers, three of them 1×1", VGG, PHOTO, partial(vgg, "33 33 331 331 331")),
    "vgg-d": Entry("VGG-D, 16 layers (VGG-16)", VGG, PHOTO, partial(vgg, "33 33 333 333 333")),
    "vgg-e": Entry("VGG-E, 19 layers (VGG-19)", VGG, PHOTO, partial(vgg, "33 33 3333 3333 3333")),
    "msra-a": Entry("PReLU-net A, 19 layers, spatial pyramid", MSRA, PHOTO, partial(msra, 5, (256, 512, 512))),
    "msra-b": Entry("PReLU-net B, 22 layers, spatial pyramid", MSRA, PHOTO, partial(msra, 6, (256, 512, 512))),
    "msra-c": Entry("PReLU-net C, 22 wide layers, spatial pyramid", MSRA, PHOTO, partial(msra, 6, (384, 768, 896))),
    "deepface": Entry("DeepFace, three layers locally connected", "Taigman et al., CVPR 2014", (152, 152, 3), deepface),
    "googlenet": Entry("GoogLeNet, without auxiliary classifiers", "Szegedy et al., CVPR 2015", PHOTO, googlenet),
    "resnet-18": Entry("ResNet-18", RESNET, PHOTO, partial(resnet, (2, 2, 2, 2), bottleneck=False)),
    "resnet-34": Entry("ResNet-34", RESNET, PHOTO, partial(resnet, (3, 4, 6, 3), bottleneck=False)),
    "resnet-50": Entry("ResNet-50", RESNET, PHOTO, partial(resnet, (3, 4, 6, 3), bottleneck=True)),
    "resnet-152": Entry("ResNet-152", RESNET, PHOTO, partial(resnet, (3, 8, 36, 3), bottleneck=True)),
    "squeezenet-1.0": Entry("SqueezeNet 1.0", SQUEEZE, PHOTO, partial(squeezenet, 96, 7, (1, 4, 8))),
    "squeezenet-1.1": Entry("SqueezeNet 1.1", SQUEEZE, PHOTO, partial(squeezenet, 64, 3, (1, 3, 5))),
    "mobilenet-v1": Entry("MobileNet, width 1", "Howard et al., arXiv:1704.04861", PHOTO, mobilenet_v1),
    "mobilenet-v2": Entry("MobileNetV2, width 1", "Sandler et al., CVPR 2018", PHOTO, mobilenet_v2),
    "densenet-121": Entry("DenseNet-121", "Huang et al., CVPR 2017", PHOTO, partial(densenet, (6, 12, 24, 16), 32)),
    "mnsim-lenet": Entry("MNSIM's LeNet for 32×32 images", MNSIM, SMALL, small_lenet),
    "mnsim-alexnet": Entry("MNSIM's AlexNet for 32×32 images, seven layers", MNSIM, SMALL, small_alexnet),
    "mnsim-vgg-8": Entry("MNSIM's VGG-8 for 32×32 images", MNSIM, SMALL, small_vgg8),
    "mnsim-vgg-16": Entry("MNSIM's VGG-16 for 32×32 images, 14 layers", MNSIM, SMALL, small_vgg16),
    "mnsim-resnet-18": Entry("MNSIM's ResNet-18 for 32×32 images", MNSIM, SMALL, small_resnet18),
    "lstm-ptb": Entry(
        "LSTM language model, 2 × 650 units, 35 steps, 10,000 words", "Zaremba et al., arXiv:1409.2329, medium",
        (35, 650), partial(lstm, 2, 650, 10_000),
    ),
    "bert-base": Entry(
        "BERT-base encoder, 128 tokens", "Devlin et al., NAACL 2019", (128, 768), partial(bert, 12, 768, 12)
    ),
    "gpt2-prefill": Entry(
        "GPT-2 small reads 128 tokens and predicts one", GPT2, (128, 768), partial(gpt, 12, 768, 12, 50_257, cached=0)
    ),
    "gpt2-decode": Entry(
        "GPT-2 small takes the 129th token", GPT2, (1, 768), partial(gpt, 12, 768, 12, 50_257, cached=128)
    ),
}  # fmt: skip
"""The networks, without weights."""


def load_topology(name: str) -> Network:
    """The network of this name or in this .onnx file, without weights.

    CardNotFound names the nearest where there is none.
    """
    if is_model(name):
        return read_model(name).network
    if name not in ZOO:
        raise CardNotFound(name, "no network has this name", nearest(name, ZOO))
    return build_network(name, ZOO[name].input_shape, list(ZOO[name].layers()))


def load_network(name: str, weights: str | None = None) -> Network:
    """The network of this name or in this .onnx file, with its trained weights or those in a file of one's own.

    Raises NetworkError where it has none, or the file's do not fit.
    """
    if weights is not None:
        topology, own = load_topology(name), read_weights(Path(weights))
        try:
            return topology.with_weights(own)
        except NetworkError as error:
            raise error.within(weights, ": ") from None
    if is_model(name):
        return read_model(name).with_weights()
    topology = load_topology(name)
    path = WEIGHTS / f"{name}.npz"
    if not path.is_file():
        raise NetworkError(name, "has no trained weights", "Ask for its cost alone: dataset: none")
    return topology.with_weights(read_weights(path))
