"""An ONNX model → a network of ours: node by node, constants folded, all that is missing named at once."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pimsim.errors import NetworkError, PimsimError
from pimsim.network.graph import IMAGE, Network
from pimsim.network.layers import Input, Rearrange
from pimsim.network.layers.shape import side_by_side
from pimsim.network.onnx.build import Builder
from pimsim.network.onnx.call import Call
from pimsim.network.onnx.expand import expanded
from pimsim.network.onnx.file import read_file, require_onnx
from pimsim.network.onnx.fold import fold, grid_steps, is_foldable, output_types, type_of
from pimsim.network.onnx.image import find_inputs
from pimsim.network.onnx.layout import Tensor, natural
from pimsim.network.onnx.operators import OPERATORS
from pimsim.network.ops import Op, Shape
from pimsim.spec import SpecProblems

MALFORMED = (ArithmeticError, AssertionError, AttributeError, LookupError, StopIteration, TypeError, ValueError)
"""What a node meets that no exporter writes, such as strides of another number than the kernel's."""


@dataclass(frozen=True)
class Imported:
    """A network without weights, and its weights as they are in the file."""

    network: Network
    arrays: dict[str, dict[str, np.ndarray]]
    operators: dict[str, str]
    """The operator that each node of the network comes from."""
    inputs: dict[str, Tensor]
    """What the model reads, by its names, and how it lies in what the network reads."""

    @property
    def image(self) -> Tensor:
        """The only input."""
        (image,) = self.inputs.values()
        return image

    def with_weights(self) -> Network:
        """The network as it computes; NetworkError where a weight is not finite."""
        weights = {name: {key: a for key, a in own.items() if key != "step"} for name, own in self.arrays.items()}
        steps = {name: own["step"] for name, own in self.arrays.items() if "step" in own}
        return replace(self.network.with_weights(weights), weight_steps=steps)


def read_model(path: str | Path) -> Imported:
    """The network in an ONNX file.

    Its inputs are those without a value, for a batch of 1; the first output is the result. Raises FileError for what is
    no model, and SpecProblems with everything that is not supported, by operator and node.
    """
    path = Path(path)
    try:
        return import_model(read_file(path), path.stem)
    except (SpecProblems, NetworkError) as error:
        raise error.within(str(path), ": ") from None


def survey_model(path: str | Path) -> tuple[list[Op], dict[str, str], list[PimsimError]]:
    """What the layers of a model ask of a chip, as far as they can be read; the operators they come from; and every
    problem, among which are those of weights that are not finite. Raises FileError as `read_model` does."""
    path = Path(path)
    try:
        importer = _Import(read_file(path), batch=True)
    except NetworkError as error:
        return [], {}, [error.within(str(path), ": ")]
    try:
        imported = importer.run(path.stem)
        ops = imported.network.ops()
        imported.with_weights()
    except (SpecProblems, PimsimError) as error:
        ops = importer.ops()
        return ops, importer.operators, [each.within(str(path), ": ") for each in getattr(error, "problems", [error])]
    return ops, imported.operators, []


def import_model(model: Any, name: str, *, batch: bool = True) -> Imported:
    """The network of a model in memory; without `batch` its input is one image with all its axes."""
    return _Import(model, batch).run(name)


