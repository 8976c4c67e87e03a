"""One experiment: a network, its data, a chip, and how the one is put on the other."""

import os
import re
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import equinox as eqx

from pimsim.accounting import Charging
from pimsim.cardfile import parse_yaml
from pimsim.catalog import apply_overrides, is_file_name, is_model, load_card, registered
from pimsim.chip import AbstractChip, Chip, Machine
from pimsim.circuits import AbstractCircuit
from pimsim.devices import AbstractDevice
from pimsim.errors import PimsimError, SpecError, nearest, quoted, require
from pimsim.inference.driving import Kind
from pimsim.inference.engines import Engine
from pimsim.mapping import MappingPlan
from pimsim.network.datafiles import is_path
from pimsim.network.datasets import Dataset, load_dataset
from pimsim.network.graph import IMAGE, Network
from pimsim.network.inputs import require_rows
from pimsim.network.ops import MatrixOp, Op, Precision, with_precision
from pimsim.network.preprocess import Preprocessing
from pimsim.network.ranges import Method
from pimsim.network.recipe import Recipe
from pimsim.network.scheme import Correction, Scheme
from pimsim.schedule import SchedulePlan
from pimsim.spec import AbstractSpec, from_data

T = TypeVar("T")
MAX_TRIALS = 100_000
NO_DATA = "none"
SAMPLES, CALIBRATION_IMAGES = 1000, 500
"""Images to test and to calibrate with, where nobody says and there are as many."""


class Calibration(AbstractSpec):
    """How the input range of each layer is chosen."""

    method: Method = "percentile"
    """A percentile, or the range with the least mean square error of rounding and clipping (mse)."""
    percentile: float = 100.0
    """Of the magnitudes a layer sees on training images; 100 is the largest. Inputs beyond it clip."""
    images: int | None = None
    """Training images to look at; 500 if not given, or all of fewer."""
    in_situ: Correction = "none"
    """What of each programmed chip's digital side is set on what the chip itself answers: biases, or scales as well."""

    def __check_init__(self):
        if self.images is not None:
            require("images", self.images, 1)
        if not 0 < self.percentile <= 100:
            raise SpecError("percentile", f"must be above 0 and at most 100, got {self.percentile:g}")


