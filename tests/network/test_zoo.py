"""The trained networks: what they are, and that they answer as well as they should."""

import equinox as eqx
import jax
import numpy as np
import pytest

from pimsim.network.datasets import load_dataset
from pimsim.network.graph import predict
from pimsim.network.ops import MatrixOp, ProductOp
from pimsim.network.quantize import quantize, reference
from pimsim.network.weightfile import read_weights, write_weights
from pimsim.network.zoo import WEIGHTS, load_network, load_topology


@pytest.fixture(scope="module")
def mnist():
    return load_dataset("mnist")


def correct(logits, mnist, count=1000):
    return predict(logits, mnist.test_images[:count]) == mnist.test_labels[:count]


@pytest.mark.parametrize(
    ("name", "floor"),
    [("lenet5", 0.988), ("mlp", 0.97), ("resnet8-digits", 0.98), ("mobilenet-digits", 0.98), ("vit-digits", 0.96)],
)
def test_committed_weights_reach_their_accuracy(name, floor, mnist):
    """On half of the test split, in floating point and, of 250 images within a percent of it, on 8-bit integers."""
    network = load_network(name)
    floating = correct(eqx.filter_jit(network.forward), mnist)
    quantized = quantize(network, mnist.train_images[:250], weight_bits=8, input_bits=8)
    assert floating.mean() >= floor
    assert abs(correct(lambda x: reference(quantized, x), mnist, 250).mean() - floating[:250].mean()) <= 0.01


def test_all_weights_together_are_small():
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 2e6


def test_what_the_transformer_stores_and_what_it_multiplies():
    """Patches, positions, six matrices a layer and the classifier are stored: 16·32 + 9·32 + 2·12·32² + 49·32·10
    weights; two products a layer are not: 49² of 32 values each; 49 tokens enter every layer."""
    ops = load_topology("vit-digits").ops()
    stored = [op for op in ops if isinstance(op, MatrixOp)]
    products = [op for op in ops if isinstance(op, ProductOp)]
    assert sum(op.weights for op in stored) == 16 * 32 + 9 * 32 + 2 * 12 * 32**2 + 49 * 32 * 10
    assert [op.macs for op in products] == [49**2 * 32] * 4
    assert {op.vectors for op in stored} == {49, 1}


def test_the_reference_is_the_same_bits_in_any_batch(mnist):
    quantized = quantize(load_network("lenet5"), mnist.train_images[:250], weight_bits=8, input_bits=8)
    whole = np.asarray(reference(quantized, mnist.test_images[:250]))
    parts = [reference(quantized, mnist.test_images[i : i + 50]) for i in range(0, 250, 50)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_lenet5_is_the_published_one():
    """LeCun et al. (1998): 156 + 48 120 + 10 164 + 850 parameters in C1, C5, F6 and the output; C3 here is full."""
    topology = load_topology("lenet5")
    operations = [op for op in topology.ops() if isinstance(op, MatrixOp)]
    parameters = {op.layer: (op.rows + 1) * op.cols for op in operations}
    assert parameters == {"conv1": 156, "conv2": 2416, "fc1": 48120, "fc2": 10164, "fc3": 850}
    macs = {op.layer: op.macs for op in operations}
    assert macs == {"conv1": 117600, "conv2": 240000, "fc1": 48000, "fc2": 10080, "fc3": 840}


def test_weights_survive_their_file(tmp_path):
    weights = load_network("lenet5").weights
    write_weights(tmp_path / "w.npz", weights)
    jax.tree.map(np.testing.assert_array_equal, read_weights(tmp_path / "w.npz"), weights)
