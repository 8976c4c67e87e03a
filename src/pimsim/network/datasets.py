"""Data sets that come with the package, each with one fixed split."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int32

from pimsim.errors import CardNotFound, nearest

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images: float32 values in 0 … 1, labels 0 … classes - 1."""

    name: str
    train_images: Float32[np.ndarray, "train height width channel"]
    train_labels: Int32[np.ndarray, " train"]
    test_images: Float32[np.ndarray, "test height width channel"]
    test_labels: Int32[np.ndarray, " test"]


def mnist() -> Dataset:
    """Handwritten digits, 28×28: 8,000 of MNIST's first 10,000 training images to train on, the other 2,000 to test."""
    with np.load(DATA / "mnist10k.npz") as file:
        images, labels = file["x"], file["y"]
    # The file is sorted by digit. Steps of the golden ratio visit every image once and mix the digits evenly, so that
    # both sides of the split, and any run of consecutive images, hold each digit in its share.
    order = np.arange(10_000) * 6181 % 10_000
    images = images[order].reshape(-1, 28, 28, 1).astype(np.float32) / np.float32(255)
    labels = labels[order].astype(np.int32)
    return Dataset("mnist", images[:8000], labels[:8000], images[8000:], labels[8000:])


DATASETS = {"mnist": mnist}


def load_dataset(name: str) -> Dataset:
    """The data set of this name; CardNotFound names the nearest where there is none."""
    if name not in DATASETS:
        raise CardNotFound(name, "no data set has this name", nearest(name, DATASETS))
    return DATASETS[name]()
