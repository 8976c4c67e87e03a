"""What is done to images before a network reads them: (scale · x - mean) / std, channels last, resized if asked."""

from typing import Literal

import equinox as eqx
import numpy as np
from jaxtyping import Float32, Num

from pimsim.errors import SpecError
from pimsim.network.ops import Shape
from pimsim.spec import AbstractSpec


class Preprocessing(AbstractSpec):
    """How stored images become a network's inputs, as it was trained on them."""

    layout: Literal["NHWC", "NCHW"] = "NHWC"
    """Where the channels stand in stored images."""
    resize: bool = False
    """Whether images of another size are resampled to the network's: bilinear, averaging where they shrink."""
    scale: float | None = None
    """What stored values are multiplied by; not given, 1/255 for 8-bit images and 1 for others."""
    mean: tuple[float, ...] = eqx.field(default=(), converter=tuple)
    """Of each channel, or of all, after the scale."""
    std: tuple[float, ...] = eqx.field(default=(), converter=tuple)

    def __check_init__(self):
        if any(value <= 0 for value in self.std):
            raise SpecError("std", f"must be more than 0, got {min(self.std):g}")

    def apply(self, images: np.ndarray, shape: Shape | None, place: str) -> Float32[np.ndarray, "image ..."]:
        """The images as a network of this input shape reads them, or in their own shape.

        Raises SpecError for images of another shape, and for means that are not one a channel.
        """
        if self.layout == "NCHW" and images.ndim == 4:
            images = np.moveaxis(images, 1, -1)
        if shape is not None:
            images = self._fitted(images, shape, place)
        for field in ("mean", "std"):
            if len(getattr(self, field)) not in (0, 1, images.shape[-1]):
                fact = f"needs 1 value or {images.shape[-1]}, one a channel, got {len(getattr(self, field))}"
                raise SpecError(f"preprocess.{field}", fact)
        x = images.astype(np.float32)
        if self.scale is not None:
            x = x * np.float32(self.scale)
        elif images.dtype == np.uint8:
            x = x / np.float32(255)
        if self.mean or self.std:
            x = (x - np.asarray(self.mean or 0, np.float32)) / np.asarray(self.std or 1, np.float32)
        return np.ascontiguousarray(x, np.float32)

    def _fitted(self, images: np.ndarray, shape: Shape, place: str) -> np.ndarray:
        if images.ndim == len(shape) and shape[-1] == 1:  # grey images without an axis of channels
            images = images[..., None]
        elif images.shape[1:] == (*shape, 1):  # and the other way round
            images = images[..., 0]
        got = images.shape[1:]
        if self.resize and len(shape) == len(got) == 3 and got[2] == shape[2]:
            return resample(images, *shape[:2])
        if got != shape:
            remedy = ""
            if len(got) == len(shape) == 3:
                if (got[1], got[2], got[0]) == shape:
                    remedy = "Their channels stand first: preprocess.layout: NCHW"
                elif got[2] == shape[2]:
                    remedy = "Resample them: preprocess.resize: true"
            raise SpecError(place, f"images have shape {got}, and the network reads {shape}", remedy)
        return images


def resample(
    images: Num[np.ndarray, "image height width channel"], height: int, width: int
) -> Num[np.ndarray, "image new_height new_width channel"]:
    """Images of another size, of the same type: bilinear, with the triangle as wide as a step where they shrink."""
    if images.shape[1:3] == (height, width):
        return images
    rows, cols = (_weights(old, new) for old, new in zip(images.shape[1:3], (height, width), strict=True))
    y = np.einsum("ih,nhwc,jw->nijc", rows, images.astype(np.float32), cols, optimize=True)
    if images.dtype.kind in "ui":
        y = np.clip(np.rint(y), np.iinfo(images.dtype).min, np.iinfo(images.dtype).max)
    return y.astype(images.dtype)


def _weights(old: int, new: int) -> Float32[np.ndarray, "new old"]:
    """What each new pixel takes of the old ones; rows sum to 1."""
    step = old / new
    distance = (np.arange(new)[:, None] + 0.5) * step - (np.arange(old) + 0.5)
    weights = np.maximum(0, 1 - np.abs(distance) / max(step, 1))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
