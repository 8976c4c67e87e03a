"""A network: named layers in order of evaluation, each reading the image or layers before it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int, Num, PRNGKeyArray

from pimsim.errors import NetworkError, PimsimError, nearest
from pimsim.network.layers.base import AbstractLayer, AbstractMatrixLayer
from pimsim.network.ops import MatrixOp, Shape, VectorOp

IMAGE = "input"
"""The name by which layers read the image."""

Weights = dict[str, dict[str, Float[Array, "..."]]]
"""The "weight" and the "bias" of each matrix layer, by the layer's name."""

Images = Float[np.ndarray | Array, "batch ..."]


@dataclass(frozen=True)
class Node:
    """A layer at its place in the network."""

    name: str
    layer: AbstractLayer
    inputs: tuple[str, ...]
    """What it reads: names of earlier nodes, or "input"."""


def _as_float32(weights: Mapping[str, Mapping[str, object]]) -> Weights:
    return {layer: {key: jnp.asarray(a, jnp.float32) for key, a in arrays.items()} for layer, arrays in weights.items()}


class Network(eqx.Module):
    """Layers and their weights; the last node's output is the network's.

    Without weights ({}) it is a topology: it has shapes and operations, and computes nothing. A network is a pytree
    whose leaves are the weights. Raises NetworkError, naming the layer, where nodes or weights do not fit together.
    """

    name: str = eqx.field(static=True)
    input_shape: Shape = eqx.field(converter=tuple, static=True)
    nodes: tuple[Node, ...] = eqx.field(converter=tuple, static=True)
    weights: Weights = eqx.field(default_factory=dict, converter=_as_float32)

    def __check_init__(self):
        if not self.nodes:
            raise NetworkError(self.name, "has no layers")
        if len(self.input_shape) not in (1, 3) or any(n < 1 for n in self.input_shape):
            fact = f"the image must be (height, width, channels) or (n,), got {self.input_shape}"
            raise NetworkError(IMAGE, fact)
        _check_nodes(self.nodes)
        shapes = self.shapes
        if self.weights:
            expected = {name: self.layer(name).weight_shape(shapes[read]) for name, read in self._matrix_inputs()}
            _check_weights(self.weights, expected)

    @property
    def shapes(self) -> dict[str, Shape]:
        """The shape of every node's output, and of the image as "input"."""
        shapes = {IMAGE: self.input_shape}
        for node in self.nodes:
            try:
                shapes[node.name] = node.layer.shape(*(shapes[name] for name in node.inputs))
            except PimsimError as error:
                raise error.within(node.name) from None
        return shapes

    @property
    def matrix_layers(self) -> tuple[str, ...]:
        """The names of the layers that have weights, in order."""
        return tuple(name for name, _ in self._matrix_inputs())

    def _matrix_inputs(self) -> list[tuple[str, str]]:
        return [(node.name, node.inputs[0]) for node in self.nodes if isinstance(node.layer, AbstractMatrixLayer)]

    def layer(self, name: str) -> AbstractMatrixLayer:
        """A matrix layer by its name."""
        for node in self.nodes:
            if node.name == name and isinstance(node.layer, AbstractMatrixLayer):
                return node.layer
        raise NetworkError(name, "is not a matrix layer of the network", nearest(name, self.matrix_layers))

    def ops(self) -> list[MatrixOp | VectorOp]:
        """What the layers ask of the hardware, in order."""
        shapes = self.shapes
        return [n.layer.lower(n.name, n.inputs, *(shapes[read] for read in n.inputs)) for n in self.nodes]

    def with_weights(self, weights: Mapping[str, Mapping[str, object]]) -> "Network":
        """The same layers with other weights."""
        return type(self)(self.name, self.input_shape, self.nodes, weights)  # pyright: ignore[reportArgumentType]

    def forward(self, images: Images) -> Float[Array, "batch *class"]:
        """The network in floating point: pure and differentiable. Compile it with `eqx.filter_jit(network.forward)`."""
        return self.walk(images, lambda name, layer, x: layer.forward(*self.parameters(name), x))

    def parameters(self, layer: str) -> tuple[Float[Array, "..."], Float[Array, " col"]]:
        """The weight and the bias of a matrix layer."""
        if layer not in self.weights:
            raise NetworkError(layer, "has no weights", "Give the network weights with `network.with_weights(...)`.")
        return self.weights[layer]["weight"], self.weights[layer]["bias"]

    def walk(
        self,
        images: Images,
        matrix: Callable[[str, AbstractMatrixLayer, Float[Array, "batch ..."]], Float[Array, "batch ..."]],
    ) -> Float[Array, "batch *class"]:
        """Evaluate the network with matrix(name, layer, x) in place of the matrix layers' own arithmetic."""
        if images.shape[1:] != self.input_shape:
            raise NetworkError(IMAGE, f"expected images of shape {self.input_shape}, got {images.shape[1:]}")
        tensors = {IMAGE: jnp.asarray(images)}
        readers = Counter(name for node in self.nodes for name in node.inputs)
        for node in self.nodes:
            inputs = [tensors[name] for name in node.inputs]
            if isinstance(node.layer, AbstractMatrixLayer):
                tensors[node.name] = matrix(node.name, node.layer, *inputs)
            else:
                tensors[node.name] = _apply(node.layer, *inputs)
            readers.subtract(node.inputs)
            tensors = {name: x for name, x in tensors.items() if readers[name] or name == node.name}
        return tensors[self.nodes[-1].name]


