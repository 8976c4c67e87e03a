"""The importers of ONNX operators: one file a family, and one line here."""

from collections.abc import Callable

from pimsim.network.onnx.call import Call
from pimsim.network.onnx.layout import Tensor
from pimsim.network.onnx.operators import elementwise, matrix, move, normalize, pool, recurrent, reduce, resize

FAMILIES = (matrix, recurrent, pool, elementwise, normalize, reduce, move, resize)
OPERATORS: dict[str, Callable[[Call], Tensor | list[Tensor | None]]] = {
    name: read for family in FAMILIES for name, read in family.OPERATORS.items()
}
"""What makes the layers of each operator; it returns the node's output, or all its outputs."""
