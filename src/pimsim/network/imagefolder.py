"""A folder of images, labelled by the names of its folders or by a CSV; or the four files of the MNIST family."""

from pathlib import Path

import numpy as np

from pimsim.errors import FileError, SpecError, nearest, quoted
from pimsim.network.datafiles import Part, read_part, read_table
from pimsim.network.ops import Shape
from pimsim.network.preprocess import resample

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
SIDES = (("train", "training"), ("test", "val", "validation", "t10k"))
"""Names of folders, and beginnings of IDX files, that are one side of a split."""
LABELS = "labels.csv"


def read_folder(path: Path, labels: str | None, shape: Shape | None, resize: bool) -> tuple[Part, Part]:
    """The images to calibrate with and to test: in folders `train` and `test`, or else split after an even mixing.

    Images are read as grey for a network of one channel and as red, green and blue for others; they have one size,
    or are resampled to the network's.
    """
    train, test = (_side(path, names) for names in SIDES)
    if train and test and labels is None:
        if train.is_file():
            return read_part(train), read_part(test)
        return read_images(train, None, shape, resize).mixed(), read_images(test, None, shape, resize).mixed()
    return read_images(path, labels, shape, resize).split()


def read_images(folder: Path, labels: str | None, shape: Shape | None, resize: bool) -> Part:
    """All images of a folder, sorted by path, or those that a CSV names."""
    table = Path(labels) if labels else folder / LABELS
    if labels or table.is_file():
        files, classes = _listed(folder, table)
    else:
        files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
        classes = _of_folders(folder, files)
    if not files:
        raise SpecError(str(folder), "holds 0 images", f"Images end in {', '.join(SUFFIXES[:4])} and the like.")
    images = [_pixels(file, shape[-1] if shape else 3) for file in files]
    if resize and shape is not None and len(shape) == 3:
        images = [resample(image[None], *shape[:2])[0] for image in images]
    for file, image in zip(files, images, strict=True):
        if image.shape != images[0].shape:
            fact = f"{file.name} has shape {image.shape}, {files[0].name} has {images[0].shape}"
            raise SpecError(str(folder), fact, "Resample them: preprocess.resize: true")
    return Part(np.stack(images), classes).checked(str(folder))


def _side(path: Path, names: tuple[str, ...]) -> Path | None:
    """The folder, or the IDX file of images, of one side of a split."""
    found = (each for name in names for each in (path / name, *sorted(path.glob(f"{name}-images*"))))
    return next((each for each in found if each.exists()), None)


def _of_folders(folder: Path, files: list[Path]) -> np.ndarray | None:
    """Labels from the folder that each image is in: its number if all are numbers, else its place among the names."""
    names = [file.relative_to(folder).parts[0] if file.parent != folder else "" for file in files]
    if not any(names):
        return None
    if "" in names:
        stray = quoted(files[names.index("")].name)
        raise SpecError(str(folder), f"{stray} is in none of its folders, whose names are the labels")
    return _numbered(names)


def _listed(folder: Path, table: Path) -> tuple[list[Path], np.ndarray]:
    """The images that a CSV names, and their labels."""
    rows = read_table(table)
    if any(len(row) != 2 for row in rows):
        raise SpecError(str(table), "expected lines of two cells: the file of an image, and its label")
    files = [folder / row[0].strip() for row in rows]
    for file in files:
        if not file.resolve().is_relative_to(folder.resolve()) or not file.is_file():
            there = [str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file()]
            name = str(file.relative_to(folder))
            raise SpecError(str(table), f"{quoted(name)} is not in {folder}", nearest(name, there))
    return files, _numbered([row[1].strip() for row in rows])


def _numbered(names: list[str]) -> np.ndarray:
    """Labels as numbers: themselves if all are whole numbers, else their places among the names in order."""
    if all(name.isdecimal() for name in names):
        return np.array([int(name) for name in names], int)
    known = {name: place for place, name in enumerate(sorted(set(names)))}
    return np.array([known[name] for name in names])


def _pixels(file: Path, channels: int) -> np.ndarray:
    """One image as uint8 [height, width, channel]."""
    try:
        from PIL import Image
    except ImportError:
        fact = "Pillow is not installed, and images need it"
        raise SpecError(str(file), fact, 'pip install "pimsim[images]"') from None
    try:
        with Image.open(file) as image:
            pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"), np.uint8)
    except Exception as error:  # a decoder raises what it likes over a damaged file
        fact = "is no image that can be read, or is cut short"
        raise FileError(str(file), fact, str(error).splitlines()[0][:100] if str(error) else "") from None
    return pixels.reshape(*pixels.shape[:2], -1)
