"""How far a model is from measurements before a fit, after it, and where it was not fitted.

    minimise  Σ ln²(measured / model)          over factors on the parameters that are fitted

Before the fit each of them has the default of its class (1 for the factors of `Parts`), or else the card's value. Every
measurement is then predicted from a fit to the others: that, not the fit, says what the model is worth elsewhere.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import equinox as eqx
import numpy as np

from pimsim.errors import SpecError, nearest, quoted
from pimsim.spec import AbstractSpec

Fit = Mapping[str, Sequence[str]]
"""What is fitted, by a name for people: paths of numbers on the chip, all of which one factor multiplies."""
Model = Callable[[np.ndarray], np.ndarray]
STEP, LONGEST, ROUNDS, CONVERGED = 1e-4, 0.5, 40, 1e-6
"""Of logarithms: the difference that a slope is taken over, the largest step, how many, and the last one."""


@dataclasses.dataclass(frozen=True)
class Measurement:
    """A value that was published, and the chip and quantity that model it."""

    chip: Any
    quantity: Callable[[Any], Any]
    value: float
    group: str
    """Measurements of one group are left out together."""


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What a model makes of measurements."""

    uncalibrated: list[float]
    calibrated: list[float]
    others: list[float] | None
    """Each group from a fit to the rest; None where that does not decide it."""
    factors: dict[str, float]
    """What was fitted to all of them."""


def calibrate(measurements: Sequence[Measurement], fit: Fit) -> Calibration:
    """The three ways to compare a model with measurements; `fit` names what is fitted."""
    start = [uncalibrated(point.chip, fit) for point in measurements]
    model = partial(modelled, measurements, start, fit)
    groups = np.array([point.group for point in measurements])
    names = list(dict.fromkeys(groups.tolist()))
    keep = np.array([np.full(len(groups), True), *(groups != name for name in names)])
    decided = len(names) > 1 and keep.sum(axis=1).min() >= len(fit)
    logs = solve(model, np.log([point.value for point in measurements]), keep if decided else keep[:1], len(fit))
    fitted = model(logs)
    own = [1 + names.index(group) for group in groups.tolist()]
    return Calibration(
        uncalibrated=model(np.zeros((1, len(fit))))[:, 0].tolist(),
        calibrated=fitted[:, 0].tolist(),
        others=fitted[np.arange(len(own)), own].tolist() if decided else None,
        factors=dict(zip(fit, np.exp(logs[0]).tolist(), strict=True)),
    )


def solve(model: Model, measured: np.ndarray, keep: np.ndarray, count: int) -> np.ndarray:
    """The logarithms of the factors, [variant, factor], by Gauss and Newton; `keep`, [variant, measurement].

    All variants at once: the chip's parameters are arrays. Raises SpecError where they do not settle.
    """
    logs = np.zeros((len(keep), count))
    nudges = STEP * np.vstack([np.zeros(count), np.eye(count)])
    for _ in range(ROUNDS):
        tried = (logs[:, None] + nudges).reshape(-1, count)
        misses = (measured[:, None] - np.log(model(tried))).reshape(len(measured), len(keep), 1 + count)
        slopes = (misses[..., 1:] - misses[..., :1]) / STEP
        steps = np.array([
            np.linalg.lstsq(-slopes[rows, v], misses[rows, v, 0], rcond=1e-6)[0] for v, rows in enumerate(keep)
        ])  # fmt: skip
        largest = np.abs(steps).max(axis=1, keepdims=True)
        logs = logs + steps * np.minimum(1.0, LONGEST / np.maximum(largest, LONGEST))
        if largest.max() < CONVERGED:
            return logs
    raise SpecError("fit", f"does not settle in {ROUNDS} steps", "Fit less, or start from nearer values.")


def modelled(measurements: Sequence[Measurement], start: Sequence[Any], fit: Fit, logs: np.ndarray) -> np.ndarray:
    """What chips with factors exp(logs), [variant, factor], make of each: [measurement, variant]."""
    factors = dict(zip(fit, np.exp(logs).T, strict=True))
    chips = [multiplied(chip, fit, factors) for chip in start]
    values = [point.quantity(chip) for point, chip in zip(measurements, chips, strict=True)]
    return np.array([np.broadcast_to(value, len(logs)) for value in values])


def uncalibrated(chip: Any, fit: Fit) -> Any:
    """The chip with what is fitted at the defaults of its classes; what has none stays as it is."""
    defaults = {}
    for path in (path for paths in fit.values() for path in paths):
        owner, name = at(chip, path.split(".")[:-1]), path.split(".")[-1]
        default = next((f.default for f in dataclasses.fields(owner) if f.name == name), dataclasses.MISSING)
        if default is not dataclasses.MISSING:
            defaults[path] = default
    return replaced(chip, defaults)


def multiplied(chip: Any, fit: Fit, factors: Mapping[str, np.ndarray]) -> Any:
    """The chip with each fitted parameter times its factor, an array of variants."""
    old = {path: name for name, paths in fit.items() for path in paths}
    return replaced(chip, {path: at(chip, path.split(".")) * factors[name] for path, name in old.items()})


def replaced(chip: Any, values: Mapping[str, Any]) -> Any:
    paths = [path.split(".") for path in values]
    return eqx.tree_at(lambda whole: [at(whole, path) for path in paths], chip, list(values.values()))


def at(chip: Any, names: Sequence[str]) -> Any:
    """What a path of fields and keys leads to. Raises SpecError where it leads nowhere."""
    value = chip
    for name in names:
        inside = vars(value) if isinstance(value, AbstractSpec) else value if isinstance(value, Mapping) else {}
        if name not in inside:
            fact = f"{quoted(name)} is nothing on this card that could be fitted"
            raise SpecError(".".join(names), fact, nearest(name, inside))
        value = inside[name]
    return value
