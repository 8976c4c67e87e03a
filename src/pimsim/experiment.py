"""One experiment: a network, its data, a chip, and how the one is put on the other."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import equinox as eqx

from pimsim.accounting import Charging
from pimsim.cardfile import parse_yaml
from pimsim.catalog import apply_overrides, is_file_name, load_card, registered
from pimsim.chip import AbstractChip, Chip, Machine
from pimsim.circuits import AbstractCircuit
from pimsim.devices import AbstractDevice
from pimsim.errors import PimsimError, SpecError, nearest, quoted, require
from pimsim.inference.engines import Engine
from pimsim.mapping import Budget, Distribution, Overflow, Placement, Replicate, Tiles, distribute, place
from pimsim.network.datasets import Dataset
from pimsim.network.ops import Op
from pimsim.schedule import SchedulePlan
from pimsim.spec import AbstractSpec, from_data

T = TypeVar("T")
MAX_TRIALS = 100_000
NO_DATA = "none"


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
    budget: Budget | None = None
    """What the copies may take, instead of the chips that one copy of each matrix needs."""
    overflow: Overflow = "spread"
    tiles: Tiles = "shared"

    def place(self, ops: Sequence[Op], chip: Chip) -> Placement:
        """The matrices of a network in the arrays of a chip, as planned."""
        return place(ops, chip, self.replicate, budget=self.budget, overflow=self.overflow, tiles=self.tiles)

    def distribute(self, ops: Sequence[Op], machine: Machine) -> Distribution:
        """The same in the memories of machines."""
        return distribute(ops, machine, self.replicate, budget=self.budget, overflow=self.overflow)


class Experiment(AbstractSpec):
    """Everything one run depends on."""

    name: str
    """Also of the result file."""
    chip: AbstractChip
    network: str
    dataset: str = NO_DATA
    """What the network is asked; `none` asks for the cost alone, of any network."""
    samples: int = 1000
    """Test images."""
    trials: int = 1
    """Chips programmed, each with errors of its own."""
    seed: int = 0
    engine: Engine = "auto"
    """bit_true plays every conversion; folded asks for a proof that none matters; statistical draws their error; auto
    folds where the proof holds and plays the rest."""
    calibration: Calibration = eqx.field(default_factory=Calibration)
    mapping: MappingPlan = eqx.field(default_factory=MappingPlan)
    schedule: SchedulePlan = eqx.field(default_factory=SchedulePlan)
    charging: Charging = eqx.field(default_factory=Charging)

    def __check_init__(self):
        if not re.fullmatch(r"[^\s./\\][^\x00-\x1f/\\]{0,59}", self.name):
            fact = f"must be usable as the name of a file, got {quoted(self.name)}"
            raise SpecError("name", fact, "At most 60 characters, none of them a slash.")
        for field in ("network", "dataset"):
            name, names = getattr(self, field), registered(f"{field}s")
            if field == "dataset" and name == NO_DATA:
                continue
            if name not in names:
                raise SpecError(field, f"no {field} is called {quoted(name)}", nearest(name, names))
        if self.has_data and not isinstance(self.chip, Chip):
            fact = f"{self.chip.name} has no arrays, so what it computes is not simulated"
            raise SpecError("dataset", fact, f"Ask for its cost alone: dataset: {NO_DATA}.")
        if self.has_data and isinstance(self.chip, Chip) and self.chip.core.layout is not None:
            fact = f"{self.chip.name} reads arrays in turns (core.layout), which no engine plays"
            raise SpecError("dataset", fact, "Ask for the cost alone: dataset: none")
        require("samples", self.samples, 1)
        require("trials", self.trials, 1, MAX_TRIALS)
        require("seed", self.seed, 0, 2**32 - 1)

    @property
    def has_data(self) -> bool:
        """Whether anything is computed, beside the cost."""
        return self.dataset != NO_DATA

    def require_images(self, data: Dataset) -> None:
        """Raise SpecError unless the data set has the images to test and to calibrate with."""
        for field, images, kind, asked in (
            ("samples", data.test_images, "test", self.samples),
            ("calibration.images", data.train_images, "training", self.calibration.images),
        ):
            if asked > len(images):
                raise SpecError(field, f"{data.name} has {len(images)} {kind} images, got {quoted(asked)}")


def load_experiment(name: str | Path, overrides: Mapping[str, Any] | None = None) -> Experiment:
    """The experiment of a card or a .yaml file, with values replaced at dotted paths.

        load_experiment("isaac-lenet5", {"trials": 16, "chip.core.device.programming_noise": "2 uS"})

    Raises SpecError, CardNotFound or FileError, with the card and the path inside it as place.
    """
    return _load(name, "experiment", Experiment, overrides)


def network_on_chip(chip: str | Path, network: str, overrides: Mapping[str, Any] | None = None) -> Experiment:
    """The cost of a network on a chip, as an experiment without data: no card says it, but the chip what is usual."""
    name = Path(chip).stem if is_file_name(str(chip)) else chip
    card = {"name": f"{name}-{network}", "chip": str(chip), "network": network}
    try:
        usual = load_card(str(chip), "chip").get("usual", {})
        plan = dict(usual) if isinstance(usual, Mapping) else {}
        return from_data(apply_overrides(plan | card, overrides or {}), Experiment)
    except PimsimError as error:
        raise error.within(f"{network} on {chip}", ": ") from None


def on_chip(chip: AbstractChip, network: str) -> Experiment:
    """The same of a chip that has no card."""
    plans = {"mapping": MappingPlan, "schedule": SchedulePlan, "charging": Charging}
    stated = chip.usual if isinstance(chip, Chip) else {}
    for field in stated:
        if field not in plans:
            raise SpecError(f"usual.{field}", "is no plan of an experiment", nearest(field, plans))
    usual = {field: from_data(plan, plans[field]) for field, plan in stated.items()}
    return Experiment(name=f"{chip.name}-{network}", chip=chip, network=network, **usual)


def load_chip(name: str | Path, overrides: Mapping[str, Any] | None = None) -> Chip:
    """The chip of a card or a .yaml file."""
    return _load(name, "chip", Chip, overrides)


def load_any_chip(name: str | Path, overrides: Mapping[str, Any] | None = None) -> AbstractChip:
    """The chip of a card or a .yaml file, with arrays or without: a `Chip` or a `Machine`."""
    return _load(name, "chip", AbstractChip, overrides)


def load_device(name: str | Path, overrides: Mapping[str, Any] | None = None) -> AbstractDevice:
    """The cell of a card or a .yaml file."""
    return _load(name, "device", AbstractDevice, overrides)


def load_component(name: str | Path, overrides: Mapping[str, Any] | None = None) -> AbstractCircuit:
    """The component of a card or a .yaml file."""
    return _load(name, "component", AbstractCircuit, overrides)


def parse_experiment(text: str, place: str, overrides: Mapping[str, Any] | None = None) -> Experiment:
    """The experiment in a YAML text, such as a result file holds."""
    card = parse_yaml(text, place)
    try:
        return from_data(apply_overrides(card, overrides or {}), Experiment)
    except PimsimError as error:
        raise error.within(place, ": ") from None


def _load(name: str | Path, kind: str, form: type[T], overrides: Mapping[str, Any] | None) -> T:
    card = load_card(str(name), kind)
    try:
        return from_data(apply_overrides(card, overrides or {}), form)
    except PimsimError as error:
        raise error.within(str(name), ": ") from None
