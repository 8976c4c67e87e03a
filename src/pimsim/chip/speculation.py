"""Reads of several bits first, and bit by bit only what those did not resolve: RAELLA."""

from pimsim.errors import SpecError, require
from pimsim.spec import AbstractSpec


class Speculation(AbstractSpec):
    """Every column converts a few reads of several bits; what ends beyond the codes is converted again, bit by bit.

        reads          n_s + n              n_s = len(bits), n the core's own reads
        conversions    n_s + failing · n    of each column

    The rows are driven in all reads, the converters of columns that succeeded rest in the last n. What failed is seen
    and repeated, so results are those of the core's own reads. Source: Andrulis et al., ISCA 2023.
    """

    bits: tuple[int, ...]
    """Of an input in each of the first reads."""
    failing: float
    """Share of their conversions that are repeated."""

    def __check_init__(self):
        require("failing", self.failing, 0, 1)
        if not self.bits or min(self.bits) < 1:
            raise SpecError("bits", f"must be 1 or more in each read, got {list(self.bits)}")
