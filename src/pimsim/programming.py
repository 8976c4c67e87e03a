"""What writing a network into a chip takes, once: cells × pulses, and what a pulse costs. No part of an inference."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Shaped

from pimsim.devices import AbstractDevice, endurance_of, pulse_of
from pimsim.inference import Arrays
from pimsim.mapping import Placement
from pimsim.units import Counts, Energies, Energy, Ratios, Time, Times


@dataclass(frozen=True)
class ProgrammingReport:
    """All copies of all matrices, written once; NaN is what nobody states, or knows without data."""

    matrix: Shaped[np.ndarray, " matrix"]
    cells: Int[np.ndarray, " matrix"]
    """Written, in all copies."""
    pulses: Counts[np.ndarray, "trial matrix"]
    unconverged: Ratios[np.ndarray, "trial matrix"]
    """Share of the cells that ended outside the tolerance; NaN where nothing verifies."""
    energy: Energies[np.ndarray, "trial matrix"]
    time: Times[np.ndarray, "trial matrix"]
    """With as many cells as the device states pulsed at a time, and the next one following each that is done."""
    pulse_energy: Energy
    pulse_width: Time
    parallel: int
    """Cells pulsed at a time."""
    endurance: float
    """Writes that a cell survives."""
    lifetime: float
    """Inferences until cells wear out that are rewritten in each (`mapping.overflow: reload`); NaN where none are."""

    @property
    def total_cells(self) -> int:
        return int(self.cells.sum())

    @property
    def total_pulses(self) -> float:
        """Of a mean chip."""
        return float(self.pulses.sum(axis=1).mean())

    @property
    def total_unconverged(self) -> float:
        """Share of all cells of a mean chip."""
        return float((self.unconverged * self.cells).sum(axis=1).mean() / self.cells.sum())

    @property
    def total_energy(self) -> Energy:
        """Of a mean chip."""
        return float(self.energy.sum(axis=1).mean())

    @property
    def total_time(self) -> Time:
        """Of a mean chip, one matrix after the other."""
        return float(self.time.sum(axis=1).mean())

    @property
    def reprogrammings(self) -> float:
        """How often the chip can be written again before the cells of the matrix that takes most pulses wear out."""
        most = float((self.pulses / self.cells).max())
        return math.nan if math.isnan(self.endurance) else max(0.0, self.endurance // most - 1)


def charge_programming(device: AbstractDevice, placement: Placement, arrays: Arrays) -> ProgrammingReport:
    """Multiply the cells by what each took, and the pulses by what one costs."""
    pulse, endurance = pulse_of(device), endurance_of(device)
    cells = arrays.cells * placement.replication
    pulses = arrays.pulses * cells
    energy = math.nan if pulse.energy is None else pulse.energy
    width = math.nan if pulse.width is None else pulse.width
    return ProgrammingReport(
        matrix=placement.matrix,
        cells=cells,
        pulses=pulses,
        unconverged=arrays.unconverged,
        energy=pulses * energy,
        time=pulses * width / pulse.parallel,
        pulse_energy=energy,
        pulse_width=width,
        parallel=pulse.parallel,
        endurance=math.nan if endurance is None else endurance,
        lifetime=math.nan if endurance is None else lifetime(endurance, device, placement),
    )


def lifetime(endurance: float, device: AbstractDevice, placement: Placement) -> float:
    """Inferences until the cells wear out that every round writes, each with as many pulses as verifying allows."""
    if placement.rounds == 1:
        return math.nan
    return endurance // (placement.rounds * (1 if device.verification is None else device.verification[1]))
