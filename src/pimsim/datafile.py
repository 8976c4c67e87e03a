"""A CSV of measured cells → plain data for a card: rows of target, mean and spread, at one time or several.

The header names each column with its unit:

    target_uS, mean_uS, sigma_uS [, time_s]        moments
    target_uS, programmed_uS [, …] [, time_s]      samples: any number of columns whose names begin with "programmed"

Samples of one target and time are reduced to their mean and sample standard deviation. Times rise down the file, and
targets at each time. Lines that start with # and empty lines are left out. Errors name the file and the line.
"""

import csv
import re
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

from pimsim.errors import FileError, SpecError, UnitError, nearest, os_fact, quoted
from pimsim.units import CONDUCTANCE, TIME, parse

MAX_FILE_BYTES = 20_000_000
MAX_ROWS = 1000
"""Pairs of target and time, which results store whole."""
COLUMNS = {"target": CONDUCTANCE, "mean": CONDUCTANCE, "sigma": CONDUCTANCE, "programmed": CONDUCTANCE, "time": TIME}
UNIT_REMEDY = 'The unit is part of a column\'s name: "target_uS", "time_s".'


class Column(NamedTuple):
    """What a column of the file holds."""

    kind: str
    name: str
    unit: str


class Line(NamedTuple):
    """One line of numbers, in SI."""

    place: str
    time: float
    target: float
    values: list[float]
    """Mean and spread, or samples."""


def read_cells(path: Path) -> dict[str, list[str]]:
    """The columns `target`, `mean`, `sigma` and `time` (empty where the file has none) as lists of quantities.

    Raises FileError for a file that cannot be read, SpecError or UnitError for what it holds, with file and line.
    """
    lines = _lines(path)
    place, names = next(lines, (f"{path.name}: line 1", []))
    columns = [_column(name.strip(), place) for name in names]
    kinds = _require_columns(columns, place)
    rows = [_line(place, cells, columns) for place, cells in lines]
    moments = _moments(rows) if "mean" in kinds else _reduced(rows)
    if not moments:
        raise SpecError(path.name, "holds no measurements", "Below the header, one line a measurement.")
    if len(moments) > MAX_ROWS:
        raise SpecError(path.name, f"has more than {MAX_ROWS} pairs of target and time, got {len(moments)}")
    time, target, mean, sigma = zip(*moments, strict=True)
    found = {"target": target, "mean": mean, "sigma": sigma}
    data = {kind: [f"{value!r} S" for value in values] for kind, values in found.items()}
    return data | {"time": [f"{value!r} s" for value in time] if "time" in kinds else []}


def _lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    """The cells of each line that is neither empty nor a comment, with its place."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise FileError(str(path), f"is larger than {MAX_FILE_BYTES // 1_000_000} MB", "Give means and spreads.")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise FileError(str(path), os_fact(error), "A card's `data` is a CSV file beside the card.") from None
    except UnicodeDecodeError:
        raise FileError(str(path), "is not a text file", "Measurements are CSV, in UTF-8.") from None
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            yield f"{path.name}: line {number}", next(csv.reader([line]))


def _column(name: str, place: str) -> Column:
    kind, _, unit = name.rpartition("_")
    bare = re.match(r"[a-z]*", name).group()  # pyright: ignore[reportOptionalMemberAccess]
    if bare not in COLUMNS:
        raise SpecError(place, f"unknown column {quoted(name)}", nearest(bare, COLUMNS))
    if not kind:
        raise UnitError(place, f"the column {quoted(name)} has no unit", UNIT_REMEDY)
    try:
        parse(f"1 {unit}", COLUMNS[bare])
    except UnitError:
        fact = f"{quoted(name)}: {quoted(unit)} is not a unit of {COLUMNS[bare].quantity}"
        raise UnitError(place, fact, UNIT_REMEDY) from None
    return Column(bare, name, unit)


def _require_columns(columns: list[Column], place: str) -> list[str]:
    """The kinds of column there are; raise SpecError unless they are one of the two forms."""
    kinds = [column.kind for column in columns]
    forms = "A file has target, mean and sigma, or target and programmed; time is optional."
    for kind in ("target", "sigma") if "mean" in kinds else ("target", "programmed"):
        if kind not in kinds:
            raise SpecError(place, f"the column {kind}_uS is missing", forms)
    for kind in COLUMNS:
        if kinds.count(kind) > 1 and kind != "programmed":
            raise SpecError(place, f"the column {kind} appears twice", forms)
    if "mean" in kinds and "programmed" in kinds:
        raise SpecError(place, "has both mean and programmed", forms)
    return kinds


def _line(place: str, cells: list[str], columns: list[Column]) -> Line:
    if len(cells) != len(columns):
        raise SpecError(place, f"expected {len(columns)} cells, got {len(cells)}")
    values: dict[str, list[float]] = {}
    for cell, column in zip(cells, columns, strict=True):
        if not cell.strip() and column.kind == "programmed":
            continue  # columns of samples may differ in length
        try:
            value = parse(f"{cell.strip()} {column.unit}", COLUMNS[column.kind])
        except UnitError:
            _refuse(place, cell, column)
        values.setdefault(column.kind, []).append(value)
    samples = values.get("programmed") or [*values.get("mean", []), *values.get("sigma", [])]
    return Line(place, values.get("time", [0.0])[0], values["target"][0], samples)


def _refuse(place: str, cell: str, column: Column) -> NoReturn:
    negative = re.fullmatch(r"-[\d.]+(e[+-]?\d+)?", cell.strip(), re.IGNORECASE)
    fact = "must not be negative" if negative else "expected a number"
    raise SpecError(place, f"{column.name}: {fact}, got {quoted(cell.strip())}")


def _moments(rows: list[Line]) -> list[tuple[float, ...]]:
    for last, row in zip([None, *rows], rows, strict=False):
        _require_order(last, row, repeats=False)
    return [(row.time, row.target, *row.values) for row in rows]


def _reduced(rows: list[Line]) -> list[tuple[float, ...]]:
    """Mean and sample standard deviation of the samples of each target and time."""
    groups: list[list[Line]] = []
    for last, row in zip([None, *rows], rows, strict=False):
        _require_order(last, row, repeats=True)
        if last and (last.time, last.target) == (row.time, row.target):
            groups[-1].append(row)
        else:
            groups.append([row])
    moments = []
    for group in groups:
        samples = [value for row in group for value in row.values]
        if len(samples) < 2:
            fact = f"the target {group[0].target:g} S has {len(samples)} programmed conductances, and a spread needs 2"
            raise SpecError(group[-1].place, fact)
        moments.append((group[0].time, group[0].target, statistics.fmean(samples), statistics.stdev(samples)))
    return moments


def _require_order(last: Line | None, row: Line, *, repeats: bool) -> None:
    """Raise SpecError unless times rise, and targets within a time."""
    if last is None or row.time > last.time:
        return
    if row.time < last.time:
        raise SpecError(row.place, f"the time {row.time:g} s follows {last.time:g} s", "Sort the lines by time.")
    if row.target < last.target or (row.target == last.target and not repeats):
        fact = f"the target {row.target:g} S follows {last.target:g} S"
        raise SpecError(row.place, fact, "Sort the lines by target, within a time.")
