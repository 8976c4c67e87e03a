"""Models from ONNX files: their arithmetic is onnxruntime's, their counts follow from shapes, bad files are refused."""

import importlib.util
import io
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from pimsim.accounting import Charging, account
from pimsim.errors import FileError, NetworkError
from pimsim.experiment import load_experiment, network_on_chip
from pimsim.mapping import place
from pimsim.network.graph import build_network
from pimsim.network.layers import (
    Arithmetic,
    Attention,
    Conv2d,
    Dense,
    Flatten,
    Gru,
    Join,
    MatrixProduct,
    OverlapAdd,
    Rearrange,
    Reduce,
    Resample,
)
from pimsim.network.layers.rearrange import Pad, Slice, Transpose
from pimsim.network.onnx.layout import arranged, reshaped
from pimsim.network.onnx.operators import OPERATORS
from pimsim.network.onnx.read import import_model, read_model
from pimsim.network.ops import MatrixOp, VectorOp, vector_count
from pimsim.network.zoo import load_topology
from pimsim.schedule import schedule, traffic
from pimsim.simulation import simulate
from pimsim.spec import SpecProblems
from pimsim.survey import check_model

onnx = pytest.importorskip("onnx")
helper, numpy_helper = onnx.helper, onnx.numpy_helper
FLOAT = 1
NEWEST = onnx.defs.onnx_opset_version()
COMPARISONS = {
    "Equal": np.equal, "Greater": np.greater, "GreaterOrEqual": np.greater_equal, "Less": np.less,
    "LessOrEqual": np.less_equal,
}  # fmt: skip
BENCHMARK = Path(__file__).parents[2] / "benchmarks/onnx_agreement.py"


@pytest.fixture(scope="module")
def agreement():
    """The benchmark that measures agreement, as a module."""
    spec = importlib.util.spec_from_file_location("onnx_agreement", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def model(nodes, shape, weights=(), opset=20, inputs=("x",), kind=FLOAT):
    """A model of nodes (operator, inputs, output, attributes) that reads `inputs` of one shape."""
    made = [helper.make_node(op, list(read), [out], name=f"{op}-{out}", **more) for op, read, out, more in nodes]
    entries = [helper.make_tensor_value_info(name, kind, shape) for name in inputs]
    last = helper.make_empty_tensor_value_info(made[-1].output[0])
    constants = [numpy_helper.from_array(np.asarray(array), name) for name, array in dict(weights).items()]
    graph = helper.make_graph(made, "test", entries, [last], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def evaluated(built, images):
    """What onnxruntime makes of each image."""
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(built.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"x": image})[0] for image in images])


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


ZOO = {"resnet50": "resnet-50", "vgg19": "vgg-e", "densenet121": "densenet-121", "squeezenet": "squeezenet-1.1"}
LIGHT = (*ZOO, "bvlc_alexnet", "inception_v1", "inception_v2", "shufflenet", "zfnet512")


def counts(ops):
    """Matrices, multiplications and weights."""
    matrices = [op for op in ops if isinstance(op, MatrixOp)]
    return len(matrices), sum(op.macs for op in matrices), sum(op.weights for op in matrices)


def counted(built):
    """The same from the shapes that onnx infers: a product a weight for every value of an output channel."""
    built = onnx.shape_inference.infer_shapes(built, data_prop=True)
    infos = [*built.graph.value_info, *built.graph.input, *built.graph.output, *built.graph.initializer]
    shapes = {
        each.name: list(each.dims)
        if hasattr(each, "dims")
        else [dim.dim_value for dim in each.type.tensor_type.shape.dim]
        for each in infos
    }
    found = [0, 0, 0]
    for node in built.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            weight, made = shapes[node.input[1]], shapes[node.output[0]]
            found = [found[0] + 1, found[1] + np.prod(made) * np.prod(weight[1:]), found[2] + np.prod(weight)]
    return tuple(map(int, found))


@pytest.mark.parametrize("name", LIGHT)
def test_a_light_model_is_counted(agreement, name):
    """Every topology of the onnx package's light models; four of them are networks of our zoo."""
    path = agreement.LIGHT / f"light_{name}.onnx"
    found = counts(read_model(path).network.ops())
    assert found == counted(onnx.load(path))
    if name in ZOO:
        assert found == counts(load_topology(ZOO[name]).ops())


