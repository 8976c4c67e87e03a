"""Networks: how layers are joined, what is refused and in whose name, and the float evaluation."""

from math import prod

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pimsim.errors import NetworkError, SpecError
from pimsim.network.graph import Network, Node, build_network, predict, random_weights
from pimsim.network.layers import Add, AvgPool, Conv2d, Dense, Flatten, MaxPool, Relu
from pimsim.network.ops import MatrixOp, vector_count

RESIDUAL = [
    ("conv1", Conv2d(4, 3, padding=1)),
    ("relu1", Relu()),
    ("conv2", Conv2d(4, 3, padding=1, groups=2)),
    ("add", Add(), ("conv2", "relu1")),
    ("pool", AvgPool(4)),
    ("flatten", Flatten()),
    ("fc", Dense(3)),
]


@pytest.fixture(scope="module")
def residual():
    """A small network with a branch, and random weights."""
    topology = build_network("residual", (8, 8, 2), RESIDUAL)
    return topology.with_weights(random_weights(topology, key=jax.random.key(0)))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((5, 8, 8, 2), np.float32)


def test_a_layer_reads_the_one_before_it_unless_told(residual):
    assert [node.inputs for node in residual.nodes] == [
        ("input",), ("conv1",), ("relu1",), ("conv2", "relu1"), ("add",), ("pool",), ("flatten",),
    ]  # fmt: skip
    assert residual.matrix_layers == ("conv1", "conv2", "fc")
    assert residual.shapes["input"] == (8, 8, 2)
    assert residual.shapes["pool"] == (2, 2, 4)
    one_name = build_network("n", (4,), [("a", Dense(2)), ("b", Dense(3), "input")])
    assert one_name.nodes[1].inputs == ("input",)


def test_forward_is_the_layers_one_after_another(residual, images):
    """The graph adds nothing to its layers' own arithmetic, compiled or not."""
    w, layer = residual.weights, {entry[0]: entry[1] for entry in RESIDUAL}
    conv1 = jnp.maximum(layer["conv1"].forward(w["conv1"]["weight"], w["conv1"]["bias"], jnp.asarray(images)), 0)
    conv2 = layer["conv2"].forward(w["conv2"]["weight"], w["conv2"]["bias"], conv1)
    flat = np.asarray(conv1 + conv2).reshape(5, 2, 4, 2, 4, 4).mean(axis=(2, 4)).reshape(5, -1)
    logits = flat @ np.asarray(w["fc"]["weight"]) + np.asarray(w["fc"]["bias"])
    np.testing.assert_allclose(residual.forward(images), logits, atol=1e-5)
    np.testing.assert_allclose(eqx.filter_jit(residual.forward)(images), logits, atol=1e-5)


def test_operations_agree_with_the_shapes(residual):
    """Every operation makes all of its tensor's vectors, and needs only vectors that its producers make."""
    shapes, ops = residual.shapes, residual.ops()
    assert [op.layer for op in ops] == [node.name for node in residual.nodes]
    for op in ops:
        assert op.vectors * op.width == prod(shapes[op.layer])
        assert len(op.need) == len(op.inputs)
        for name, need in zip(op.inputs, op.need, strict=True):
            assert len(need) == op.vectors
            assert need.min() >= 0
            assert need.max() == vector_count(shapes[name]) - 1
    assert [op.layer for op in ops if isinstance(op, MatrixOp)] == list(residual.matrix_layers)


def test_the_weights_are_what_training_moves(residual, images):
    """The forward is differentiable in the weights: a step against the gradient lowers a loss."""

    @jax.jit
    def loss(weights):
        return (residual.with_weights(weights).forward(images) ** 2).mean()

    gradient = jax.grad(loss)(residual.weights)
    assert all(jnp.abs(g).max() > 0 for g in jax.tree.leaves(gradient))
    stepped = jax.tree.map(lambda w, g: w - 1e-3 * g, residual.weights, gradient)
    assert loss(stepped) < loss(residual.weights)
    assert len(jax.tree.leaves(residual)) == 6


