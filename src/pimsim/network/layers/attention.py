"""Attention: products of results with results, for which no crossbar stores a side."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pimsim.errors import NetworkError
from pimsim.network.layers.base import AbstractProductLayer, Einsum
from pimsim.network.layers.normalize import normalization
from pimsim.network.layers.window import check_sizes
from pimsim.network.ops import Op, ProductOp, Shape, all_of, each


class Attention(AbstractProductLayer):
    """softmax(Q·Kᵀ / √d) · V in each head, from queries, keys and values of one shape (Vaswani et al., NIPS 2017).

    Causal: token t sees the tokens up to t. `cached` tokens came earlier: their keys and values are kept on the chip,
    and every token here sees them; what they were is not known, so that such a layer has a cost and no output.
    """

    heads: int = eqx.field(static=True)
    causal: bool = eqx.field(default=False, static=True)
    cached: int = eqx.field(default=0, static=True)

    def __check_init__(self):
        check_sizes("heads", (self.heads,), 1)
        check_sizes("cached", (self.cached,), 0)

    def shape(self, *inputs: Shape) -> Shape:
        if len(inputs) != 3 or len(set(inputs)) != 1 or len(inputs[0]) != 2:
            got = " and ".join(map(str, inputs))
            raise NetworkError("", f"Attention takes queries, keys and values of one shape (tokens, n), got {got}")
        if inputs[0][1] % self.heads:
            raise NetworkError("", f"{self.heads} heads do not divide the {inputs[0][1]} values of a token")
        return inputs[0]

    def can_be_negative(self, *inputs: bool) -> bool:
        return inputs[2]

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> list[Op]:
        tokens, width = self.shape(*shapes)
        queries, keys, values = inputs
        scores, weights = f"{name}/scores", f"{name}/softmax"
        depth, seen = width // self.heads, self.cached + tokens
        met = tokens * self.cached + (tokens * (tokens + 1) // 2 if self.causal else tokens**2)
        own, side = each(tokens), each(tokens) if self.causal else all_of(tokens, tokens)
        need, first = (own, side), (own, all_of(1, tokens))
        macs = self.heads * depth * met
        return [
            ProductOp(scores, (queries, keys), self.heads, tokens, depth, seen, True, self.cached, macs, need, first),
            normalization(weights, (scores,), (tokens, self.heads * seen), reads=2),
            ProductOp(name, (weights, values), self.heads, tokens, seen, depth, False, self.cached, macs, need, first),
        ]

    def apply(self, multiply: Einsum, *inputs: Float[Array, "batch token value"]) -> Float[Array, "batch token value"]:
        if self.cached:
            raise NetworkError("", f"sees {self.cached} earlier tokens, of which only the number is known")
        return self.attend(multiply, *inputs)

    def attend(
        self, multiply: Einsum, queries: Float[Array, "batch token value"], keys: Float[Array, "batch key value"],
        values: Float[Array, "batch key value"], first: int | Int[Array, ""] = 0,
    ) -> Float[Array, "batch token value"]:  # fmt: skip
        """The output for tokens first, first + 1, …, of which there may be fewer than keys."""
        q, k, v = (x.reshape(*x.shape[:2], self.heads, -1) for x in (queries, keys, values))
        scores = multiply("scores", "bihd,bjhd->bhij", q, k) / q.shape[-1] ** 0.5
        if self.causal:
            seen = jnp.arange(k.shape[1]) <= first + jnp.arange(q.shape[1])[:, None]
            scores = jnp.where(seen, scores, -jnp.inf)
        return multiply("", "bhij,bjhd->bihd", jax.nn.softmax(scores), v).reshape(queries.shape)
