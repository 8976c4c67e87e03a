"""Data of one's own: the same images through every door, and every door's way to refuse."""

import gzip
import struct

import numpy as np
import pytest

from pimsim import arrayfile
from pimsim.errors import FileError, PimsimError, SpecError
from pimsim.network.datafiles import Part, is_path, read_labels
from pimsim.network.datasets import load_dataset
from pimsim.network.preprocess import Preprocessing, resample

SHAPE = (6, 5, 1)


@pytest.fixture(scope="module")
def part():
    rng = np.random.default_rng(0)
    return Part(rng.integers(0, 256, (20, 6, 5), np.uint8), np.arange(20) % 4)


def idx(array):
    codes = {"uint8": 8, "int32": 12, "float32": 13}
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, codes[array.dtype.name], array.ndim, *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_idx(folder, part, zipped=False, prefix="t10k"):
    for name, array in (("images-idx3", part.images), ("labels-idx1", part.labels.astype(np.uint8))):
        data = idx(array)
        path = folder / f"{prefix}-{name}-ubyte{'.gz' if zipped else ''}"
        path.write_bytes(gzip.compress(data) if zipped else data)
    return folder / f"{prefix}-images-idx3-ubyte{'.gz' if zipped else ''}"


def write_images(folder, part, names):
    image = pytest.importorskip("PIL.Image")
    for place, (pixels, name) in enumerate(zip(part.images, names, strict=True)):
        (folder / name).mkdir(exist_ok=True, parents=True)
        image.fromarray(pixels).save(folder / name / f"{place:02}.png")
    return folder


def pairs(data):
    """What a data set holds, in no order: bytes of each image, and its label."""
    sides = ((data.train_images, data.train_labels), (data.test_images, data.test_labels))
    return sorted((x.tobytes(), int(y)) for images, labels in sides for x, y in zip(images, labels, strict=True))


def test_the_same_images_come_through_every_door(part, tmp_path):
    """npz, npy with labels in a CSV, IDX plain and zipped, folders of pictures, a list of pictures: one data set."""
    np.savez(tmp_path / "d.npz", x=part.images, y=part.labels)
    np.save(tmp_path / "d.npy", part.images)
    (tmp_path / "l.csv").write_text("label\n" + "\n".join(map(str, part.labels)))
    for folder in ("plain", "zipped", "named", "listed"):
        (tmp_path / folder).mkdir()
    write_images(tmp_path / "named", part, [f"{label}" for label in part.labels])
    write_images(tmp_path / "listed", part, ["all"] * 20)
    table = "\n".join(f"all/{i:02}.png,{'abcd'[label]}" for i, label in enumerate(part.labels))
    (tmp_path / "listed/labels.csv").write_text("file,label\n" + table)
    doors = {
        "d.npz": None,
        "d.npy": str(tmp_path / "l.csv"),
        str(write_idx(tmp_path / "plain", part).relative_to(tmp_path)): None,
        str(write_idx(tmp_path / "zipped", part, zipped=True).relative_to(tmp_path)): None,
        "named": None,
        "listed": None,
    }
    found = {door: load_dataset(str(tmp_path / door), SHAPE, labels=labels) for door, labels in doors.items()}
    wanted = pairs(found["d.npz"])
    assert len(set(wanted)) == 20
    for data in found.values():
        assert data.has_labels
        assert data.test_images.shape == (16, *SHAPE)
        assert pairs(data) == wanted


def test_a_split_in_the_file_is_kept(part, tmp_path):
    """Both of Keras' names, MNIST's four files and folders train and test keep what is to test, in order."""
    train, test = part.cut(12)
    np.savez(tmp_path / "d.npz", x_train=train.images, y_train=train.labels, x_test=test.images, y_test=test.labels)
    for name, each in (("train", train), ("t10k", test)):
        write_idx(tmp_path, each, zipped=True, prefix=name)
    for path in (tmp_path / "d.npz", tmp_path):
        data = load_dataset(str(path), SHAPE)
        np.testing.assert_array_equal(data.test_images[..., 0], (test.images / np.float32(255)).astype(np.float32))
        np.testing.assert_array_equal(data.train_labels, train.labels)
    for name, each in (("train", train), ("val", test)):
        write_images(tmp_path / "pictures" / name, each, [f"class {label}" for label in each.labels])
    assert pairs(load_dataset(str(tmp_path / "pictures"), SHAPE)) == pairs(data)


