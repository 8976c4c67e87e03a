"""What multiplies two results of the network with each other, such as Q·Kᵀ and A·V."""

from abc import abstractmethod
from math import ceil, floor
from typing import NamedTuple

from pimsim.chip.core import Line, charge
from pimsim.circuits import Circuit
from pimsim.errors import require, require_positive
from pimsim.spec import AbstractSpec
from pimsim.units import Time


class Product(NamedTuple):
    """`heads` products [m, k] · [k, n]: m vectors of the left side, each with all of the right side."""

    heads: int
    m: int
    k: int
    n: int
    macs: int
    """Useful multiplications; what a mask leaves out does not count."""


class Pace(NamedTuple):
    """How the vectors of a product's left side pass, one after the other."""

    setup: Time
    """From the arrival of the right side until the first vector can pass."""
    each: Time
    """From one vector to the next."""

    def busy(self, product: Product) -> Time:
        """How long one product occupies what multiplies it."""
        return self.setup + product.m * self.each


class AbstractProducts(AbstractSpec):
    """What a tile has for products of two results."""

    @abstractmethod
    def pace(self, product: Product, tiles: float) -> Pace:
        """The time of a product that has so many tiles to itself, or parts of them."""

    @abstractmethod
    def events(self, product: Product, bits: int) -> dict[str, float]:
        """How often each component acts; operands are of so many bits."""

    @abstractmethod
    def reads(self, product: Product) -> int:
        """Values read from the buffers."""

    @abstractmethod
    def bill(self) -> list[Line]:
        """The components in one tile."""


class DigitalProducts(AbstractProducts):
    """Multiply-accumulate units, fed from the tile's buffer.

        time     macs / (units · rate)
        reads    m·k left values a head, and each right value once for every `reuse` vectors

    What a mask leaves out is neither multiplied nor read.
    """

    mac: Circuit
    reuse: int = 1
    """Vectors of the left side that share a value read of the right side: the units hold as many at a time."""

    def __check_init__(self):
        require("reuse", self.reuse, 1)

    def pace(self, product: Product, tiles: float) -> Pace:
        return Pace(0.0, product.macs / product.m / (tiles * self.mac.number * self.mac.rate))

    def events(self, product: Product, bits: int) -> dict[str, float]:
        return {"multiply_accumulate": float(product.macs)}

    def reads(self, product: Product) -> int:
        right = ceil(product.m / self.reuse) * product.macs // product.m
        return product.heads * product.m * product.k + right

    def bill(self) -> list[Line]:
        return [charge("mac", "multiply_accumulate", self.mac.number, self.mac)]


class RewrittenArrays(AbstractProducts):
    """SRAM arrays, written anew with the right side of each product; the left side passes them, mask or none.

        blocks   heads · ⌈k / rows⌉ · ⌈n / columns⌉
        passes   ⌈blocks / arrays⌉
        time     passes · (min(k, rows) · row_write_time + m · interval)

    The arrays of a pass are written at the same time, a row of each at a time.
    """

    rows: int
    columns: int
    """Values, not cells, in a row."""
    array: Circuit
    """Its event is one multiply-accumulate; `number` arrays a tile."""
    interval: Time
    """From one vector to the next."""
    operand_write: Circuit
    """Its event is one bit written into an array."""
    row_write_time: Time

    def __check_init__(self):
        require("rows", self.rows, 1, 65536)
        require("columns", self.columns, 1, 65536)
        require_positive("interval", self.interval, "s")
        require("row_write_time", self.row_write_time, 0)

    def pace(self, product: Product, tiles: float) -> Pace:
        arrays = max(1, floor(tiles * self.array.number + 1e-9))
        passes = ceil(product.heads * self._blocks(product) / arrays)
        write = min(product.k, self.rows) * self.row_write_time
        return Pace(write, passes * self.interval + (passes - 1) * write / product.m)

    def events(self, product: Product, bits: int) -> dict[str, float]:
        right, results = product.heads * product.k * product.n, product.heads * product.m * product.n
        return {
            "multiply_accumulate": float(product.m * right),
            "operand_bit_write": float(bits * right),
            "addition": float(results * (ceil(product.k / self.rows) - 1)),
        }

    def reads(self, product: Product) -> int:
        left = product.m * product.k * ceil(product.n / self.columns)
        return product.heads * (left + product.k * product.n)

    def bill(self) -> list[Line]:
        return [
            charge("product_array", "multiply_accumulate", self.array.number, self.array),
            charge("operand_write", "operand_bit_write", self.operand_write.number, self.operand_write),
        ]

    def _blocks(self, product: Product) -> int:
        return ceil(product.k / self.rows) * ceil(product.n / self.columns)
