"""Silero's voice detector: a spectrum and convolutions on each chunk of sound, then an LSTM from chunk to chunk."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

RATE, CHUNK, CONTEXT, STEPS = 16000, 512, 64, 16
STRIDES = (1, 2, 2, 1)


def load(wheels, name):
    """The network on half a second of chunks, its states 0 at the start, and sounds with a voice in some chunks."""
    file = onnx.load_model_from_string(wheels.read("silero_vad", "silero_vad_16k_sequence.onnx"))
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in file.graph.initializer}
    (lstm,) = (node for node in file.graph.node if node.op_type == "LSTM")
    sounds = np.stack([_sound(seed) for seed in range(24)])
    return _model(name, weights, lstm.input[1:4]), {"x_train": sounds[:12], "x_test": sounds[12:]}, None


def _model(name, weights, recurrent):
    """The file's layers. Chunks lie along the height of an image, not along the batch, and are one inference."""
    nodes, constants = [], []

    def node(op, *inputs, **attributes):
        names = []
        for value in inputs:
            if not isinstance(value, str):
                constants.append(numpy_helper.from_array(np.asarray(value), f"c{len(constants)}"))
                value = constants[-1].name
            names.append(value)
        nodes.append(helper.make_node(op, names, [f"n{len(nodes)}"], f"{op}{len(nodes)}", **attributes))
        return nodes[-1].output[0]

    def conv(x, place, stride, pad, bias=True):
        weight = weights[f"{place}.weight" if bias else place][:, :, None]
        own = [weights[f"{place}.bias"]] if bias else []
        return node("Conv", x, weight, *own, strides=[1, stride], pads=[0, pad, 0, pad])

    x = node("Unsqueeze", "x", np.array([1]))
    x = node("Pad", x, np.array([0] * 7 + [CONTEXT]), mode="reflect")
    x = conv(x, "stft.forward_basis_buffer", 128, 0, bias=False)
    half = len(weights["stft.forward_basis_buffer"]) // 2
    parts = [node("Slice", x, np.array([a]), np.array([a + half]), np.array([1])) for a in (0, half)]
    x = node("Sqrt", node("Add", *(node("Mul", part, part) for part in parts)))
    for index, stride in enumerate(STRIDES):
        x = node("Relu", conv(x, f"encoder.{index}", stride, 1))
    x = node("Transpose", node("Squeeze", x, np.array([3])), perm=[2, 0, 1])
    x = node("LSTM", x, *(weights[each] for each in recurrent), hidden_size=weights["output.weight"].shape[1])
    x = node("Relu", node("Squeeze", x, np.array([1])))
    x = node("Add", node("MatMul", x, weights["output.weight"][:, :, 0].T), weights["output.bias"])
    y = node("Transpose", node("Sigmoid", x), perm=[1, 0, 2])
    entry = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", STEPS, CHUNK + CONTEXT])
    result = helper.make_tensor_value_info(y, TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, name, [entry], [result], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


def _sound(seed):
    """Vowels of a gliding pitch, switched on and off, in noise; each chunk begins with the end of the one before."""
    rng, time = np.random.default_rng(seed), np.arange(CONTEXT + STEPS * CHUNK) / RATE
    pitch = rng.uniform(100, 220) * (1 + 0.2 * np.sin(2 * np.pi * rng.uniform(2, 5) * time))
    phase, formants = 2 * np.pi * np.cumsum(pitch) / RATE, rng.uniform((300, 900), (800, 2300))
    tones = np.arange(1, 25)
    gains = sum(1 / (1 + ((tones * pitch.mean() - formant) / 150) ** 2) for formant in formants)
    voice = (gains[:, None] * np.sin(tones[:, None] * phase)).sum(axis=0) * (
        np.sin(2 * np.pi * rng.uniform(1, 3) * time) > 0
    )
    sound = 0.1 * voice + 0.005 * rng.normal(size=len(time))
    return np.stack([sound[i * CHUNK : (i + 1) * CHUNK + CONTEXT] for i in range(STEPS)]).astype(np.float32)
