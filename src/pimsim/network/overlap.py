"""Convolutions that compute several neighbouring places at a time, from one window that covers them all.

Copies of the kernel, each shifted by a stride, lie side by side in one matrix and share the rows of the inputs that
their windows have in common. One read then brings as many places, for more rows and columns, of which most are zero:
"overlapped mapping" (Zhu et al., ICCAD 2018), "shift and duplicate kernel" (Zhang et al., TCAD 2020), "parallel
windows" (VW-SDK, Rhe et al., DATE 2022).
"""

from collections.abc import Mapping
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pimsim.errors import NetworkError, nearest
from pimsim.network.graph import Network, Node
from pimsim.network.layers import Conv2d, Rearrange
from pimsim.network.layers.conv import Shifted
from pimsim.network.layers.rearrange import Reshape, Slice, Transpose
from pimsim.network.layers.window import Pair
from pimsim.network.ops import Shape


def overlapped(network: Network, copies: Mapping[str, Pair]) -> Network:
    """The same network, whose named convolutions compute `copies` places (height, width) from each vector.

    The results of NAME are put into their order by a layer NAME/places. Raises NetworkError for layers that are no
    convolution, or one with dilation.
    """
    shapes, nodes, weights, steps = network.shapes, [], dict(network.weights), dict(network.weight_steps)
    convolutions = {node.name: node for node in network.nodes if is_plain(node.layer)}
    for name in copies:
        if name not in convolutions:
            raise NetworkError(name, "is no convolution without dilation", nearest(name, convolutions))
    for node in network.nodes:
        inputs = tuple(f"{name}/places" if name in copies else name for name in node.inputs)
        if node.name not in copies:
            nodes.append(replace(node, inputs=inputs))
            continue
        image, conv = shapes[node.inputs[0]], node.layer
        assert isinstance(conv, Conv2d)
        nodes.append(Node(node.name, wide(conv, image, copies[node.name]), inputs))
        nodes.append(Node(f"{node.name}/places", _in_order(conv, image, copies[node.name]), (node.name,)))
        if node.name in weights:
            weights[node.name] = _side_by_side(conv, weights[node.name], copies[node.name])
        if node.name in steps:
            steps[node.name] = _repeated(conv, steps[node.name], copies[node.name])
    return Network(network.name, network.input_shape, tuple(nodes), weights, steps)


def is_plain(layer: object) -> bool:
    """Whether copies of a layer's kernel can lie side by side."""
    return isinstance(layer, Conv2d) and layer.dilation == (1, 1) and layer.shifted is None


def wide(conv: Conv2d, image: Shape, copies: Pair) -> Conv2d:
    """The convolution whose kernel holds the copies; it sees zeros where the last of them reach beyond the image."""
    places = conv.window.positions(image)
    kernel = tuple(k + (n - 1) * s for k, n, s in zip(conv.kernel, copies, conv.stride, strict=True))
    stride = tuple(n * s for n, s in zip(copies, conv.stride, strict=True))
    sides = []
    for axis, (before, after) in enumerate(conv.window.sides):
        steps = -(-places[axis] // copies[axis]) - 1
        beyond = steps * stride[axis] + kernel[axis] - image[axis] - before
        sides.append((before, max(after, beyond) if beyond > after else after))
    return replace(
        conv,
        channels=conv.channels * copies[0] * copies[1],
        kernel=kernel,
        stride=stride,
        padding=tuple(sides),
        shifted=Shifted(conv.kernel, copies, places),
    )


def _in_order(conv: Conv2d, image: Shape, copies: Pair) -> Rearrange:
    """From vectors of (group, copy, copy, channel) to places of (group, channel)."""
    (height, width), (down, across) = conv.window.positions(image), copies
    rows, cols, group = -(-height // down), -(-width // across), conv.channels // conv.groups
    steps = [
        Reshape((rows, cols, conv.groups, down, across, group)),
        Transpose((0, 3, 1, 4, 2, 5)),
        Reshape((rows * down, cols * across, conv.channels)),
        Slice(0, 0, 1, height),
        Slice(1, 0, 1, width),
    ]
    return Rearrange(tuple(steps))


def _side_by_side(conv: Conv2d, own: Mapping[str, Float[Array, "..."]], copies: Pair) -> dict[str, Float[Array, "..."]]:
    """The weight and the bias of the copies, in order of group, copy, channel."""
    weight, (down, across) = np.asarray(own["weight"]), copies
    (height, width), (step, stride) = conv.kernel, conv.stride
    channels, group = weight.shape[2], conv.channels // conv.groups
    weight = weight.reshape(height, width, channels, conv.groups, group)
    size = height + (down - 1) * step, width + (across - 1) * stride
    kernel = np.zeros((*size, channels, conv.groups, down, across, group), np.float32)
    for i, j in np.ndindex(copies):
        kernel[i * step : i * step + height, j * stride : j * stride + width, :, :, i, j] = weight
    bias = _repeated(conv, np.asarray(own["bias"]), copies)
    return {"weight": jnp.asarray(kernel.reshape(*size, channels, -1)), "bias": jnp.asarray(bias)}


def _repeated(conv: Conv2d, values: Float[np.ndarray, " col"], copies: Pair) -> Float[np.ndarray, " wide"]:
    """A value of each output channel for all copies."""
    parts = values.reshape(conv.groups, 1, -1)
    return np.broadcast_to(parts, (conv.groups, copies[0] * copies[1], parts.shape[2])).ravel()