def build_network(
    name: str,
    input_shape: Shape,
    layers: Sequence[tuple[str, AbstractLayer] | tuple[str, AbstractLayer, str | tuple[str, ...]]],
    weights: Mapping[str, Mapping[str, object]] | None = None,
) -> Network:
    """A network from (name, layer) or (name, layer, inputs); without inputs a layer reads the one before it."""
    nodes, previous = [], IMAGE
    for label, layer, *rest in layers:
        inputs = rest[0] if rest else previous
        nodes.append(Node(label, layer, (inputs,) if isinstance(inputs, str) else tuple(inputs)))
        previous = label
    return Network(name, input_shape, tuple(nodes), weights or {})  # pyright: ignore[reportArgumentType]


def random_weights(network: Network, *, key: PRNGKeyArray) -> Weights:
    """He's initial weights, N(0, 2 / fan-in), with biases of 0."""
    shapes, weights = network.shapes, {}
    for name, read in network._matrix_inputs():
        key, own = jax.random.split(key)
        shape = network.layer(name).weight_shape(shapes[read])
        weight = jax.random.normal(own, shape, jnp.float32) * (2 / prod(shape[:-1])) ** 0.5
        weights[name] = {"weight": weight, "bias": jnp.zeros(shape[-1:], jnp.float32)}
    return weights


def predict(
    logits: Callable[[Images], Num[np.ndarray | Array, "_ class"]], images: Images, batch: int = 250
) -> Int[np.ndarray, " image"]:
    """The class of the largest logit for each image, `batch` images at a time."""
    parts = [np.asarray(logits(images[i : i + batch])).argmax(axis=-1) for i in range(0, len(images), batch)]
    return np.concatenate(parts) if parts else np.zeros(0, int)


@jax.jit
def _apply(layer, *inputs):
    return layer(*inputs)


def _check_nodes(nodes: tuple[Node, ...]) -> None:
    """Names are unique, and every layer reads what is there before it."""
    names, known = [node.name for node in nodes], [IMAGE]
    for node in nodes:
        if node.name in known:
            taken = "the image's name" if node.name == IMAGE else "the name of an earlier layer"
            raise NetworkError(node.name, f"is {taken}", "Names must be unique.")
        for name in node.inputs:
            if name not in known:
                if name in names:
                    raise NetworkError(node.name, f"reads {name!r}, which comes no earlier", "Put it after that layer.")
                raise NetworkError(node.name, f"reads {name!r}, which does not exist", nearest(name, known))
        known.append(node.name)


def _check_weights(weights: Weights, expected: dict[str, Shape]) -> None:
    """Every matrix layer has a finite weight and bias of its shape, and nothing else has any."""
    for name in weights:
        if name not in expected:
            raise NetworkError(name, "has weights but is no matrix layer of the network", nearest(name, expected))
    for name, shape in expected.items():
        arrays = weights.get(name, {})
        if set(arrays) != {"weight", "bias"}:
            raise NetworkError(name, f"needs a weight and a bias, got {', '.join(sorted(arrays)) or 'neither'}")
        for key, wanted in (("weight", shape), ("bias", shape[-1:])):
            if arrays[key].shape != wanted:
                raise NetworkError(name, f"its {key} must have shape {wanted}, got {arrays[key].shape}")
            if not isinstance(arrays[key], Tracer) and not np.isfinite(arrays[key]).all():
                raise NetworkError(name, f"its {key} holds values that are not finite")
