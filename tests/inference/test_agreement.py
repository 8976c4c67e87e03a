"""What is said of outputs where nobody says what they should be."""

import numpy as np
import pytest

from pimsim import load_experiment, simulate
from pimsim.inference.agreement import compare_outputs, decibel, mean_of, share_correct
from pimsim.network.datasets import load_dataset
from pimsim.results import read_result, result_summary, write_result
from pimsim.tables import result_table


def test_what_agrees():
    """The same outputs agree wholly; a scaled copy keeps class and angle, and is 20 dB off where it is 10 % larger."""
    y = np.random.default_rng(0).normal(size=(30, 5))
    np.testing.assert_allclose(mean_of([compare_outputs(y, y)]), [1, 1, 0], atol=1e-12)
    top1, cosine, noise = mean_of([compare_outputs(1.1 * y, y)])
    assert (top1, cosine) == (1, pytest.approx(1))
    assert decibel(noise) == pytest.approx(20)
    np.testing.assert_allclose(mean_of([compare_outputs(-y, y)])[1:], [-1, 4])
    assert decibel(0.0) is None


def test_batches_add_up():
    rng = np.random.default_rng(1)
    y, wanted = rng.normal(size=(2, 30, 5))
    parts = [compare_outputs(y[i : i + 7], wanted[i : i + 7]) for i in range(0, 30, 7)]
    np.testing.assert_allclose(mean_of(parts), mean_of([compare_outputs(y, wanted)]))


def test_accuracy_needs_every_label():
    found = np.array([[0, 1, 2], [0, 1, 1]])
    np.testing.assert_allclose(share_correct(found, np.array([0, 1, 2])), [1, 2 / 3])
    assert np.isnan(share_correct(found, np.array([0, -1, 2]))).all()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Forty digits in a file, with labels and without."""
    folder, data = tmp_path_factory.mktemp("data"), load_dataset("mnist")
    images, labels = np.rint(data.test_images[:40] * 255).astype(np.uint8)[..., 0], data.test_labels[:40]
    np.savez(folder / "with.npz", x=images, y=labels)
    np.savez(folder / "without.npz", x=images)
    return folder


def test_a_run_without_labels_is_judged_by_the_float_network(files):
    """The same images give the same answers with labels and without; without, accuracies are unknown, and said so."""
    change = {"chip.core.weight_bits": 4, "chip.core.input_bits": 2}
    named, blind = (
        simulate(load_experiment("isaac-mlp", change | {"dataset": str(files / name), "samples": None}))
        for name in ("with.npz", "without.npz")
    )
    known, unknown = result_summary(named), result_summary(blind)
    assert known["accuracy"]["samples"] == unknown["accuracy"]["samples"] == 32
    assert known["accuracy"]["float"] > 0.9
    assert unknown["accuracy"]["float"] is unknown["accuracy"]["crossbar_mean"] is None
    assert known["agreement"] == unknown["agreement"]
    near = unknown["agreement"]["quantized"]
    assert near == unknown["agreement"]["crossbar"]  # exact cells
    assert near["top1"] == np.mean(blind.inference.quantized_class == blind.inference.float_class)
    assert 0.5 < near["cosine"] < 1
    assert 3 < near["sqnr_dB"] < 30
    path = write_result(blind, files / "blind.h5")
    assert result_summary(read_result(path)) == unknown
    assert result_table(unknown)


def test_a_card_names_data_beside_it(files):
    """A file is looked up beside the card; a run of the stored experiment finds it again."""
    (files / "mine.yaml").write_text("chip: isaac-ce\nnetwork: mlp\ndataset: ./with.npz\npreprocess: {scale: 0.0039}\n")
    experiment = load_experiment(files / "mine.yaml")
    assert experiment.dataset.endswith("with.npz")
    assert experiment.dataset.startswith(str(files))