class _Import:
    """The values known so far, by the model's names."""

    def __init__(self, model: Any, batch: bool):
        onnx = require_onnx()
        self.graph, self.batch = model.graph, batch
        self.opset = next(each.version for each in model.opset_import if each.domain in ("", "ai.onnx"))
        self.values: dict[str, Tensor | np.ndarray] = {}
        self.steps: dict[str, np.ndarray] = {}
        self.missing: set[str] = set()
        self.builder, self.operators, self.problems = Builder(), {}, []
        self.entering: Shape = ()
        self.output = self.graph.output[0].name
        self.nodes = _needed(expanded(self.graph.node), self.output)
        self.readers = Counter(name for node in self.nodes for name in node.input if name)
        self.readers[self.output] += 1
        for tensor in self.graph.initializer:
            if tensor.name in self.readers:
                try:
                    self.values[tensor.name] = onnx.numpy_helper.to_array(tensor)
                except (TypeError, ValueError) as error:
                    raise NetworkError(tensor.name, f"its values do not fit its shape: {error}") from None

    def run(self, name: str) -> Imported:
        self._refuse_unknown()
        inputs = find_inputs(self.graph, self.nodes, set(self.values), batched=self.batch)
        self._enter(inputs)
        for index, node in enumerate(self.nodes):
            place = node.name or next(filter(None, node.output), f"node {index}")
            if not self.missing.isdisjoint((*node.input, *node.output)):
                self._miss(node)
                continue
            try:
                self._take(node, place)
            except PimsimError as error:
                self.problems.append(NetworkError(place, error.fact, error.remedy))
                self._miss(node)
            except MALFORMED as error:
                fact = f"{node.op_type}: its inputs and attributes do not fit together: {error}"
                self.problems.append(NetworkError(place, fact))
                self._miss(node)
        if self.problems:
            raise self.problems[0] if len(self.problems) == 1 else SpecProblems(self.problems)
        result = self.values[self.output]
        if not isinstance(result, Tensor):
            raise NetworkError("", "its output does not depend on its input")
        last = self.builder.laid(self.output, result, natural(result.shape)).source
        nodes = _reached(
            self.builder, self.builder.add(self.output, Rearrange(()), [result]) if last == IMAGE else last
        )
        arrays = {each: own for each, own in self.builder.arrays.items() if each in nodes}
        return Imported(Network(name, self.entering, tuple(nodes.values())), arrays, self.operators, inputs)

    def ops(self) -> list[Op]:
        """What the layers so far ask of a chip."""
        nodes = tuple(self.builder.nodes.values())
        return Network("part", self.entering, nodes).ops() if nodes and self.entering else []

    def _enter(self, inputs: dict[str, Tensor]) -> None:
        """One input as it is; several cut out of the one vector that they enter as."""
        if len(inputs) == 1:
            self.values |= inputs
            (self.entering,) = (tensor.own for tensor in inputs.values())
            return
        for name, layer in side_by_side({name: tensor.own for name, tensor in inputs.items()}):
            own = inputs[name]
            self.values[name] = replace(own, source=self.builder.add(name, layer, [own]))
            self.entering = (layer.end,)

    def _miss(self, node: Any) -> None:
        """Note that what a node makes is not there."""
        self.missing |= set(filter(None, node.output))

    def _refuse_unknown(self) -> None:
        """Note every node whose operator nothing here reads."""
        unknown: dict[str, list[str]] = {}
        for node in self.nodes:
            known = node.domain in ("", "ai.onnx") and (node.op_type in OPERATORS or is_foldable(node))
            if not known:
                title = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
                unknown.setdefault(title, []).append(node.name or node.output[0])
                self._miss(node)
        for title, names in unknown.items():
            self.problems.append(NetworkError(title, f"is not supported: {', '.join(names)}"))

    def _take(self, node: Any, place: str) -> None:
        """Fold a node, or append its layers."""
        inputs = [self.values[each] if each else None for each in node.input]
        if node.op_type in ("Shape", "Size") and isinstance(inputs[0], Tensor):
            inputs[0] = np.broadcast_to(np.float32(0), inputs[0].shape)
        if is_foldable(node) and not any(isinstance(value, Tensor) for value in inputs):
            self._fold(node, [each if isinstance(each, np.ndarray) else None for each in inputs])
            return
        if node.op_type not in OPERATORS:
            raise NetworkError("", f"{node.op_type} of results of the network is not supported")
        constants = {n: v for n, v in zip(node.input, inputs, strict=True) if n and isinstance(v, np.ndarray)}
        types = {n: _type_of(v) for n, v in zip(node.input, inputs, strict=True) if n and v is not None}
        found = output_types(node, types, constants, self.opset)
        used = [bool(self.readers[each]) for each in node.output]
        outputs = [found.get(each, (1, None)) for each in node.output]
        if any(shape is None and own for (_, shape), own in zip(outputs, used, strict=True)):
            raise NetworkError("", f"{node.op_type}: the shape of its output depends on the input's values")
        if any(shape and 0 in shape and own for (_, shape), own in zip(outputs, used, strict=True)):
            raise NetworkError("", f"{node.op_type} makes a tensor without values")
        self._append(node, place, inputs, outputs, used)

    def _fold(self, node: Any, inputs: list[np.ndarray | None]) -> None:
        made = fold(node, inputs, self.opset)
        self.values |= dict(zip(node.output, made, strict=False))
        steps = grid_steps(node, inputs, [self.steps.get(each) for each in node.input], made[0], self.opset)
        if steps is not None:
            self.steps[node.output[0]] = steps

    def _append(self, node: Any, place: str, inputs: list, outputs: list, used: list[bool]) -> None:
        from onnx.helper import get_attribute_value

        alone = {each: self.readers[each] == 1 for each in node.input}
        inputs = [
            Tensor(v.source, v.shape, v.groups, v.kind, v.alone and alone[name]) if isinstance(v, Tensor) else v
            for name, v in zip(node.input, inputs, strict=True)
        ]
        steps = [self.steps.get(each) for each in node.input]
        attributes = {each.name: get_attribute_value(each) for each in node.attribute}
        shapes, kinds = [shape or () for _, shape in outputs], [kind for kind, _ in outputs]
        call = Call(node.op_type, place, self.opset, inputs, attributes, shapes, kinds, used, self.builder, steps)
        before = set(self.builder.nodes)
        made = OPERATORS[node.op_type](call)
        self.operators |= dict.fromkeys(self.builder.nodes.keys() - before, node.op_type)
        for name, value in zip(node.output, made if isinstance(made, list) else [made], strict=False):
            if name and value is not None:
                self.values[name] = value


def _needed(nodes: Iterable[Any], output: str) -> list[Any]:
    """The nodes that an output depends on, in their order."""
    wanted, found = {output}, []
    for node in reversed(list(nodes)):
        if not wanted.isdisjoint(node.output):
            wanted |= set(filter(None, node.input))
            found.append(node)
    return found[::-1]


def _reached(builder: Builder, last: str) -> dict[str, Any]:
    """The nodes of ours that the last one depends on, in their order, and all inputs."""
    wanted, found = {last} | {name for name, node in builder.nodes.items() if isinstance(node.layer, Input)}, []
    for name in reversed(builder.nodes):
        if name in wanted:
            wanted |= set(builder.nodes[name].inputs)
            found.append(name)
    return {name: builder.nodes[name] for name in reversed(found)}


def _type_of(value: Tensor | np.ndarray) -> Any:
    from onnx.helper import make_tensor_type_proto

    return make_tensor_type_proto(value.kind, value.shape) if isinstance(value, Tensor) else type_of(value)
