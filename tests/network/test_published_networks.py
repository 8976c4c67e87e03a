"""The zoo against the literature: multiplications, weights, layer tables; figures with their sources beside them.

Torchvision's figures and PIMCOMP's tables were read in their files (confidence high); the others are recalled, and
confirmed where our count meets them to the last digit (medium).
"""

from math import prod

import numpy as np
import pytest

from pimsim.network.graph import IMAGE
from pimsim.network.layers import Attention, Conv2d, Dense, LocallyConnected, Lstm
from pimsim.network.ops import MatrixOp, ProductOp, VectorOp, vector_count
from pimsim.network.zoo import ZOO, load_topology

TORCHVISION = "torchvision 0.15, `_ops` and `num_params` of IMAGENET1K_V1"
MULTIPLICATIONS = {
    # network: (10⁹ multiplications, source), to the digits given
    "alexnet": (0.724, "Sze et al., Proc. IEEE 105, 2295 (2017), Table II: 724M"),
    "vgg-a": (7.609, TORCHVISION + ", vgg11"),
    "vgg-b": (11.308, TORCHVISION + ", vgg13"),
    "vgg-d": (15.47, TORCHVISION + ", vgg16"),
    "vgg-e": (19.632, TORCHVISION + ", vgg19"),
    "resnet-18": (1.814, TORCHVISION),
    "resnet-34": (3.664, TORCHVISION),
    "resnet-50": (4.089, TORCHVISION),
    "resnet-152": (11.514, TORCHVISION),
    "squeezenet-1.0": (0.819, TORCHVISION),
    "squeezenet-1.1": (0.349, TORCHVISION),
    "mobilenet-v1": (0.569, "Howard et al., arXiv:1704.04861, Table 4: 569 million"),
    "mobilenet-v2": (0.301, TORCHVISION),
    "densenet-121": (2.834, TORCHVISION),
}
PARAMETERS = {
    # network: (parameters, those that no matrix holds, source)
    "alexnet": (60_965_224, "biases", "Caffe, bvlc_alexnet: 60,965,224; the paper says 60 million"),
    "vgg-a": (132_863_336, "biases", TORCHVISION),
    "vgg-b": (133_047_848, "biases", TORCHVISION),
    "vgg-d": (138_357_544, "biases", TORCHVISION),
    "vgg-e": (143_667_240, "biases", TORCHVISION),
    "resnet-18": (11_689_512, "norms", TORCHVISION),
    "resnet-34": (21_797_672, "norms", TORCHVISION),
    "resnet-50": (25_557_032, "norms", TORCHVISION),
    "resnet-152": (60_192_808, "norms", TORCHVISION),
    "squeezenet-1.0": (1_248_424, "biases", TORCHVISION),
    "squeezenet-1.1": (1_235_496, "biases", TORCHVISION),
    "mobilenet-v2": (3_504_872, "norms", TORCHVISION),
}


def ops_of(name):
    return load_topology(name).ops()


def matrices(name):
    return [op for op in ops_of(name) if isinstance(op, MatrixOp)]


@pytest.mark.parametrize("name", MULTIPLICATIONS)
def test_multiplications_are_the_published_ones(name):
    giga, _ = MULTIPLICATIONS[name]
    digits = len(str(giga).split(".")[1])
    assert sum(op.macs for op in matrices(name)) / 1e9 == pytest.approx(giga, abs=0.5 * 10**-digits)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_the_published_ones_to_the_last(name):
    """Weights, and for each output channel a bias, or a batch norm's two numbers and a bias in the classifier alone."""
    published, kind, _ = PARAMETERS[name]
    ops = matrices(name)
    others = sum(op.cols for op in ops) if kind == "biases" else sum(2 * op.cols for op in ops[:-1]) + ops[-1].cols
    assert sum(op.weights for op in ops) + others == published


def test_densenet_has_its_parameters():
    """7,978,856 (torchvision). A norm on what each 1×1 convolution reads, and within a block one on what it makes."""
    ops = matrices("densenet-121")
    norms = 2 * ops[0].cols + 2 * ops[-1].rows
    for op in ops[1:-1]:
        if "narrow" in op.layer:
            norms += 2 * (op.rows + op.cols)
        elif "transition" in op.layer:
            norms += 2 * op.rows
    assert sum(op.weights for op in ops) + norms + 1000 == 7_978_856


def test_language_models_have_their_parameters():
    """With embeddings and norms: BERT-base 109,482,240 (Hugging Face bert-base-uncased), GPT-2 124,439,808 (its small
    model as published), Zaremba's medium LSTM 20 million (Merity et al., arXiv:1609.07843, Table 3)."""
    bert, gpt, lstm = matrices("bert-base"), matrices("gpt2-prefill"), matrices("lstm-ptb")
    norm, pooler = 2 * 768, 768 * 769
    encoder = sum(op.weights + op.cols for op in bert) + 24 * norm
    assert (30_522 + 512 + 2) * 768 + norm + encoder + pooler == 109_482_240
    decoder = sum(op.weights + op.cols for op in gpt[:-1]) + 25 * norm
    assert gpt[-1].weights + 1024 * 768 + decoder == 124_439_808  # the last matrix is the table of words
    assert sum(op.weights + op.cols for op in lstm) + 10_000 * 650 == pytest.approx(20e6, rel=0.02)


def test_bert_multiplies_as_often_as_published():
    """22.5 GFLOPs at 128 tokens (Sun et al., MobileBERT, ACL 2020; confidence medium), two a multiplication."""
    ops = ops_of("bert-base")
    assert 2 * sum(op.macs for op in ops if not isinstance(op, VectorOp)) / 1e9 == pytest.approx(22.5, rel=0.01)


