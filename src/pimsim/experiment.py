"""One experiment: a network, its data, a chip, and how the one is put on the other."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import equinox as eqx

from pimsim.accounting import Charging
from pimsim.catalog import apply_overrides, card_path, load_card, parse_yaml, registered
from pimsim.chip import Chip
from pimsim.devices import AbstractDevice
from pimsim.errors import SpecError, nearest, require
from pimsim.mapping import Replicate
from pimsim.spec import AbstractSpec, from_data

T = TypeVar("T")


class Calibration(AbstractSpec):
    """How the input range of each layer is chosen."""

    percentile: float = 100.0
    """Of the magnitudes a layer sees on training images; 100 is the largest. Inputs beyond it clip."""
    images: int = 500
    """Training images to look at."""

    def __check_init__(self):
        require("images", self.images, 1)
        if not 0 < self.percentile <= 100:
            raise SpecError("percentile", f"must be above 0 and at most 100, got {self.percentile:g}")


class MappingPlan(AbstractSpec):
    """How matrices are put into arrays."""

    replicate: Replicate = "balance"


class Experiment(AbstractSpec):
    """Everything one run depends on."""

    name: str
    chip: Chip
    network: str
    dataset: str = "mnist"
    samples: int = 1000
    """Test images."""
    trials: int = 1
    """Chips programmed, each with errors of its own."""
    seed: int = 0
    calibration: Calibration = eqx.field(default_factory=Calibration)
    mapping: MappingPlan = eqx.field(default_factory=MappingPlan)
    charging: Charging = eqx.field(default_factory=Charging)

    def __check_init__(self):
        for field in ("network", "dataset"):
            name, names = getattr(self, field), registered(f"{field}s")
            if name not in names:
                raise SpecError(field, f"no {field} is called {name!r}", nearest(name, names))
        require("samples", self.samples, 1)
        require("trials", self.trials, 1)
        require("seed", self.seed, 0, 2**32 - 1)


def load_experiment(name: str, overrides: Mapping[str, Any] | None = None) -> Experiment:
    """The experiment of a card or a .yaml file, with values replaced at dotted paths.

        load_experiment("isaac-lenet5", {"trials": 16, "chip.core.device.programming_noise": "2 uS"})

    Raises SpecError, CardNotFound or FileError, with the file and the path inside it as place.
    """
    return _load(name, "experiment", Experiment, overrides)


def load_chip(name: str, overrides: Mapping[str, Any] | None = None) -> Chip:
    """The chip of a card or a .yaml file."""
    return _load(name, "chip", Chip, overrides)


def load_device(name: str, overrides: Mapping[str, Any] | None = None) -> AbstractDevice:
    """The cell of a card or a .yaml file."""
    return _load(name, "device", AbstractDevice, overrides)


def parse_experiment(text: str, place: str, overrides: Mapping[str, Any] | None = None) -> Experiment:
    """The experiment in a YAML text, such as a result file holds."""
    try:
        return from_data(apply_overrides(parse_yaml(text, place), overrides or {}), Experiment)
    except SpecError as error:
        raise error if error.place == place else error.within(place, ": ") from None


def _load(name: str, kind: str, form: type[T], overrides: Mapping[str, Any] | None) -> T:
    path = card_path(name, kind)
    card = load_card(name, kind)
    try:
        return from_data(apply_overrides(card, overrides or {}, path.parent), form)
    except SpecError as error:
        place = name if Path(name).suffix else path.stem
        raise error.within(place, ": ") from None
