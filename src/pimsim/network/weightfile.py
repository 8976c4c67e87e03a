"""Weights in a file: an .npz whose arrays are named <layer>.weight and <layer>.bias."""

from io import BytesIO
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from pimsim.arrayfile import read_npz
from pimsim.errors import FileError, quoted
from pimsim.network.graph import Weights

REMEDY = "pimsim train writes such files: arrays named <layer>.weight and <layer>.bias."


def read_weights(path: Path) -> Weights:
    """The weights that `write_weights` wrote. Raises FileError for anything else; nothing in the file is executed."""
    weights: Weights = {}
    for key, array in read_npz(path, REMEDY).items():
        layer, _, kind = key.rpartition(".")
        if not layer or array.dtype.kind not in "fiu":
            raise FileError(str(path), f"{quoted(key)} is no layer's weight: {array.dtype}", REMEDY)
        weights.setdefault(layer, {})[kind] = jnp.asarray(array)
    return weights


def write_weights(path: Path | BytesIO, weights: Weights) -> None:
    """Write what `read_weights` reads."""
    arrays: dict[str, Any] = {
        f"{layer}.{kind}": np.asarray(array) for layer, own in weights.items() for kind, array in own.items()
    }
    np.savez_compressed(path, **arrays)
