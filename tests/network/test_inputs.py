"""Networks with several inputs: each is a cut of one vector, data come by name, and what does not fit is said."""

import numpy as np
import pytest

from pimsim.errors import NetworkError, PimsimError
from pimsim.experiment import network_on_chip
from pimsim.network.datasets import load_dataset
from pimsim.network.graph import build_network
from pimsim.network.inputs import join_inputs
from pimsim.network.layers import Dense, Multiply
from pimsim.network.onnx.read import read_model
from pimsim.network.zoo import load_network
from pimsim.simulation import simulate

onnx = pytest.importorskip("onnx")
helper, numpy_helper = onnx.helper, onnx.numpy_helper
FLOAT, INT64 = 1, 7
TOKENS, ROWS, SAMPLES = 6, 20, 20
SHAPES = {"ids": (TOKENS,), "mask": (TOKENS,)}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Rows of a table that tokens name, through a matrix, and their mean where the mask is 1; and its answers."""
    runtime, rng = pytest.importorskip("onnxruntime"), np.random.default_rng(0)
    arrays = {"table": (ROWS, 8), "w1": (8, 8), "w2": (8, 3)}
    constants = {name: rng.normal(size=shape).astype(np.float32) for name, shape in arrays.items()}
    constants |= {"last": np.array([2]), "tokens": np.array([1])}
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["rows"]),
        helper.make_node("MatMul", ["rows", "w1"], ["hidden"]),
        helper.make_node("Cast", ["mask"], ["flags"], to=FLOAT),
        helper.make_node("Unsqueeze", ["flags", "last"], ["seen"]),
        helper.make_node("Mul", ["hidden", "seen"], ["kept"]),
        helper.make_node("ReduceMean", ["kept", "tokens"], ["mean"], keepdims=0),
        helper.make_node("Gemm", ["mean", "w2"], ["y"]),
    ]
    entries = [helper.make_tensor_value_info(name, INT64, ["batch", *shape]) for name, shape in SHAPES.items()]
    result = helper.make_tensor_value_info("y", FLOAT, ["batch", 3])
    graph = helper.make_graph(
        nodes, "two", entries, [result], [numpy_helper.from_array(a, name) for name, a in constants.items()]
    )
    built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    path = tmp_path_factory.mktemp("inputs") / "two.onnx"
    onnx.save(built, path)
    feeds = {"ids": rng.integers(0, ROWS, (SAMPLES, TOKENS)), "mask": rng.integers(0, 2, (SAMPLES, TOKENS))}
    session = runtime.InferenceSession(built.SerializeToString(), providers=["CPUExecutionProvider"])
    return path, feeds, session.run(None, feeds)[0]


def test_inputs_by_name_are_onnxruntimes(model):
    path, feeds, wanted = model
    network = read_model(path).with_weights()
    assert network.inputs == SHAPES
    np.testing.assert_allclose(network.forward(join_inputs(network.inputs, feeds)), wanted, rtol=1e-5, atol=1e-5)


def test_a_model_of_several_inputs_runs(model, tmp_path):
    """Labels are what onnxruntime says, so that float arithmetic is right on every sample, tested or not."""
    path, feeds, wanted = model
    np.savez(tmp_path / "d.npz", **feeds, y=wanted.argmax(axis=1))
    result = simulate(network_on_chip("isaac-ce", str(path), {"dataset": str(tmp_path / "d.npz")}))
    assert len(result.inference.label) == SAMPLES - SAMPLES // 5
    assert result.inference.float_accuracy == 1
    assert result.inference.agreement.crossbar_cosine > 0.999


def test_a_split_in_the_file_is_kept(tmp_path):
    ids = np.arange(6).reshape(3, 2)
    sides = {"a_train": ids[:1], "b_train": ids[:1, ::-1], "a_test": ids[1:], "b_test": ids[1:, ::-1], "y_test": [2, 0]}
    np.savez(tmp_path / "d.npz", **sides)
    data = load_dataset(str(tmp_path / "d.npz"), {"a": (2,), "b": (2,)})
    np.testing.assert_array_equal(data.train_images, [[0, 1, 1, 0]])
    np.testing.assert_array_equal(data.test_images, [[2, 3, 3, 2], [4, 5, 5, 4]])
    np.testing.assert_array_equal(data.test_labels, [2, 0])


def test_images_among_the_inputs_are_preprocessed(tmp_path):
    """Bytes of an image are 0 to 1; those of a vector are numbers."""
    image, vector = np.full((1, 2, 2, 1), 255, np.uint8), np.full((1, 3), 7, np.uint8)
    np.savez(tmp_path / "d.npz", image=image, vector=vector)
    data = load_dataset(str(tmp_path / "d.npz"), {"image": (2, 2, 1), "vector": (3,)})
    np.testing.assert_array_equal(data.test_images, [[1, 1, 1, 1, 7, 7, 7]])


def test_inputs_in_python():
    """A product of two vectors, which commutes: exchanged inputs give the same."""
    layers = [("product", Multiply(), ("left", "right")), ("out", Dense(2))]
    weights = {"out": {"weight": np.arange(6.0).reshape(3, 2), "bias": np.ones(2)}}
    network = build_network("product", {"left": (3,), "right": (3,)}, layers, weights)
    a, b = np.float32([[1, 2, 3]]), np.float32([[4, 5, 6]])
    made = [network.forward(join_inputs(network.inputs, {"left": x, "right": y})) for x, y in ((a, b), (b, a))]
    np.testing.assert_array_equal(made[0], (a * b) @ np.arange(6.0).reshape(3, 2) + 1)
    np.testing.assert_array_equal(made[0], made[1])
    with pytest.raises(NetworkError, match="the image's name"):
        build_network("bad", {"input": (3,), "right": (3,)}, layers)


BAD = {
    "missing": (lambda feeds: {"ids": feeds["ids"]}, r"no array for the input 'mask': it holds 'ids'"),
    "misspelt": (lambda feeds: {"ids": feeds["ids"], "masks": feeds["mask"]}, "masks"),
    "shape": (lambda feeds: feeds | {"mask": feeds["mask"][:, 1:]}, r"mask: has shape \(5,\) an inference.*\(6,\)"),
    "number": (lambda feeds: feeds | {"mask": feeds["mask"][1:]}, "different numbers of inputs: ids 20, mask 19"),
    "row": (lambda feeds: feeds | {"ids": feeds["ids"] + ROWS}, "rows has 20 rows"),
    "below": (lambda feeds: feeds | {"ids": feeds["ids"] * 0 - ROWS - 1}, "rows has 20 rows.* the data names -21"),
    "broken": (lambda feeds: feeds | {"ids": feeds["ids"] + 0.5}, "rows has 20 rows"),
    "text": (lambda feeds: feeds | {"mask": feeds["mask"].astype(str)}, "must be numbers"),
    "labels": (lambda feeds: feeds | {"y": np.arange(3)}, "20 images and 3 labels"),
}


@pytest.mark.parametrize(("change", "said"), BAD.values(), ids=BAD)
def test_data_that_do_not_fit_are_refused(change, said, model, tmp_path):
    path, feeds, _ = model
    np.savez(tmp_path / "d.npz", **change(feeds))
    plan = network_on_chip("isaac-ce", str(path), {"dataset": str(tmp_path / "d.npz")})
    with pytest.raises(PimsimError, match=said):
        plan.load_data(load_network(str(path)))


@pytest.mark.parametrize(("name", "said"), [("mnist", "reads ids, mask"), ("d.npy", "holds one array")])
def test_one_array_is_not_enough(name, said, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("d.npy", np.zeros((4, 12)))
    with pytest.raises(PimsimError, match=said):
        load_dataset(name, SHAPES)
