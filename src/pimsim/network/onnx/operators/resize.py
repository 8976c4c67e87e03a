"""Images of another size: along each axis, every new pixel is a weighted sum of old ones."""

import numpy as np
from jaxtyping import Float

from pimsim.errors import NetworkError
from pimsim.network.layers import Resample
from pimsim.network.onnx.call import Call
from pimsim.network.onnx.layout import Tensor, natural

ROUNDING = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


def resize(call: Call) -> Tensor:
    x, rank = call.tensor(), len(call.shape)
    axes = [axis % rank for axis in call.get("axes", range(rank))]
    scales = _scales(call, axes)
    for axis in range(rank):
        size = x.shape[axis]
        if size == call.shape[axis]:
            continue
        scale = scales.get(axis, call.shape[axis] / size)
        if (axis,) not in x.groups:
            groups = natural(x.shape) if (axis,) in natural(x.shape) else ((axis,), *natural(x.shape))
            x = call.builder.laid(call.name, x, groups)
        matrix = interpolation(call, size, call.shape[axis], scale)
        taps = max(1, int((matrix != 0).sum(axis=1).max()))
        places = np.sort(np.argsort(matrix == 0, axis=1, kind="stable")[:, :taps], axis=1)
        shares = np.take_along_axis(matrix, places, axis=1)
        layer = Resample(
            x.groups.index((axis,)), tuple(map(tuple, places.tolist())), tuple(map(tuple, shares.tolist()))
        )
        shape = tuple(call.shape[a] if a == axis else n for a, n in enumerate(x.shape))
        last = shape == call.shape
        x = call.builder.make(call.name if last else f"{call.name}/{axis}", layer, (x,), shape, x.groups)
    return call.same(x)


def _scales(call: Call, axes: list[int]) -> dict[int, float]:
    """The factor of each axis, where factors are given, not sizes."""
    if call.op == "Upsample" or call.opset < 11:
        given = call.get("scales") if call.optional(1) is None else call.constant(1)
    else:
        given = call.optional(2)
    if given is None or not len(given):
        return _kept_ratio(call, axes)
    return {axis: float(scale) for axis, scale in zip(axes, given, strict=True)}


def _kept_ratio(call: Call, axes: list[int]) -> dict[int, float]:
    """One factor for all axes where the sizes only bound the new ones; none where the image is stretched."""
    policy = call.text("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        return {}
    factors: list[float] = [
        size / call.tensor().shape[axis] for size, axis in zip(call.constant(3).tolist(), axes, strict=True)
    ]
    return dict.fromkeys(axes, min(factors) if policy == "not_larger" else max(factors))


def interpolation(call: Call, old: int, new: int, scale: float) -> Float[np.ndarray, "new old"]:
    """The share of every old pixel of an axis in every new one, by the operator's definition."""
    legacy = call.op == "Upsample" or call.opset < 11
    mode = call.text("mode", "nearest")
    at = _coordinates(
        "asymmetric" if legacy else call.text("coordinate_transformation_mode", "half_pixel"), old, new, scale
    )
    matrix, rows = np.zeros((new, old)), np.arange(new)
    if mode == "nearest":
        rounding = ROUNDING["floor" if legacy else call.text("nearest_mode", "round_prefer_floor")]
        matrix[rows, np.clip(rounding(at), 0, old - 1).astype(int)] = 1
        return matrix
    if mode not in ("linear", "cubic"):
        raise NetworkError("", f"{call.op}: mode={mode} is not supported")
    first, a = np.floor(at), call.get("cubic_coeff_a", -0.75)
    shrunk = min(scale, 1.0) if call.get("antialias", 0) else 1.0  # the kernel is as much wider
    start = int(np.floor(-(1 if mode == "linear" else 2) / shrunk)) + 1
    for tap in range(start, 2 - start):
        place, distance = first + tap, np.abs(at - first - tap) * shrunk
        share = np.maximum(1 - distance, 0) if mode == "linear" else _cubic(distance, a)
        if call.get("exclude_outside", 0):
            share = np.where((place < 0) | (place >= old), 0, share)
        np.add.at(matrix, (rows, np.clip(place, 0, old - 1).astype(int)), share)
    return matrix / matrix.sum(axis=1, keepdims=True)


def _coordinates(mode: str, old: int, new: int, scale: float) -> Float[np.ndarray, " new"]:
    """Where new pixels lie among the old ones."""
    x = np.arange(new, dtype=float)
    if mode == "half_pixel":
        return (x + 0.5) / scale - 0.5
    if mode == "half_pixel_symmetric":
        return old / 2 * (1 - new / (old * scale)) + (x + 0.5) / scale - 0.5
    if mode == "pytorch_half_pixel":
        return (x + 0.5) / scale - 0.5 if new > 1 else np.zeros(1)
    if mode == "align_corners":
        return x * (old - 1) / (new - 1) if new > 1 else np.zeros(1)
    if mode == "asymmetric":
        return x / scale
    raise NetworkError("", f"Resize: coordinate_transformation_mode={mode} is not supported")


def _cubic(distance: Float[np.ndarray, " new"], a: float) -> Float[np.ndarray, " new"]:
    """Keys' kernel (IEEE Trans. Acoust. Speech Signal Process. 29, 1153 (1981))."""
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0))


OPERATORS = {"Resize": resize, "Upsample": resize}
