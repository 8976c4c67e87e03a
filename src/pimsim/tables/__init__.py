"""Results and cards as tables a person likes to read."""

from pimsim.tables.cards import chip_table, level_table
from pimsim.tables.columns import comparison_table
from pimsim.tables.forms import listing_table, source_table, titled, value_table
from pimsim.tables.outcome import read_rows, result_table
from pimsim.tables.verdicts import validation_markdown, validation_table

__all__ = [
    "chip_table",
    "comparison_table",
    "level_table",
    "listing_table",
    "read_rows",
    "result_table",
    "source_table",
    "titled",
    "validation_markdown",
    "validation_table",
    "value_table",
]
