"""How a tensor of a model lies in a tensor of ours: which of its axes, in which order, make up each of our axes.

A model's tensor has all its axes, the batch of one image among them: (1, channels, height, width). Ours is vectors of
values, (height, width, channels). `groups` says which: ((2,), (3,), (1,)). A group may hold several axes, as the heads
and the values of a head do in an attention's vectors: (1, heads, tokens, n) with ((2,), (1, 3)) is tokens vectors of
heads · n values. So a transposition moves nothing: it gives the axes other names. Axes of size 1 may be left out.
"""

from dataclasses import dataclass
from math import prod

import numpy as np

from pimsim.network.ops import Shape

Groups = tuple[Shape, ...]

IMAGE_GROUPS: dict[int, Groups] = {4: ((2,), (3,), (1,)), 3: ((), (2,), (1,))}
"""Of a batch of images, and of a batch of signals (1, channels, length), which are images of height 1; by rank."""


@dataclass(frozen=True)
class Tensor:
    """A result of the network, as the model sees it and as we hold it."""

    source: str
    """The node that makes it."""
    shape: Shape
    """Of the model's tensor, for one image."""
    groups: Groups
    kind: int
    """ONNX's number of the type of its elements."""
    alone: bool = True
    """Whether nothing else reads what the source makes."""

    @property
    def own(self) -> Shape:
        """Our shape."""
        return own_shape(self.shape, self.groups)


def own_shape(shape: Shape, groups: Groups) -> Shape:
    """The size of each group."""
    return tuple(prod(shape[axis] for axis in group) for group in groups)


def significant(shape: Shape, groups: Groups) -> Groups:
    """The groups without axes of size 1, and without groups that held no other."""
    kept = (tuple(axis for axis in group if shape[axis] > 1) for group in groups)
    return tuple(group for group in kept if group)


def flat(groups: Groups) -> Shape:
    """All axes, in the order in which our tensor holds them."""
    return tuple(axis for group in groups for axis in group)


def natural(shape: Shape) -> Groups:
    """Each axis on its own, in the model's order; one value is one axis."""
    return tuple((axis,) for axis, size in enumerate(shape) if size > 1) or ((),)


def ending_with(tensor: Tensor, axes: Shape) -> Groups:
    """Groups whose last one is these axes; the others as they are, or in the model's order if they are mixed up."""
    rest = tuple(tuple(axis for axis in group if axis not in axes) for group in tensor.groups)
    mixed = any(0 < len(left) < len(group) for left, group in zip(rest, tensor.groups, strict=True))
    if mixed:
        left = set(flat(tensor.groups)) - set(axes)
        rest = tuple(group for group in natural(tensor.shape) if group and group[0] in left)
    return (*(group for group in rest if group), axes)


def shifted(groups: Groups, by: int) -> Groups:
    """The groups of a tensor with so many axes of size 1 put before the others."""
    return tuple(tuple(axis + by for axis in group) for group in groups)


def transposed(groups: Groups, order: Shape) -> Groups:
    """The groups of a tensor whose axis i was axis order[i]."""
    return tuple(tuple(order.index(axis) for axis in group) for group in groups)


def segments(old: Shape, new: Shape) -> list[tuple[Shape, Shape]]:
    """Runs of axes (old, new) that hold the same values when a tensor is reshaped; axes of size 1 are in none."""
    runs, i, j = [], 0, 0
    olds, news = ([axis for axis, size in enumerate(shape) if size > 1] for shape in (old, new))
    while i < len(olds):
        first, second, left, right = i, j, old[olds[i]], new[news[j]]
        while left != right:
            if left < right:
                i += 1
                left *= old[olds[i]]
            else:
                j += 1
                right *= new[news[j]]
        i, j = i + 1, j + 1
        runs.append((tuple(olds[first:i]), tuple(news[second:j])))
    return runs


def reshaped(groups: Groups, old: Shape, new: Shape) -> Groups | None:
    """The groups that hold the same values in the same order after a reshape; None where the values must move.

    An axis that is split stays in its group; axes that become one must follow one another, in one group or as several.
    """
    found = [list(group) for group in significant(old, groups)]
    for olds, news in segments(old, new):
        order = [axis for group in found for axis in group]
        start = order.index(olds[0])
        if tuple(order[start : start + len(olds)]) != olds:
            return None
        own = [group for group in found if set(group) & set(olds)]
        if len(own) > 1 and any(set(group) - set(olds) for group in own):
            return None
        joined = [axis for group in own for axis in group]
        place = joined.index(olds[0])
        joined[place : place + len(olds)] = [-1 - axis for axis in news]
        first = found.index(own[0])
        found[first : first + len(own)] = [joined]
    return tuple(tuple(-1 - axis for axis in group) for group in found) or ((),)


def arranged(images: np.ndarray, image: Tensor) -> np.ndarray:
    """Images as the model takes them, as the network does; axes of size 1, such as the batch, may be left out."""
    full = images.reshape(len(images), *image.shape)
    order = flat(image.groups)
    rest = (axis for axis in range(len(image.shape)) if axis not in order)
    return full.transpose(0, *(axis + 1 for axis in (*rest, *order))).reshape(len(images), *image.own)


def held(constant: np.ndarray, shape: Shape, groups: Groups) -> np.ndarray:
    """A constant that repeats to a shape of the model, as it repeats to our tensor of these groups."""
    full = constant.reshape((1,) * (len(shape) - constant.ndim) + constant.shape)
    parts = []
    for group in groups:
        repeats = all(full.shape[axis] == 1 for axis in group)
        parts.append([1 if repeats else shape[axis] for axis in group])
    wanted = list(full.shape)
    for group, sizes in zip(groups, parts, strict=True):
        for axis, size in zip(group, sizes, strict=True):
            wanted[axis] = size
    order = flat(groups)
    rest = tuple(axis for axis in range(len(shape)) if axis not in order)
    moved = np.broadcast_to(full, wanted).transpose(*rest, *order).reshape([prod(sizes) for sizes in parts])
    while moved.ndim and moved.shape[0] == 1:
        moved = moved[0]
    return np.asarray(moved)
