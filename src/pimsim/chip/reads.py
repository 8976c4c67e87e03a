"""What reading charges a core for that depends on data: driven rows and conducting cells; nominally, until data ran."""

from dataclasses import replace
from typing import TYPE_CHECKING

from pimsim.chip.core import Count, Line, charge
from pimsim.circuits import AbstractCircuit, BareArray
from pimsim.units import Energy

if TYPE_CHECKING:
    from pimsim.chip.crossbar import CrossbarCore

FULL_READ = "full_read"
"""As much as one cell of the largest conductance takes under the largest input: cell reads weighted by V² G."""
ROW_TOGGLE = "row_toggle"
"""A row driven with anything but zero."""


def charges_cells(core: "CrossbarCore") -> bool:
    """Whether reads cost what cells conduct, because no energy of the array is stated."""
    return isinstance(core.array, BareArray)


def full_read_energy(core: "CrossbarCore") -> Energy | None:
    """V² g_max t; None where the core does not state how it reads."""
    return None if core.read_pulse is None else float(core.read_pulse.energy(core.device.g_max))


def nominal_share(core: "CrossbarCore") -> float:
    """A mean cell read over a full one, where all digits are as frequent as each other, and all levels.

    The mean square of 0 … D is (2D+1)/(6D) of D²; the mean conductance is halfway from g_min to g_max.
    """
    top = 2**core.dac.bits - 1
    return (2 * top + 1) / (6 * top) * float(1 + core.device.g_min / core.device.g_max) / 2


def nominal(core: "CrossbarCore", events: dict[str, Count]) -> dict[str, Count]:
    """Events of one vector, those that depend on data among them."""
    events = dict(events)
    if charges_cells(core):
        events[FULL_READ] = events.pop("cell_read") * nominal_share(core)
    drives = {"row_drive": events.pop("row_drive")}
    drives[ROW_TOGGLE] = drives["row_drive"] * (1 - 0.5**core.dac.bits)
    drivers = [core.dac] if core.word_line is None else [core.dac, core.word_line]
    return events | {event: drives[event] for event in sorted({row_event(driver) for driver in drivers})}


def row_event(unit: AbstractCircuit) -> str:
    """What a driver of rows is charged for: every read, unless its card says for toggling."""
    return ROW_TOGGLE if unit.event == ROW_TOGGLE else "row_drive"


def array_line(core: "CrossbarCore") -> Line:
    """The arrays of a core on its bill."""
    line = charge("array", FULL_READ if charges_cells(core) else "cell_read", core.arrays, core.array)
    energy = full_read_energy(core)
    if not charges_cells(core) or energy is None:
        return line
    together = core.rows * core.columns * nominal_share(core) / core.cycle
    return line._replace(cost=replace(line.cost, energy=energy, power=energy * together))
