"""The flow, one stage a statement: network → quantized → placed → inferred and scheduled → accounted → result."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from math import prod

import jax

from pimsim.accounting import CostReport, account, account_streamed
from pimsim.chip import AbstractChip, Chip, Machine
from pimsim.errors import SpecError
from pimsim.experiment import Experiment
from pimsim.inference import Inference, Progress, infer, unseen_arrays
from pimsim.mapping import Placement, apply_windows, fewest_reads
from pimsim.network.correction import corrected
from pimsim.network.datasets import Dataset
from pimsim.network.graph import Network
from pimsim.network.ops import Op
from pimsim.network.overlap import overlapped
from pimsim.network.quantize import QuantizedNetwork, quantize
from pimsim.network.sqnr import report
from pimsim.network.zoo import load_network, load_topology
from pimsim.programming import charge_programming
from pimsim.reads import report_reads
from pimsim.results import Result, Stages, record_provenance, record_specification
from pimsim.schedule import Timeline, arrange, replay, schedule, stream_weights, traffic


def simulate(experiment: Experiment, progress: Progress = lambda what, done, of: None) -> Result:
    """Run one experiment: what the chip computes, if there is a data set, and what it costs.

    `progress(what, done, of)` is called after each step of the long stages. Raises PimsimError where the experiment
    asks for what cannot be.
    """
    chip, clock = experiment.chip, _Clock()
    if not isinstance(chip, Chip):
        return _streamed(experiment, chip, clock)
    quantized = data = inference = losses = None
    if experiment.has_data:
        network, kinds = network_of(experiment, partial(load_network, weights=experiment.weights))
        ops, data = experiment.ops(network), experiment.load_data(network)
        clock.lap("load")
        quantized = correct(experiment, round_network(experiment, network, data), data)
        losses = report(quantized, data.train_images)
        signed = {name: layer.signed_input for name, layer in quantized.layers.items()}
        clock.lap("quantize")
    else:
        network, kinds = network_of(experiment, load_topology)
        ops = experiment.ops(network)
        signed = network.signed_inputs()
        clock.lap("load")

    pixels = prod(network.input_shape)
    placement = place_ops(experiment, ops, chip, pixels, kinds)
    clock.lap("place")
    if quantized and data:
        inference = _infer(experiment, chip, quantized, placement, data, progress)
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
    (network, kinds), chip = network_of(experiment, load_topology), experiment.chip
    ops, signed = experiment.ops(network), network.signed_inputs()
    if isinstance(chip, Machine):
        distribution = experiment.mapping.distribute(ops, chip)
        timeline = stream_weights(ops, distribution, chip)
        return timeline, account_streamed(ops, distribution, chip, timeline, experiment.charging)
    assert isinstance(chip, Chip)
    pixels = prod(network.input_shape)
    placement = place_ops(experiment, ops, chip, pixels, kinds)
    edges = traffic(ops, placement, chip, image_values=pixels)
    timeline = schedule(ops, placement, chip, edges, signed, experiment.schedule)
    return timeline, account(ops, placement, chip, edges, timeline, signed, experiment.charging)


def network_of(experiment: Experiment, load: Callable[[str], Network]) -> tuple[Network, dict[str, str]]:
    """The network, with its convolutions as they are mapped to arrays, and the kinds of tiles that this has decided."""
    network, chip, plan = load(experiment.network), experiment.chip, experiment.mapping
    if not isinstance(chip, Chip):
        return network, {}
    if not chip.kinds or plan.windows != "auto":
        return apply_windows(network, plan.windows, chip.core), plan.kinds
    best, bare = {kind: fewest_reads(network, core) for kind, core in chip.cores.items()}, network.with_weights({})
    kinds = plan.choose({kind: experiment.ops(overlapped(bare, copies)) for kind, copies in best.items()}, chip)
    chosen = {layer: best[kind][layer] for layer, kind in kinds.items() if layer in best[kind]}
    return overlapped(network, chosen), kinds


def _streamed(experiment: Experiment, chip: AbstractChip, clock: "_Clock") -> Result:
    """What an inference costs on machines whose weights stream from memory to multipliers."""
    assert isinstance(chip, Machine)
    ops = experiment.ops(load_topology(experiment.network))
    clock.lap("load")
    distribution = experiment.mapping.distribute(ops, chip)
    clock.lap("place")
    timeline = stream_weights(ops, distribution, chip)
    clock.lap("schedule")
    cost = account_streamed(ops, distribution, chip, timeline, experiment.charging)
    clock.lap("account")
    return Result(
        specification=record_specification(experiment),
        provenance=record_provenance(),
        distribution=distribution,
        timeline=timeline,
        cost=cost,
        peak=chip.peak(),
        stages=clock.stages(),
    )


def place_ops(experiment: Experiment, ops: Sequence[Op], chip: Chip, pixels: int, kinds: dict[str, str]) -> Placement:
    """The matrices in arrays, and their tiles where they are best if that is asked for."""
    placement, search = experiment.mapping.place(ops, chip, kinds), experiment.mapping.search
    return placement if search is None else arrange(ops, placement, chip, pixels, search)


def round_network(experiment: Experiment, network: Network, data: Dataset) -> QuantizedNetwork:
    """The network on the integers that the chip holds, calibrated on the training images."""
    assert isinstance(experiment.chip, Chip)
    core, calibration = experiment.chip.core, experiment.calibration
    try:
        return quantize(
            network,
            data.train_images,
            weight_bits=core.weight_bits,
            input_bits=core.input_bits,
            percentile=calibration.percentile,
            method=calibration.method,
            scheme=experiment.quantization,
        )
    except SpecError as error:
        raise error.within("calibration") from None


def correct(experiment: Experiment, rounded: QuantizedNetwork, data: Dataset) -> QuantizedNetwork:
    """The same with its means, or spreads, put right on the training images, if that is asked for."""
    return corrected(rounded, data.train_images, experiment.quantization.correction)


def _infer(
    experiment: Experiment,
    chip: Chip,
    quantized: QuantizedNetwork,
    placement: Placement,
    data: Dataset,
    progress: Progress,
) -> Inference:
    return infer(
        quantized, placement, chip.core, data.test_images, data.test_labels, cores=chip.cores,
        trials=experiment.trials, key=jax.random.key(experiment.seed), engine=experiment.engine,
        activity=experiment.activity, calibration=data.train_images, in_situ=experiment.calibration.in_situ,
        progress=progress,
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
