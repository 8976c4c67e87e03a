"""One experiment: a network, its data, a chip, and how the one is put on the other."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import equinox as eqx

from pimsim.accounting import Charging
from pimsim.cardfile import parse_yaml
from pimsim.catalog import apply_overrides, load_card, registered
from pimsim.chip import AbstractChip, Chip
from pimsim.circuits import AbstractCircuit
from pimsim.devices import AbstractDevice
from pimsim.errors import PimsimError, SpecError, nearest, quoted, require
from pimsim.inference.engines import Engine
from pimsim.mapping import Budget, Fill, Overflow, Packing, Placement, Replicate, Search, place
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
    packing: Packing = "single"
    fill: Fill = "order"
    search: Search | None = None
    """Whether to look for better places of the tiles on the mesh than the network's order."""

    def __check_init__(self):
        reloads, packed = self.overflow == "reload", self.packing == "dense"
        if packed and reloads:
            raise SpecError("packing", "dense arrays are not rewritten", "Choose overflow: spread, or packing: single.")
        if self.fill == "level" and (packed or reloads):
            fact = "tiles cannot be levelled where blocks take turns in their arrays"
            raise SpecError("fill", fact, "Choose fill: order, or packing: single and no reload.")

    def place(self, ops: Sequence[Op], chip: Chip) -> Placement:
        """The matrices of a network in the arrays of a chip, as planned."""
        if self.packing == "dense" and chip.core.wires is not None:
            fact = "wires are modelled for arrays that hold one block"
            raise SpecError("mapping.packing", fact, "Leave core.wires out, or choose single.")
        placing = {"budget": self.budget, "overflow": self.overflow, "packing": self.packing, "fill": self.fill}
        return place(ops, chip, self.replicate, **placing)


class Experiment(AbstractSpec):
    """Everything one run depends on."""

    name: str
    """Also of the result file."""
    chip: Chip
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
    """The cost of a network on a chip, as an experiment without data: no card says it."""
    card = {"name": f"{Path(chip).stem}-{network}", "chip": str(chip), "network": network}
    try:
        return from_data(apply_overrides(card, overrides or {}), Experiment)
    except PimsimError as error:
        raise error.within(f"{network} on {chip}", ": ") from None


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
