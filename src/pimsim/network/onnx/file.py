"""An ONNX file and the weights beside it, read with care: nothing outside its folder, nothing run."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pimsim.errors import FileError, NetworkError, SpecError, os_fact, quoted

MAX_BYTES = 2**31 - 1
"""What a protobuf message may hold."""
OLDEST_OPSET = 9


def require_onnx() -> Any:
    """The onnx package, which is an optional dependency."""
    try:
        import onnx
        import onnx.inliner
        import onnx.numpy_helper
        import onnx.shape_inference
    except ImportError:
        raise SpecError("network", "ONNX models need the onnx package", "pip install 'pimsim[onnx]'") from None
    return onnx


def read_file(path: Path) -> Any:
    """The model in a file, with the weights that lie beside it and its local functions inlined.

    Raises FileError where the file is not a whole ONNX model or points outside its folder, NetworkError for an opset
    that is not read.
    """
    onnx = require_onnx()
    from google.protobuf.message import DecodeError

    remedy = "A network is a name from `pimsim list networks`, or an .onnx file."
    try:
        if path.stat().st_size > MAX_BYTES:
            raise FileError(str(path), "is larger than 2 GB", "Save it with its weights as external data.")
        raw = path.read_bytes()
    except OSError as error:
        raise FileError(str(path), os_fact(error), remedy) from None
    try:
        model = onnx.load_model_from_string(raw)
    except DecodeError:
        raise FileError(str(path), "is not an ONNX model, or only a part of one") from None
    if not model.ir_version or not model.graph.node or not model.graph.output:
        raise FileError(str(path), "is not an ONNX model, or only a part of one: it has no graph")
    _check_opset(model, onnx.defs.onnx_opset_version())
    for tensor in _tensors(model.graph):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            _load_external(tensor, path)
    return onnx.inliner.inline_local_functions(model) if model.functions else model


def _check_opset(model: Any, newest: int) -> None:
    versions = [opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")]
    if len(versions) != 1 or not OLDEST_OPSET <= versions[0] <= newest:
        got = versions[0] if versions else "none"
        remedy = "onnx.version_converter writes another; a newer onnx package reads newer ones."
        raise NetworkError("", f"opsets {OLDEST_OPSET} to {newest} are read, got {got}", remedy)


def _tensors(graph: Any) -> Iterator[Any]:
    """Every tensor that a graph holds."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _load_external(tensor: Any, path: Path) -> None:
    """Put the bytes of a tensor that lie in another file into the model."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    place = f"{path}: {quoted(tensor.name)}"
    if not location or location in (".", "..") or any(mark in location for mark in "/\\:\0"):
        fact = f"points to {quoted(location)}, which is not the name of a file beside the model"
        raise FileError(place, fact, "Weights are read from the model's own folder alone.")
    try:
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", -1))
        with open(path.parent / location, "rb", opener=_no_link) as file:
            size = os.fstat(file.fileno()).st_size
            length = size - offset if length < 0 else length
            if offset < 0 or offset + length > size:
                raise FileError(place, f"{location} ends before the weights do")
            file.seek(offset)
            tensor.raw_data = file.read(length)
    except ValueError:
        raise FileError(place, "has an offset or a length that is no number") from None
    except OSError as error:
        raise FileError(f"{place}: {location}", os_fact(error), "External data is a plain file, no link.") from None
    tensor.data_location = 0
    del tensor.external_data[:]


def _no_link(name: str, flags: int) -> int:
    """Open a regular file that is no link."""
    opened = os.open(name, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise OSError("is not a plain file")
    return opened
