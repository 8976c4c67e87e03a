"""Every error pimsim raises on purpose.

    PimsimError
    ├── SpecError       a description (YAML, override, argument) that cannot be meant as written
    │   ├── UnitError       a quantity without its unit, or with another's
    │   └── CardNotFound    a name that no card answers to
    ├── NetworkError    a network whose layers do not fit together, or data that do not fit it
    ├── CapacityError   hardware too small for what it is asked to hold
    └── FileError       a file that cannot be read or written

An error has a place, a fact and a remedy. Whoever knows the fact raises it; the reader of the file adds the place.
"""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

E = TypeVar("E", bound="PimsimError")

QUOTED = 60
"""Characters of the user's own text that an error repeats."""


class PimsimError(Exception):
    """A mistake the user can mend; the command line prints it and exits with status 2."""

    def __init__(self, place: str, fact: str, remedy: str = ""):
        super().__init__(place, fact, remedy)
        self.place = place
        self.fact = fact
        self.remedy = remedy

    def __str__(self) -> str:
        head = f"{self.place}: {self.fact}" if self.place else self.fact
        return f"{head}\n  {self.remedy}" if self.remedy else head

    def within(self: E, place: str, separator: str = ".") -> E:
        """The same error, seen from one level further out."""
        inner = f"{place}{separator}{self.place}" if self.place else place
        return type(self)(inner, self.fact, self.remedy)


class SpecError(PimsimError):
    """A description that cannot be meant as written."""


class UnitError(SpecError):
    """A quantity without its unit, or with the unit of another quantity."""


class CardNotFound(SpecError):
    """A name that no card answers to."""


class NetworkError(PimsimError):
    """A network whose layers do not fit together, or data that do not fit the network."""


class CapacityError(PimsimError):
    """Hardware too small for what it is asked to hold."""


class FileError(PimsimError):
    """A file that cannot be read or written."""


@contextmanager
def inside(place: str, separator: str = ".") -> Iterator[None]:
    """Errors of the block, seen from one level further out."""
    try:
        yield
    except PimsimError as error:
        raise error.within(place, separator) from None


def nearest(name: str, known: Iterable[str]) -> str:
    """A remedy: the closest of the known names, whatever their case; where none is close, all or the first of them."""
    names = {each.casefold(): each for each in sorted(known)}
    close = difflib.get_close_matches(name[:QUOTED].casefold(), names, n=3, cutoff=0.5)
    if close:
        return "Did you mean " + " or ".join(names[each] for each in close) + "?"
    if (text := ", ".join(names.values())) and len(text) > 400:
        return "pimsim list names all."
    if len(text) > 200:
        text = text[:200].rsplit(", ", 1)[0] + ", …"
    return f"Known: {text}." if text else ""


def quoted(value: object) -> str:
    """A value as an error repeats it: short, whatever it is."""
    try:
        text = "nothing" if value is None else repr(value)
    except ValueError:  # an integer of more digits than Python prints
        text = "a number of thousands of digits"
    return text if len(text) <= QUOTED else text[: QUOTED - 3] + "..."


def os_fact(error: OSError) -> str:
    """What the operating system says of a file, as a fact."""
    return (error.strerror or str(error) or "is out of reach").lower()


def require(field: str, value: Any, low: int | float, high: int | float = float("inf")) -> None:
    """Raise SpecError unless low ≤ value ≤ high (NaN is outside every range), as every item of an array must be."""
    if outside := _failing(value, (value >= low) & (value <= high)):
        span = f"{quoted(low)} to {quoted(high)}" if high < float("inf") else f"at least {quoted(low)}"
        raise SpecError(field, f"must be {span}, got {quoted(outside[0])}")


def require_positive(field: str, value: Any, unit: str = "") -> None:
    """Raise SpecError unless value > 0, as every item of an array must be."""
    if _failing(value, value > 0):
        raise SpecError(field, f"must be more than 0 {unit}".rstrip())


def _failing(value: Any, passes: Any) -> list[Any]:
    """The values of an array that do not pass, or the one number if it does not."""
    if getattr(value, "ndim", 0):
        return value[~passes].tolist()
    return [] if passes else [value]
