"""An experiment's network, trained for its chip: from the spec to a file of weights and the run with them."""

import io
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from math import prod
from pathlib import Path

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from pimsim.chip import Chip, CrossbarCore
from pimsim.errors import FileError, SpecError
from pimsim.experiment import Experiment
from pimsim.inference import Progress
from pimsim.inference.run import plan_layers
from pimsim.mapping import Placement
from pimsim.network.datasets import UNLABELLED, Dataset
from pimsim.network.graph import Network
from pimsim.network.grids import is_quantized
from pimsim.network.inputs import require_rows
from pimsim.network.quantize import matrices
from pimsim.network.recipe import Recipe
from pimsim.network.weightfile import write_weights
from pimsim.network.zoo import load_network
from pimsim.numerics import fold, leaves_to_arrays
from pimsim.results import Result, check_target, record_specification
from pimsim.results.target import replace_file
from pimsim.simulation import correct, network_of, place_ops, round_network, simulate
from pimsim.training.checkpoint import read_checkpoint, write_checkpoint
from pimsim.training.fit import Chips, Course, Layers, State, fit
from pimsim.training.layers import ChipLayer, Grid

OTHERS = 2**32 - 1
"""What is folded into the key of chips to learn from, so that none of them is one that a run is tested on."""


def train(
    experiment: Experiment,
    path: str | Path,
    *,
    resume: bool = False,
    progress: Progress = lambda what, done, of: None,
) -> Result:
    """Fine-tune the experiment's network for its chip, write its weights, and run the experiment with them.

        result = pimsim.train(pimsim.load_experiment("isaac-lenet5"), "trained.npz")

    `experiment.training` says how; `weights: trained.npz` in an experiment then asks for what was written. After each
    epoch a checkpoint is put beside it, from which `resume` goes on to the same bits. The result is that of `simulate`,
    with the curve in `result.training`; test images are asked once, by that run. Raises PimsimError.
    """
    path = check_target(path, ".npz")
    checkpoint, text = check_target(path.with_suffix(".checkpoint.npz"), ".npz"), record_specification(experiment).yaml
    if experiment.weights and Path(experiment.weights).resolve() == path.resolve():
        raise FileError(str(path), "is where the weights to begin with are read from", "Name another file: -o FILE.npz")
    course = course_of(experiment)
    state = read_checkpoint(checkpoint, text, course.start()) if resume else course.start()

    def save(state: State) -> None:
        write_checkpoint(checkpoint, text, state)

    state = fit(course, state, save, progress)
    content = io.BytesIO()
    write_weights(content, course.network.weights | state.best)
    replace_file(path, content.getbuffer())
    result = simulate(replace(experiment, weights=str(path)), progress)
    return replace(result, training=state.curve)


def course_of(experiment: Experiment) -> Course:
    """What training an experiment goes by. Raises SpecError where there is nothing to learn from, or no one matrix."""
    chip = experiment.chip
    if not experiment.has_data or not isinstance(chip, Chip):
        raise SpecError("dataset", "training needs images with labels", "pimsim list datasets")
    if experiment.mapping.windows != "single":
        fact = "convolutions that compute several places at a time hold copies of a kernel, which would part"
        raise SpecError("mapping.windows", fact, "Train with windows: single; its weights fit either.")
    network, kinds = network_of(experiment, partial(load_network, weights=experiment.weights))
    recipe = experiment.training
    if is_quantized(network):
        fact = f"{network.name} was quantized before, and training would leave its own scales"
        raise SpecError("network", fact, "Train the model that it was made from.")
    data = experiment.load_images(network)
    for images in (data.train_images, data.test_images):
        require_rows(network, images, data.name)
    data.require_classes(prod(network.shapes[network.nodes[-1].name]))
    if (data.train_labels == UNLABELLED).any():
        raise SpecError("dataset", f"{data.name} has training images without a label, from which nothing is learned")
    recipe.split(len(data.train_labels))
    some = data.first(experiment.calibration_images, 0)
    placement = place_ops(experiment, experiment.ops(network), chip, prod(network.input_shape), kinds)
    cores = {name: chip.cores[placement.kind_of(name)] for name in network.matrix_layers}

    def calibrate(network: Network) -> Layers:
        return calibrated(experiment, cores, network, placement, some)

    chips = chips_of(recipe, fold(jax.random.key(experiment.seed), 0))
    return Course(network, data.train_images, data.train_labels, recipe, calibrate, chips)


def calibrated(
    experiment: Experiment, cores: Mapping[str, CrossbarCore], network: Network, placement: Placement, data: Dataset
) -> Layers:
    """The layers of a chip that has been calibrated for a network's weights, as it is for a run."""
    rounded = round_network(experiment, network, data)
    known = correct(experiment, rounded, data)
    engine = "auto" if experiment.engine == "statistical" else experiment.engine
    plans = plan_layers(known, placement, cores, engine, data.train_images)
    by_channel, plays = experiment.quantization.per == "channel", experiment.training.conversions == "played"
    held, layers = matrices(network), {}
    for name, plan in plans.items():
        own, at = rounded.layers[name], cores[name].at(rounded.layers[name].precision)
        grid = Grid.of(own, known.layers[name], held[name][0], by_channel)
        layers[name] = ChipLayer(grid, plan, leaves_to_arrays(at), at.traits, plays)
    return layers


def chips_of(recipe: Recipe, first: PRNGKeyArray) -> Chips:
    """The chips that steps are asked with; `first` is the key of the run's first chip."""
    others = fold(jax.random.key(recipe.seed), OTHERS)

    def chips(layers: Layers, draw: int) -> tuple[Layers, PRNGKeyArray]:
        if recipe.known == "nothing":
            return layers, fold(others, draw)
        if recipe.known == "faults":
            layers = {name: layer.reprogrammed(jnp.asarray(draw)) for name, layer in layers.items()}
        return layers, first

    return chips
