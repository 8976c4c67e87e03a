"""The whole flow: what one statement a stage adds up to."""

import dataclasses

import numpy as np
import pytest

from pimsim import load_experiment, simulate
from pimsim.errors import SpecError
from pimsim.experiment import Experiment

NOISY = {"samples": 50, "trials": 2, "chip.core.device.programming_noise": "50 uS"}


def run(**changes):
    return simulate(load_experiment("isaac-mlp", NOISY | changes))


@pytest.fixture(scope="module")
def noisy():
    return run()


def values(record):
    """Every number and array of nested records, with its path."""
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if dataclasses.is_dataclass(value):
            yield from ((f"{field.name}.{path}", inner) for path, inner in values(value))
        else:
            yield field.name, value


def same(one, other):
    """To the bit; what nobody states, NaN, is equal to itself."""
    return np.array_equal(one, other, equal_nan=np.asarray(one).dtype.kind == "f")


def test_the_same_seed_gives_the_same_result_to_the_bit(noisy):
    """Everything but the wall time is repeated; only answers, and what cells conduct, depend on the seed."""
    first, again, other = (dict(values(result)) for result in (noisy, run(), run(seed=1)))
    assert all(same(first[path], again[path]) for path in first if path != "stages.seconds")
    differing = {path for path in first if not same(first[path], other[path])} - {"stages.seconds"}
    differing = {path for path in differing if not path.startswith(("inference.activity.", "reads."))}
    answers = {"crossbar_class", "crossbar_accuracy", "signal_power", "error_power"}
    answers |= {f"agreement.crossbar_{kind}" for kind in ("top1", "cosine", "noise")}
    assert differing <= {f"inference.{answer}" for answer in answers} | {"specification.yaml"}
    assert "inference.crossbar_class" in differing


def test_noise_changes_the_answers_and_not_the_costs(noisy):
    """Without noise the chip answers as exact integers do; either way it costs the same."""
    exact = run(**{"chip.core.device.programming_noise": "0 uS", "engine": "bit_true"})
    assert exact.inference.layer_engine.tolist() == ["bit_true"] * 3
    assert (exact.inference.crossbar_class == exact.inference.quantized_class).all()
    assert (noisy.inference.crossbar_class != noisy.inference.quantized_class).any()
    np.testing.assert_array_equal(exact.cost.energy, noisy.cost.energy)
    assert exact.timeline.latency == noisy.timeline.latency
    np.testing.assert_array_equal(exact.inference.quantized_class, noisy.inference.quantized_class)


def test_the_result_is_that_of_its_stages(noisy):
    """Three layers of one vector: 22 cycles each, an image every 16, the peak of the chip, the labels of the data."""
    assert noisy.timeline.latency == pytest.approx(3 * 22 * 100e-9, rel=1e-12)
    assert noisy.timeline.interval == pytest.approx(16 * 100e-9, rel=1e-12)
    assert noisy.placement.replication.tolist() == [1, 1, 1]
    assert noisy.placement.arrays_used == 7 * 16 + 2 * 8 + 1
    assert noisy.peak == load_experiment("isaac-mlp").chip.peak()
    assert noisy.inference.crossbar_class.shape == (2, 50)
    assert noisy.inference.quantized_accuracy > 0.9
    assert noisy.stages.stage.tolist() == ["load", "quantize", "place", "infer", "schedule", "account"]
    assert (noisy.stages.seconds > 0).all()


def test_the_chips_bits_are_what_the_network_is_quantized_to(noisy):
    """Half the weight bits and half the input bits: half the columns, half the cycles, and still exact."""
    bits = {"chip.core.weight_bits": 8, "chip.core.input_bits": 8, "chip.core.device.programming_noise": "0 uS"}
    short = run(**bits, engine="bit_true")
    assert (short.inference.crossbar_class == short.inference.quantized_class).all()
    assert short.placement.arrays_used == 7 * 8 + 2 * 4 + 1
    assert short.timeline.interval == pytest.approx(noisy.timeline.interval / 2, rel=1e-12)
    long_events, short_events = noisy.cost.events(), short.cost.events()
    assert short_events["row_drive"] < long_events["row_drive"] / 3
    assert short_events["conversion"] < long_events["conversion"] / 3.9


def test_progress_tells_of_every_image(noisy):
    """From nothing to all trials of all samples."""
    steps = []
    simulate(load_experiment("isaac-mlp", NOISY), progress=lambda *step: steps.append(step))
    assert steps[-1] == ("crossbar", 100, 100)
    assert [done for _, done, _ in steps] == sorted(done for _, done, _ in steps)


@pytest.mark.parametrize(
    ("changes", "place"), [({"samples": 2001}, "samples"), ({"mapping.replicate": {"fc9": 2}}, "mapping.replicate.fc9")]
)
def test_what_turns_out_impossible_on_the_way_is_refused_by_name(changes, place):
    """More images than the data set has, copies of a layer that the network does not have."""
    with pytest.raises(SpecError) as caught:
        run(**changes)
    assert caught.value.place == place


def test_an_experiment_says_what_it_depends_on():
    """Two experiments are the same exactly if their settings are: a frozen record, and no hidden state."""
    once, again = load_experiment("isaac-mlp"), load_experiment("isaac-mlp")
    assert isinstance(once, Experiment)
    assert once == again
    assert once != load_experiment("isaac-mlp", {"seed": 3})