def test_predictions_come_in_batches(residual, images):
    """The class of the largest logit, in the images' order, whatever the batch."""
    wanted = np.asarray(residual.forward(images)).argmax(axis=1)
    for batch in (1, 2, 250):
        np.testing.assert_array_equal(predict(residual.forward, images, batch=batch), wanted)
    assert predict(residual.forward, images[:0]).shape == (0,)


@pytest.mark.parametrize(
    ("layers", "place", "said"),
    [
        ([], "n", "no layers"),
        ([("a", Relu()), ("a", Relu())], "a", "unique"),
        ([("input", Relu())], "input", "unique"),
        ([("conv1", Conv2d(2, 3)), ("b", Relu(), "conv2")], "b", "Did you mean conv1?"),
        ([("a", Relu(), "b"), ("b", Relu())], "a", "comes no earlier"),
        ([("a", Relu(), "a")], "a", "comes no earlier"),
        ([("conv1", Conv2d(2, 3)), ("conv2", Conv2d(2, 9))], "conv2", "does not fit an image of 6×6"),
        ([("fc", Dense(3))], "fc", "Put a Flatten before it."),
        ([("a", MaxPool(2)), ("add", Add(), ("a", "input"))], "add", "one shape"),
        ([("a", Relu(), ("input", "input"))], "a", "one input"),
    ],
)
def test_what_does_not_fit_is_named(layers, place, said):
    with pytest.raises(NetworkError) as caught:
        build_network("n", (8, 8, 2), layers)
    assert caught.value.place == place
    assert said in str(caught.value)


@pytest.mark.parametrize("shape", [(), (8, 8, 1, 1), (0,), (8, 0, 1)])
def test_an_image_has_a_size(shape):
    with pytest.raises(NetworkError, match="the image must be"):
        build_network("n", shape, [("flatten", Flatten())])


def weights(**changes):
    """Weights of a layer "fc" of 2 → 3, changed."""
    return {"fc": {"weight": np.ones((2, 3)), "bias": np.zeros(3)} | changes}


@pytest.mark.parametrize(
    ("given", "place", "said"),
    [
        (weights(weight=np.ones((3, 2))), "fc", "weight must have shape (2, 3), got (3, 2)"),
        (weights(bias=np.zeros(2)), "fc", "bias must have shape (3,), got (2,)"),
        (weights(weight=np.full((2, 3), np.nan)), "fc", "not finite"),
        (weights(weight=np.full((2, 3), 1e300)), "fc", "not finite"),
        (weights(bias=np.full(3, np.inf)), "fc", "not finite"),
        ({"fc": {"weight": np.ones((2, 3))}}, "fc", "needs a weight and a bias, got weight"),
        (weights() | {"fc2": {}}, "fc2", "Did you mean fc?"),
        ({"relu": {}} | weights(), "relu", "no matrix layer"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_weights_that_do_not_fit(given, place, said):
    topology = build_network("n", (2,), [("fc", Dense(3)), ("relu", Relu())])
    assert topology.with_weights(weights()).weights["fc"]["weight"].dtype == jnp.float32
    with pytest.raises(NetworkError) as caught:
        topology.with_weights(given)
    assert caught.value.place == place
    assert said in str(caught.value)


def test_a_topology_has_operations_but_computes_nothing():
    topology = Network("n", (2,), (Node("fc", Dense(3), ("input",)),))
    assert topology.ops()[0].cols == 3
    with pytest.raises(NetworkError, match="fc: has no weights"):
        topology.forward(np.ones((1, 2), np.float32))
    with pytest.raises(NetworkError, match=r"input: expected images of shape \(2,\)"):
        topology.forward(np.ones((1, 3), np.float32))
    with pytest.raises(NetworkError, match="fc1: is not a matrix layer"):
        topology.layer("fc1")


def test_a_layers_own_mistake_keeps_its_kind():
    """A SpecError is the layer's, before there is a graph."""
    with pytest.raises(SpecError):
        build_network("n", (8, 8, 2), [("conv", Conv2d(3, 3, groups=2))])
