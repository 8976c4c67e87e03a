"""Recurrent layers: each step waits for the one before it."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from pimsim.network.layers.base import AbstractRecurrentLayer, Maps, Multiplier, only_sequence
from pimsim.network.layers.window import check_sizes
from pimsim.network.ops import MatrixOp, Op, Shape, VectorOp, each


class Lstm(AbstractRecurrentLayer):
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

    def maps(self, weight: Num[np.ndarray | Array, "row col"], bias: Float[np.ndarray | Array, " col"]) -> Maps:
        return {"matrix": (weight, bias)}

    def ahead(self, x: Float[Array, "batch step value"], multiply: Multiplier) -> Float[Array, "batch step value"]:
        return x

    def start(self, x: Float[Array, "batch step value"]) -> Any:
        zero = jnp.zeros((len(x), self.units), x.dtype)
        return zero, zero

    def step(
        self, state: Any, now: Float[Array, "batch value"], multiply: Multiplier
    ) -> tuple[Any, Float[Array, "batch unit"]]:
        h, c = state
        i, f, g, o = jnp.split(multiply("matrix", now, h), 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h


class Gru(AbstractRecurrentLayer):
    """A step with two gates (Cho et al., EMNLP 2014).

    z = σ(x·Wz + h·Rz + bz),   r = σ(x·Wr + h·Rr + br),   h(t) = (1 - z) · n + z · h(t-1), from h = 0
    n = tanh(x·Wn + (r · h)·Rn + bn), or with the reset after the matrix tanh(x·Wn + bn + r · (h·Rn + cn))

    The weight holds the rows of W, those of R, and one of c (zero where the reset is before), in columns z, r, n.
    What x passes does not wait for the step before; what h passes does, twice a step where the reset is before Rn.
    """

    units: int = eqx.field(static=True)
    """Values of h."""
    reset_after: bool = eqx.field(default=False, static=True)

    def __check_init__(self):
        check_sizes("units", (self.units,), 1)

    def shape(self, *inputs: Shape) -> Shape:
        return (only_sequence(self, inputs)[0], self.units)

    def weight_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[1] + self.units + 1, 3 * self.units)

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> list[Op]:
        (steps, units), values = self.shape(*shapes), shapes[0][1]
        need = (each(steps),)
        ops: list[Op] = [MatrixOp(f"{name}/inputs", inputs, values, 3 * units, steps, 1, need)]

        def state(part: str, cols: int, passes: int = 1) -> None:
            read = (ops[-1].layer,)
            ops.append(MatrixOp(f"{name}/{part}", read, units, cols, steps, 1, need, recurrent=units, passes=passes))

        def digital(part: str, kind: str, width: int, reads: int) -> None:
            read, place = (ops[-1].layer,), f"{name}/{part}" if part else name
            ops.append(VectorOp(place, read, kind, steps * width, reads * steps * width, steps, width, need))

        state("state", 3 * units if self.reset_after else 2 * units, passes=1 if self.reset_after else 2)
        digital("sums", "add", 2 * units, 2)
        digital("gates", "activation", 2 * units, 1)
        digital("reset", "multiply", units, 2)
        if not self.reset_after:
            state("candidate", units)
        digital("candidate_sum", "add", units, 2)
        digital("tanh", "activation", units, 1)
        digital("update", "multiply", 2 * units, 2)
        digital("", "add", units, 2)
        return ops

    def maps(self, weight: Num[np.ndarray | Array, "row col"], bias: Float[np.ndarray | Array, " col"]) -> Maps:
        n, gates = self.units, 2 * self.units
        inputs, state, late = weight[: -n - 1], weight[-n - 1 : -1], weight[-1] * (np.arange(3 * n) >= gates)
        if self.reset_after:
            return {"inputs": (inputs, bias), "state": (state, late)}
        return {
            "inputs": (inputs, bias),
            "state": (state[:, :gates], late[:gates]),
            "candidate": (state[:, gates:], 0 * late[gates:]),
        }

    def ahead(self, x: Float[Array, "batch step value"], multiply: Multiplier) -> Float[Array, "batch step sum"]:
        return multiply("inputs", x)

    def start(self, x: Float[Array, "batch step value"]) -> Any:
        return jnp.zeros((len(x), self.units), x.dtype)

    def step(
        self, state: Any, now: Float[Array, "batch sum"], multiply: Multiplier
    ) -> tuple[Any, Float[Array, "batch unit"]]:
        h, gates = state, 2 * self.units
        sums = multiply("state", h)
        z, r = jnp.split(jax.nn.sigmoid(now[:, :gates] + sums[:, :gates]), 2, axis=1)
        late = r * sums[:, gates:] if self.reset_after else multiply("candidate", r * h)
        h = (1 - z) * jnp.tanh(now[:, gates:] + late) + z * h
        return h, h