def test_the_light_models_are_those(agreement):
    assert [path.stem for path in agreement.light_models()] == sorted(f"light_{name}" for name in LIGHT)


def test_every_operator_agrees_with_the_onnx_package(agreement):
    """A case of the onnx package for each operator that is read, all in one network; the rest is in the benchmark."""
    slow = {"MaxPool", "AveragePool"}  # to draw; below
    elsewhere = slow | {"LRN", "BatchNormalization", "LSTM", "GRU", "PRelu", "Identity"}  # batches, other types
    elsewhere |= {"Cast", "QuantizeLinear", "DequantizeLinear", "ReduceMax", "ReduceMin", "Upsample", *COMPARISONS}
    chosen = {}
    with np.errstate(all="ignore"):
        cases = list(agreement.cases([operator for operator in OPERATORS if operator not in slow]))
    for case in cases:
        operator, (inputs, outputs) = case.model.graph.node[0].op_type, case.data_sets[0]
        opset = next(each.version for each in case.model.opset_import if not each.domain)
        current = len({onnx.defs.get_schema(operator, each).since_version for each in (opset, NEWEST)}) == 1
        one = operator not in agreement.BATCHED or np.asarray(inputs[0]).shape[0] == 1
        floats = np.asarray(inputs[0]).dtype == np.asarray(outputs[0]).dtype == np.float32
        if current and one and floats and "3d" not in case.name and "training" not in case.name:
            chosen.setdefault(operator, case)
    assert set(OPERATORS) - set(chosen) <= elsewhere
    for operator in ("LSTM", "GRU"):
        chosen.pop(operator, None)  # below
    cases = list(chosen.values())
    models = [agreement.bound(case, case.model.graph.input[0].name) for case in cases]
    feeds = [{case.model.graph.input[0].name: np.asarray(case.data_sets[0][0][0])} for case in cases]
    for built in models:
        del built.opset_import[:]
        built.opset_import.append(helper.make_opsetid("", NEWEST))
    whole, x = agreement.cut_from_one(models, feeds)
    imported = import_model(whole, "all", batch=False)
    made = np.asarray(eqx.filter_jit(imported.with_weights().forward)(jnp.asarray(x[None])))[0]
    start = 0
    for case in cases:
        wanted = np.asarray(case.data_sets[0][1][0], np.float64)
        own = made[start : start + wanted.size].reshape(wanted.shape)
        start += wanted.size
        assert np.abs(own - wanted).max() <= 1e-4 * np.abs(wanted).max() + 1e-12, case.name


def test_comparisons_are_one_or_zero():
    """Numbers of rows next to all numbers: each is equal to one of them, and the others are on either side."""
    x, numbers = np.float32([[3.0], [0.0], [4.0]]), np.arange(5, dtype=np.float32)
    for name, holds in COMPARISONS.items():
        nodes = [(name, ("x", "numbers"), "c", {}), ("Cast", ("c",), "y", {"to": FLOAT})]
        network = import_model(model(nodes, ["n", 1], {"numbers": numbers}), "test").with_weights()
        np.testing.assert_array_equal(network.forward(x), holds(x, numbers))


IMAGE = [
    ("QuantizeLinear", ("x", "step", "zero"), "q", {}),
    ("DequantizeLinear", ("q", "step", "zero"), "r", {}),
    ("Conv", ("r", "w1", "b1"), "a", {"pads": [1, 0, 2, 1], "strides": [2, 1], "dilations": [1, 2]}),
    ("BatchNormalization", ("a", "gain", "b1", "b1", "gain"), "b", {}),
    ("LeakyRelu", ("b",), "c", {"alpha": 0.1}),
    ("Conv", ("c", "w2"), "d", {"auto_pad": "SAME_LOWER", "group": 2, "kernel_shape": [2, 3]}),
    ("LRN", ("d",), "e", {"size": 3, "alpha": 0.5}),
    ("PRelu", ("e", "slope"), "f", {}),
    ("MaxPool", ("f",), "g", {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 0, 1], "ceil_mode": 1}),
    ("AveragePool", ("f",), "h", {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 0, 1], "ceil_mode": 1,
     "count_include_pad": 1}),
    ("Concat", ("g", "h"), "i", {"axis": 1}),
    ("ConvTranspose", ("i", "w3", "b1"), "j", {"strides": [2, 1], "pads": [0, 1, 1, 0], "group": 2}),
    ("Resize", ("j", "", "scales"), "k", {"mode": "linear"}),
    ("Clip", ("k", "low"), "out", {}),
]  # fmt: skip
WEIGHTS = {
    "w1": drawn(4, 3, 3, 3), "b1": drawn(4), "gain": np.abs(drawn(4)) + 1, "w2": drawn(4, 2, 2, 3),
    "w3": drawn(8, 2, 3, 2), "slope": np.abs(drawn(4, 1, 1)), "low": np.float32(-1),
    "scales": np.array([1, 1, 2, 1.5], np.float32), "step": np.float32(0.02), "zero": np.uint8(100),
}  # fmt: skip


