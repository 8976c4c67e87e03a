"""Each layer against plain loops, and against what it tells the hardware about itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pimsim.errors import NetworkError, SpecError
from pimsim.network.layers import (
    Add,
    Attention,
    AvgPool,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    GlobalAvgPool,
    LastToken,
    LocallyConnected,
    LocalResponseNorm,
    Lstm,
    MaxPool,
    Relu,
)
from pimsim.network.ops import MatrixOp, VectorOp

CONVOLUTIONS = [
    pytest.param((7, 6, 3), Conv2d(4, 3), id="plain"),
    pytest.param((7, 6, 3), Conv2d(4, 3, stride=2, padding=1), id="stride-padding"),
    pytest.param((8, 5, 2), Conv2d(3, (2, 4), stride=(3, 1), padding=(1, 2)), id="pairs"),
    pytest.param((6, 6, 4), Conv2d(6, 3, padding=1, groups=2), id="groups"),
    pytest.param((6, 7, 4), Conv2d(8, (3, 2), stride=2, groups=4), id="depthwise"),
    pytest.param((3, 3, 2), Conv2d(5, 1, stride=2), id="one-by-one"),
    pytest.param((5, 5, 1), Conv2d(2, 5), id="whole-image"),
    pytest.param((8, 7, 2), Conv2d(3, 3, padding=2, dilation=2), id="dilated"),
    pytest.param((9, 8, 2), Conv2d(2, (2, 3), stride=2, padding=(3, 1), groups=2, dilation=(4, 1)), id="dilated-pairs"),
]
LOCAL = [
    pytest.param((6, 5, 2), LocallyConnected(3, 3), id="local"),
    pytest.param((5, 6, 3), LocallyConnected(2, (3, 2), stride=(2, 1), padding=(1, 0)), id="local-pairs"),
]
POOLS = [
    pytest.param((6, 8, 3), 2, None, 0, id="tiles"),
    pytest.param((7, 5, 2), 3, 2, 1, id="overlap-padding"),
    pytest.param((6, 7, 1), (3, 2), (1, 3), (2, 0), id="pairs"),
    pytest.param((5, 4, 2), (5, 4), None, 0, id="whole-image"),
    pytest.param((6, 8, 2), 3, 2, 0, True, id="ceil"),
    pytest.param((5, 7, 1), 2, 2, 1, True, id="ceil-padding"),
]


def starts(length, size, stride, padding, dilation, ceil):
    """Where windows begin along one axis: with `ceil`, until one reaches the end of the padded image."""
    span = (size - 1) * dilation + 1
    found = [-padding]
    while found[-1] + stride + span <= length + padding:
        found.append(found[-1] + stride)
    if ceil and found[-1] + span < length + padding and found[-1] + stride < length:
        found.append(found[-1] + stride)
    return found


def windows(image, size, stride, padding, dilation=(1, 1), ceil=False):
    """The pixels of every window in raster order, as lists of (row, col, tap row, tap col) inside the image."""
    height, width = image[:2]
    tops, lefts = (starts(image[a], size[a], stride[a], padding[a], dilation[a], ceil) for a in (0, 1))
    for top in tops:
        for left in lefts:
            taps = [(top + u * dilation[0], left + v * dilation[1], u, v) for u, v in np.ndindex(size)]
            yield [tap for tap in taps if 0 <= tap[0] < height and 0 <= tap[1] < width]


def layer_windows(image, layer):
    """The windows of a convolution or a pool."""
    if isinstance(layer, Conv2d):
        return windows(image, layer.kernel, layer.stride, layer.padding, layer.dilation)
    if isinstance(layer, LocallyConnected):
        return windows(image, layer.kernel, layer.stride, layer.padding)
    return windows(image, layer.window, layer.stride or layer.window, layer.padding, ceil=layer.ceil)


def convolution(x, w, layer):
    """x [batch, H, W, C] by w [kh, kw, C/groups, O], by the definition, as [batch, vector, O]."""
    inputs, outputs = x.shape[-1] // layer.groups, w.shape[-1] // layer.groups
    columns = []
    for pixels in layer_windows(x.shape[1:], layer):
        y = np.zeros((len(x), w.shape[-1]), x.dtype)
        for o in range(w.shape[-1]):
            first = o // outputs * inputs
            for i, j, u, v in pixels:
                for c in range(inputs):
                    y[:, o] += w[u, v, c, o] * x[:, i, j, first + c]
        columns.append(y)
    return np.stack(columns, axis=1)


@pytest.mark.parametrize(("image", "layer"), CONVOLUTIONS)
def test_convolution_is_one_matrix_for_all_vectors(image, layer):
    """tensor(vectors(x) · matrix(w)) is the convolution, exactly on integers and with the weight's array type."""
    rng = np.random.default_rng(0)
    x = rng.integers(-50, 50, (2, *image), dtype=np.int32)
    w = rng.integers(-50, 50, layer.weight_shape(image), dtype=np.int32)
    vectors, matrix = layer.vectors(jnp.asarray(x)), layer.matrix(w)
    assert isinstance(matrix, np.ndarray)
    assert vectors.dtype == matrix.dtype == np.int32
    y = layer.tensor(jnp.asarray(np.asarray(vectors) @ matrix), image)
    assert y.shape == (2, *layer.shape(image))
    np.testing.assert_array_equal(np.reshape(y, (2, -1, layer.channels)), convolution(x, w, layer))
    np.testing.assert_array_equal(layer.matrix(jnp.asarray(w)), matrix)


