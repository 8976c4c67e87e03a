"""How integers enter the rows: a few bits a read, least significant first."""

from abc import abstractmethod
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Int, Integer

from pimsim.chip.encoding import cut
from pimsim.spec import AbstractSpec


class Stream(NamedTuple):
    """The bits of an input that one read applies."""

    shift: int
    width: int
    weight: float
    """What the read counts: 2^shift, negative for the sign bit of two's complement."""


class AbstractInputs(AbstractSpec):
    """A way to stream signed integers; unsigned ones are streamed as they are."""

    @abstractmethod
    def streams(self, bits: int, dac_bits: int) -> tuple[Stream, ...]:
        """The reads of one vector of signed `bits`-bit integers."""

    @abstractmethod
    def code(self, x: Int[Array, "vector row"], bits: int) -> Int[Array, "vector row"]:
        """What is streamed for signed integers; the sign of a negative code is the sign of every digit."""

    def bias(self, bits: int) -> int:
        """What `code` adds to every integer."""
        return 0

    @property
    def bipolar(self) -> bool:
        """Whether digits may be negative, and with them the currents."""
        return False


class TwosComplementInputs(AbstractInputs):
    """The bits of x in two's complement; the sign bit has a read of its own, the last, which is subtracted."""

    def streams(self, bits: int, dac_bits: int) -> tuple[Stream, ...]:
        return (*unsigned_streams(bits - 1, dac_bits), Stream(bits - 1, 1, -(2.0 ** (bits - 1))))

    def code(self, x: Int[Array, "vector row"], bits: int) -> Int[Array, "vector row"]:
        return x & (2**bits - 1)


class SignMagnitudeInputs(AbstractInputs):
    """The bits of |x|, each applied with the sign of x as a voltage of that sign; -2^(b-1) does not fit."""

    def streams(self, bits: int, dac_bits: int) -> tuple[Stream, ...]:
        return unsigned_streams(max(1, bits - 1), dac_bits)

    def code(self, x: Int[Array, "vector row"], bits: int) -> Int[Array, "vector row"]:
        return x

    @property
    def bipolar(self) -> bool:
        return True


class OffsetInputs(AbstractInputs):
    """The bits of x + 2^(b-1), which is not negative; 2^(b-1) times each column's sum of weights is subtracted."""

    def streams(self, bits: int, dac_bits: int) -> tuple[Stream, ...]:
        return unsigned_streams(bits, dac_bits)

    def code(self, x: Int[Array, "vector row"], bits: int) -> Int[Array, "vector row"]:
        return x + self.bias(bits)

    def bias(self, bits: int) -> int:
        return 2 ** (bits - 1)


def unsigned_streams(bits: int, dac_bits: int) -> tuple[Stream, ...]:
    """The reads of unsigned integers."""
    widths = cut(bits, dac_bits)
    return tuple(Stream(sum(widths[:b]), width, 2.0 ** sum(widths[:b])) for b, width in enumerate(widths))


def digits(code: Integer[Array, "*vector row"], shift: int | Int[Array, ""], mask: int | Int[Array, ""]) -> Array:
    """The digits [vector, row] of one read, with the signs of their codes."""
    shift, mask = jnp.asarray(shift, code.dtype), jnp.asarray(mask, code.dtype)
    if jnp.issubdtype(code.dtype, jnp.unsignedinteger):
        return (code >> shift) & mask
    return jnp.sign(code) * ((jnp.abs(code) >> shift) & mask)
