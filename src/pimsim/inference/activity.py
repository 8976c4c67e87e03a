"""What a run's inputs drive and its cells conduct, as a record: the activity that energies follow from."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Shaped

from pimsim.chip import CrossbarCore
from pimsim.inference.driving import Kind, Sums, geometry
from pimsim.inference.engines import LayerPlan
from pimsim.network.ops import MatrixOp
from pimsim.network.quantize import QuantizedNetwork
from pimsim.units import Conductance, Conductances, Counts, Ratios


@dataclass(frozen=True)
class Activity:
    """The reads of one inference on a mean chip. A level is a voltage over that of the largest input.

    Reads and planes are those of the layer with most of them; others have zeros there.
    """

    kind: str
    """moments, of 512 vectors of each batch, evenly picked, or exact, of all vectors."""
    matrix: Shaped[np.ndarray, " matrix"]
    vectors: Int[np.ndarray, " matrix"]
    """Of one inference."""
    cells: Int[np.ndarray, "matrix plane"]
    """That one vector reads. A plane is a slice, of one polarity; the columns that measure Σx are the last."""
    driven_rows: Counts[np.ndarray, "matrix read"]
    """Row drives with anything but zero."""
    level: Ratios[np.ndarray, "matrix read"]
    """First moment over rows and vectors."""
    square: Ratios[np.ndarray, "matrix read"]
    """Second moment; where cells do not obey Ohm's law, the mean of voltage × current over G V²."""
    conductance: Conductances[np.ndarray, "matrix plane"]
    """First moment over cells, as they were written."""
    conductance_rms: Conductances[np.ndarray, "matrix plane"]
    """Root of the second moment."""
    largest_conductance: Conductance
    """That cells are written for."""
    full_reads: Counts[np.ndarray, "matrix read plane"]
    """Σ (level)² G over all reads and cells, in units of the largest conductance."""
    codes: Counts[np.ndarray, "matrix conversion code"]
    """How often each code came out of the conversions of each plane, or pair of them, the columns that measure Σx last.
    Only of layers that bit_true plays, and where `exact` asks for it; empty otherwise."""

    def independent(self) -> Counts[np.ndarray, " matrix"]:
        """What `full_reads` would be if inputs knew nothing of the cells they meet: from both second moments."""
        return self._of_levels(self.square)

    def first_moment(self) -> Counts[np.ndarray, " matrix"]:
        """The same, with the mean level in place of its mean square."""
        return self._of_levels(self.level)

    def mean_squared(self) -> Counts[np.ndarray, " matrix"]:
        """The same, with the square of the mean level in place of the mean square."""
        return self._of_levels(self.level**2)

    def _of_levels(self, share: Ratios[np.ndarray, "matrix read"]) -> Counts[np.ndarray, " matrix"]:
        conducting = (self.cells * self.conductance).sum(axis=1) / self.largest_conductance
        return self.vectors * share.sum(axis=1) * conducting


def describe_activity(
    core: CrossbarCore, quantized: QuantizedNetwork, plans: Mapping[str, LayerPlan],
    chips: Sequence[Mapping[str, Sums]], kind: Kind,
) -> Activity:  # fmt: skip
    """The sums of all chips as means of one inference."""
    names, shape = list(plans), {name: layer.matrix.shape for name, layer in quantized.layers.items()}
    vectors = {op.layer: op.vectors for op in quantized.network.ops() if isinstance(op, MatrixOp)}
    cores = {name: core.at(layer.precision) for name, layer in quantized.layers.items()}
    used = [geometry(cores[name], shape[name], np.asarray(plan.occupied), plan.cuts) for name, plan in plans.items()]
    cells = stacked([cells for _, cells in used])
    total = {name: functools.reduce(Sums.plus, (chip[name] for chip in chips)) for name in names}
    seen = {name: float(total[name].vectors) for name in names}
    rows = {name: seen[name] * shape[name][0] for name in names}
    an_inference = {name: seen[name] / vectors[name] for name in names}

    def table(entry: str, share: Mapping[str, float]) -> np.ndarray:
        return stacked([getattr(total[name], entry) / share[name] for name in names])

    cell = np.maximum(cells, 1)
    return Activity(
        kind=kind,
        matrix=np.array(names),
        vectors=np.array([vectors[name] for name in names]),
        cells=cells,
        driven_rows=table("driven", an_inference),
        level=table("level", rows),
        square=table("square", rows),
        conductance=table("conductance", seen) / cell,
        conductance_rms=np.sqrt(table("conductance_square", seen) / cell),
        largest_conductance=float(core.device.g_max),
        full_reads=table("conducted", an_inference) / float(core.device.g_max),
        codes=table("codes", an_inference),
    )


def stacked(tables: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays of several sizes as one, filled up with zeros."""
    most = np.max([table.shape for table in tables], axis=0)
    return np.array([np.pad(table, [(0, m - n) for m, n in zip(most, table.shape, strict=True)]) for table in tables])