@pytest.mark.parametrize(("image", "layer"), CONVOLUTIONS)
def test_float_convolution(image, layer):
    """The float forward is the definition, and the bias adds to each channel."""
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(2, *image)), rng.normal(size=layer.weight_shape(image))
    bias = rng.normal(size=layer.channels)
    y = layer.forward(*(jnp.asarray(a, jnp.float32) for a in (w, bias, x)))
    assert y.dtype == jnp.float32
    np.testing.assert_allclose(y.reshape(2, -1, layer.channels), convolution(x, w, layer) + bias, atol=1e-4)


@pytest.mark.parametrize(("image", "layer"), CONVOLUTIONS)
def test_the_matrix_has_a_block_for_each_group(image, layer):
    """Of the rows · cols of the matrix, exactly one in `groups` carries a weight; `macs` counts these."""
    (op,) = layer.lower("c", ("input",), image)
    matrix = layer.matrix(np.ones(layer.weight_shape(image), np.int32))
    assert (op.rows, op.cols) == matrix.shape
    blocks = matrix.reshape(op.groups, op.rows // op.groups, op.groups, op.cols // op.groups)
    assert all(blocks[g, :, g].all() for g in range(op.groups))
    assert matrix.sum() * op.groups == matrix.size
    assert op.macs == op.vectors * matrix.sum()


@pytest.mark.parametrize("pool", [pytest.param(p.values, id=p.id) for p in POOLS])
def test_pools_see_only_real_pixels(pool):
    """Maximum and average over the window's pixels inside the image, against loops."""
    image, *window = pool
    x = np.random.default_rng(2).normal(size=(3, *image)).astype(np.float32) - 3
    for layer, function in ((MaxPool(*window), np.max), (AvgPool(*window), np.mean)):
        wanted = [function([x[:, i, j] for i, j, _, _ in pixels], axis=0) for pixels in layer_windows(image, layer)]
        y = layer(jnp.asarray(x))
        assert y.shape == (3, *layer.shape(image))
        assert y.dtype == jnp.float32
        np.testing.assert_allclose(y.reshape(3, -1, image[2]), np.stack(wanted, axis=1), rtol=1e-6)


@pytest.mark.parametrize(
    ("image", "layer"),
    CONVOLUTIONS + LOCAL + [pytest.param(*p.values[:1], MaxPool(*p.values[1:]), id=f"pool-{p.id}") for p in POOLS],
)
def test_a_window_needs_its_first_and_last_pixel(image, layer):
    """first[v] is the least and need[v] the greatest raster index in window v; no window lies wholly outside."""
    (op,) = layer.lower("l", ("input",), image)
    pixels = list(layer_windows(image, layer))
    assert op.vectors == len(pixels)
    (need,), (first,) = op.need, op.first
    np.testing.assert_array_equal(need, [max(i * image[1] + j for i, j, _, _ in window) for window in pixels])
    np.testing.assert_array_equal(first, [min(i * image[1] + j for i, j, _, _ in window) for window in pixels])
    if isinstance(op, VectorOp):
        assert op.operands == sum(map(len, pixels)) * image[2]
        assert op.values == op.vectors * op.width == op.vectors * image[2]


def test_dense():
    """One vector through one matrix."""
    layer, rng = Dense(4), np.random.default_rng(3)
    x, w = rng.integers(-9, 9, (5, 7), dtype=np.int32), rng.integers(-9, 9, (7, 4), dtype=np.int32)
    assert layer.weight_shape((7,)) == w.shape
    y = layer.tensor(layer.vectors(jnp.asarray(x)) @ layer.matrix(w), (7,))
    np.testing.assert_array_equal(y, x @ w)
    bias = jnp.arange(4, dtype=jnp.float32)
    floats = layer.forward(jnp.asarray(w, jnp.float32), bias, jnp.asarray(x, jnp.float32))
    np.testing.assert_array_equal(floats, x @ w + np.arange(4))
    (op,) = layer.lower("fc", ("flatten",), (7,))
    assert (op.rows, op.cols, op.vectors, op.groups, op.macs, op.need[0].tolist()) == (7, 4, 1, 1, 28, [0])


def test_elementwise_layers_need_the_vector_of_the_same_place():
    """ReLU and Add pass vector v on as soon as vector v is there; Add reads every input."""
    x = jnp.asarray(np.random.default_rng(4).normal(size=(2, 3, 4, 5)), jnp.float32)
    np.testing.assert_array_equal(Relu()(x), np.where(x > 0, x, 0))
    np.testing.assert_array_equal(Add()(x, x, x), x + x + x)
    (relu,), (add,) = Relu().lower("r", ("a",), (3, 4, 5)), Add().lower("s", ("a", "b"), (3, 4, 5), (3, 4, 5))
    assert (relu.kind, relu.values, relu.operands, relu.vectors, relu.width) == ("activation", 60, 60, 12, 5)
    assert (add.kind, add.values, add.operands, add.vectors, add.width) == ("add", 60, 120, 12, 5)
    for need in relu.need + add.need:
        np.testing.assert_array_equal(need, np.arange(12))
    assert len(add.need) == 2


def test_flatten_waits_for_the_last_vector():
    """Values in order of height, width, channel; one vector, which needs them all."""
    x = jnp.arange(24.0, dtype=jnp.float32).reshape(1, 2, 3, 4)
    np.testing.assert_array_equal(Flatten()(x)[0], np.arange(24))
    (op,) = Flatten().lower("f", ("input",), (2, 3, 4))
    assert (op.kind, op.values, op.vectors, op.width, op.need[0].tolist()) == ("reshape", 24, 1, 24, [5])


def test_layers_are_structure_alone():
    """No leaves, and equal where the fields are equal, so that they are compile-time constants."""
    layers = [Conv2d(4, 3, padding=1), Dense(3), MaxPool(2), AvgPool(3, 1), Relu(), Flatten(), Add()]
    assert jax.tree.leaves(layers) == []
    assert Conv2d(4, 3) == Conv2d(4, (3, 3), (1, 1))
    assert Conv2d(4, 3) != Conv2d(4, 3, stride=2)
    assert isinstance(Dense(2).lower("fc", ("input",), (3,))[0], MatrixOp)


@pytest.mark.parametrize(
    ("make", "place"),
    [
        (lambda: Conv2d(0, 3), "channels"),
        (lambda: Conv2d(4, 0), "kernel"),
        (lambda: Conv2d(4, 3, stride=0), "stride"),
        (lambda: Conv2d(4, 3, padding=-1), "padding"),
        (lambda: Conv2d(4, 3, padding=(1, 3)), "padding"),
        (lambda: Conv2d(4, 3, groups=3), "groups"),
        (lambda: Conv2d(4, 3, groups=0), "groups"),
        (lambda: Dense(0), "features"),
        (lambda: MaxPool(0), "window"),
        (lambda: AvgPool(2, (1, 0)), "stride"),
        (lambda: MaxPool(2, padding=2), "padding"),
        (lambda: Conv2d(4, 3, dilation=0), "dilation"),
        (lambda: Conv2d(4, 2, padding=3, dilation=2), "padding"),
        (lambda: Attention(0), "heads"),
        (lambda: Attention(2, cached=-1), "cached"),
        (lambda: Lstm(0), "units"),
        (lambda: LocalResponseNorm(0), "size"),
    ],
)
def test_impossible_fields_are_named(make, place):
    """A layer that cannot be is refused when it is made, at the field that is wrong."""
    with pytest.raises(SpecError) as caught:
        make()
    assert caught.value.place == place


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (Conv2d(4, 3), [(10,)]),
        (Conv2d(4, 2, padding=5, dilation=6), [(3, 3, 1)]),
        (Concat(), [(4, 4, 2), (3, 4, 2)]),
        (Concat(), [(4, 4, 2)]),
        (Attention(2), [(3, 4), (3, 4)]),
        (Attention(3), [(3, 4), (3, 4), (3, 4)]),
        (Lstm(2), [(3,)]),
        (LastToken(), [(3, 3, 1)]),
        (GlobalAvgPool(), [(3,)]),
        (Conv2d(4, 3, groups=2), [(5, 5, 3)]),
        (Conv2d(4, 6), [(5, 5, 3)]),
        (MaxPool(2), [(10,)]),
        (AvgPool(7, padding=1), [(4, 8, 1)]),
        (Dense(3), [(2, 2, 2)]),
        (Add(), [(2, 2, 2), (2, 2, 3)]),
        (Add(), [(2, 2, 2)]),
        (Relu(), [(3,), (3,)]),
        (Flatten(), []),
    ],
)
def test_inputs_that_do_not_fit(layer, shapes):
    """The layer states the fact; its name is the graph's to add."""
    with pytest.raises(NetworkError) as caught:
        layer.shape(*shapes)
    assert caught.value.place == ""
    assert caught.value.fact
