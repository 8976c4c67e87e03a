"""The flow, one stage a statement: network → quantized → placed → inferred and scheduled → accounted → result."""

import time

import jax

from pimsim.accounting import account
from pimsim.errors import SpecError
from pimsim.experiment import Experiment
from pimsim.inference import Progress, infer
from pimsim.mapping import place
from pimsim.network.datasets import load_dataset
from pimsim.network.quantize import quantize
from pimsim.network.zoo import load_network
from pimsim.results import Result, Stages, record_provenance, record_specification
from pimsim.schedule import schedule, traffic


def simulate(experiment: Experiment, progress: Progress = lambda what, done, of: None) -> Result:
    """Run one experiment: what the chip computes, and what it costs.

    `progress(what, done, of)` is called after each step of the long stages. Raises PimsimError where the experiment
    asks for what cannot be.
    """
    chip, clock = experiment.chip, _Clock()
    network, data = load_network(experiment.network), load_dataset(experiment.dataset)
    experiment.require_images(data)
    images, labels = data.test_images[: experiment.samples], data.test_labels[: experiment.samples]
    clock.lap("load")

    try:
        quantized = quantize(
            network,
            data.train_images[: experiment.calibration.images],
            weight_bits=chip.core.weight_bits,
            input_bits=chip.core.input_bits,
            percentile=experiment.calibration.percentile,
        )
    except SpecError as error:
        raise error.within("calibration") from None
    signed = {name: layer.signed_input for name, layer in quantized.layers.items()}
    clock.lap("quantize")

    ops = network.ops()
    placement = place(ops, chip, experiment.mapping.replicate)
    clock.lap("place")
    inference = infer(
        quantized, placement, chip.core, images, labels,
        trials=experiment.trials, key=jax.random.key(experiment.seed), engine=experiment.engine,
        calibration=data.train_images[: experiment.calibration.images], progress=progress,
    )  # fmt: skip
    clock.lap("infer")
    edges = traffic(ops, placement, chip, image_values=images[0].size)
    timeline = schedule(ops, placement, chip, edges, signed)
    clock.lap("schedule")
    cost = account(ops, placement, chip, edges, timeline, signed, experiment.charging)
    clock.lap("account")
    return Result(
        specification=record_specification(experiment),
        provenance=record_provenance(),
        inference=inference,
        placement=placement,
        timeline=timeline,
        cost=cost,
        peak=chip.peak(),
        stages=clock.stages(),
    )


class _Clock:
    """Wall time of the stages, in seconds."""

    def __init__(self):
        self.last, self.laps = time.perf_counter(), {}

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.laps[stage], self.last = now - self.last, now

    def stages(self) -> Stages:
        return Stages.of(self.laps)
