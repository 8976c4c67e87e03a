"""One node of a model as its importer sees it: its inputs, attributes and output shapes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pimsim.errors import NetworkError
from pimsim.network.onnx.build import Builder
from pimsim.network.onnx.layout import Tensor
from pimsim.network.ops import Shape

Value = Tensor | np.ndarray | None
"""A result, a constant, or an optional input that is left out."""


@dataclass(frozen=True)
class Call:
    """A node of the model, and what is known when it is reached."""

    op: str
    name: str
    opset: int
    inputs: list[Value]
    attributes: dict[str, Any]
    shapes: list[Shape]
    """Of each output."""
    kinds: list[int]
    used: list[bool]
    """Whether anything reads each output."""
    builder: Builder
    steps: Sequence[np.ndarray | None] = ()
    """Of inputs that are constants on a grid, the distance of its points, value by value."""

    @property
    def shape(self) -> Shape:
        """Of the first output."""
        return self.shapes[0]

    def get(self, attribute: str, default: Any = None) -> Any:
        return self.attributes.get(attribute, default)

    def input(self, index: int) -> Value:
        """An input; None where it is left out."""
        return self.inputs[index] if index < len(self.inputs) else None

    def step(self, index: int) -> np.ndarray | None:
        """Of an input that is a constant on a grid, the distance of its points, value by value."""
        return self.steps[index] if index < len(self.steps) else None

    def tensor(self, index: int = 0) -> Tensor:
        """An input that must be a result."""
        value = self.input(index)
        if not isinstance(value, Tensor):
            kind = "left out" if value is None else "constant"
            raise NetworkError("", f"{self.op}: input {index} must be a result of the network, is {kind}")
        return value

    def constant(self, index: int) -> np.ndarray:
        """An input that must be known beforehand."""
        value = self.input(index)
        if not isinstance(value, np.ndarray):
            raise NetworkError("", f"{self.op}: input {index} must be constant")
        return value

    def optional(self, index: int) -> np.ndarray | None:
        """An input that is left out, or constant."""
        return None if self.input(index) is None else self.constant(index)

    def ints(self, attribute: str, index: int) -> list[int] | None:
        """Whole numbers that older opsets give as an attribute and newer ones as an input; None without either."""
        if attribute in self.attributes:
            value = self.attributes[attribute]
            return [value] if isinstance(value, int) else list(value)
        given = self.optional(index)
        return None if given is None else np.atleast_1d(given).astype(int).tolist()

    def refuse(self, **allowed: Any) -> None:
        """Raise NetworkError where an attribute has another value than the one that is supported."""
        for attribute, value in allowed.items():
            if self.get(attribute, value) != value:
                raise NetworkError("", f"{self.op}: {attribute}={self.get(attribute)} is not supported")

    def refuse_outputs(self, first: int = 1) -> None:
        """Raise NetworkError where an output beyond the first ones is read."""
        if any(self.used[first:]):
            raise NetworkError("", f"{self.op}: only its first output{'s' if first > 1 else ''} can be read")

    def same(self, tensor: Tensor) -> Tensor:
        """The tensor as the output of this node."""
        return replace(tensor, shape=self.shape, kind=self.kinds[0])

    def text(self, attribute: str, default: str = "") -> str:
        value = self.get(attribute, default)
        return value.decode() if isinstance(value, bytes) else value


def axis_of(axis: int, rank: int) -> int:
    """An axis counted from the front."""
    return axis + rank if axis < 0 else axis
