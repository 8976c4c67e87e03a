"""Data for a network with several inputs: an array for each by its name, side by side in one vector an inference."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from pimsim.errors import SpecError, nearest, quoted
from pimsim.network.datafiles import LABELS, Part, read_arrays
from pimsim.network.graph import IMAGE, Network
from pimsim.network.layers import Input, Lookup
from pimsim.network.ops import Shape
from pimsim.network.preprocess import Preprocessing

SIDES = ("_train", "_test")
"""What stands behind the names of arrays in a file that is split."""


def join_inputs(
    shapes: Mapping[str, Shape], arrays: Mapping[str, np.ndarray], place: str = "inputs"
) -> Float32[np.ndarray, "inference value"]:
    """What `Network.forward` takes of a network whose `inputs` have these shapes: arrays [inference, …], by name.

    Raises SpecError for an input without an array, for an array of another shape, and for unequal numbers of them.
    """
    for name in shapes:
        if name not in arrays:
            names = ", ".join(map(quoted, arrays)) or "nothing"
            fact = f"has no array for the input {quoted(name)}: it holds {names}"
            raise SpecError(place, fact, f"Save an array for each of {', '.join(shapes)}. {nearest(name, arrays)}")
    parts = [
        _fitted(Part(arrays[name]).checked(f"{place}: {name}").images, shapes[name], f"{place}: {name}")
        for name in shapes
    ]
    if len({len(part) for part in parts}) > 1:
        counts = ", ".join(f"{name} {len(part)}" for name, part in zip(shapes, parts, strict=True))
        raise SpecError(place, f"holds different numbers of inputs: {counts}")
    return np.concatenate([part.reshape(len(part), -1).astype(np.float32) for part in parts], axis=1)


def _fitted(array: np.ndarray, shape: Shape, place: str) -> np.ndarray:
    """The array, if nothing but axes of size 1 differs."""
    if [n for n in array.shape[1:] if n > 1] != [n for n in shape if n > 1]:
        raise SpecError(place, f"has shape {array.shape[1:]} an inference, and the network reads {shape}")
    return array


def read_inputs(path: Path, shapes: Mapping[str, Shape], preprocess: Preprocessing) -> tuple[Part, Part]:
    """The inputs to calibrate with and to test that an .npz holds, as one vector each.

    Arrays are called as the inputs are, or <input>_train and <input>_test; labels are y, or y_train and y_test. What
    `preprocess` says is done to images alone.
    """
    arrays = read_arrays(path, {name + side for name in (*shapes, *LABELS) for side in ("", *SIDES)})
    if not isinstance(arrays, Mapping):
        fact = f"holds one array, and the network reads {len(shapes)} inputs"
        raise SpecError(str(path), fact, f"Save an .npz of arrays {', '.join(shapes)}.")
    if any(f"{name}_test" in arrays for name in shapes):
        test, train = (_side(path, arrays, shapes, preprocess, side) for side in SIDES[::-1])
        return train, test
    return _side(path, arrays, shapes, preprocess, "").split()


def _side(
    path: Path, arrays: Mapping[str, np.ndarray], shapes: Mapping[str, Shape], preprocess: Preprocessing, side: str
) -> Part:
    own = {f"{name}{side}": shape for name, shape in shapes.items()}
    found = {
        name: preprocess.apply(arrays[name], shape, f"{path}: {name}") if len(shape) == 3 else arrays[name]
        for name, shape in own.items()
        if name in arrays
    }
    labels = next((arrays[name + side] for name in LABELS if name + side in arrays), None)
    return Part(join_inputs(own, {**arrays, **found}, str(path)), labels).checked(str(path))


def require_rows(network: Network, images: np.ndarray, place: str) -> None:
    """Raise SpecError for an input that names rows of a table, as tokens do, where there is none of its number."""
    layers = {node.name: node.layer for node in network.nodes}
    for node in network.nodes:
        read, cut = node.inputs[0], slice(None)
        if isinstance(source := layers.get(read), Input):
            read, cut = IMAGE, slice(source.start, source.end)
        if isinstance(node.layer, Lookup) and read == IMAGE:
            values, rows = images.reshape(len(images), -1)[:, cut], node.layer.rows
            if np.any(wrong := (values % 1 != 0) | (values < -rows) | (values >= rows)):
                fact = f"{node.name} has {rows} rows, numbered from 0, and the data names {values[wrong][0]:g}"
                raise SpecError(place, fact, "Numbers of tokens are whole.")
