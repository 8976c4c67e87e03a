"""The range of currents that a converter's codes span, in steps of one level under one unit of input."""

from abc import abstractmethod

import numpy as np
from jaxtyping import Float

from pimsim.errors import SpecError
from pimsim.spec import AbstractSpec

Limits = tuple[float, float]
"""The currents of the first and of the last code."""


class AbstractFullScale(AbstractSpec):
    """A rule for the range."""

    @abstractmethod
    def limits(
        self, slice_index: int, codes: int, lowest: float, highest: float, samples: Float[np.ndarray, " n"] | None
    ) -> Limits:
        """The range of one slice's conversions, for columns whose sums lie between `lowest` and `highest`.

        `samples` are sums seen on calibration vectors. Raises SpecError where the rule needs what it does not get.
        """

    @property
    def needs_samples(self) -> bool:
        return False


class Lossless(AbstractFullScale):
    """One code per level: sums are whole numbers in units of a level, and those beyond the codes clip."""

    def limits(
        self, slice_index: int, codes: int, lowest: float, highest: float, samples: Float[np.ndarray, " n"] | None
    ) -> Limits:
        first = 0.0 if lowest >= 0 else -float(codes // 2)
        return first, first + codes - 1


class Maximum(AbstractFullScale):
    """From the least to the greatest current that a column can carry."""

    def limits(
        self, slice_index: int, codes: int, lowest: float, highest: float, samples: Float[np.ndarray, " n"] | None
    ) -> Limits:
        return lowest, highest


class Calibrated(AbstractFullScale):
    """Percentiles of the currents seen on calibration vectors, per layer and slice.

    Columns that carry both signs get a range symmetric about zero.
    """

    percentile: float = 100.0
    """Of the currents from below; as many are left out at the low end of a range that does not start at 0."""

    def __check_init__(self):
        if not 50 < self.percentile <= 100:
            raise SpecError("percentile", f"must be above 50 and at most 100, got {self.percentile:g}")

    @property
    def needs_samples(self) -> bool:
        return True

    def limits(
        self, slice_index: int, codes: int, lowest: float, highest: float, samples: Float[np.ndarray, " n"] | None
    ) -> Limits:
        if samples is None:
            fact = "a calibrated range needs currents to calibrate on"
            raise SpecError("full_scale", fact, "Call core.calibrate(array, vectors) before core.matmul.")
        high = float(np.percentile(np.abs(samples), self.percentile))
        high = high if high > 0 else 1.0
        return (-high if lowest < 0 else 0.0), high


class Fixed(AbstractFullScale):
    """A range given for all slices, or for each, least significant first."""

    high: tuple[float, ...]
    low: tuple[float, ...] = (0.0,)

    def __check_init__(self):
        if len(self.low) not in (1, len(self.high)):
            raise SpecError("low", f"expected 1 or {len(self.high)} values, got {len(self.low)}")
        for low, high in zip(self.low * len(self.high), self.high, strict=False):
            if not low < high:
                raise SpecError("high", f"must exceed low ({low:g}), got {high:g}")

    def limits(
        self, slice_index: int, codes: int, lowest: float, highest: float, samples: Float[np.ndarray, " n"] | None
    ) -> Limits:
        low, high = self.low[slice_index % len(self.low)], self.high[min(slice_index, len(self.high) - 1)]
        return low, high
