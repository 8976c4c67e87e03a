"""The fully connected layer: one vector, or each of a sequence, through one matrix."""

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, Num

from pimsim.errors import NetworkError
from pimsim.network.layers.base import AbstractMatrixLayer, only
from pimsim.network.layers.window import check_sizes
from pimsim.network.ops import MatrixOp, Op, Shape, each, vector_count
from pimsim.numerics import contract


class Dense(AbstractMatrixLayer):
    """y[o] = bias[o] + Σ_r w[r,o] · x[r], for a vector or for every vector of a sequence (tokens, n)."""

    features: int = eqx.field(static=True)
    """Output values."""

    def __check_init__(self):
        check_sizes("features", (self.features,), 1)

    def shape(self, *inputs: Shape) -> Shape:
        shape = only(self, inputs)
        if len(shape) > 2:
            raise NetworkError("", f"Dense takes a vector, got shape {shape}", "Put a Flatten before it.")
        return (*shape[:-1], self.features)

    def weight_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[-1], self.features)

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> list[Op]:
        shape = self.shape(*shapes)
        vectors = vector_count(shape)
        return [MatrixOp(name, inputs, shapes[0][-1], shape[-1], vectors, groups=1, need=(each(vectors),))]

    def forward(
        self, weight: Float[Array, "row col"], bias: Float[Array, " col"], x: Float[Array, "batch *token row"]
    ) -> Float[Array, "batch *token col"]:
        return contract(x.reshape(-1, x.shape[-1]), weight).reshape(*x.shape[:-1], -1) + bias

    def matrix(self, weight: Num[np.ndarray | Array, "row col"]) -> Num[np.ndarray | Array, "row col"]:
        return weight

    def vectors(self, x: Num[Array, "batch *token row"]) -> Num[Array, "batch vector row"]:
        return x.reshape(x.shape[0], -1, x.shape[-1])

    def tensor(self, y: Num[Array, "batch vector col"], input_shape: Shape) -> Num[Array, "batch *token col"]:
        return y.reshape(-1, *self.shape(input_shape))