def test_what_decoding_multiplies():
    """Each weight once, and each of 129 keys and values; reading 128 tokens 128 times that, the last matrix once."""
    step, read = ops_of("gpt2-decode"), ops_of("gpt2-prefill")
    stored = sum(op.weights for op in step if isinstance(op, MatrixOp))
    assert sum(op.macs for op in step if isinstance(op, MatrixOp)) == stored
    assert sum(op.macs for op in step if isinstance(op, ProductOp)) == 12 * 2 * 129 * 768
    assert sum(op.macs for op in read if isinstance(op, ProductOp)) == 12 * 2 * (128 * 129 // 2) * 768
    words = 768 * 50_257
    assert sum(op.macs for op in read if isinstance(op, MatrixOp)) == 128 * (stored - words) + words


@pytest.mark.parametrize(
    ("name", "flattened", "weights"),
    [("mlp-s", 784, 519_500), ("mlp-m", 784, 1_411_500), ("mlp-l", 784, 3_181_000), ("cnn-1", 720, None),
     ("cnn-2", 1210, None)],
)  # fmt: skip
def test_mlbench(name, flattened, weights):
    """PRIME's table of networks, whose sizes are its own check: 12·12·5 = 720, 11·11·10 = 1210."""
    network = load_topology(name)
    assert network.shapes["flatten"] == (flattened,)
    if weights:
        assert sum(op.weights for op in matrices(name)) == weights


def test_deepface_and_googlenet():
    """DeepFace: images of 71, 63, 55, 25 and 21 pixels and more than 120 million parameters, by its own text;
    GoogLeNet: 6,998,552 parameters with biases (Caffe, without the auxiliary classifiers)."""
    shapes = load_topology("deepface").shapes
    assert [shapes[n][0] for n in ("pool2", "conv3", "local4", "local5", "local6")] == [71, 63, 55, 25, 21]
    local = [op for op in matrices("deepface") if op.matrices > 1]
    assert [op.layer for op in local] == ["local4", "local5", "local6"]
    biases = sum(op.cols * op.matrices for op in matrices("deepface"))
    assert sum(op.weights for op in matrices("deepface")) + biases == pytest.approx(120e6, rel=0.01)
    assert sum(op.weights + op.cols for op in matrices("googlenet")) == 6_998_552


TABLES = {
    # (rows, columns, positions, how many in a row), as PIMCOMP-NN reads them from ONNX files (models/JSON, 2ed10c8)
    "vgg-d": "27,64,50176,1 576,64,50176,1 576,128,12544,1 1152,128,12544,1 1152,256,3136,1 2304,256,3136,2 "
    "2304,512,784,1 4608,512,784,2 4608,512,196,3 25088,4096,1,1 4096,4096,1,1 4096,1000,1,1",
    "resnet-18": "147,64,12544,1 576,64,3136,4 64,128,784,1 576,128,784,1 1152,128,784,3 128,256,196,1 1152,256,196,1 "
    "2304,256,196,3 256,512,49,1 2304,512,49,1 4608,512,49,3 512,1000,1,1",
    "squeezenet-1.1": "27,64,12321,1 64,16,3025,1 16,64,3025,1 144,64,3025,1 128,16,3025,1 16,64,3025,1 144,64,3025,1 "
    "128,32,729,1 32,128,729,1 288,128,729,1 256,32,729,1 32,128,729,1 288,128,729,1 256,48,169,1 48,192,169,1 "
    "432,192,169,1 384,48,169,1 48,192,169,1 432,192,169,1 384,64,169,1 64,256,169,1 576,256,169,1 512,64,169,1 "
    "64,256,169,1 576,256,169,1 512,1000,169,1",
}


@pytest.mark.parametrize("name", TABLES)
def test_layers_are_those_of_another_tool(name):
    wanted = []
    for row in TABLES[name].split():
        *shape, times = map(int, row.split(","))
        wanted += [tuple(shape)] * times
    assert [(op.rows, op.cols, op.vectors) for op in matrices(name)] == wanted


def multiplications(layer, shapes, out):
    """From the layer's definition: every output value is a sum of so many products."""
    if isinstance(layer, Conv2d):
        return prod(out) * prod(layer.kernel) * shapes[0][2] // layer.groups
    if isinstance(layer, LocallyConnected):
        return prod(out) * prod(layer.kernel) * shapes[0][2]
    if isinstance(layer, Dense):
        return prod(out) * shapes[0][-1]
    if isinstance(layer, Lstm):
        return out[0] * 4 * layer.units * (shapes[0][1] + layer.units)
    if isinstance(layer, Attention):
        pairs = sum(layer.cached + (t + 1 if layer.causal else out[0]) for t in range(out[0]))
        return 2 * pairs * out[1]
    return 0


@pytest.mark.parametrize("name", ZOO)
def test_a_network_holds_together(name):
    """Shapes chain; operations multiply as often as the layers' definitions say, make whole tensors, need what is made,
    and come in an order in which everything that is read is there."""
    network = load_topology(name)
    shapes, ops = network.shapes, {op.layer: op for op in network.ops()}
    counted = sum(multiplications(n.layer, [shapes[i] for i in n.inputs], shapes[n.name]) for n in network.nodes)
    assert sum(op.macs for op in ops.values() if not isinstance(op, VectorOp)) == counted
    produced = {IMAGE: vector_count(network.input_shape)}
    for op in ops.values():
        assert len(op.need) == len(op.inputs)
        for producer, need in zip(op.inputs, op.need, strict=True):
            assert need.dtype == np.int32
            assert len(need) == op.vectors
            assert 0 <= need.min() <= need.max() < produced[producer]
        produced[op.layer] = op.vectors
    for node in network.nodes:
        assert ops[node.name].vectors * ops[node.name].width == prod(shapes[node.name])
    assert network.weights == {}
