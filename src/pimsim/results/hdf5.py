"""Records ⇄ HDF5, by annotation: nobody writes a writer by hand.

A record is a group, a field a dataset with its unit, an axis a dimension scale of the group: the field of the same name
if there is one, otherwise a count. What is written can be opened by h5netcdf and xarray as it is.
"""

import dataclasses
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import h5py
import numpy as np

from pimsim.errors import FileError
from pimsim.results.record import Result
from pimsim.units import unit_of

FORMAT = "pimsim-result"
FORMAT_VERSION = 1

T = TypeVar("T")


def write_result(result: Result, path: str | Path) -> Path:
    """Write a result file, atomically: the target is the old file or the whole new one, whenever it stops.

    Raises FileError where the folder does not exist or cannot be written.
    """
    path = check_target(path)
    with _replacing(path) as scratch, h5py.File(scratch, "w", track_order=True) as file:
        file.attrs["format"] = FORMAT
        file.attrs["format_version"] = FORMAT_VERSION
        for field in dataclasses.fields(result.provenance):
            file.attrs[field.name] = getattr(result.provenance, field.name)
        for name, kind in get_type_hints(Result, include_extras=True).items():
            _write_record(file.create_group(name, track_order=True), getattr(result, name), kind)
    return path


def read_result(path: str | Path) -> Result:
    """The result in a file that `write_result` wrote. Raises FileError for anything else."""
    path = Path(path)
    if not path.is_file():
        raise FileError(str(path), "no such file")
    try:
        with h5py.File(path, "r") as file:
            _check_format(file, path)
            return _read_record(file, Result)
    except (OSError, KeyError, ValueError) as error:
        raise FileError(
            str(path), f"is not a whole HDF5 result: {_first_line(error)}", "Run the experiment again."
        ) from None


def check_target(path: str | Path) -> Path:
    """The path, if a result can be written there; called before a run, so that none is lost for want of a folder."""
    path = Path(path)
    if path.is_dir():
        raise FileError(str(path), "is a folder", "Name a file: -o FILE.h5")
    if not path.parent.is_dir():
        raise FileError(str(path), f"there is no folder {path.parent}", f"Make it first: mkdir -p {path.parent}")
    try:
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise FileError(str(path), f"cannot write into {path.parent}: {(error.strerror or '').lower()}") from None
    return path


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A file to fill, which takes the place of `path` when it is complete and on the disk."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    scratch = Path(name)
    try:
        yield scratch
        with scratch.open("rb") as file:
            os.fsync(file.fileno())
        scratch.chmod(0o666 & ~_umask())
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _write_record(group: h5py.Group, record: Any, kind: type) -> None:
    hints = get_type_hints(kind, include_extras=True)
    for name, hint in hints.items():
        if dataclasses.is_dataclass(hint):
            _write_record(group.create_group(name, track_order=True), getattr(record, name), hint)
            continue
        value = getattr(record, name)
        text = h5py.string_dtype() if isinstance(value, str) or np.asarray(value).dtype.kind in "UO" else None
        data = group.create_dataset(name, data=np.asarray(value, dtype=object) if text else value, dtype=text)
        unit = unit_of(hint)
        data.attrs["units"] = unit.symbol if unit else "1"
    axes = {axis for hint in hints.values() for axis in _axes(hint)}
    for axis in sorted(axes):
        if axis not in group:
            length = next(group[n].shape[_axes(h).index(axis)] for n, h in hints.items() if axis in _axes(h))
            group.create_dataset(axis, data=np.arange(length)).attrs["units"] = "1"
        group[axis].make_scale(axis)
    for name, hint in hints.items():
        for position, axis in enumerate(_axes(hint)):
            if name != axis:
                group[name].dims[position].attach_scale(group[axis])


def _read_record(group: h5py.Group, kind: type[T]) -> T:
    values = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if dataclasses.is_dataclass(hint):
            values[name] = _read_record(group[name], hint)  # type: ignore[arg-type]
            continue
        data = group[name]
        raw = data.asstr()[()] if h5py.check_string_dtype(data.dtype) else data[()]
        values[name] = (raw.astype(str) if raw.dtype == object else raw) if _axes(hint) else _scalar(raw)
    return kind(**values)


def _scalar(raw: Any) -> Any:
    return raw.item() if isinstance(raw, np.generic) else raw


def _axes(hint: Any) -> list[str]:
    """The axis names of an array annotation, [] for a scalar."""
    array = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return re.findall(r"\w+", getattr(array, "dim_str", ""))


def _check_format(file: h5py.File, path: Path) -> None:
    if file.attrs.get("format") != FORMAT:
        raise FileError(str(path), "is HDF5, but not a pimsim result")
    found = int(file.attrs.get("format_version", 0))
    if found > FORMAT_VERSION:
        remedy = f"It was written by pimsim {file.attrs.get('pimsim', 'of a later version')}; upgrade yours."
        raise FileError(str(path), f"has format version {found}, this pimsim reads up to {FORMAT_VERSION}", remedy)


def _first_line(error: BaseException) -> str:
    return (str(error).strip("'\"").splitlines() or ["unreadable"])[0]
