"""Training laid down between two epochs, and taken up again."""

import io
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pimsim.arrayfile import read_npz
from pimsim.errors import FileError
from pimsim.network.recipe import LearningCurve
from pimsim.results.target import replace_file
from pimsim.training.fit import State

CURVE = ("loss", "accuracy", "held_out_loss", "held_out_accuracy")
REMEDY = "Start anew, without --resume."


def write_checkpoint(path: Path, experiment: str, state: State) -> None:
    """Put the state in the place of a file, with the text of the experiment that it belongs to. Raises FileError."""
    leaves = enumerate(jax.tree.leaves(state._replace(curve=None)))
    arrays: dict[str, Any] = {f"leaf{place}": np.asarray(leaf) for place, leaf in leaves}
    arrays |= {name: getattr(state.curve, name) for name in CURVE}
    content = io.BytesIO()
    np.savez(content, experiment=np.array(experiment), **arrays)
    replace_file(path, content.getbuffer())


def read_checkpoint(path: Path, experiment: str, like: State) -> State:
    """The state that `write_checkpoint` laid down, of the form of another state of the same training.

    Raises FileError where there is none, or one of another experiment, or of weights of other shapes.
    """
    leaves, form = jax.tree.flatten(like._replace(curve=None))
    held = read_npz(path, REMEDY)
    if str(held.get("experiment", experiment)) != experiment:
        fact = "belongs to another experiment; another number of epochs makes one, with other learning rates"
        raise FileError(str(path), fact, REMEDY)
    wanted = {"experiment", *CURVE, *(f"leaf{place}" for place in range(len(leaves)))}
    if missing := wanted - set(held):
        raise FileError(str(path), f"is no checkpoint: {min(missing)} is missing", REMEDY)
    numbers, columns = [held[f"leaf{place}"] for place in range(len(leaves))], [held[name] for name in CURVE]
    if set(held) != wanted or [array.shape for array in numbers] != [np.shape(leaf) for leaf in leaves]:
        raise FileError(str(path), "belongs to a network whose weights have other shapes", REMEDY)
    state = jax.tree.unflatten(form, map(jnp.asarray, numbers))
    return state._replace(curve=LearningCurve(np.arange(len(columns[0])), *columns))
