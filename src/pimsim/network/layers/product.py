"""Products of two results, for which no crossbar stores a side."""

import equinox as eqx
from jaxtyping import Array, Float

from pimsim.errors import NetworkError
from pimsim.network.layers.base import AbstractProductLayer, Einsum
from pimsim.network.layers.window import check_sizes
from pimsim.network.ops import Op, ProductOp, Shape, all_of, each


class MatrixProduct(AbstractProductLayer):
    """[m, heads·k] by [k, heads·n] (the values in A·V), or by [n, heads·k] if transposed (the keys in Q·Kᵀ), head by
    head, to [m, heads·n]."""

    heads: int = eqx.field(default=1, static=True)
    transposed: bool = eqx.field(default=False, static=True)

    def __check_init__(self):
        check_sizes("heads", (self.heads,), 1)

    def _sizes(self, inputs: tuple[Shape, ...]) -> tuple[int, int, int]:
        """m, k and n."""
        if len(inputs) == 2 and all(len(shape) == 2 and shape[1] % self.heads == 0 for shape in inputs):
            (m, left), (rows, right) = inputs
            k, n = left // self.heads, rows if self.transposed else right // self.heads
            if k == (right // self.heads if self.transposed else rows):
                return m, k, n
        got = " and ".join(map(str, inputs))
        raise NetworkError("", f"a product in {self.heads} heads takes two matrices that fit, got {got}")

    def shape(self, *inputs: Shape) -> Shape:
        m, _, n = self._sizes(inputs)
        return (m, self.heads * n)

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> list[Op]:
        m, k, n = self._sizes(shapes)
        left, right = inputs
        need = each(m), all_of(shapes[1][0], m)
        return [ProductOp(name, (left, right), self.heads, m, k, n, self.transposed, 0, self.heads * m * k * n, need)]

    def apply(self, multiply: Einsum, *inputs: Float[Array, "batch ..."]) -> Float[Array, "batch vector result"]:
        a, b = (x.reshape(*x.shape[:2], self.heads, -1) for x in inputs)
        y = multiply("", "bmhk,bnhk->bmhn" if self.transposed else "bmhk,bkhn->bmhn", a, b)
        return y.reshape(*y.shape[:2], -1)