class Experiment(AbstractSpec):
    """Everything one run depends on."""

    name: str
    """Also of the result file."""
    chip: AbstractChip
    network: str
    """A name, or an .onnx file."""
    weights: str | None = None
    """An .npz file of weights, such as training writes, in place of the network's own."""
    dataset: str = NO_DATA
    """What the network is asked: a name, or a file or folder of one's own, with a dot or a slash in its name; `none`
    asks for the cost alone, of any network."""
    labels: str | None = None
    """A file of labels (npy, IDX, CSV) beside a data set that has none of its own."""
    preprocess: Preprocessing = eqx.field(default_factory=Preprocessing)
    samples: int | None = None
    """Test images; 1,000 if not given, or all of fewer."""
    trials: int = 1
    """Chips programmed, each with errors of its own."""
    seed: int = 0
    engine: Engine = "auto"
    """bit_true plays every conversion; folded asks for a proof that none matters; statistical draws their error; auto
    folds where the proof holds and plays the rest."""
    activity: Kind = "moments"
    """What energies that depend on data are taken from: moments of a sample of the vectors, or exact sums over all of
    them, for which every conversion that is played is counted by its code, too."""
    calibration: Calibration = eqx.field(default_factory=Calibration)
    quantization: Scheme = eqx.field(default_factory=Scheme)
    mapping: MappingPlan = eqx.field(default_factory=MappingPlan)
    schedule: SchedulePlan = eqx.field(default_factory=SchedulePlan)
    charging: Charging = eqx.field(default_factory=Charging)
    training: Recipe = eqx.field(default_factory=Recipe)
    """How `pimsim train` trains the network for the chip; a run takes no notice of it."""

    def __check_init__(self):
        if not re.fullmatch(r"[^\s./\\][^\x00-\x1f/\\]{0,59}", self.name):
            fact = f"must be usable as the name of a file, got {quoted(self.name)}"
            raise SpecError("name", fact, "At most 60 characters, none of them a slash.")
        for field in ("network", "dataset"):
            name, names = getattr(self, field), registered(f"{field}s")
            own = is_path if field == "dataset" else is_model
            if own(name) or (field == "dataset" and name == NO_DATA):
                continue
            if name not in names:
                is_there = field == "dataset" and os.path.exists(name)
                remedy = f"To mean the file or folder, write ./{name}" if is_there else nearest(name, names)
                raise SpecError(field, f"no {field} is called {quoted(name)}", remedy)
        if self.has_data and not isinstance(self.chip, Chip):
            fact = f"{self.chip.name} has no arrays, so what it computes is not simulated"
            raise SpecError("dataset", fact, f"Ask for its cost alone: dataset: {NO_DATA}.")
        if self.has_data and isinstance(self.chip, Chip) and self.chip.core.layout is not None:
            fact = f"{self.chip.name} reads arrays in turns (core.layout), which no engine plays"
            raise SpecError("dataset", fact, "Ask for the cost alone: dataset: none")
        if isinstance(self.chip, Machine) and self.schedule not in (SchedulePlan(), SchedulePlan(kind="sequential")):
            fact = f"{self.chip.name} takes one layer after the other, and has no mesh and no buffers"
            raise SpecError("schedule", fact, "Leave it out.")
        if self.weights is not None and not self.weights.endswith(".npz"):
            raise SpecError("weights", f"must be an .npz file, got {quoted(self.weights)}")
        if self.samples is not None:
            require("samples", self.samples, 1)
        require("trials", self.trials, 1, MAX_TRIALS)
        require("seed", self.seed, 0, 2**32 - 1)

    @property
    def has_data(self) -> bool:
        """Whether anything is computed, beside the cost."""
        return self.dataset != NO_DATA

    def ops(self, network: Network) -> list[Op]:
        """What the network asks of the chip, in the precision of each layer."""
        ops, chip = network.ops(), self.chip
        if not isinstance(chip, Chip):
            if self.quantization.precision or self.quantization.first_last is not None:
                fact = f"{chip.name} has operands of one width for all layers"
                raise SpecError("quantization", fact, "Set chip.weight_bits and chip.input_bits.")
            return ops
        core = chip.core
        layers = [op.layer for op in ops if isinstance(op, MatrixOp)]
        try:
            own = self.quantization.precisions(layers, Precision(core.weight_bits, core.input_bits))
        except SpecError as error:
            raise error.within("quantization") from None
        if own and (chip.steps is not None or core.layout is not None):
            fact = f"{chip.name} works in steps, which are stated for one precision"
            raise SpecError("quantization", fact, "Set chip.core.weight_bits and chip.core.input_bits.")
        for name, bits in own.items():
            try:
                core.at(bits)
            except SpecError as error:
                raise error.within(f"quantization.precision.{name}", ": ") from None
        return with_precision(ops, own)

    def load_data(self, network: Network) -> Dataset:
        """The images to calibrate with and to test, as the network reads them.

        Raises SpecError where there are fewer than asked for, or labels that the network cannot give.
        """
        data = self.load_images(network).first(self.calibration_images, self.samples or SAMPLES)
        for images in (data.train_images, data.test_images):
            require_rows(network, images, data.name)
        data.require_classes(prod(network.shapes[network.nodes[-1].name]))
        return data

    @property
    def calibration_images(self) -> int:
        """Training images to calibrate with, where there are as many."""
        return self.calibration.images or CALIBRATION_IMAGES

    def load_images(self, network: Network) -> Dataset:
        """All images of the data set. Raises SpecError where there are fewer than asked for."""
        shape = network.input_shape if set(network.inputs) == {IMAGE} else network.inputs
        data = load_dataset(self.dataset, shape, self.preprocess, self.labels)
        for field, images, kind, asked in (
            ("samples", data.test_images, "test", self.samples),
            ("calibration.images", data.train_images, "training", self.calibration.images),
        ):
            if asked is not None and asked > len(images):
                raise SpecError(field, f"{data.name} has {len(images)} {kind} images, got {quoted(asked)}")
        return data


def load_experiment(name: str | Path, overrides: Mapping[str, Any] | None = None) -> Experiment:
    """The experiment of a card or a .yaml file, with values replaced at dotted paths.

        load_experiment("isaac-lenet5", {"trials": 16, "chip.core.device.programming_noise": "2 uS"})

    Raises SpecError, CardNotFound or FileError, with the card and the path inside it as place.
    """
    return _load(name, "experiment", Experiment, overrides)


def network_on_chip(chip: str | Path, network: str, overrides: Mapping[str, Any] | None = None) -> Experiment:
    """A network on a chip, as is usual for the chip; for its cost unless the overrides name a data set."""
    chip_name = Path(chip).stem if is_file_name(str(chip)) else chip
    network_name = Path(network).stem if is_model(network) else network
    card = {"name": f"{chip_name}-{network_name}", "chip": str(chip), "network": network}
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
