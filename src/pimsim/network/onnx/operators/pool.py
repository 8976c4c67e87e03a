"""Pools over windows, and over whole images."""

from dataclasses import replace

from pimsim.errors import NetworkError
from pimsim.network.layers import AvgPool, GlobalAvgPool, LocalResponseNorm, MaxPool
from pimsim.network.onnx.call import Call
from pimsim.network.onnx.layout import Tensor
from pimsim.network.onnx.operators.window import image, padding, pairs


def pool(call: Call) -> Tensor:
    call.refuse_outputs()
    x, rank = image(call), len(call.shape)
    window, stride = pairs(call.get("kernel_shape"), rank), pairs(call.get("strides"), rank)
    dilation = pairs(call.get("dilations"), rank)
    pads = padding(call, x.own[:2], window, stride, dilation)
    ceil = bool(call.get("ceil_mode", 0))
    if call.op == "MaxPool":
        layer = MaxPool(window, stride, pads, ceil, dilation)
    else:
        layer = AvgPool(window, stride, pads, ceil, dilation, bool(call.get("count_include_pad", 0)))
    made = layer.shape(x.own)
    if made != tuple(replace(x, shape=call.shape).own):
        raise NetworkError("", f"{call.op}: its windows make {call.shape[2:]}, and ours {made[:2]}")
    return call.builder.make(call.name, layer, (x,), call.shape, x.groups)


def global_pool(call: Call) -> Tensor:
    x = image(call)
    height, width, _ = x.own
    if call.op == "GlobalAveragePool":
        return call.builder.make(call.name, GlobalAvgPool(), (x,), call.shape, ((1,),))
    return call.builder.make(call.name, MaxPool((height, width)), (x,), call.shape, x.groups)


def lrn(call: Call) -> Tensor:
    x = image(call)
    numbers = call.get("size"), call.get("alpha", 1e-4), call.get("beta", 0.75), call.get("bias", 1.0)
    return call.builder.make(call.name, LocalResponseNorm(*numbers), (x,), call.shape, x.groups)


OPERATORS = {
    "MaxPool": pool,
    "AveragePool": pool,
    "GlobalAveragePool": global_pool,
    "GlobalMaxPool": global_pool,
    "LRN": lrn,
}