def test_images_pass_through_every_kind_of_window():
    """The model's own scales, padding on each side, groups, pools that reach past it, results that overlap: two
    images, as the batch leaves them; and the batch norm is part of the convolution before it."""
    built, images = model(IMAGE, ["n", 3, 9, 8], WEIGHTS, opset=19), drawn(2, 3, 9, 8, seed=1)
    imported = import_model(built, "test")
    network = imported.with_weights()
    made = np.asarray(eqx.filter_jit(network.forward)(arranged(images, imported.image)))
    np.testing.assert_allclose(made, evaluated(built, images[:, None]), rtol=1e-4, atol=1e-4)
    assert "BatchNormalization-b" not in network.shapes
    whole = imported.network.ops()
    assert counts(whole)[0] == 3  # two convolutions, and the matrix of the transposed one
    digital = {op.kind for op in whole if isinstance(op, VectorOp)}
    assert digital == {"activation", "normalize", "pool", "reshape", "add"}


def test_recurrent_layers_in_both_directions():
    """LSTM and GRU, with their gates in ONNX's order, reset before and after, one behind the other."""
    steps, values, units = 4, 3, 2
    arrays = {f"w{gates}": drawn(2, gates * units, values, seed=gates) for gates in (3, 4)}
    arrays |= {f"r{gates}": drawn(2, gates * units, units, seed=10 + gates) for gates in (3, 4)}
    arrays |= {f"b{gates}": drawn(2, 2 * gates * units, seed=20 + gates) for gates in (3, 4)}
    both = {"hidden_size": units, "direction": "bidirectional"}
    flat = {"shape": np.array([steps, 1, 2 * units]), "all": np.array([1, -1])}
    nodes = [
        ("LSTM", ("x", "w4", "r4", "b4"), "a", both),
        ("GRU", ("x", "w3", "r3", "b3"), "b", both),
        ("GRU", ("x", "w3", "r3", "b3"), "c", both | {"linear_before_reset": 1}),
        ("Add", ("a", "b"), "d", {}),
        ("Add", ("d", "c"), "e", {}),
        ("Transpose", ("e",), "f", {"perm": [2, 0, 1, 3]}),
        ("Reshape", ("f", "all"), "out", {}),
    ]
    built, images = model(nodes, [steps, 1, values], arrays | flat), drawn(2, steps, values, seed=3)
    imported = import_model(built, "test")
    made = np.asarray(eqx.filter_jit(imported.with_weights().forward)(arranged(images, imported.image)))
    np.testing.assert_allclose(made, evaluated(built, images[:, :, None]), rtol=1e-4, atol=1e-5)


