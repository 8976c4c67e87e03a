"""The arrays that answered: what writing them took, and what their wires lose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Int, Shaped

from pimsim.chip import CrossbarCore
from pimsim.chip.tally import Tally
from pimsim.mapping import Placement
from pimsim.units import Counts, Ratios


@dataclass(frozen=True)
class Arrays:
    """Of each programmed chip, by matrix: means over the cells or the columns of all its copies that were played."""

    matrix: Shaped[np.ndarray, " matrix"]
    cells: Int[np.ndarray, " matrix"]
    """Of one copy."""
    pulses: Counts[np.ndarray, "trial matrix"]
    """That a cell took, on average; NaN where write and verify decides and no data ran."""
    unconverged: Ratios[np.ndarray, "trial matrix"]
    """Share of the cells that ended outside the tolerance of write and verify; NaN where nothing verifies."""
    mean_ir_drop: Ratios[np.ndarray, "trial matrix"]
    """Share of a column's current that the wires take while all rows are driven, on average …"""
    worst_ir_drop: Ratios[np.ndarray, "trial matrix"]
    """… and in the worst column; 0 without wires."""

    def ir_drop(self) -> dict[str, tuple[float, float]]:
        """For each matrix the mean loss, and the worst in any trial; empty where wires lose nothing."""
        if not self.worst_ir_drop.any():
            return {}
        mean, worst = self.mean_ir_drop.mean(axis=0), self.worst_ir_drop.max(axis=0)
        return {name: (float(m), float(w)) for name, m, w in zip(self.matrix.tolist(), mean, worst, strict=True)}


def describe_arrays(
    core: CrossbarCore, placement: Placement, tallies: Sequence[Mapping[str, Tally]], trials: int
) -> Arrays:
    """The tallies of all chips that differ; one alone stands for all trials.

    Cells that are not programmed one by one, because they provably hit their targets, take one pulse each.
    """
    names = placement.matrix.tolist()
    cells = [placement.cells(name, core) for name in names]
    verified, exact, unknown = core.device.verification is not None, core.device.is_exact, float("nan")

    def table(entry: str, unseen: float, whole: Sequence[int]) -> np.ndarray:
        def share(value: Array | None, of: int) -> float:
            return unseen if value is None else float(value) / of

        pairs = list(zip(names, whole, strict=True))
        values = [[share(getattr(tally.get(name, Tally()), entry), of) for name, of in pairs] for tally in tallies]
        return np.broadcast_to(values, (trials, len(names))).copy()

    one = [1] * len(names)

    return Arrays(
        matrix=placement.matrix,
        cells=np.array(cells),
        pulses=table("pulses", unknown if verified and not exact else 1.0, cells),
        unconverged=table("unconverged", 0.0 if verified and exact else unknown, cells),
        mean_ir_drop=table("mean_loss", 0.0, one),
        worst_ir_drop=table("worst_loss", 0.0, one),
    )


def unseen_arrays(core: CrossbarCore, placement: Placement) -> Arrays:
    """What is known of arrays that nobody programmed, because no data ran."""
    return describe_arrays(core, placement, [{}], 1)
