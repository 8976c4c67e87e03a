"""Many chips at once that differ in the parameters of their components: one chip whose fields are arrays."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import equinox as eqx
import numpy as np

from pimsim.chip.chip import Chip
from pimsim.circuits import AbstractCircuit
from pimsim.errors import SpecError, nearest, quoted
from pimsim.spec import AbstractSpec

Values = np.ndarray | Sequence[Any] | int | float
DECISIVE = {
    "core.dac.bits": "how many reads a vector takes",
    "tile.router.flit_bits": "how many flits a vector is",
    "tile.router.shared_by": "how many tiles there are",
    "tile.products.mac.rate": "how long products of results take",
    "tile.products.mac.number": "how long products of results take",
    "tile.products.array.number": "how long products of results take",
    "link.bandwidth": "when vectors arrive from other chips",
    "memory.rate": "how long tensors take to pass",
    "memory.number": "how long tensors take to pass",
}
"""Parameters of components that decide more than what an event costs."""
REMEDY = "Load a chip for each value and schedule it."


def vary(chip: Chip, changes: Mapping[str, Values]) -> Chip:
    """The chip with arrays, one value a variant, in SI, where components have parameters: its bill holds arrays, too.

        vary(chip, {"core.adc.bits": [6, 7, 8], "core.adc.power": [1.2e-3, 1.6e-3, 2e-3]}).bill()

    For bills and `accounting.reprice`; not for programming or scheduling. One number is that of all variants.
    Raises SpecError for a path that leads to no number of a component, arrays of several lengths, values that the
    component refuses, parameters that change what happens or when, not only what it costs, and tiles of several kinds.
    """
    if chip.kinds:
        raise SpecError("kinds", "tiles of several kinds are not varied", "Load a chip for each value.")
    values = {path: _values(chip, path, value) for path, value in changes.items()}
    lengths = {len(value) for value in values.values() if value.ndim}
    if len(lengths) > 1:
        raise SpecError("", f"arrays of {len(lengths)} lengths: {quoted(sorted(lengths))}", "One value a variant.")
    many = chip
    for path, value in values.items():
        place = attrgetter(path)
        many = eqx.tree_at(place, many, value if value.ndim else value.item())
    for path in values:
        _check(many, path)
    _require_same_work(chip, many)
    return many


def _values(chip: Chip, path: str, value: Values) -> np.ndarray:
    """The values for a field of a component, of the field's own type."""
    *owners, old = _along(chip, path)
    if not any(isinstance(owner, AbstractCircuit) for owner in owners) or type(old) not in (int, float):
        raise SpecError(path, "is no number of a component", "Vary what one of its components is made of.")
    if path in DECISIVE:
        raise SpecError(path, f"decides {DECISIVE[path]}, not only what it costs", REMEDY)
    array = np.asarray(value)
    if array.ndim > 1 or array.dtype.kind not in ("iu" if type(old) is int else "iuf"):
        kind = "whole numbers" if type(old) is int else "numbers, in SI"
        raise SpecError(path, f"expected a row of {kind}, got {quoted(value)}")
    return array.astype(type(old))


def _along(chip: Chip, path: str) -> list[Any]:
    """The chip, everything that holds the field at `path`, and its value."""
    found: list[Any] = [chip]
    for name in path.split("."):
        fields = vars(found[-1]) if isinstance(found[-1], AbstractSpec) else {}
        if name not in fields:
            raise SpecError(path, f"{quoted(name)} is no field", nearest(name, fields))
        found.append(fields[name])
    return found


def _check(many: Chip, path: str) -> None:
    """Raise SpecError for values that the component at `path`, or a part of it, would not be made with."""
    names, owners = path.split("."), _along(many, path)[:-1]
    first = next(depth for depth, owner in enumerate(owners) if isinstance(owner, AbstractCircuit))
    for depth, owner in enumerate(owners[first:], start=first):
        for kind in type(owner).__mro__:
            try:
                vars(kind).get("__check_init__", lambda _: None)(owner)
            except SpecError as error:
                raise error.within(".".join(names[:depth])) from None


def _require_same_work(chip: Chip, many: Chip) -> None:
    """Raise SpecError if conversions change how long a read takes, or how much of each is done."""
    if np.any(many.core.read_cycles() != chip.core.read_cycles()):
        raise SpecError("core.adc", "some of its variants change the cycles of a read, not only its cost", REMEDY)
    if chip.steps is not None and step_times(many) != step_times(chip):
        raise SpecError("steps", "some variants change how long the steps of a vector take", REMEDY)
    if chip.core.adc_bits and np.any(many.core.adc.bits != chip.core.adc.bits):
        raise SpecError("core.adc.bits", "decides how much of each conversion is resolved, by adc_bits", REMEDY)


def step_times(chip: Chip) -> list[Any]:
    """What of the components decides how long the steps of a vector take."""
    assert chip.steps is not None
    buffers, pool = (chip.steps.buffer, chip.tile.buffer), chip.tile.pool
    times = (*(buffer.cost().latency for buffer in buffers), pool.cost().latency, pool.number, chip.core.adc.bits)
    return [np.asarray(time).tolist() for time in times]
