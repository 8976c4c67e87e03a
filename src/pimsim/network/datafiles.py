"""Arrays of images and labels in files: npz, npy, and IDX, the format of the MNIST family, also gzipped.

A file is what its first bytes say it is. Nothing in a file is executed: arrays of Python objects are refused.
"""

import csv
import gzip
from collections.abc import Collection
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pimsim.arrayfile import ZIPPED, first_bytes, read_npz, reading, require_size
from pimsim.errors import FileError, SpecError, os_fact, quoted

FORMS = ".npz, .npy, IDX (also gzipped), or a folder of images"
MIXING = 0.618
"""The golden ratio's share: steps of it visit every image once and mix any order evenly."""
IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
NUMPY, GZIPPED = b"\x93NUM", b"\x1f\x8b"
LABELS = ("y", "labels")
KEYS = (
    (("x_train", "Xtr", "train_images"), ("y_train", "ytr", "train_labels")),
    (("x_test", "Xte", "test_images"), ("y_test", "yte", "test_labels")),
    (("x", "images", "X"), LABELS),
)  # fmt: skip
"""Names of arrays in an .npz, of images and labels: to train, to test, and of a file without a split."""
NAMES = frozenset(name for pair in KEYS for names in pair for name in names)


class Part(NamedTuple):
    """Images, and their labels if anybody says."""

    images: np.ndarray
    labels: np.ndarray | None = None

    def cut(self, size: int) -> "tuple[Part, Part]":
        """The first `size` images, and the others."""
        return self.take(slice(size)), self.take(slice(size, None))

    def take(self, which: "slice | np.ndarray") -> "Part":
        return Part(self.images[which], None if self.labels is None else self.labels[which])

    def mixed(self) -> "Part":
        """All images in another order, in which any run of them is a fair sample of a file that was sorted."""
        count = len(self.images)
        step = next((s for s in range(max(1, round(MIXING * count)), count) if np.gcd(s, count) == 1), 1)
        return self.take(np.arange(count) * step % max(count, 1))

    def split(self) -> "tuple[Part, Part]":
        """Every fifth to calibrate with and the others to test; one image alone is both."""
        mixed = self.mixed()
        return (self, self) if len(self.images) == 1 else mixed.cut(-(-len(self.images) // 5))

    def checked(self, place: str) -> "Part":
        """Raise SpecError unless these are numbers, all finite, and as many labels as images."""
        images, labels = self.images, self.labels
        if images.ndim < 2 or not len(images):
            fact = f"holds no images: the shape is {images.shape}" if images.ndim < 2 else "holds 0 images"
            raise SpecError(place, fact, "The first axis counts the images.")
        if images.dtype.kind not in "uifb":
            raise SpecError(place, f"images must be numbers, got {images.dtype}")
        if images.dtype.kind == "f" and not np.isfinite(images).all():
            bad = np.flatnonzero(~np.isfinite(images.reshape(len(images), -1)).all(axis=1))
            raise SpecError(place, f"{len(bad)} images hold values that are not finite, the first is image {bad[0]}")
        if labels is None:
            return self
        labels = labels.reshape(-1) if labels.ndim == 2 and labels.shape[1] == 1 else labels
        if labels.dtype.kind not in "ui" or labels.ndim != 1:
            fact = f"labels must be one whole number an image, got {labels.dtype} of shape {labels.shape}"
            raise SpecError(place, fact)
        if len(labels) != len(images):
            raise SpecError(place, f"has {len(images)} images and {len(labels)} labels")
        if labels.min() < 0:
            raise SpecError(place, f"labels must be 0 or more, got {labels.min()}")
        return Part(images, labels)

    def classes(self) -> np.ndarray:
        """The labels as int32, -1 where nobody says."""
        if self.labels is None:
            return np.full(len(self.images), -1, np.int32)
        return np.minimum(self.labels.astype(np.int64), np.iinfo(np.int32).max).astype(np.int32)


def is_path(name: str) -> bool:
    """Whether a data set is a file or a folder: its name has a dot or a slash."""
    return any(each in name for each in "./\\")


def read_parts(path: Path, labels: str | None = None) -> tuple[Part, Part]:
    """The images to calibrate with and to test, of a file; `labels` names a file of labels for all of them.

    Raises FileError for a file that cannot be read as what it says it is, SpecError for what it holds.
    """
    found = read_arrays(path)
    if isinstance(found, np.ndarray):
        return read_part(path, labels).split()
    if labels is not None:
        fact = f"{path.name} holds its labels itself, got {quoted(labels)}"
        raise SpecError("labels", fact, "Leave out `labels`, or name an .npy.")
    train, test, whole = (_part(str(path), found, *names) for names in KEYS)
    if test is not None:
        return train or test, test
    if one := train or whole:
        return one.split()
    names = ", ".join(quoted(name) for name in list(found)[:8]) or "nothing"
    raise SpecError(str(path), f"holds {names}", "Name the arrays x and y, or x_train, y_train, x_test and y_test.")


def read_part(path: Path, labels: str | None = None) -> Part:
    """The images of an npy or IDX file, with the labels that a file beside it holds."""
    beside = Path(labels) if labels else _idx_labels(path)
    return Part(_array(path), read_labels(beside) if beside else None).checked(str(path))


def read_labels(path: Path) -> np.ndarray:
    """The labels in an npy, IDX or CSV file, in the images' order; a CSV has them in its last column."""
    if path.suffix.lower() != ".csv":
        return _array(path)
    rows = [row[-1].strip() for row in read_table(path)]
    try:
        return np.array([int(cell) for cell in rows])
    except ValueError:
        wrong = next(cell for cell in rows if not cell.lstrip("+-").isdigit())
        raise SpecError(str(path), f"labels must be whole numbers, got {quoted(wrong)}") from None


def read_table(path: Path) -> list[list[str]]:
    """The lines of a CSV file, without a header: a first line that ends in "label", or in no number above numbers."""
    try:
        rows = [row for row in csv.reader(path.read_text(encoding="utf-8-sig").splitlines()) if row]
    except OSError as error:
        raise FileError(str(path), os_fact(error)) from None
    except (UnicodeDecodeError, csv.Error):
        raise FileError(str(path), "is not a CSV file in UTF-8") from None
    numeric = [row[-1].strip().lstrip("+-").isdigit() for row in rows]
    titled = len(rows) > 1 and not numeric[0] and (all(numeric[1:]) or rows[0][-1].strip().lower() == "label")
    return rows[1:] if titled else rows


def _part(place: str, arrays: dict[str, np.ndarray], images: tuple[str, ...], labels: tuple[str, ...]) -> Part | None:
    """The part whose arrays have one of these names."""
    first = next((arrays[name] for name in images if name in arrays), None)
    own = next((arrays[name] for name in labels if name in arrays), None)
    return None if first is None else Part(first, own).checked(place)


def _idx_labels(path: Path) -> Path | None:
    """The labels that MNIST's names put beside images: t10k-images-idx3-ubyte → t10k-labels-idx1-ubyte."""
    beside = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1"))
    return beside if beside != path and beside.is_file() else None


def _array(path: Path) -> np.ndarray:
    found = read_arrays(path)
    if not isinstance(found, np.ndarray):
        raise SpecError(str(path), "holds several arrays", "Save one array as .npy.")
    return found


def read_arrays(path: Path, wanted: Collection[str] = NAMES) -> np.ndarray | dict[str, np.ndarray]:
    """The array of a file, or the arrays of an .npz by name, of which those that nobody wants are left empty.

    Raises FileError for a file that cannot be read as what it says it is.
    """
    remedy = f"A data set is {FORMS}."
    with reading(path, remedy):
        head = first_bytes(path)
        if head == ZIPPED:
            return read_npz(path, remedy, wanted)
        if head == NUMPY:
            return np.load(path, mmap_mode="r", allow_pickle=False)
        if head[:2] == GZIPPED or (head[:2] == b"\0\0" and len(head) == 4 and head[2] in IDX_TYPES):
            return _idx(path, head[:2] == GZIPPED)
    raise FileError(str(path), "is no data set that is known", remedy)


def _idx(path: Path, zipped: bool) -> np.ndarray:
    """An IDX file: 0, 0, type, axes; a 32-bit length an axis, big-endian; the values."""
    with gzip.open(path) if zipped else path.open("rb") as file:
        head = file.read(4)
        if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in IDX_TYPES:
            raise FileError(str(path), "is compressed, but holds no IDX file", f"A data set is {FORMS}.")
        shape = tuple(np.frombuffer(file.read(4 * head[3]), ">u4").tolist())
        size = prod(shape) * np.dtype(IDX_TYPES[head[2]]).itemsize
        require_size(path, size)
        body = file.read(size + 1)
    if len(shape) != head[3] or len(body) != size:
        fact = f"says it holds {size} bytes and holds {'more' if len(body) > size else len(body)}"
        raise FileError(str(path), fact, "Fetch or write it again.")
    values = np.frombuffer(body, IDX_TYPES[head[2]]).reshape(shape)
    return values.astype(values.dtype.newbyteorder("="))
