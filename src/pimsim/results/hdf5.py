"""Records ⇄ HDF5, by annotation: nobody writes a writer by hand.

A record is a group, a field a dataset with its unit, an axis a dimension scale of the group: the field of the same name
if there is one, otherwise a count. What is written can be opened by h5netcdf and xarray as it is.
"""

import dataclasses
import io
import os
import re
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import h5py
import numpy as np
from jaxtyping import jaxtyped

from pimsim.errors import FileError, os_fact
from pimsim.results.record import Result
from pimsim.results.target import FORMAT, check_target, replace_file
from pimsim.units import unit_of

FORMAT_VERSION = 1

T = TypeVar("T")

_UNREADABLE = (OSError, LookupError, ValueError, TypeError, RuntimeError, ArithmeticError, MemoryError)
"""What h5py raises over a file that is damaged or holds something else."""


def write_result(result: Result, path: str | Path) -> Path:
    """Write a result file, atomically: the target is the old file or the whole new one, whenever it stops.

    Raises FileError where the folder does not exist, cannot be written or is full.
    """
    path = check_target(path)
    image = io.BytesIO()  # the HDF5 library itself does not survive a full disk
    with h5py.File(image, "w", track_order=True) as file:
        file.attrs["format"] = FORMAT
        file.attrs["format_version"] = FORMAT_VERSION
        for field in dataclasses.fields(result.provenance):
            file.attrs[field.name] = getattr(result.provenance, field.name)
        for name, kind in get_type_hints(Result, include_extras=True).items():
            group = file.create_group(name, track_order=True)
            if getattr(result, name) is not None:
                _write_record(group, getattr(result, name), _required(kind))
    replace_file(path, image.getbuffer())
    return path


def read_result(path: str | Path) -> Result:
    """The result in a file that `write_result` wrote. Raises FileError for anything else."""
    path = Path(path)
    if not os.path.isfile(path):
        fact = "is a folder" if os.path.isdir(path) else "no such file"
        raise FileError(str(path), fact, "`pimsim run EXPERIMENT -o FILE.h5` writes a result.")
    try:
        path.open("rb").close()
    except OSError as error:
        raise FileError(str(path), os_fact(error), "A result is a file that you may read.") from None
    try:
        with h5py.File(path, "r") as file:
            _check_format(file, path)
            return _read_record(file, Result)
    except _UNREADABLE as error:
        fact = _first_line(error) if isinstance(error, TypeError) else "it is cut short or damaged"
        raise FileError(str(path), f"is not a whole HDF5 result: {fact}", "Run the experiment again.") from None


def _write_record(group: h5py.Group, record: Any, kind: Any) -> None:
    hints = get_type_hints(kind, include_extras=True)
    axes = {}
    for name, hint in hints.items():
        value = getattr(record, name)
        if dataclasses.is_dataclass(hint):
            _write_record(group.create_group(name, track_order=True), value, hint)
            continue
        text = h5py.string_dtype() if isinstance(value, str) or np.asarray(value).dtype.kind in "UO" else None
        data = group.create_dataset(name, data=np.asarray(value, dtype=object) if text else value, dtype=text)
        unit = unit_of(hint)
        data.attrs["units"] = unit.symbol if unit else "1"
        axes |= dict(zip(_axes(hint), data.shape, strict=True))
    scales = {axis: _scale(group, axis, length) for axis, length in sorted(axes.items())}
    for name, hint in hints.items():
        for position, axis in enumerate(_axes(hint)):
            if name != axis:
                _dataset(group, name).dims[position].attach_scale(scales[axis])


def _scale(group: h5py.Group, axis: str, length: int) -> h5py.Dataset:
    """The scale of an axis: the field of the same name if there is one, otherwise a count."""
    if axis not in group:
        group.create_dataset(axis, data=np.arange(length)).attrs["units"] = "1"
    scale = _dataset(group, axis)
    scale.make_scale(axis)
    return scale


def _read_record(group: h5py.Group, kind: type[T]) -> T:
    """A record, after a check that each value is what the annotation says; an axis has one length in all of them."""
    values: dict[str, Any] = {}
    with jaxtyped("context"):
        for name, annotation in get_type_hints(kind, include_extras=True).items():
            hint = _required(annotation)
            if name not in group:
                raise TypeError(f"there is no {name} in {group.name}")
            if dataclasses.is_dataclass(hint):
                inner = group[name]
                if not isinstance(inner, h5py.Group):
                    raise TypeError(f"{name} is no group")
                absent = hint is not annotation and not len(inner)
                values[name] = None if absent else _read_record(inner, hint)  # type: ignore[arg-type]
                continue
            data, form = _dataset(group, name), get_args(hint)[0] if get_origin(hint) is Annotated else hint
            raw: Any = data.asstr()[()] if h5py.check_string_dtype(data.dtype) else data[()]
            if _axes(hint):
                values[name] = raw.astype(str) if raw.dtype == object else raw
            else:
                values[name] = raw.item() if isinstance(raw, np.generic) else raw
            if not isinstance(values[name], form):
                raise TypeError(f"{data.name} is not {getattr(form, '__name__', form)}")
    return kind(**values)


def _required(hint: Any) -> Any:
    """What an annotation `record | None` asks for where there is one; None is an empty group."""
    return next(part for part in get_args(hint) if part is not NoneType) if NoneType in get_args(hint) else hint


def _dataset(group: h5py.Group, name: str) -> h5py.Dataset:
    data = group[name]
    if not isinstance(data, h5py.Dataset):
        raise TypeError(f"{name} is no dataset")
    return data


def _axes(hint: Any) -> list[str]:
    """The axis names of an array annotation, [] for a scalar."""
    array = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return re.findall(r"\w+", getattr(array, "dim_str", ""))


def _check_format(file: h5py.File, path: Path) -> None:
    if str(file.attrs.get("format")) != FORMAT:
        remedy = "`pimsim run EXPERIMENT -o FILE.h5` writes a result."
        raise FileError(str(path), "is HDF5, but not a pimsim result", remedy)
    found = int(str(file.attrs["format_version"]))
    if found > FORMAT_VERSION:
        remedy = f"It was written by pimsim {file.attrs.get('pimsim', 'of a later version')}; upgrade yours."
        raise FileError(str(path), f"has format version {found}, this pimsim reads up to {FORMAT_VERSION}", remedy)


def _first_line(error: BaseException) -> str:
    return (str(error).strip("'\"").splitlines() or ["unreadable"])[0]
