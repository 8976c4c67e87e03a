"""A network: named layers in order of evaluation, each reading the image or layers before it."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int, Num, PRNGKeyArray

from pimsim.errors import NetworkError, PimsimError, nearest
from pimsim.network.layers.base import (
    AbstractLayer,
    AbstractProductLayer,
    AbstractVectorLayer,
    AbstractWeightedLayer,
)
from pimsim.network.layers.shape import Input, side_by_side
from pimsim.network.ops import MatrixOp, Op, Shape

IMAGE = "input"
"""The name by which layers read the image."""

Weights = dict[str, dict[str, Float[Array, "..."]]]
"""The "weight" and the "bias" of each matrix layer, and the constants of others, by the layer's name."""

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
    weight_steps: dict[str, Float[np.ndarray, " col"]] = eqx.field(default_factory=dict)
    """Of matrix layers whose weights lie on a grid of the network's own, the step of each output channel."""

    def __check_init__(self):
        if not self.nodes:
            raise NetworkError(self.name, "has no layers")
        if not 1 <= len(self.input_shape) <= 3 or any(n < 1 for n in self.input_shape):
            fact = f"the image must be (height, width, channels), (tokens, n) or (n,), got {self.input_shape}"
            raise NetworkError(IMAGE, fact)
        _check_nodes(self.nodes)
        shapes = self.shapes
        if self.weights:
            _check_weights(self.weights, self._weight_shapes(shapes))

    @property
    def shapes(self) -> dict[str, Shape]:
        """The shape of every node's output, and of the image as "input"."""
        shapes = {IMAGE: self.input_shape}
        for node in self.nodes:
            try:
                # By the class: a method bound to an equinox module is a module of its own, which takes 30 µs to make.
                shapes[node.name] = type(node.layer).shape(node.layer, *(shapes[name] for name in node.inputs))
            except PimsimError as error:
                raise error.within(node.name) from None
        return shapes

    @property
    def inputs(self) -> dict[str, Shape]:
        """The shape of each input by its name; several stand one after the other in the vector that enters."""
        several = {node.layer.name: node.layer.sizes for node in self.nodes if isinstance(node.layer, Input)}
        return several or {IMAGE: self.input_shape}

    @property
    def matrix_layers(self) -> tuple[str, ...]:
        """The names of the layers that have weights, in order."""
        return tuple(name for name, _ in self._matrix_inputs())

    def _weight_shapes(self, shapes: Mapping[str, Shape]) -> dict[str, dict[str, Shape]]:
        """The shape of each array of each layer that has any."""
        matrices = {name: self.layer(name).weight_shape(shapes[read]) for name, read in self._matrix_inputs()}
        found = {name: {"weight": shape, "bias": shape[-1:]} for name, shape in matrices.items()}
        digital = {node.name: node.layer for node in self.nodes if isinstance(node.layer, AbstractVectorLayer)}
        return found | {name: layer.constants for name, layer in digital.items() if layer.constants}

    def _matrix_inputs(self) -> list[tuple[str, str]]:
        return [(node.name, node.inputs[0]) for node in self.nodes if isinstance(node.layer, AbstractWeightedLayer)]

    def layer(self, name: str) -> AbstractWeightedLayer:
        """A matrix layer by its name."""
        for node in self.nodes:
            if node.name == name and isinstance(node.layer, AbstractWeightedLayer):
                return node.layer
        raise NetworkError(name, "is not a matrix layer of the network", nearest(name, self.matrix_layers))

    def ops(self) -> list[Op]:
        """What the layers ask of the hardware, in order."""
        return [op for _, ops in self._lowered() for op in ops]

    def signed_inputs(self) -> dict[str, bool]:
        """For each matrix, whether negative values can reach it: what is known before data ran.

        Images are pixels, 0 or more; a sequence or a vector that enters the network can be negative.
        """
        negative, found = {IMAGE: len(self.input_shape) < 3}, {}
        for node, ops in self._lowered():
            inputs = [negative[name] for name in node.inputs]
            negative[node.name] = node.layer.can_be_negative(*inputs)
            found |= {op.layer: any(inputs) or op.recurrent > 0 for op in ops if isinstance(op, MatrixOp)}
        return found

    def _lowered(self) -> list[tuple[Node, list[Op]]]:
        shapes = self.shapes
        inputs = ([shapes[name] for name in node.inputs] for node in self.nodes)
        return [
            (node, type(node.layer).lower(node.layer, node.name, node.inputs, *own))
            for node, own in zip(self.nodes, inputs, strict=True)
        ]

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
        matrix: Callable[[str, AbstractWeightedLayer, Float[Array, "batch ..."]], Float[Array, "batch ..."]],
        product: Callable[..., Float[Array, "batch ..."]] | None = None,
    ) -> Float[Array, "batch *class"]:
        """Evaluate the network with matrix(name, layer, x) in place of the matrix layers' own arithmetic, and
        product(name, layer, *inputs) in place of that of the layers that multiply results, if it is given."""
        if images.shape[1:] != self.input_shape:
            raise NetworkError(IMAGE, f"expected images of shape {self.input_shape}, got {images.shape[1:]}")
        tensors = {IMAGE: jnp.asarray(images)}
        readers = Counter(name for node in self.nodes for name in node.inputs)
        for node in self.nodes:
            inputs = [tensors[name] for name in node.inputs]
            if isinstance(node.layer, AbstractWeightedLayer):
                tensors[node.name] = matrix(node.name, node.layer, *inputs)
            elif product and isinstance(node.layer, AbstractProductLayer):
                tensors[node.name] = product(node.name, node.layer, *inputs)
            else:
                tensors[node.name] = _apply(node.layer, self.weights.get(node.name, {}), *inputs)
            readers.subtract(node.inputs)
            tensors = {name: x for name, x in tensors.items() if readers[name] or name == node.name}
        return tensors[self.nodes[-1].name]


