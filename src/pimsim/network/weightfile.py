"""Weights in a file: an .npz whose arrays are named <layer>.weight and <layer>.bias."""

import os
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from pimsim.errors import FileError, os_fact, quoted
from pimsim.network.graph import Weights

MAX_BYTES = 2**31
REMEDY = "pimsim train writes such files: arrays named <layer>.weight and <layer>.bias."


def read_weights(path: Path) -> Weights:
    """The weights that `write_weights` wrote. Raises FileError for anything else; nothing in the file is executed."""
    if not os.path.isfile(path):
        raise FileError(str(path), "is a folder" if os.path.isdir(path) else "no such file", REMEDY)
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(each.file_size for each in archive.infolist()) > MAX_BYTES:
                raise FileError(str(path), f"holds more than {MAX_BYTES // 2**30} GiB", REMEDY)
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file.items())
    except OSError as error:
        raise FileError(str(path), os_fact(error), REMEDY) from None
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError):
        raise FileError(str(path), "is no whole .npz file of numbers", REMEDY) from None
    weights: Weights = {}
    for key, array in arrays.items():
        layer, _, kind = key.rpartition(".")
        if not layer or array.dtype.kind not in "fiu":
            raise FileError(str(path), f"{quoted(key)} is no layer's weight: {array.dtype}", REMEDY)
        weights.setdefault(layer, {})[kind] = jnp.asarray(array)
    return weights


def write_weights(path: Path | BytesIO, weights: Weights) -> None:
    """Write what `read_weights` reads."""
    arrays = {f"{layer}.{kind}": np.asarray(a) for layer, own in weights.items() for kind, a in own.items()}
    np.savez_compressed(path, allow_pickle=False, **arrays)
