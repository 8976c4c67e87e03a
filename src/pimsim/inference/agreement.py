"""How near the chip's outputs come to those of float arithmetic: what can be said of images without labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Num

from pimsim.network.sqnr import decibel
from pimsim.units import Ratios


@dataclass(frozen=True)
class Agreement:
    """Outputs on the same images, compared with the float network's."""

    quantized_top1: float
    """Share of the images whose largest output is the same one, on exact integers …"""
    crossbar_top1: Ratios[np.ndarray, " trial"]
    """… and on each programmed chip."""
    quantized_cosine: float
    """Cosine of the angle between the two outputs, a mean over the images."""
    crossbar_cosine: Ratios[np.ndarray, " trial"]
    quantized_noise: float
    """Sum of the squares of the deviations over that of the float outputs."""
    crossbar_noise: Ratios[np.ndarray, " trial"]

    @classmethod
    def of(cls, quantized: Float[np.ndarray, "3"], crossbar: Float[np.ndarray, "trial 3"]) -> "Agreement":
        """From the same class, cosine and noise of each."""
        return cls(
            quantized_top1=float(quantized[0]),
            crossbar_top1=crossbar[:, 0].copy(),
            quantized_cosine=float(quantized[1]),
            crossbar_cosine=crossbar[:, 1].copy(),
            quantized_noise=float(quantized[2]),
            crossbar_noise=crossbar[:, 2].copy(),
        )

    def summary(self) -> dict[str, dict[str, float | None]]:
        """Means over the chips, with the ratio of signal to noise in dB; null where nothing deviates."""
        return {
            side: {
                "top1": float(np.mean(getattr(self, f"{side}_top1"))),
                "cosine": float(np.mean(getattr(self, f"{side}_cosine"))),
                "sqnr_dB": decibel(float(np.mean(getattr(self, f"{side}_noise")))),
            }
            for side in ("quantized", "crossbar")
        }


def compare_outputs(
    y: Num[np.ndarray, "image value"], wanted: Num[np.ndarray, "image value"]
) -> Float[np.ndarray, "5"]:
    """Sums over the images: equal classes, cosines, squared deviations, squares of what is wanted, and their number."""
    y, wanted = y.astype(np.float64), wanted.astype(np.float64)
    lengths = np.linalg.norm(y, axis=1) * np.linalg.norm(wanted, axis=1)
    same = (y == wanted).all(axis=1)  # also where both are zero, which have no angle
    cosine = np.where(same, 1.0, (y * wanted).sum(axis=1) / np.where(lengths > 0, lengths, 1.0))
    top1 = y.argmax(axis=1) == wanted.argmax(axis=1)
    return np.array([top1.sum(), cosine.sum(), np.sum((y - wanted) ** 2), np.sum(wanted**2), len(y)])


def mean_of(sums: Sequence[Float[np.ndarray, "5"]]) -> Float[np.ndarray, "3"]:
    """Share of equal classes, mean cosine, and power of the deviation over that of what is wanted, of all batches."""
    top1, cosine, noise, power, count = np.sum(sums, axis=0)
    return np.array([top1 / count, cosine / count, noise / power if power else float(noise > 0)])


def share_correct(
    found: Int[np.ndarray, "*trial sample"], labels: Int[np.ndarray, " sample"]
) -> Float[np.ndarray, "*trial"]:
    """The accuracy; NaN where not every image has a label."""
    return np.asarray((found == labels).mean(axis=-1) if (labels >= 0).all() else np.full(found.shape[:-1], np.nan))
