"""What cells take while they are read in one inference: V² G t, beside what the array's card states."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped

from pimsim.chip import Chip
from pimsim.chip.reads import charges_cells, full_read_energy, nominal_share
from pimsim.inference import Activity
from pimsim.mapping import Placement
from pimsim.network.ops import MatrixOp, Op
from pimsim.units import Counts, Energies, Energy


@dataclass(frozen=True)
class ReadReport:
    """Σ V² G over all reads and cells, in units of V² g_max: of the run's own data, and as others estimate it."""

    kind: str
    """Where `full_reads` are from: nominal, because no data ran, with all digits and levels equally frequent; moments,
    of a sample of the vectors; or exact, of every one."""
    matrix: Shaped[np.ndarray, " matrix"]
    full_reads: Counts[np.ndarray, " matrix"]
    independent: Counts[np.ndarray, " matrix"]
    """As if inputs knew nothing of the cells they meet: layer means of V² and of G. NaN where no data ran, as below."""
    first_moment: Counts[np.ndarray, " matrix"]
    """With the layer mean of V in place of that of V², the largest voltage being 1."""
    mean_squared: Counts[np.ndarray, " matrix"]
    """With the square of the layer mean of V in place of the mean of V²."""
    full_read_energy: Energy
    """V² g_max t; NaN where the core does not state how it reads."""
    charged: bool
    """Whether this is what the inference is charged for; otherwise that is what the array's card states."""

    @property
    def energy(self) -> Energies[np.ndarray, " matrix"]:
        return self.full_reads * self.full_read_energy

    @property
    def total_energy(self) -> Energy:
        return float(self.energy.sum())

    def gaps(self) -> dict[str, float]:
        """Each estimate over what it estimates, minus 1; NaN where no data ran."""
        total = self.full_reads.sum()
        estimates = {name: getattr(self, name).sum() for name in ("independent", "first_moment", "mean_squared")}
        return {name: float(value / total - 1) if total else math.nan for name, value in estimates.items()}


def report_reads(
    ops: Sequence[Op], placement: Placement, chip: Chip, signed: Mapping[str, bool], activity: Activity | None
) -> ReadReport:
    """What the cells conducted, or nominally would."""
    energy, core = full_read_energy(chip.core), chip.core
    shared = {
        "matrix": placement.matrix,
        "full_read_energy": math.nan if energy is None else energy,
        "charged": charges_cells(core),
    }
    if activity is not None:
        return ReadReport(
            kind=activity.kind,
            full_reads=activity.full_reads.sum(axis=(1, 2)),
            independent=activity.independent(),
            first_moment=activity.first_moment(),
            mean_squared=activity.mean_squared(),
            **shared,
        )
    cores = {layer: core.at(placement.precision(layer)) for layer in placement.matrix.tolist()}
    matrices = [op for op in ops if isinstance(op, MatrixOp)]
    reads = {op.layer: op.vectors * len(cores[op.layer].streams(signed[op.layer])) for op in matrices}
    full = [reads[layer] * placement.cells(layer, core) for layer in placement.matrix.tolist()]
    unknown = np.full(len(placement.matrix), math.nan)
    return ReadReport(
        kind="nominal",
        full_reads=nominal_share(core) * np.array(full),
        independent=unknown,
        first_moment=unknown,
        mean_squared=unknown,
        **shared,
    )
