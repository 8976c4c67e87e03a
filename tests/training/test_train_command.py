"""pimsim train: from an experiment to weights that a run takes, and its refusals."""

import json
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pimsim import read_result
from pimsim.cli import main

CLASSES, VALUES = 4, 12
EXPERIMENT = """
chip:
  base: isaac-ce
  core:
    weight_bits: 8
    input_bits: 8
    cell_bits: 7
    encoding: {model: Differential}
    adc: {model: IdealAdc}
    device: {base: isaac-cell, programming_noise: 50 uS}
network: tiny.onnx
dataset: data.npz
trials: 2
training: {batch: 10, epochs: 3, learning_rate: 0.1}
"""


def save_model(path, nodes, entry=TensorProto.FLOAT, **constants):
    """Nodes from x, [1, VALUES], to y."""
    ends = [helper.make_tensor_value_info(*end) for end in (("x", entry, [1, VALUES]), ("y", 1, None))]
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "tiny", *([end] for end in ends), tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)


@pytest.fixture
def pimsim(monkeypatch, capsys, tmp_path):
    """pimsim("train", …) as a shell calls it, beside an experiment with a network of one layer."""
    rng, labels = np.random.default_rng(0), np.arange(100) % CLASSES
    images = (rng.normal(size=(CLASSES, VALUES))[labels] + 0.5 * rng.normal(size=(100, VALUES))).astype(np.float32)
    parts = {"x_train": images[:60], "y_train": labels[:60], "x_test": images[60:], "y_test": labels[60:]}
    np.savez(tmp_path / "data.npz", **parts)
    np.savez(tmp_path / "unlabelled.npz", x_train=images, x_test=images)
    weight = rng.normal(size=(VALUES, CLASSES)).astype(np.float32)
    save_model(tmp_path / "tiny.onnx", [helper.make_node("MatMul", ["x", "weight"], ["y"], "fc")], weight=weight)
    (tmp_path / "mine.yaml").write_text(EXPERIMENT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["pimsim", *map(str, arguments)])
        status = 0
        try:
            main()
        except SystemExit as stop:
            status = stop.code or 0
        return status, *capsys.readouterr()

    return call


def test_weights_give_a_run_the_accuracy_that_was_told(pimsim, tmp_path):
    """The file of the result has the curve, and runs again; a training that is over resumes to the same weights."""
    status, out, err = pimsim("train", "mine.yaml", "-o", "w.npz", "--json")
    assert (status, err) == (0, "wrote w.npz and w.h5\n")
    told = json.loads(out)
    curve = read_result("w.h5").training
    assert told["training"]["epochs"] == len(curve.epoch) - 1 == 3
    assert told["training"]["held_out_after"] == curve.held_out_accuracy[curve.best]
    for arguments in (("mine.yaml", "--weights", "w.npz"), ("w.h5",)):
        again = json.loads(pimsim("run", *arguments, "-o", "again.h5", "--json")[1])
        assert again["accuracy"] == told["accuracy"]
        assert again["training"] is None
    first = (tmp_path / "w.npz").read_bytes()
    (tmp_path / "w.npz").unlink()
    status, out, _ = pimsim("train", "mine.yaml", "-o", "w.npz", "--resume")
    assert status == 0
    assert "of the held-out images; epoch" in out
    assert (tmp_path / "w.npz").read_bytes() == first


def save_grid_and_tokens(folder):
    """A model whose inputs are on a grid with a zero point, and one that reads numbers of tokens: the last is wrong."""
    weight, grid = np.ones((VALUES, CLASSES), np.float32), ["x", "step", "zero"]
    nodes = [
        helper.make_node("QuantizeLinear", grid, ["q"]),
        helper.make_node("DequantizeLinear", ["q", *grid[1:]], ["v"]),
        helper.make_node("MatMul", ["v", "weight"], ["y"], "fc"),
    ]
    save_model(folder / "grid.onnx", nodes, weight=weight, step=np.float32(0.02), zero=np.uint8(100))
    nodes = [
        helper.make_node("Gather", ["table", "x"], ["rows"], "table"),
        helper.make_node("Flatten", ["rows"], ["v"]),
        helper.make_node("MatMul", ["v", "weight"], ["y"], "fc"),
    ]
    save_model(folder / "tokens.onnx", nodes, TensorProto.INT64, table=np.ones((3, 1), np.float32), weight=weight)
    tokens, labels = np.arange(600 * VALUES).reshape(600, VALUES) % 3, np.arange(600) % CLASSES
    parts = {"x_train": tokens.copy(), "y_train": labels, "x_test": tokens, "y_test": labels}
    parts["x_train"][-1] = 3
    np.savez(folder / "tokens.npz", **parts)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--set", "dataset=none"), "dataset: training needs images with labels"),
        (("--dataset", "unlabelled.npz"), "dataset: unlabelled.npz has training images without a label"),
        (("--set", "training.batch=59"), "training.batch: needs a batch of 59 and an image held out, got 60"),
        (("--set", "training.epochs=0"), "training.epochs: must be 1 to"),
        (("--set", "training.known=everything"), "training.known: "),
        (("--set", "mapping.windows={conv1: [2, 2]}"), "mapping.windows"),
        (("--network", "grid.onnx"), "network: grid was quantized before"),
        (("--network", "grid.onnx", "--weights", "own.npz"), "network: grid was quantized before"),
        (("--network", "tokens.onnx", "--dataset", "tokens.npz"), "tokens.npz: table has 3 rows"),
        (("--resume",), "w.checkpoint.npz: no such file"),
        (("-o", "w.h5"), "w.h5: does not end in .npz"),
        (("-o", "nowhere/w.npz"), "there is no folder nowhere"),
        (("-o", "data.npz"), "data.npz: is there, and is no .npz file that pimsim has written"),
        (("--weights", "other.npz", "-o", "other.npz"), "is where the weights to begin with are read from"),
        (("--weights", "none.npz"), "none.npz: no such file"),
        (("--weights", "mine.yaml"), "weights: must be an .npz file"),
        (("--weights", "data.npz"), "'x_train' is no layer's weight"),
        (("--weights", "cut.npz"), "cut.npz: is cut short or damaged"),
        (("--weights", "objects.npz"), "objects.npz: holds Python objects"),
        (("--weights", "other.npz"), "other.npz: fc: its weight must have shape (12, 4), got (4, 12)"),
    ],
)
def test_mistakes_are_told(pimsim, tmp_path, arguments, said):
    """Before anything is trained or written."""
    np.savez(tmp_path / "other.npz", **{"fc.weight": np.zeros((CLASSES, VALUES)), "fc.bias": np.zeros(CLASSES)})
    np.savez(tmp_path / "own.npz", **{"fc.weight": np.zeros((VALUES, CLASSES)), "fc.bias": np.zeros(CLASSES)})
    save_grid_and_tokens(tmp_path)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "other.npz").read_bytes()[:-50])
    np.savez(tmp_path / "objects.npz", **{"fc.weight": np.array([{}], dtype=object)})
    before = sorted(tmp_path.iterdir())
    target = () if "-o" in arguments else ("-o", "w.npz")
    status, out, err = pimsim("train", "mine.yaml", *arguments, *target)
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert said in err
    assert "Traceback" not in err
    assert sorted(tmp_path.iterdir()) == before
