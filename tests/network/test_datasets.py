"""The data sets: one split for ever, and names that can be read without loading anything."""

import inspect

import numpy as np
import pytest

from pimsim.catalog import registered
from pimsim.errors import CardNotFound
from pimsim.network import datasets
from pimsim.network.datasets import DATASETS, load_dataset
from pimsim.network.zoo import ZOO, load_network


@pytest.fixture(scope="module")
def mnist():
    return load_dataset("mnist")


def test_values_are_zero_to_one(mnist):
    """uint8 / 255 as float32, one channel; labels 0 … 9 as int32."""
    assert mnist.train_images.shape == (8000, 28, 28, 1)
    assert mnist.test_images.shape == (2000, 28, 28, 1)
    for images, labels in ((mnist.train_images, mnist.train_labels), (mnist.test_images, mnist.test_labels)):
        assert images.dtype == np.float32
        assert labels.dtype == np.int32
        assert labels.shape == images.shape[:1]
        assert (images.min(), images.max()) == (0, 1)
        np.testing.assert_allclose(images[:50] * 255, np.rint(images[:50] * 255), atol=1e-4)


def test_the_split_is_fixed_and_disjoint(mnist):
    """The same split each time; no image is on both sides; every image of the file is on one."""
    again = load_dataset("mnist")
    np.testing.assert_array_equal(again.train_images, mnist.train_images)
    np.testing.assert_array_equal(again.test_labels, mnist.test_labels)
    train, test = ({image.tobytes() for image in images} for images in (mnist.train_images, mnist.test_images))
    assert not train & test
    with np.load(datasets.DATA / "mnist10k.npz") as file:
        assert len(train | test) == len(np.unique(file["x"].reshape(10_000, -1), axis=0))
        counts = np.bincount(file["y"])
    np.testing.assert_array_equal(np.bincount(np.concatenate([mnist.train_labels, mnist.test_labels])), counts)


def test_any_run_of_images_holds_every_digit(mnist):
    """The first 100 of either side are as good a sample as any: each digit in its share, within 3 images."""
    shares = np.bincount(mnist.train_labels) / 8000
    for labels in (mnist.train_labels, mnist.test_labels):
        for start in range(0, 2000, 100):
            counts = np.bincount(labels[start : start + 100], minlength=10)
            assert (np.abs(counts - 100 * shares) < 3).all()


@pytest.mark.parametrize(
    ("load", "name", "remedy"),
    [(load_dataset, "mnits", "mnist"), (load_network, "lenet", "lenet5"), (load_network, "vgg", "vgg-d")],
)
def test_unknown_names_meet_their_nearest(load, name, remedy):
    with pytest.raises(CardNotFound) as caught:
        load(name)
    assert caught.value.place == name
    assert remedy in caught.value.remedy


def test_names_can_be_listed_without_importing():
    """What is read from the source is what the tables hold."""
    assert registered("networks") == {name: entry.description for name, entry in ZOO.items()}
    first_lines = {name: inspect.getdoc(function).split("\n")[0] for name, function in DATASETS.items()}
    assert registered("datasets") == first_lines
