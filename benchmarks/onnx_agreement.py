"""Imported ONNX models against onnxruntime and against the onnx package's own cases.

    python benchmarks/onnx_agreement.py [--json] [models] [operators] [--only NAME]

`models`: every topology among the onnx package's light models, with seeded weights in place of its constants (He's
spread, so that values keep their size) and two images of noise. The figure is the largest difference of the logits, of
what enters the last softmax, over the largest logit; beside it stand the MACs and the weights of all matrices.

`operators`: every case of the onnx package for one operator that we read, with its first input as the image (and for
operators on two, also its last, and all), the others constant. Cases that are refused say why.
"""

import argparse
import importlib
import json
import pkgutil
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pimsim.errors import PimsimError
from pimsim.network.onnx.layout import arranged
from pimsim.network.onnx.operators import OPERATORS
from pimsim.network.onnx.read import import_model
from pimsim.network.ops import MatrixOp

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"
IMAGES = 2
BATCHED = (
    "Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "LRN",
    "BatchNormalization",
)  # fmt: skip
"""Operators whose cases hold a batch along axis 0."""
BINARY = frozenset(["Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Mean", "Sum", "MatMul", "Concat"])
PLAIN = ("float32", "float64", "float16", "int32", "int64", "int8", "uint8")


def light_models():
    """The light models' files."""
    return sorted(LIGHT.glob("*.onnx"))


def seeded(path, seed=0):
    """A light model with drawn weights, and the input of its last softmax as the output."""
    model = onnx.load(path)
    shapes = {tensor.name: tensor for tensor in model.graph.initializer}
    rng, kept = np.random.default_rng(seed), []
    for node in model.graph.node:
        if node.op_type != "ConstantOfShape":
            kept.append(node)
            continue
        shape = numpy_helper.to_array(shapes[node.input[0]]).tolist()
        drawn = _drawn(model.graph.node, node.output[0], shape, rng).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(drawn, node.output[0]))
    if kept[-1].op_type == "Softmax":
        model.graph.output[0].name = kept.pop().input[0]
        model.graph.output[0].type.tensor_type.ClearField("shape")
    used = {name for node in kept for name in node.input}
    for field, chosen in (
        (model.graph.node, kept),
        (model.graph.initializer, [each for each in model.graph.initializer if each.name in used]),
        (model.graph.input, [each for each in model.graph.input if each.name in used and each.name not in shapes]),
    ):
        chosen = list(chosen)
        del field[:]
        field.extend(chosen)
    return model


def _drawn(nodes, name, shape, rng):
    """He's weights; gains and variances around 1; biases and means around 0."""
    if len(shape) > 1:
        return rng.normal(size=shape) * (2 / np.prod(shape[1:])) ** 0.5
    reader = next(node for node in nodes if name in node.input)
    place = list(reader.input).index(name)
    if reader.op_type == "Unsqueeze":
        reader = next(node for node in nodes if reader.output[0] in node.input)
        place = 1 if reader.op_type == "Mul" else 2
    if reader.op_type in ("Mul", "BatchNormalization") and place in (1, 4):
        return rng.uniform(0.5, 1.5, shape)
    return 0.1 * rng.normal(size=shape)


def theirs(model, feeds):
    """What onnxruntime computes."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)[0]


def relative(ours, reference):
    """The largest difference, over the largest value."""
    ours, reference = (np.asarray(a, np.float64).ravel() for a in (ours, reference))
    finite = np.isfinite(reference)
    np.testing.assert_array_equal(ours[~finite], reference[~finite])
    return float(np.abs(ours - reference)[finite].max(initial=0) / max(np.abs(reference[finite]).max(initial=0), 1e-30))


def compare_model(path):
    """One light model: its counts, and how far it is from onnxruntime."""
    model = seeded(path)
    imported = import_model(model, path.stem)
    x = np.random.default_rng(1).normal(size=(IMAGES, *imported.image.shape[1:])).astype(np.float32)
    (name,) = (entry.name for entry in model.graph.input)
    reference = np.concatenate([theirs(model, {name: image[None]}).reshape(1, -1) for image in x])
    ours = imported.with_weights().forward(arranged(x, imported.image))
    matrices = [op for op in imported.network.ops() if isinstance(op, MatrixOp)]
    return {
        "macs": sum(op.macs for op in matrices),
        "weights": sum(op.weights for op in matrices),
        "relative": relative(ours, reference),
    }


def cases(operators=tuple(OPERATORS)):
    """The onnx package's cases for one of these operators alone, on the types of numbers that we have."""
    import onnx.backend.test.case.node as node_cases

    modules = {module.name.replace("_", ""): module.name for module in pkgutil.iter_modules(node_cases.__path__)}
    for operator in operators:  # whose module adds its cases when it is imported
        if operator.lower() in modules:
            importlib.import_module(f"{node_cases.__name__}.{modules[operator.lower()]}")
    for case in node_cases._NodeTestCases:
        nodes, (inputs, outputs) = case.model.graph.node, case.data_sets[0]
        if len(nodes) != 1 or nodes[0].domain or nodes[0].op_type not in operators or "expanded" in case.name:
            continue
        arrays = [np.asarray(each) for each in (*inputs, *outputs) if isinstance(each, np.ndarray | np.generic)]
        if len(arrays) < len(inputs) + len(outputs) or any(a.dtype.name not in (*PLAIN, "bool") for a in arrays):
            continue
        if all(a.size for a in arrays):
            yield case