def attention(tokens, width, heads):
    """A self-attention as exporters write it: three matrices, heads by reshaping and transposing, and a matrix."""
    sizes = {"split": np.array([0, tokens, heads, width // heads]), "whole": np.array([0, tokens, width])}
    weights = {name: drawn(width, width, seed=i) / width**0.5 for i, name in enumerate(("wq", "wk", "wv", "wo"))}
    turned = {"q": [0, 2, 1, 3], "k": [0, 2, 3, 1], "v": [0, 2, 1, 3]}
    nodes = [("MatMul", ("x", f"w{part}"), part, {}) for part in "qkv"]
    nodes += [("Reshape", (part, "split"), f"{part}h", {}) for part in "qkv"]
    nodes += [("Transpose", (f"{part}h",), f"{part}t", {"perm": turned[part]}) for part in "qkv"]
    nodes += [
        ("MatMul", ("qt", "kt"), "scores", {}),
        ("Softmax", ("scores",), "soft", {"axis": -1}),
        ("MatMul", ("soft", "vt"), "heads", {}),
        ("Transpose", ("heads",), "back", {"perm": [0, 2, 1, 3]}),
        ("Reshape", ("back", "whole"), "joined", {}),
        ("MatMul", ("joined", "wo"), "out", {}),
    ]
    return model(nodes, ["n", tokens, width], sizes | weights)


def test_an_attention_costs_what_ours_does():
    """Heads are parts of vectors: no value moves, and each operation is that of our own attention, to the vector."""
    built, images = attention(5, 6, 2), drawn(3, 5, 6, seed=9)
    imported = import_model(built, "test")
    made = np.asarray(eqx.filter_jit(imported.with_weights().forward)(arranged(images, imported.image)))
    np.testing.assert_allclose(made, evaluated(built, images[:, None]), rtol=1e-4, atol=1e-5)
    projections = [(part, Dense(6), "input") for part in "qkv"]
    ours = build_network("a", (5, 6), [*projections, ("h", Attention(2), ("q", "k", "v")), ("o", Dense(6))]).ops()
    found = imported.network.ops()
    fields = ("rows", "cols", "macs", "heads", "m", "k", "n", "transposed", "kind", "values", "operands", "vectors")
    assert len(found) == len(ours)
    for own, other in zip(found, ours, strict=True):
        assert type(own) is type(other)
        for field in (*fields, "width"):
            assert getattr(own, field, None) == getattr(other, field, None)
        for need, wanted in zip(own.need, other.need, strict=True):
            np.testing.assert_array_equal(need, wanted)


def test_channels_are_shuffled_within_vectors():
    """Reshape, transpose, reshape: one move, which passes each vector on as soon as it is there."""
    nodes = [
        ("Relu", ("z",), "a", {}),
        ("Reshape", ("a", "split"), "b", {}),
        ("Transpose", ("b",), "c", {"perm": [0, 2, 1, 3, 4]}),
        ("Reshape", ("c", "whole"), "d", {}),
        ("MaxPool", ("d",), "out", {"kernel_shape": [3, 2]}),
    ]
    sizes = {"split": np.array([1, 2, 3, 3, 2]), "whole": np.array([1, 6, 3, 2]), "w": drawn(6, 6, 1, 1)}
    built = model([("Conv", ("x", "w"), "z", {}), *nodes], [1, 6, 3, 2], sizes)
    ops = import_model(built, "test")
    digital = [op for op in ops.network.ops() if isinstance(op, VectorOp)]
    assert [op.kind for op in digital[:3]] == ["activation", "reshape", "pool"]
    np.testing.assert_array_equal(digital[1].need[0], np.arange(6))
    assert (digital[1].vectors, digital[1].width) == (6, 6)


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (Rearrange((Transpose((2, 0, 1)), Pad(1, 1, 0), Slice(0, 1, -1, 2))), [(3, 2, 4)]),
        (Resample(0, ((0, 1), (1, 2), (0, 2)), ((0.5, 0.5), (0.25, 0.75), (0.9, 0.1))), [(3, 2)]),
        (OverlapAdd(2, 2, 1, ((0, 1), (1, 0))), [(2, 3, 8)]),
        (Join(0), [(2, 3), (1, 3)]),
        (Reduce("sum", (0,)), [(3, 2, 2)]),
        (Arithmetic("multiply"), [(3, 2, 4), (2, 1)]),
        (MatrixProduct(2), [(3, 4), (2, 6)]),
    ],
    ids=lambda value: "" if isinstance(value, list) else type(value).__name__,
)
def test_a_vector_waits_for_the_last_that_it_is_made_of(layer, shapes):
    """What comes later does not change it, and what it waits for does: an input is made NaN vector by vector."""
    op = layer.lower("l", ("a", "b")[: len(shapes)], *shapes)[-1]
    inputs = [drawn(1, *shape, seed=i) for i, shape in enumerate(shapes)]
    made = layer.shape(*shapes)
    assert (op.vectors, op.width) == (vector_count(made), made[-1])
    for index, (need, shape) in enumerate(zip(op.need, shapes, strict=True)):
        for vector in range(vector_count(shape)):
            changed = [x.copy() for x in inputs]
            changed[index].reshape(-1, shape[-1])[vector] = np.nan
            lost = np.isnan(np.asarray(layer(*map(jnp.asarray, changed)))).reshape(op.vectors, -1).any(axis=1)
            assert not lost[need < vector].any()
            assert lost[need == vector].all() or isinstance(layer, Join | Rearrange)


@pytest.mark.parametrize("reset_after", [False, True])
def test_a_step_of_a_gru_takes_its_matrices_one_after_the_other(reset_after, isaac):
    """Four steps more take four times a matrix's latency, or two matrices' where the reset is before the second."""
    signed = dict.fromkeys(("g/inputs", "g/state", "g/candidate"), True)

    def finish(steps):
        ops = build_network("g", (steps, 8), [("g", Gru(4, reset_after))]).ops()
        assert sum(op.macs for op in ops if isinstance(op, MatrixOp)) == steps * 3 * 4 * (8 + 4)
        placement = place(ops, isaac)
        return schedule(ops, placement, isaac, traffic(ops, placement, isaac, image_values=8 * steps), signed).latency

    step = isaac.core.latency(signed=True)[0] * isaac.core.cycle * (1 if reset_after else 2)
    assert finish(9) - finish(5) == pytest.approx(4 * step)


def test_a_model_runs_for_its_cost(tmp_path):
    """The same joules as the same layers of ours; a card finds the file beside it."""
    weights = {"w": drawn(4, 1, 3, 3), "v": drawn(4 * 4 * 4, 3)}
    nodes = [("Conv", ("x", "w"), "c", {}), ("Flatten", ("c",), "f", {}), ("Gemm", ("f", "v"), "y", {})]
    onnx.save(model(nodes, [1, 1, 6, 6], weights), tmp_path / "net.onnx")
    (tmp_path / "card.yaml").write_text("chip: isaac-ce\nnetwork: net.onnx\n")
    card = load_experiment(tmp_path / "card.yaml")
    result = simulate(network_on_chip("isaac-ce", str(tmp_path / "net.onnx")))
    network = build_network("ours", (6, 6, 1), [("c", Conv2d(4, 3)), ("f", Flatten()), ("y", Dense(3))])
    ops, signed = network.ops(), network.signed_inputs()
    placement = place(ops, card.chip)
    edges = traffic(ops, placement, card.chip, image_values=36)
    timeline = schedule(ops, placement, card.chip, edges, signed)
    ours = account(ops, placement, card.chip, edges, timeline, signed, Charging())
    assert result.specification.experiment == "isaac-ce-net"
    assert result.cost.total_energy == simulate(card).cost.total_energy == ours.total_energy


def edited(built, change):
    change(built)
    return built.SerializeToString()


@pytest.mark.parametrize(
    ("spoil", "kind", "fact"),
    [
        (lambda built: built.SerializeToString()[:150], FileError, "only a part"),
        (lambda built: b"not a model at all", FileError, "is not an ONNX model"),
        (lambda built: b"", FileError, "it has no graph"),
        (lambda b: edited(b, lambda b: setattr(b.opset_import[0], "version", 8)), NetworkError, "got 8"),
        (
            lambda b: edited(b, lambda b: setattr(b.graph.input[0].type.tensor_type.shape.dim[1], "dim_param", "t")),
            NetworkError,
            "axes 1 have no fixed size",
        ),
    ],
)
def test_bad_files_are_refused(tmp_path, spoil, kind, fact):
    path = tmp_path / "bad.onnx"
    path.write_bytes(spoil(model([("Gemm", ("x", "w"), "y", {})], [1, 40], {"w": drawn(40, 3)})))
    with pytest.raises(kind, match=fact) as error:
        read_model(path)
    assert error.value.place.startswith(str(path))
    assert check_model(str(path))[1]


def test_all_that_is_missing_is_named_at_once(tmp_path):
    """Operators with their nodes; what can be read is listed nevertheless."""
    nodes = [
        ("Conv", ("x", "w"), "a", {}),
        ("Det", ("a",), "b", {}),
        ("Det", ("b",), "c", {}),
        ("NonZero", ("a",), "d", {}),
        ("LpPool", ("a",), "e", {"kernel_shape": [1, 1]}),
        ("Sum", ("c", "d", "e"), "f", {}),
    ]
    path = tmp_path / "m.onnx"
    onnx.save(model(nodes, [1, 1, 6, 6], {"w": drawn(4, 1, 3, 3)}), path)
    table, problems = check_model(str(path))
    assert [problem.place.rpartition(": ")[2] for problem in problems] == ["Det", "NonZero", "LpPool"]
    assert problems[0].fact == "is not supported: Det-b, Det-c"
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(table)
    assert "576" in console.export_text()  # 16 places · 9 taps · 4 channels
    with pytest.raises(SpecProblems):
        simulate(network_on_chip("isaac-ce", str(path)))


@pytest.mark.parametrize(
    ("node", "weight"),
    [
        (("Conv", ("x", "w"), "y", {"strides": [1]}), (4, 1, 3, 3)),
        (("Conv", ("x", "w"), "y", {"group": 3}), (4, 1, 3, 3)),
        (("Conv", ("x", "w"), "y", {"pads": [9, 9, 9, 9]}), (4, 1, 3, 3)),
        (("Gemm", ("x", "w"), "y", {}), (5, 3)),
        (("Transpose", ("x",), "y", {"perm": [0, 0, 1, 2]}), (1,)),
        (("Conv", ("x", "nothing"), "y", {}), (1,)),
    ],
)
def test_nodes_that_make_no_sense_are_refused(node, weight):
    """With the node's name, whatever is wrong with it."""
    with pytest.raises((NetworkError, SpecProblems), match=f"{node[0]}-y"):
        import_model(model([node], [1, 1, 6, 6], {"w": drawn(*weight)}), "test")


def test_weights_that_are_not_finite_are_named(tmp_path):
    """The cost does not ask for them."""
    path = tmp_path / "n.onnx"
    spoilt = np.array([[1, np.nan], [0, 1]], np.float32)
    onnx.save(model([("Gemm", ("x", "w"), "y", {})], [1, 2], {"w": spoilt}), path)
    imported = read_model(path)
    with pytest.raises(NetworkError, match="Gemm-y: its weight holds values that are not finite"):
        imported.with_weights()


REFUSED = ["../w.bin", "/etc/hostname", "sub/w.bin", "link.bin", ".", "folder", "short.bin", "missing.bin"]


@pytest.mark.parametrize("location", ["w.bin", *REFUSED])
def test_weights_lie_beside_the_model_or_nowhere(tmp_path, location):
    """A plain file of the model's own folder, long enough; nothing above, below, absolute or linked."""
    folder, values = tmp_path / "model", np.arange(6, dtype=np.float32).reshape(2, 3)
    (folder / "sub").mkdir(parents=True)
    (folder / "folder").mkdir()
    for beside in (tmp_path / "w.bin", folder / "w.bin", folder / "sub/w.bin"):
        beside.write_bytes(values.tobytes())
    (folder / "short.bin").write_bytes(values.tobytes()[:-1])
    (folder / "link.bin").symlink_to(folder / "w.bin")
    built = model([("Gemm", ("x", "w"), "y", {})], [1, 2], {"w": values})
    tensor = built.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("length", str(values.nbytes))):
        tensor.external_data.add(key=key, value=value)
    (folder / "m.onnx").write_bytes(built.SerializeToString())
    if location in REFUSED:
        with pytest.raises(FileError, match="'w'"):
            read_model(folder / "m.onnx")
    else:
        np.testing.assert_array_equal(read_model(folder / "m.onnx").arrays["Gemm-y"]["weight"], values)


