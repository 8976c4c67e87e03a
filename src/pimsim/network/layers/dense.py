"""The fully connected layer: one vector through one matrix."""

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, Num

from pimsim.errors import NetworkError
from pimsim.network.layers.base import AbstractMatrixLayer, only
from pimsim.network.layers.window import check_sizes
from pimsim.network.ops import MatrixOp, Shape
from pimsim.numerics import contract


class Dense(AbstractMatrixLayer):
    """y[o] = bias[o] + Σ_r w[r,o] · x[r]."""

    features: int = eqx.field(static=True)
    """Output values."""

    def __check_init__(self):
        check_sizes("features", (self.features,), 1)

    def shape(self, *inputs: Shape) -> Shape:
        shape = only(self, inputs)
        if len(shape) != 1:
            raise NetworkError("", f"Dense takes a vector, got shape {shape}", "Put a Flatten before it.")
        return (self.features,)

    def weight_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape, self.features)

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> MatrixOp:
        (cols,), (rows,) = self.shape(*shapes), shapes[0]
        return MatrixOp(name, inputs, rows, cols, vectors=1, groups=1, need=(np.zeros(1, int),))

    def forward(
        self, weight: Float[Array, "row col"], bias: Float[Array, " col"], x: Float[Array, "batch row"]
    ) -> Float[Array, "batch col"]:
        return contract(x, weight) + bias

    def matrix(self, weight: Num[np.ndarray | Array, "row col"]) -> Num[np.ndarray | Array, "row col"]:
        return weight

    def vectors(self, x: Num[Array, "batch row"]) -> Num[Array, "batch vector row"]:
        return x[:, None, :]

    def tensor(self, y: Num[Array, "batch vector col"], input_shape: Shape) -> Num[Array, "batch col"]:
        return y[:, 0, :]