def frees(case):
    """Which inputs are the image, in turn."""
    names, op = [entry.name for entry in case.model.graph.input], case.model.graph.node[0].op_type
    yield names[:1]
    if op in BINARY and len(names) > 1:
        yield names[-1:]
        if all(np.asarray(each).dtype.kind == "f" for each in case.data_sets[0][0]):
            yield names
    if op == "Gather":
        yield names[-1:]


def bound(case, free):
    """The case's model with the inputs that are not free as constants, and its first output alone."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    graph = model.graph
    for entry, array in zip(case.model.graph.input, case.data_sets[0][0], strict=True):
        if entry.name not in free:
            graph.initializer.append(numpy_helper.from_array(np.asarray(array), entry.name))
    kept = [entry for entry in case.model.graph.input if entry.name in free]
    for field, chosen in ((graph.input, kept), (graph.output, [case.model.graph.output[0]])):
        del field[:]
        field.extend(chosen)
    return model


def cut_from_one(models, feeds, name="image"):
    """Models side by side in one, their inputs cut out of one vector and their outputs joined to one; and that vector.

    `feeds` holds the inputs of each model by name.
    """
    nodes, constants, ends, start = [], [], [], 0
    for index, (model, inputs) in enumerate(zip(models, feeds, strict=True)):
        graph, mark = model.graph, f"m{index}/"
        for entry, array in inputs.items():
            for key, value in (("from", [start]), ("to", [start + array.size]), ("as", list(array.shape))):
                constants.append(numpy_helper.from_array(np.array(value, np.int64), f"{mark}{entry}/{key}"))
            cut = [name, f"{mark}{entry}/from", f"{mark}{entry}/to"]
            nodes.append(helper.make_node("Slice", cut, [f"{mark}{entry}/cut"]))
            nodes.append(helper.make_node("Reshape", [f"{mark}{entry}/cut", f"{mark}{entry}/as"], [mark + entry]))
            start += array.size
        for tensor in graph.initializer:
            own = TensorProto()
            own.CopyFrom(tensor)
            own.name = mark + tensor.name
            constants.append(own)
        for node in graph.node:
            own = onnx.NodeProto()
            own.CopyFrom(node)
            own.input[:], own.output[:] = (
                [mark + each if each else "" for each in names] for names in (node.input, node.output)
            )
            own.name = mark + (node.name or node.op_type)
            nodes.append(own)
        ends.append(f"{mark}flat")
        nodes.append(helper.make_node("Reshape", [mark + graph.output[0].name, "flat"], [ends[-1]]))
    constants.append(numpy_helper.from_array(np.array([-1], np.int64), "flat"))
    nodes.append(helper.make_node("Concat", ends, ["all"], axis=0))
    image = helper.make_tensor_value_info(name, TensorProto.FLOAT, [start])
    graph = helper.make_graph(nodes, "all", [image], [helper.make_tensor_value_info("all", TensorProto.FLOAT, [None])])
    graph.initializer.extend(constants)
    whole = helper.make_model(graph, opset_imports=[models[0].opset_import[0]])
    return whole, np.concatenate([a.ravel() for own in feeds for a in own.values()]).astype(np.float32)


def compare_case(case, free):
    """How far one case is from what the onnx package expects; or why it is refused."""
    names, (inputs, outputs) = [entry.name for entry in case.model.graph.input], case.data_sets[0]
    node, model = case.model.graph.node[0], bound(case, free)
    reference = np.asarray(outputs[0])
    feeds = {name: np.asarray(array) for name, array in zip(names, inputs, strict=True) if name in free}
    try:
        if len(free) > 1:
            model, x = cut_from_one([model], [feeds])
            imported, images = import_model(model, case.name, batch=False), x[None]
        else:
            x = feeds[free[0]]
            steps_first = node.op_type in ("LSTM", "GRU") and not any(
                a.name == "layout" and a.i for a in node.attribute
            )
            x, reference = (np.moveaxis(x, 1, 0), np.moveaxis(reference, -2, 0)) if steps_first else (x, reference)
            batch = node.op_type in ("LSTM", "GRU") or (node.op_type in BATCHED and x.ndim > 2)
            imported, images = import_model(model, case.name, batch=batch), x if batch else x[None]
        network = imported.with_weights() if imported.arrays else imported.network
        ours = network.forward(arranged(images.astype(np.float32), imported.image))
    except PimsimError as error:
        return str(error).splitlines()[0]
    return relative(ours, reference)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", default=["models", "operators"])
    parser.add_argument("--only", default="")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = {"models": {}, "operators": {}}
    if "models" in options.what:
        for path in light_models():
            if options.only in path.stem:
                found["models"][path.stem] = row = compare_model(path)
                figures = f"{row['macs'] / 1e9:8.4f} GMAC {row['weights'] / 1e6:9.4f} M weights"
                if not options.json:
                    print(f"{path.stem:24} {figures}   {row['relative']:.1e}", flush=True)
    if "operators" in options.what:
        agree, all_of, said = Counter(), Counter(), []
        for case in cases():
            operator = case.model.graph.node[0].op_type
            if options.only not in case.name:
                continue
            for free in frees(case):
                said_now, all_of[operator] = compare_case(case, free), all_of[operator] + 1
                if isinstance(said_now, float) and said_now < 1e-4:
                    agree[operator] += 1
                else:
                    said.append(f"{case.name} ({', '.join(free)}): {said_now}")
        found["operators"] = {name: [agree[name], all_of[name]] for name in sorted(all_of)}
        if not options.json:
            print(", ".join(f"{name} {agree[name]}/{all_of[name]}" for name in sorted(all_of)), *said, sep="\n")
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
