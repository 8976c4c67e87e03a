"""How a network is trained for its chip, and how that went."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from pimsim.errors import SpecError, require, require_positive
from pimsim.spec import AbstractSpec
from pimsim.units import Ratios


class Recipe(AbstractSpec):
    """Fine-tuning through the chip: Adam, a learning rate that falls to zero along a cosine, early stopping."""

    epochs: int = 10
    """Passes over the training images, at most."""
    batch: int = 100
    """Images a step. Each step is a chip programmed anew, with errors of its own."""
    learning_rate: float = 3e-3
    """Of the first step."""
    patience: int = 5
    """Epochs without a lower loss on the held-out images before training stops; the best weights are kept."""
    held_out: float = 0.1
    """Share of the training images that no step sees."""
    seed: int = 0
    """Of the order of the images and of the errors; chips that the trained network is run on have the experiment's."""
    known: Literal["nothing", "faults", "all"] = "nothing"
    """What is known of the chip to train for, which is the run's first: nothing, so that it may be any; where its
    faults are, while cells are programmed anew each step; or all its errors, as with the chip in the loop."""
    conversions: Literal["played", "ideal"] = "played"
    """Whether each step plays the reads and conversions as a run does, or multiplies by the matrix that the programmed
    cells stand for, without conversions and without noise of reading, which is faster."""

    def __check_init__(self):
        require("epochs", self.epochs, 1, 100_000)
        require("batch", self.batch, 1)
        require_positive("learning_rate", self.learning_rate)
        require("patience", self.patience, 1)
        require("seed", self.seed, 0, 2**32 - 1)
        if not 0 < self.held_out < 1:
            raise SpecError("held_out", f"must be between 0 and 1, got {self.held_out:g}")

    def split(self, count: int) -> tuple[Int[np.ndarray, " step_image"], Int[np.ndarray, " held_out"]]:
        """Which of `count` training images the steps see, and which not. Raises SpecError where a side has too few."""
        held = round(self.held_out * count)
        if not 1 <= held <= count - self.batch:
            fact = f"needs a batch of {self.batch} and an image held out, got {count} training images"
            raise SpecError("training.batch", fact, "Take smaller batches, or another training.held_out.")
        order = np.random.default_rng(self.seed).permutation(count)
        return order[held:], order[:held]


@dataclass(frozen=True)
class LearningCurve:
    """Losses and accuracies on the chip, epoch by epoch; cross-entropy in nats, a mean over images."""

    epoch: Int[np.ndarray, " epoch"]
    """From 0: before the first step, where only the held-out images were asked."""
    loss: Float[np.ndarray, " epoch"]
    """Of the steps, each with the weights before it; NaN in epoch 0."""
    accuracy: Ratios[np.ndarray, " epoch"]
    """Likewise."""
    held_out_loss: Float[np.ndarray, " epoch"]
    """After the epoch, in the same chips every time."""
    held_out_accuracy: Ratios[np.ndarray, " epoch"]

    def longer(self, *figures: float) -> "LearningCurve":
        """The curve with one epoch more."""
        columns = (self.loss, self.accuracy, self.held_out_loss, self.held_out_accuracy)
        longer = (np.append(column, figure) for column, figure in zip(columns, figures, strict=True))
        return LearningCurve(np.arange(len(self.epoch) + 1), *longer)

    @property
    def best(self) -> int:
        """The epoch whose weights are kept: the first with the lowest loss on the held-out images."""
        return int(np.argmin(self.held_out_loss))

    def exhausted(self, recipe: Recipe) -> bool:
        """Whether training is over: all epochs seen, or none of the last better than the best."""
        last = len(self.epoch) - 1
        return last >= 0 and (last >= recipe.epochs or last - self.best >= recipe.patience)
