"""The flow, one stage a statement: network → quantized → placed → inferred and scheduled → accounted → result."""

import time
from math import prod

import jax

from pimsim.accounting import CostReport, account
from pimsim.errors import SpecError
from pimsim.experiment import Experiment
from pimsim.inference import Inference, Progress, infer, unseen_arrays
from pimsim.mapping import Placement
from pimsim.network.correction import corrected
from pimsim.network.datasets import Dataset
from pimsim.network.graph import Network
from pimsim.network.quantize import QuantizedNetwork, quantize
from pimsim.network.sqnr import report
from pimsim.network.zoo import load_network, load_topology
from pimsim.programming import charge_programming
from pimsim.reads import report_reads
from pimsim.results import Result, Stages, record_provenance, record_specification
from pimsim.schedule import Timeline, arrange, replay, schedule, traffic


def simulate(experiment: Experiment, progress: Progress = lambda what, done, of: None) -> Result:
    """Run one experiment: what the chip computes, if there is a data set, and what it costs.

    `progress(what, done, of)` is called after each step of the long stages. Raises PimsimError where the experiment
    asks for what cannot be.
    """
    chip, clock = experiment.chip, _Clock()
    quantized = data = inference = losses = None
    if experiment.has_data:
        network = load_network(experiment.network)
        ops, data = experiment.ops(network), experiment.load_data(network)
        clock.lap("load")
        quantized = _quantize(experiment, network, data)
        losses = report(quantized, data.train_images)
        signed = {name: layer.signed_input for name, layer in quantized.layers.items()}
        clock.lap("quantize")
    else:
        network = load_topology(experiment.network)
        ops = experiment.ops(network)
        signed = network.signed_inputs()
        clock.lap("load")

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
    replayed = None
    if experiment.schedule.replay:
        replayed = replay(ops, placement, chip, edges, signed, experiment.schedule, timeline, progress)
        clock.lap("replay")
    activity = inference.activity if inference else None
    cost = account(ops, placement, chip, edges, timeline, signed, experiment.charging, activity)
    reads = report_reads(ops, placement, chip, signed, activity)
    programming = charge_programming(
        chip.core.device, placement, inference.arrays if inference else unseen_arrays(chip.core, placement)
    )
    clock.lap("account")
    return Result(
        specification=record_specification(experiment),
        provenance=record_provenance(),
        quantization=losses,
        inference=inference,
        placement=placement,
        timeline=timeline,
        replay=replayed,
        cost=cost,
        reads=reads,
        programming=programming,
        peak=chip.peak(),
        stages=clock.stages(),
    )


def cost_of(experiment: Experiment) -> tuple[Timeline, CostReport]:
    """When the layers work and what they cost where no data run: the figures of `simulate`, and nothing else."""
    network, chip = load_topology(experiment.network), experiment.chip
    ops, signed = network.ops(), network.signed_inputs()
    placement = experiment.mapping.place(ops, chip)
    edges = traffic(ops, placement, chip, image_values=prod(network.input_shape))
    timeline = schedule(ops, placement, chip, edges, signed, experiment.schedule)
    return timeline, account(ops, placement, chip, edges, timeline, signed, experiment.charging)


def _quantize(experiment: Experiment, network: Network, data: Dataset) -> QuantizedNetwork:
    core, calibration, scheme = experiment.chip.core, experiment.calibration, experiment.quantization
    try:
        quantized = quantize(
            network,
            data.train_images,
            weight_bits=core.weight_bits,
            input_bits=core.input_bits,
            percentile=calibration.percentile,
            method=calibration.method,
            scheme=scheme,
        )
    except SpecError as error:
        raise error.within("calibration") from None
    return quantized if scheme.correction == "none" else corrected(quantized, data.train_images, scheme.correction)


def _infer(
    experiment: Experiment, quantized: QuantizedNetwork, placement: Placement, data: Dataset, progress: Progress
) -> Inference:
    return infer(
        quantized, placement, experiment.chip.core, data.test_images, data.test_labels,
        trials=experiment.trials, key=jax.random.key(experiment.seed), engine=experiment.engine,
        activity=experiment.activity, calibration=data.train_images, progress=progress,
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