@pytest.mark.parametrize("half", [np.float16, np.float32])
def test_weights_of_either_precision_in_the_graph(half):
    """What a Constant node stores is what we compute with."""
    stored = drawn(3, 2).astype(half)
    constant = ("Constant", (), "w", {"value": numpy_helper.from_array(stored)})
    kind = 10 if half == np.float16 else FLOAT
    imported = import_model(model([constant, ("MatMul", ("x", "w"), "y", {})], [1, 3], kind=kind), "test")
    np.testing.assert_array_equal(imported.arrays["MatMul-y"]["weight"], stored)


@pytest.mark.parametrize(
    ("old", "new", "groups", "kept"),
    [
        ((1, 12, 5), (1, 3, 4, 5), ((2,), (1,)), ((3,), (1, 2))),
        ((1, 5, 3, 4), (1, 5, 12), ((1,), (2, 3)), ((1,), (2,))),
        ((1, 8, 3, 4), (1, 8, 12), ((2,), (3,), (1,)), ((2,), (1,))),
        ((1, 5, 3, 4), (1, 5, 12), ((1,), (3, 2)), None),
        ((1, 5, 12), (1, 60), ((2,), (1,)), None),
    ],
)
def test_a_reshape_moves_nothing_where_axes_stay_whole(old, new, groups, kept):
    assert reshaped(groups, old, new) == kept
