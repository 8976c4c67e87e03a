"""What a specification changes is what was asked for, and nothing else."""

from dataclasses import replace

from pimsim import load_experiment
from pimsim.differences import changes_of, differing
from pimsim.experiment import network_on_chip, on_chip
from pimsim.results.record import record_specification


def test_a_stored_experiment_knows_what_it_changes():
    """Of a shipped experiment; of a network on a shipped chip, also under a shipped name; of a chip of one's own."""
    text = lambda experiment: record_specification(experiment).yaml  # noqa: E731
    noise = {"chip.core.device.programming_noise": "50 uS"}
    noisy = load_experiment("isaac-mlp", noise | {"weights": "mine.npz"})
    assert changes_of(text(noisy), "a.h5") == (
        "isaac-mlp",
        {"chip.core.device.programming_noise": "0.0 S → 5e-05 S", "weights": "None → mine.npz"},
    )
    assert changes_of(text(load_experiment("isaac-mlp")), "a.h5") == ("isaac-mlp", {})
    other = network_on_chip("puma", "mlp", {"seed": 3, "name": "isaac-mlp"})
    assert changes_of(text(other), "a.h5") == ("puma", {"seed": "0 → 3"})
    own = on_chip(replace(other.chip, name="mine"), "mlp")
    assert changes_of(text(replace(own, trials=4)), "a.h5") == ("mine", {"trials": "1 → 4"})
    gone = text(replace(other, seed=4)).replace("network: mlp", "network: gone.onnx")
    assert changes_of(gone, "a.h5") == ("puma", {"seed": "0 → 4"})


def test_differences_are_by_path():
    first, second = {"a": {"b": 1, "c": 2}, "source": "x"}, {"a": {"b": 3, "c": 2}, "d": 4, "source": "y"}
    assert differing([first, second, first]) == {"a.b": ["1", "3", "1"], "d": ["none", "4", "none"]}
    assert differing([first]) == {}
