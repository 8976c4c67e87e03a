"""Vectors, and the copies of a matrix that they pass in turn."""

import jax.numpy as jnp
from jaxtyping import Array, Int, Num, Shaped

Turn = int | Int[Array, ""]
"""The copy that the first vector passes: 0 if it is known before anything is compiled."""


def vector_names(
    image: Int[Array, " batch"], vectors: int, of_image: int, first: Turn = 0
) -> Int[Array, "batch vector"]:
    """Of vectors first, first + 1, … of images with so many: what tells the noise of one read from that of another."""
    return image[:, None] * of_image + first + jnp.arange(vectors)


def dealt(values: Shaped[Array, "batch vector *rest"], copies: int, first: Turn = 0) -> Shaped[Array, "copy own *rest"]:
    """What belongs to vectors, by the copy that each of them passes; filled up with zeros."""
    batch, vectors, *rest = values.shape
    waves = _waves(vectors, copies, first)
    filled = jnp.pad(values, ((0, 0), (0, waves * copies - vectors), *((0, 0),) * len(rest)))
    by_wave = jnp.roll(filled, first, axis=1).reshape(batch, waves, copies, *rest)
    return jnp.moveaxis(by_wave, 2, 0).reshape(copies, batch * waves, *rest)


def gathered(y: Num[Array, "copy own col"], vectors: int, first: Turn = 0) -> Num[Array, "batch vector col"]:
    """The copies' results, as many vectors of each of the batch, in the order of the vectors."""
    copies, _, cols = y.shape
    by_wave = jnp.moveaxis(y.reshape(copies, -1, _waves(vectors, copies, first), cols), 0, 2)
    return jnp.roll(by_wave.reshape(by_wave.shape[0], -1, cols), -first, axis=1)[:, :vectors]


def _waves(vectors: int, copies: int, first: Turn) -> int:
    spare = 0 if isinstance(first, int) else copies - 1
    return -(-(vectors + spare) // copies)
