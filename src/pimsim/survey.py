"""What `pimsim check` says about an ONNX model: what goes to crossbars, what to digital units, and what is missing."""

from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pimsim.errors import FileError, PimsimError
from pimsim.network.onnx.read import survey_model
from pimsim.network.ops import MatrixOp, Op, ProductOp, VectorOp


def check_model(file: str) -> tuple[RenderableType, list[PimsimError]]:
    """A model's operations as tables, and every problem that keeps it from running."""
    try:
        ops, operators, problems = survey_model(file)
    except FileError as error:
        return Text(), [error]
    return Group(*_tables(ops, operators)), problems


def _tables(ops: Sequence[Op], operators: Mapping[str, str]) -> Iterable[RenderableType]:
    matrices = [op for op in ops if isinstance(op, MatrixOp)]
    products = [op for op in ops if isinstance(op, ProductOp)]
    if matrices:
        yield _matrix_table(matrices)
    if products:
        yield _product_table(products)
    if digital := [op for op in ops if isinstance(op, VectorOp)]:
        yield _digital_table(digital, operators)


def _matrix_table(ops: Sequence[MatrixOp]) -> Table:
    table = _table("crossbars", "layer", "rows", "columns", "groups", "vectors", "MACs", "weights")
    for op in ops:
        counts = op.rows, op.cols, op.groups, op.vectors, op.macs, op.weights
        table.add_row(Text(op.layer), *(f"{count:,}" for count in counts))
    macs, weights = sum(op.macs for op in ops), sum(op.weights for op in ops)
    table.add_section()
    table.add_row("all", "", "", "", f"{sum(op.vectors for op in ops):,}", f"{macs:,}", f"{weights:,}")
    return table


def _product_table(ops: Sequence[ProductOp]) -> Table:
    table = _table("products of results", "layer", "heads", "m", "k", "n", "MACs")
    for op in ops:
        table.add_row(Text(op.layer), *(f"{count:,}" for count in (op.heads, op.m, op.k, op.n, op.macs)))
    table.add_section()
    table.add_row("all", "", "", "", "", f"{sum(op.macs for op in ops):,}")
    return table


def _digital_table(ops: Sequence[VectorOp], operators: Mapping[str, str]) -> Table:
    """One row for each kind of work of each operator."""
    table = _table("digital units", "operator", "work", "times", "values")
    found: dict[tuple[str, str], list[VectorOp]] = {}
    for op in ops:
        owner = next((name for name in _outward(op.layer) if name in operators), "")
        found.setdefault((operators.get(owner, "output"), op.kind), []).append(op)
    for (operator, kind), own in found.items():
        table.add_row(operator, kind, f"{len(own):,}", f"{sum(op.values for op in own):,}")
    return table


def _outward(name: str) -> Iterable[str]:
    """The name, and those of what it may be a part of."""
    while name:
        yield name
        name = name.rpartition("/")[0]


def _table(title: str, first: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, overflow="fold")
    for column in columns:
        table.add_column(column, justify="left" if column == "work" else "right")
    return table