@pytest.mark.parametrize("count", [1, 2, 7, 100, 1000])
def test_mixing_visits_every_image_and_any_order_evenly(count):
    """Sorted by class, every tenth of the mixed file still holds each of four classes in its share, within 5 images."""
    part = Part(np.arange(count)[:, None], np.arange(count) * 4 // count).mixed()
    assert sorted(part.images[:, 0]) == list(range(count))
    for start in range(0, count - 99, 100):
        assert np.abs(np.bincount(part.labels[start : start + 100], minlength=4) - 25).max() <= 5


def test_one_image_calibrates_and_is_tested(part, tmp_path):
    np.save(tmp_path / "one.npy", part.images[:1])
    data = load_dataset(str(tmp_path / "one.npy"), SHAPE)
    np.testing.assert_array_equal(data.train_images, data.test_images)
    assert not data.has_labels


def test_grey_images_fit_with_or_without_an_axis_of_channels():
    grey = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    np.testing.assert_array_equal(Preprocessing().apply(grey, (2, 3, 1), "d"), grey[..., None])
    np.testing.assert_array_equal(Preprocessing().apply(grey[..., None], (2, 3), "d"), grey)


def test_preprocessing_by_hand():
    """(scale · x - mean) / std for each channel; 8-bit images are 0 … 1 if nobody says otherwise; channels last."""
    images = np.arange(2 * 3 * 2 * 2, dtype=np.uint8).reshape(2, 3, 2, 2)
    last = np.moveaxis(images, 1, -1).astype(np.float32)
    plain = Preprocessing(layout="NCHW").apply(images, (2, 2, 3), "d")
    np.testing.assert_allclose(plain, last / 255, rtol=1e-6)
    given = Preprocessing(layout="NCHW", scale=2.0, mean=(1, 2, 3), std=(0.5,)).apply(images, (2, 2, 3), "d")
    np.testing.assert_allclose(given, (2 * last - [1, 2, 3]) / 0.5, rtol=1e-6)
    np.testing.assert_array_equal(Preprocessing().apply(last, (2, 2, 3), "d"), last)


def test_resampling():
    """A flat image stays flat, a ramp stays a ramp inside, twice as small is the mean of triangles, and types stay."""
    flat = np.full((1, 7, 9, 2), 3.0, np.float32)
    np.testing.assert_allclose(resample(flat, 4, 13), 3.0, rtol=1e-6)
    ramp = np.broadcast_to(np.arange(16, dtype=np.float32)[:, None, None], (1, 16, 3, 1))
    half, double = resample(ramp, 8, 3)[0, :, 0, 0], resample(ramp, 32, 3)[0, :, 0, 0]
    np.testing.assert_allclose(half[1:-1], 2 * np.arange(1, 7) + 0.5, rtol=1e-6)
    np.testing.assert_allclose(double[1:-1], (np.arange(1, 31) - 0.5) / 2, rtol=1e-5)
    small = resample(np.array([[[[0], [255]], [[255], [0]]]], np.uint8), 1, 1)
    assert (small.dtype, small.item()) == (np.uint8, 128)


def broken(kind, part, folder):
    """A file with one mistake, and what is asked of it."""
    path, options = folder / "d.npz", {}
    x, y = part.images, part.labels
    if kind == "shape":
        np.savez(path, x=x[:, :, :4], y=y)
    elif kind == "channels first":
        np.savez(path, x=np.zeros((4, 2, 6, 5), np.uint8))
        options["shape"] = (6, 5, 2)
    elif kind == "unequal":
        np.savez(path, x=x, y=y[1:])
    elif kind == "negative":
        np.savez(path, x=x, y=y - 1)
    elif kind == "real labels":
        np.savez(path, x=x, y=y / 2)
    elif kind == "nothing":
        np.savez(path, x=x[:0], y=y[:0])
    elif kind == "not finite":
        np.savez(path, x=np.where(x == x[3, 0, 0], np.nan, x.astype(np.float32)))
    elif kind == "names":
        np.savez(path, pictures=x)
    elif kind == "objects":
        np.savez(path, x=np.array([print, None]))
    elif kind == "cut npz":
        np.savez(path, x=x)
        path.write_bytes(path.read_bytes()[:-40])
    elif kind == "cut npy":
        path = folder / "d.npy"
        np.save(path, x)
        path.write_bytes(path.read_bytes()[:-40])
    elif kind in ("cut gz", "cut idx", "long idx"):
        path = write_idx(folder, part, zipped=kind == "cut gz")
        whole = path.read_bytes()
        path.write_bytes(whole + b"x" if kind == "long idx" else whole[:-40])
    elif kind == "huge":
        path = folder / "d.idx"
        path.write_bytes(struct.pack(">BBBB3I", 0, 0, 8, 3, 2**31, 2**31, 2**31))
    elif kind == "text":
        path = folder / "d.txt"
        path.write_text("hello")
    elif kind == "empty folder":
        path = folder
    elif kind == "absent":
        path = folder / "nowhere.npz"
    elif kind == "bad picture":
        pytest.importorskip("PIL")
        path = folder
        (folder / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    elif kind == "stray":
        path = write_images(folder, part, ["a"] * 19 + ["."])
    elif kind == "outside":
        path = write_images(folder / "in", part, ["."] * 20)
        write_images(folder, part, ["."] * 20)
        (path / "labels.csv").write_text("../00.png,1\n")
    return path, options


@pytest.mark.parametrize(
    ("kind", "error", "said"),
    [
        ("shape", SpecError, "images have shape (6, 4, 1), and the network reads (6, 5, 1)\n  Resample"),
        ("channels first", SpecError, "preprocess.layout: NCHW"),
        ("unequal", SpecError, "has 20 images and 19 labels"),
        ("negative", SpecError, "labels must be 0 or more, got -1"),
        ("real labels", SpecError, "labels must be one whole number an image"),
        ("nothing", SpecError, "holds 0 images"),
        ("not finite", SpecError, "values that are not finite"),
        ("names", SpecError, "holds 'pictures'\n  Name the arrays x and y"),
        ("objects", FileError, "Python objects"),
        ("cut npz", FileError, "is cut short or damaged"),
        ("cut npy", FileError, "is cut short or damaged"),
        ("cut gz", FileError, "is cut short or damaged"),
        ("cut idx", FileError, "says it holds 600 bytes and holds 560"),
        ("long idx", FileError, "says it holds 600 bytes and holds more"),
        ("huge", FileError, "more than 2"),
        ("text", FileError, "is no data set that is known"),
        ("empty folder", SpecError, "holds 0 images"),
        ("absent", FileError, "no such file"),
        ("bad picture", FileError, "is no image that can be read"),
        ("stray", SpecError, "'19.png' is in none of its folders"),
        ("outside", SpecError, "is not in"),
    ],
)
def test_what_cannot_be_read_is_refused(kind, error, said, part, tmp_path):
    """Each mistake is told with the file and, where there is one, the remedy."""
    path, options = broken(kind, part, tmp_path)
    with pytest.raises(error) as caught:
        load_dataset(str(path), **({"shape": SHAPE} | options))
    assert said in str(caught.value)
    assert str(tmp_path) in caught.value.place


def test_labels_that_a_network_cannot_give(part, tmp_path):
    np.savez(tmp_path / "d.npz", x=part.images, y=part.labels)
    data = load_dataset(str(tmp_path / "d.npz"), SHAPE)
    data.require_classes(4)
    with pytest.raises(SpecError, match=r"has the label 3, and the network has 3 classes\n  Labels are 0 to 2"):
        data.require_classes(3)


def test_names_and_files_are_told_apart():
    assert [is_path(name) for name in ("mnist", "a.npz", "photos/", "./photos")] == [False, True, True, True]


def test_labels_beside_data_that_has_its_own(part, tmp_path):
    np.savez(tmp_path / "d.npz", x=part.images, y=part.labels)
    (tmp_path / "l.csv").write_text("1\n2\ncat\n")
    for name in ("mnist", str(tmp_path / "d.npz")):
        with pytest.raises(PimsimError, match="labels"):
            load_dataset(name, labels=str(tmp_path / "l.csv"))
    with pytest.raises(SpecError, match="whole numbers, got 'cat'"):
        read_labels(tmp_path / "l.csv")


def test_missing_packages_are_named(part, tmp_path, monkeypatch):
    """Pictures need Pillow, scikit-learn's digits need it; both say so."""
    (tmp_path / "a.png").write_bytes(b"")
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    with pytest.raises(SpecError, match="pimsim\\[images\\]"):
        load_dataset(str(tmp_path))
    with pytest.raises(SpecError, match="pip install scikit-learn"):
        load_dataset("sklearn-digits")


def test_scikit_learns_digits(monkeypatch):
    """1,797 images of 0 … 16: 1,437 to train on and 360 to test, as values 0 … 1."""
    module = type("datasets", (), {})()
    rng = np.random.default_rng(0)
    found = type("Bunch", (), {"images": rng.integers(0, 17, (1797, 8, 8)) * 1.0, "target": np.arange(1797) % 10})
    module.load_digits = lambda: found
    monkeypatch.setitem(__import__("sys").modules, "sklearn", type("sklearn", (), {"datasets": module})())
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", module)
    data = load_dataset("sklearn-digits", (8, 8, 1))
    assert (len(data.train_images), len(data.test_images)) == (1437, 360)
    assert data.train_images.max() == 1
    np.testing.assert_array_equal(data.test_images[..., 0] * 16, found.images[1437:])


def test_size_limits_are_those_of_the_values_not_of_the_file(part, tmp_path, monkeypatch):
    """A file that says more than the limit is refused before anything is unpacked."""
    np.savez_compressed(tmp_path / "d.npz", x=np.zeros((100, 100), np.uint8))
    monkeypatch.setattr(arrayfile, "MAX_BYTES", 5000)
    with pytest.raises(FileError, match="Take a part"):
        load_dataset(str(tmp_path / "d.npz"))
