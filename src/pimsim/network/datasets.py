"""Data sets: those that a name means, each with one fixed split, and those in files and folders."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int32

from pimsim.errors import CardNotFound, SpecError, nearest, quoted
from pimsim.network.datafiles import FORMS, Part, is_path, read_parts
from pimsim.network.imagefolder import read_folder
from pimsim.network.inputs import read_inputs
from pimsim.network.ops import Shape
from pimsim.network.preprocess import Preprocessing

DATA = Path(__file__).parent / "data"
UNLABELLED = -1


@dataclass(frozen=True, eq=False)
class Dataset:
    """Inputs of a network, to calibrate with (train) and to test."""

    name: str
    train_images: Float32[np.ndarray, "train ..."]
    train_labels: Int32[np.ndarray, " train"]
    test_images: Float32[np.ndarray, "test ..."]
    test_labels: Int32[np.ndarray, " test"]
    """0 … classes - 1, or -1 where nobody says."""

    @property
    def has_labels(self) -> bool:
        """Whether every test image has a label."""
        return bool((self.test_labels != UNLABELLED).all())

    def first(self, train: int, test: int) -> "Dataset":
        """The first images of both sides."""
        return Dataset(
            self.name, self.train_images[:train], self.train_labels[:train], self.test_images[:test],
            self.test_labels[:test],
        )  # fmt: skip

    def require_classes(self, classes: int) -> None:
        """Raise SpecError for a label that a network of so many outputs cannot give."""
        labels = np.concatenate([self.train_labels, self.test_labels])
        wrong = labels[(labels >= classes) | (labels < UNLABELLED)]
        if wrong.size:
            fact = f"has the label {wrong[0]}, and the network has {classes} classes"
            raise SpecError(self.name, fact, f"Labels are 0 to {classes - 1}.")


def mnist() -> tuple[Part, Part]:
    """Handwritten digits, 28×28: 8,000 of MNIST's first 10,000 training images to train on, the other 2,000 to test."""
    with np.load(DATA / "mnist10k.npz") as file:
        part = Part(file["x"][..., None], file["y"])
    # The file is sorted by digit. Mixed evenly, both sides of the split hold each digit in its share.
    return part.mixed().cut(8000)


def sklearn_digits() -> tuple[Part, Part]:
    """Handwritten digits, 8×8, from scikit-learn: the first 1,437 to train on, the other 360 to test."""
    try:
        from sklearn.datasets import load_digits  # pyright: ignore[reportMissingImports]
    except ImportError:
        fact = "scikit-learn is not installed, and these digits come with it"
        raise SpecError("sklearn-digits", fact, "pip install scikit-learn") from None
    found = load_digits()
    return Part((found.images[..., None] / 16).astype(np.float32), found.target).cut(1437)


DATASETS = {"mnist": mnist, "sklearn-digits": sklearn_digits}


def load_dataset(
    name: str,
    shape: Shape | Mapping[str, Shape] | None = None,
    preprocess: Preprocessing | None = None,
    labels: str | None = None,
) -> Dataset:
    """The data set of a name, or in a file or folder, as inputs of `shape`, or as they come if that is not given.

    Of a network with several inputs, `shape` has that of each by its name. `labels` is a file of labels beside the
    data. Of a file without a split, every fifth image is to calibrate with, after an even mixing. Raises CardNotFound,
    FileError or SpecError.
    """
    preprocess = preprocess or Preprocessing()
    if isinstance(shape, Mapping):
        train, test = _several(name, shape, preprocess, labels)
        return Dataset(Path(name).name, train.images, train.classes(), test.images, test.classes())
    if not is_path(name):
        if name not in DATASETS:
            raise CardNotFound(name, "no data set has this name", f"{nearest(name, DATASETS)} A file is {FORMS}.")
        if labels is not None:
            raise SpecError("labels", f"{name} has labels of its own, got {quoted(labels)}")
        parts = DATASETS[name]()
    elif Path(name).is_dir():
        parts = read_folder(Path(name), labels, shape, preprocess.resize)
    else:
        parts = read_parts(Path(name), labels)
    train, test = (preprocess.apply(part.images, shape, name) for part in parts)
    return Dataset(Path(name).name, train, parts[0].classes(), test, parts[1].classes())


def _several(
    name: str, shapes: Mapping[str, Shape], preprocess: Preprocessing, labels: str | None
) -> tuple[Part, Part]:
    """The inputs of a network that has several."""
    names = ", ".join(shapes)
    remedy = f"Save an .npz with an array for each of {names}, and labels as y if there are any."
    if not is_path(name) or Path(name).is_dir():
        raise SpecError("dataset", f"the network reads {names}, and {name} has one array of images", remedy)
    if labels is not None:
        raise SpecError("labels", f"are in the same file as the inputs, got {quoted(labels)}", remedy)
    return read_inputs(Path(name), shapes, preprocess)
