"""The inputs of a model: which they are, where their batch stands, which are images, and how they lie in ours."""

from collections.abc import Collection, Sequence
from typing import Any

from pimsim.errors import NetworkError
from pimsim.network.graph import IMAGE
from pimsim.network.onnx.layout import IMAGE_GROUPS, Groups, Tensor, flat, natural
from pimsim.network.ops import Shape

READERS = ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "LRN")
TRANSPARENT = (
    "Add", "Sub", "Mul", "Div", "Pad", "Relu", "Clip", "Cast", "Identity", "Dropout", "Resize", "Upsample", "Concat",
    "Slice", "BatchNormalization", "QuantizeLinear", "DequantizeLinear",
)  # fmt: skip
"""Operators through which an input is still recognised as an image."""


def find_inputs(graph: Any, nodes: Sequence[Any], known: Collection[str], *, batched: bool) -> dict[str, Tensor]:
    """The inputs that some node reads and that have no value, for a batch of 1, each as if it were the only one.

    Without `batched` all of their axes belong to one image. Raises NetworkError where there are none, and where a size
    beside the batch is open.
    """
    read = {name for node in nodes for name in node.input}
    given = [entry for entry in graph.input if entry.name in read and entry.name not in known]
    if not given:
        raise NetworkError(IMAGE, "the model has no input that its output depends on")
    return {entry.name: _tensor(entry, nodes, batched) for entry in given}


def _tensor(entry: Any, nodes: Sequence[Any], batched: bool) -> Tensor:
    kind, batch = entry.type.tensor_type, _batch_axis(entry.name, nodes) if batched else None
    shape = tuple(1 if axis == batch else dim.dim_value for axis, dim in enumerate(kind.shape.dim))
    if unknown := [str(axis) for axis, size in enumerate(shape) if size < 1]:
        fact = f"{entry.name}: axes {', '.join(unknown)} have no fixed size"
        remedy = "onnx.tools.update_model_dims gives them one; an initializer gives the input a fixed value."
        raise NetworkError(IMAGE, fact, remedy)
    return Tensor(IMAGE, shape, _groups(entry.name, shape, nodes), kind.elem_type)


def _batch_axis(name: str, nodes: Sequence[Any]) -> int:
    """The axis along which images follow one another: the second of what a recurrent node reads, else the first."""
    direct = [node for node in nodes if node.input[:1] == [name] and node.op_type in ("LSTM", "GRU", "RNN")]
    layouts = [attribute.i for node in direct for attribute in node.attribute if attribute.name == "layout"]
    return 1 if direct and not any(layouts) else 0


def _groups(name: str, shape: Shape, nodes: Sequence[Any]) -> Groups:
    """Images lie with their channels last, whatever else in the model's order, in three axes at most."""
    if len(shape) in IMAGE_GROUPS and shape[0] == 1 and _is_image(name, nodes):
        return IMAGE_GROUPS[len(shape)]
    groups = natural(shape)
    return (flat(groups[:-2]), *groups[-2:]) if len(groups) > 3 else groups


def _is_image(name: str, nodes: Sequence[Any]) -> bool:
    """Whether the input reaches a window before anything that gives its axes another meaning."""
    reached = {name}
    for node in nodes:
        if not reached.isdisjoint(node.input):
            if node.op_type in READERS and node.input[0] in reached:
                return True
            if node.op_type in TRANSPARENT:
                reached |= set(node.output)
    return False