def build_network(
    name: str,
    input_shape: Shape | Mapping[str, Shape],
    layers: Sequence[tuple[str, AbstractLayer] | tuple[str, AbstractLayer, str | tuple[str, ...]]],
    weights: Mapping[str, Mapping[str, object]] | None = None,
) -> Network:
    """A network from (name, layer) or (name, layer, inputs); without inputs a layer reads the one before it.

    Several inputs are given by name, {"left": (8,), "right": (8,)}, and read by those names.
    """
    nodes, previous = [], IMAGE
    if isinstance(input_shape, Mapping):
        several = side_by_side(input_shape)
        nodes = [Node(label, layer, (IMAGE,)) for label, layer in several]
        input_shape, previous = (several[-1][1].end,), nodes[-1].name
    for label, layer, *rest in layers:
        inputs = rest[0] if rest else previous
        nodes.append(Node(label, layer, (inputs,) if isinstance(inputs, str) else tuple(inputs)))
        previous = label
    return Network(name, input_shape, tuple(nodes), weights or {})  # pyright: ignore[reportArgumentType]


def random_weights(network: Network, *, key: PRNGKeyArray) -> Weights:
    """He's initial weights, N(0, 2 / fan-in), with biases of 0."""
    shapes = network.shapes
    return {name: _random_layer(network.layer(name), shapes[read], own) for name, read, own in _keyed(network, key)}


def random_layer(network: Network, name: str, *, key: PRNGKeyArray) -> dict[str, Float[Array, "..."]]:
    """One layer's part of `random_weights`, the same numbers, without those of the other layers."""
    layer = network.layer(name)
    read, own = {each: (read, own) for each, read, own in _keyed(network, key)}[name]
    return _random_layer(layer, network.shapes[read], own)


def _keyed(network: Network, key: PRNGKeyArray) -> Iterator[tuple[str, str, PRNGKeyArray]]:
    """The name of each layer with weights, what it reads, and a key of its own."""
    for name, read in network._matrix_inputs():
        key, own = jax.random.split(key)
        yield name, read, own


def _random_layer(layer: AbstractWeightedLayer, read: Shape, key: PRNGKeyArray) -> dict[str, Float[Array, "..."]]:
    shape = layer.weight_shape(read)
    fan_in = prod(shape[-4:-1])  # where weights are not shared, the places stand before
    weight = jax.random.normal(key, shape, jnp.float32) * (2 / fan_in) ** 0.5
    return {"weight": weight, "bias": jnp.zeros(shape[-1:], jnp.float32)}


def outputs(
    logits: Callable[[Images], Num[np.ndarray | Array, "_ ..."]], images: Images, batch: int = 250
) -> Num[np.ndarray, "image value"]:
    """What the network makes of each image as one row, `batch` images at a time."""
    parts = [np.asarray(logits(images[i : i + batch])) for i in range(0, len(images), batch)]
    return np.concatenate([part.reshape(len(part), -1) for part in parts]) if parts else np.zeros((0, 1))


def predict(
    logits: Callable[[Images], Num[np.ndarray | Array, "_ class"]], images: Images, batch: int = 250
) -> Int[np.ndarray, " image"]:
    """The class of the largest logit for each image."""
    return outputs(logits, images, batch).argmax(axis=-1)


@jax.jit
def _apply(layer, constants, *inputs):
    return layer(*inputs, **constants)


def _check_nodes(nodes: tuple[Node, ...]) -> None:
    """Names are unique, and every layer reads what is there before it."""
    names, known = {node.name for node in nodes}, {IMAGE}
    for node in nodes:
        if node.name in known:
            taken = "the image's name" if node.name == IMAGE else "the name of an earlier layer"
            raise NetworkError(node.name, f"is {taken}", "Names must be unique.")
        for name in node.inputs:
            if name not in known:
                if name in names:
                    raise NetworkError(node.name, f"reads {name!r}, which comes no earlier", "Put it after that layer.")
                raise NetworkError(node.name, f"reads {name!r}, which does not exist", nearest(name, known))
        known.add(node.name)


def _check_weights(weights: Weights, expected: Mapping[str, Mapping[str, Shape]]) -> None:
    """Every layer that has arrays has all of them, finite and of their shapes, and nothing else has any."""
    for name in weights:
        if name not in expected:
            raise NetworkError(name, "has weights but is no matrix layer of the network", nearest(name, expected))
    for name, shapes in expected.items():
        arrays = weights.get(name, {})
        if set(arrays) != set(shapes):
            needed = " and ".join(f"a {key}" for key in shapes)
            raise NetworkError(name, f"needs {needed}, got {', '.join(sorted(arrays)) or 'none'}")
        for key, wanted in shapes.items():
            if arrays[key].shape != wanted:
                raise NetworkError(name, f"its {key} must have shape {wanted}, got {arrays[key].shape}")
            if not isinstance(arrays[key], Tracer) and not np.isfinite(arrays[key]).all():
                raise NetworkError(name, f"its {key} holds values that are not finite")
