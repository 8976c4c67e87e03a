"""Recurrent layers: each step waits for the one before it."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pimsim.network.layers.base import AbstractWeightedLayer, only_sequence
from pimsim.network.layers.window import check_sizes
from pimsim.network.ops import MatrixOp, Op, Shape, VectorOp, each
from pimsim.numerics import contract


class Lstm(AbstractWeightedLayer):
    """One vector a step through one matrix, with a state (Hochreiter and Schmidhuber, Neural Comput. 9, 1735 (1997)).

    (i, f, g, o) = [x(t), h(t-1)] · w + bias
    c(t) = σ(f) · c(t-1) + σ(i) · tanh(g),   h(t) = σ(o) · tanh(c(t)),   from h = c = 0
    """

    units: int = eqx.field(static=True)
    """Values of h and of c."""

    def __check_init__(self):
        check_sizes("units", (self.units,), 1)

    def shape(self, *inputs: Shape) -> Shape:
        return (only_sequence(self, inputs)[0], self.units)

    def weight_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[1] + self.units, 4 * self.units)

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> list[Op]:
        (steps, units), (rows, cols) = self.shape(*shapes), self.weight_shape(shapes[0])
        need = (each(steps),)
        ops: list[Op] = [MatrixOp(f"{name}/matrix", inputs, rows, cols, steps, 1, need, recurrent=units)]
        # The gates' four functions; i · g and f · c; their sum; its tanh; and the product of that with o.
        for work, kind, width, reads in (
            ("gates", "activation", 4 * units, 1),
            ("products", "multiply", 2 * units, 2),
            ("cell", "add", units, 2),
            ("tanh", "activation", units, 1),
            ("", "multiply", units, 2),
        ):
            place = f"{name}/{work}" if work else name
            ops.append(
                VectorOp(place, (ops[-1].layer,), kind, steps * width, reads * steps * width, steps, width, need)
            )
        return ops

    def forward(
        self,
        weight: Float[Array, "row col"],
        bias: Float[Array, " col"],
        x: Float[Array, "batch step value"],
    ) -> Float[Array, "batch step unit"]:
        def step(state, now):
            h, c = state
            i, f, g, o = jnp.split(contract(jnp.concatenate([now, h], axis=1), weight) + bias, 4, axis=1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        start = jnp.zeros((x.shape[0], self.units), x.dtype)
        return jax.lax.scan(step, (start, start), x.swapaxes(0, 1))[1].swapaxes(0, 1)
