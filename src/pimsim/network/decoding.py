"""Decoding with a cache of keys and values: a causal network sees new tokens, and what it kept of those before them.

Whatever the steps, the answers are those of the whole sequence at once: matrices see a token's vector under the
token's own number, with the same noise of reading, and attention sees the same keys, rounded once.
"""

from dataclasses import dataclass, field, replace

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, Num

from pimsim.errors import NetworkError, SpecError
from pimsim.network.graph import Network, Node
from pimsim.network.integers import Product
from pimsim.network.layers import Affine, Arithmetic, Attention, LastToken, Rearrange
from pimsim.network.layers.base import AbstractProductLayer, AbstractWeightedLayer
from pimsim.network.layers.rearrange import Reshape
from pimsim.network.ops import MatrixOp, ProductOp
from pimsim.network.quantize import QuantizedNetwork, apply_named, exact

Kept = tuple[Float[Array, "batch token value"], Float[Array, "batch token value"]]


@dataclass(frozen=True, eq=False)
class Cache:
    """Of each attention the keys and the values so far, with room for as many tokens as the network reads."""

    tokens: int = 0
    kept: dict[str, Kept] = field(default_factory=dict)


def decode(
    quantized: QuantizedNetwork, tokens: Float[np.ndarray | Array, "batch token value"], cache: Cache | None = None,
    product: Product | None = None,
) -> tuple[Float[Array, "batch ..."], Cache]:  # fmt: skip
    """What the network makes of the tokens that follow those in the cache, and the cache with theirs.

    The first call, without a cache, reads the prompt. Products are exact if nobody says how. Raises SpecError for more
    tokens than the network reads, and NetworkError for networks that look at other tokens except by causal attention.
    """
    network, cache, product = quantized.network, cache or Cache(), product or exact(quantized)
    context, new, first, kept = network.input_shape[0], tokens.shape[1], cache.tokens, {}
    if first + new > context:
        raise SpecError("tokens", f"the network reads {context}, got {first + new}")
    _check_causal(network)

    def numbered(name: str, x: Int32[Array, "batch vector row"]) -> Num[Array, "batch vector col"]:
        return product(name, x, first if name in by_token else 0)

    def matrix(name: str, layer: AbstractWeightedLayer, x: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        return apply_named(quantized, name, x, numbered)

    def attend(name: str, layer: AbstractProductLayer, *inputs: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        assert isinstance(layer, Attention)
        queries, *added = inputs
        room = jnp.zeros((len(queries), context, queries.shape[-1]), queries.dtype)
        keys, values = (
            before.at[:, first : first + new].set(own)
            for before, own in zip(cache.kept.get(name, (room, room)), added, strict=True)
        )
        kept[name] = keys, values
        return layer.attend(quantized.multiplier(name), queries, keys, values, jnp.asarray(first))

    by_token = {op.layer for op in network.ops() if isinstance(op, MatrixOp) and op.vectors == context}
    y = _short(network, first, new).walk(tokens, matrix, attend)
    return y, Cache(first + new, kept)


def _short(network: Network, first: int, new: int) -> Network:
    """The network for `new` tokens, with their part of constants that differ from token to token."""
    nodes, weights = [], dict(network.weights)
    for node in network.nodes:
        if isinstance(node.layer, Affine | Arithmetic) and node.name in weights:
            own = weights[node.name] = {key: _part(a, first, new) for key, a in weights[node.name].items()}
            node = replace(node, layer=replace(node.layer, **{key: a.shape for key, a in own.items()}))
        nodes.append(node)
    return Network(network.name, (new, *network.input_shape[1:]), tuple(nodes), weights, network.weight_steps)


def _part(constant: Float[Array, "..."], first: int, new: int) -> Float[Array, "..."]:
    """Of causal layers, no axis but the last and that of the tokens is longer than 1."""
    own = slice(first, first + new)
    return constant[tuple(own if n > 1 else slice(None) for n in constant.shape[:-1])]


def _check_causal(network: Network) -> None:
    """Every token is computed from itself alone, and by attention from those before it."""
    if len(network.input_shape) != 2:
        raise NetworkError(network.name, f"decoding needs a sequence (tokens, n), got shape {network.input_shape}")
    shapes = network.shapes
    for node in network.nodes:
        if not _is_causal(node, [shapes[name] for name in node.inputs]):
            fact = "looks at other tokens than causal attention does, so that no cache stands for them"
            raise NetworkError(node.name, fact, "Evaluate the whole sequence at once.")


def _is_causal(node: Node, shapes: list[tuple[int, ...]]) -> bool:
    layer = node.layer
    if isinstance(layer, Attention):
        return layer.causal and not layer.cached
    if isinstance(layer, LastToken):
        return True
    if isinstance(layer, Rearrange) and any(isinstance(step, Reshape) for step in layer.steps):
        return False  # its sizes are those of all tokens
    return all(
        not isinstance(op, ProductOp)
        and not (isinstance(op, MatrixOp) and op.recurrent)
        and all(np.array_equal(need, np.arange(op.vectors)) for need in op.need)
        for op in layer.lower(node.name, node.inputs, *shapes)
    )
