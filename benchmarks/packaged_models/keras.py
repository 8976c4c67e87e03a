"""A Keras network in HDF5 as an ONNX model of the same layers, with logits as its output."""

import io
import json

import h5py
import numpy as np
from onnx import TensorProto, helper, numpy_helper


def to_onnx(raw, name):
    """The model in the bytes of an .h5 file. Images lie with their channels first, as ONNX has it."""
    with h5py.File(io.BytesIO(raw)) as file:
        layers = json.loads(file.attrs["model_config"])["config"]["layers"]
        graph = _Graph(file["model_weights"])
        for layer in layers:
            graph.take(layer["class_name"], layer["config"], layer["inbound_nodes"])
    result = helper.make_tensor_value_info(graph.last, TensorProto.FLOAT, None)
    made = helper.make_graph(graph.nodes, name, [graph.image], [result], graph.constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)])


class _Graph:
    def __init__(self, weights):
        self.weights, self.images = weights, any("conv2d" in key for key in weights)
        self.nodes, self.constants, self.names, self.image, self.last = [], [], {}, None, ""

    def take(self, kind, config, inbound):
        name = config["name"]
        inputs = [self.names[each[0]] for each in inbound[0]] if inbound else []
        self.last = self.names[name] = getattr(self, kind)(name, config, *inputs)

    def node(self, op, name, inputs, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        return name

    def arrays(self, layer, *kinds):
        """The names of constants, and the arrays that they hold; those of a kernel are put into ONNX's order."""
        for kind in kinds:
            array = np.array(self.weights[layer][layer][f"{kind}:0"])
            if kind == "kernel" and array.ndim == 4:
                array = array.transpose(3, 2, 0, 1)
            if kind == "depthwise_kernel":
                array = array.transpose(2, 3, 0, 1)
            self.constants.append(numpy_helper.from_array(array, f"{layer}.{kind}"))
        return [f"{layer}.{kind}" for kind in kinds]

    def InputLayer(self, name, config):
        height, width, channels = config["batch_input_shape"][1:]
        shape = [1, channels, height, width] if self.images else [1, height, width, channels]
        self.image = helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        return name

    def Conv2D(self, name, config, x, kernel="kernel", group=1):
        pads = {"same": "SAME_UPPER", "valid": "VALID"}[config["padding"]]
        inputs = [x, *self.arrays(name, kernel, "bias")]
        return self.node("Conv", name, inputs, strides=config["strides"], auto_pad=pads, group=group)

    def DepthwiseConv2D(self, name, config, x):
        channels = self.weights[name][name]["depthwise_kernel:0"].shape[2]
        return self.Conv2D(name, config, x, "depthwise_kernel", channels)

    def BatchNormalization(self, name, config, x):
        inputs = [x, *self.arrays(name, "gamma", "beta", "moving_mean", "moving_variance")]
        return self.node("BatchNormalization", name, inputs, epsilon=config["epsilon"])

    def Dense(self, name, config, x):
        return self.node("Gemm", name, [x, *self.arrays(name, "kernel", "bias")])

    def Activation(self, name, config, x):
        assert config["activation"] == "relu"
        return self.node("Relu", name, [x])

    def AveragePooling2D(self, name, config, x):
        return self.node("AveragePool", name, [x], kernel_shape=config["pool_size"], strides=config["strides"])

    def Add(self, name, config, *x):
        return self.node("Add", name, list(x))

    def Flatten(self, name, config, x):
        """Of one pixel, or of channels that stand last: in both orders the same."""
        return self.node("Flatten", name, [x])

    def Dropout(self, name, config, x):
        return x

    def Reshape(self, name, config, x):
        return x
