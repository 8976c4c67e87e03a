"""The flow, one stage a statement: network → quantized → placed → inferred and scheduled → accounted → result."""

import time
from math import prod

import jax

from pimsim.accounting import account
from pimsim.errors import SpecError
from pimsim.experiment import Experiment
from pimsim.inference import Inference, Progress, infer, unseen_arrays
from pimsim.mapping import Placement
from pimsim.network.datasets import Dataset, load_dataset
from pimsim.network.graph import Network
from pimsim.network.quantize import QuantizedNetwork, quantize
from pimsim.network.zoo import load_network, load_topology
from pimsim.programming import charge_programming
from pimsim.results import Result, Stages, record_provenance, record_specification
from pimsim.schedule import arrange, schedule, traffic


def simulate(experiment: Experiment, progress: Progress = lambda what, done, of: None) -> Result:
    """Run one experiment: what the chip computes, if there is a data set, and what it costs.

    `progress(what, done, of)` is called after each step of the long stages. Raises PimsimError where the experiment
    asks for what cannot be.
    """
    chip, clock = experiment.chip, _Clock()
    quantized = data = inference = None
    if experiment.has_data:
        network, data = load_network(experiment.network), load_dataset(experiment.dataset)
        experiment.require_images(data)
        clock.lap("load")
        quantized = _quantize(experiment, network, data)
        signed = {name: layer.signed_input for name, layer in quantized.layers.items()}
        clock.lap("quantize")
    else:
        network = load_topology(experiment.network)
        signed = network.signed_inputs()
        clock.lap("load")

    ops = network.ops()
    placement, pixels = experiment.mapping.place(ops, chip), prod(network.input_shape)
    if experiment.mapping.search is not None:
        placement = arrange(ops, placement, chip, pixels, experiment.mapping.search)
    clock.lap("place")
    if quantized and data:
        inference = _infer(experiment, quantized, placement, data, progress)
        clock.lap("infer")
    edges = traffic(ops, placement, chip, image_values=pixels)
    timeline = schedule(ops, placement, chip, edges, signed, experiment.schedule)
    clock.lap("schedule")
    cost = account(ops, placement, chip, edges, timeline, signed, experiment.charging)
    programming = charge_programming(
        chip.core.device, placement, inference.arrays if inference else unseen_arrays(chip.core, placement)
    )
    clock.lap("account")
    return Result(
        specification=record_specification(experiment),
        provenance=record_provenance(),
        inference=inference,
        placement=placement,
        timeline=timeline,
        cost=cost,
        programming=programming,
        peak=chip.peak(),
        stages=clock.stages(),
    )


def _quantize(experiment: Experiment, network: Network, data: Dataset) -> QuantizedNetwork:
    core, calibration = experiment.chip.core, experiment.calibration
    try:
        return quantize(
            network,
            data.train_images[: calibration.images],
            weight_bits=core.weight_bits,
            input_bits=core.input_bits,
            percentile=calibration.percentile,
        )
    except SpecError as error:
        raise error.within("calibration") from None


def _infer(
    experiment: Experiment, quantized: QuantizedNetwork, placement: Placement, data: Dataset, progress: Progress
) -> Inference:
    images, labels = data.test_images[: experiment.samples], data.test_labels[: experiment.samples]
    return infer(
        quantized, placement, experiment.chip.core, images, labels,
        trials=experiment.trials, key=jax.random.key(experiment.seed), engine=experiment.engine,
        calibration=data.train_images[: experiment.calibration.images], progress=progress,
    )  # fmt: skip


class _Clock:
    """Wall time of the stages, in seconds."""

    def __init__(self):
        self.last, self.laps = time.perf_counter(), {}

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.laps[stage], self.last = now - self.last, now

    def stages(self) -> Stages:
        return Stages.of(self.laps)
