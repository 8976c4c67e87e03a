"""Passes over the training images: steps, epochs, a look at the held-out images, and an end.

Everything drawn is named by the epoch or the step, so that training taken up from a state ends in the same bits.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Float32, Int, Int32, PRNGKeyArray

from pimsim.errors import SpecError
from pimsim.network.graph import Images, Network, Weights
from pimsim.network.recipe import LearningCurve, Recipe
from pimsim.training.layers import ChipLayer, chip_logits

Progress = Callable[[str, int, int], None]
Layers = dict[str, ChipLayer]
Chips = Callable[[Layers, int], tuple[Layers, PRNGKeyArray]]
"""chips(layers, draw): the chip that one batch is asked with, as its layers and its key."""

HELD_OUT = 2**31
"""The first of the draws that held-out images are asked with, and the key of their reads; steps have draws before."""


class State(NamedTuple):
    """Where training stands, between two epochs."""

    weights: Weights
    """Of the matrix layers."""
    optimizer: Any
    best: Weights
    curve: LearningCurve


@dataclass(frozen=True, eq=False)
class Course:
    """What training goes by from its first to its last epoch."""

    network: Network
    images: Float32[np.ndarray, "image ..."]
    labels: Int32[np.ndarray, " image"]
    recipe: Recipe
    calibrate: Callable[[Network], Layers]
    """The chip's layers, calibrated for the network's weights; called once for the weights after each epoch."""
    chips: Chips

    @cached_property
    def sides(self) -> tuple[Int[np.ndarray, " step_image"], Int[np.ndarray, " held_out"]]:
        """The images that steps see, and those held out."""
        return self.recipe.split(len(self.images))

    @property
    def steps(self) -> int:
        """Of an epoch; images that fill no batch wait for another epoch."""
        return len(self.sides[0]) // self.recipe.batch

    @property
    def optimizer(self) -> optax.GradientTransformation:
        return _adam(self.recipe.learning_rate, self.recipe.epochs * self.steps)

    def start(self) -> State:
        """The network's own weights, before anything is known of them."""
        weights = {name: self.network.weights[name] for name in self.network.matrix_layers}
        curve = LearningCurve(np.zeros(0, int), *(np.zeros(0) for _ in range(4)))
        return State(weights, self.optimizer.init(weights), weights, curve)

    def layers(self, weights: Weights) -> Layers:
        """The chip's layers, calibrated for these weights."""
        return self.calibrate(self._with(weights))

    def epoch(self, state: State, layers: Layers, tell: Callable[[int, int], None]) -> tuple[State, Layers]:
        """All images seen once, in an order of the epoch's own, or in epoch 0 none; then the held-out ones.

        `layers` are those of the state, and what comes back is the next state with its own. tell(done, of) counts steps
        of all epochs.
        """
        recipe, epoch = self.recipe, len(state.curve.epoch)
        weights, optimizer = state.weights, state.optimizer
        if epoch == 0:
            return state._replace(curve=state.curve.longer(np.nan, np.nan, *self._examine(weights, layers))), layers
        order = np.random.default_rng((recipe.seed, epoch)).permutation(self.sides[0])
        batches = order[: self.steps * recipe.batch].reshape(self.steps, recipe.batch)
        seen = []
        for step, batch in enumerate(batches, (epoch - 1) * self.steps):
            asked, key = self.chips(layers, step)
            weights, optimizer, *found = _step(
                self.optimizer, self._with(weights), optimizer, asked, self.images[batch], self.labels[batch],
                step * recipe.batch + jnp.arange(recipe.batch), key,
            )  # fmt: skip
            seen.append(np.asarray(found, float))
            if not np.isfinite(seen[-1]).all():
                raise SpecError("training.learning_rate", f"the loss is not finite in step {step}", "Lower it.")
            tell(step + 1, recipe.epochs * self.steps)
        layers = self.layers(weights)
        curve = state.curve.longer(*np.mean(seen, axis=0).tolist(), *self._examine(weights, layers))
        return State(weights, optimizer, weights if curve.best == epoch else state.best, curve), layers

    def _examine(self, weights: Weights, layers: Layers) -> tuple[float, float]:
        """Mean loss and accuracy on the held-out images, a chip a batch, the same ones in every epoch."""
        network, held, size = self._with(weights), self.sides[1], self.recipe.batch
        layers, found = {name: replace(layer, reads=(HELD_OUT,)) for name, layer in layers.items()}, []
        for number, start in enumerate(range(0, len(held), size)):
            batch = np.resize(held[start : start + size], size)  # filled up by itself: one shape is compiled once
            asked, key = self.chips(layers, HELD_OUT + number)
            names = number * size + jnp.arange(size)
            losses = _losses(network, asked, self.images[batch], self.labels[batch], names, key)
            found.append(np.stack(losses)[:, : len(held) - start])
        loss, right = np.concatenate(found, axis=1).mean(axis=1)
        return float(loss), float(right)

    def _with(self, weights: Weights) -> Network:
        return self.network.with_weights(self.network.weights | weights)


def fit(
    course: Course,
    state: State,
    save: Callable[[State], None] = lambda state: None,
    progress: Progress = lambda what, done, of: None,
) -> State:
    """Follow the course from a state to its end; `save` hears of the state after each epoch."""
    layers = course.layers(state.weights)
    while not state.curve.exhausted(course.recipe):
        state, layers = course.epoch(state, layers, lambda done, of: progress("train", done, of))
        save(state)
    return state


@cache
def _adam(rate: float, steps: int) -> optax.GradientTransformation:
    """One object for one recipe, so that a second training of the like compiles nothing."""
    return optax.adam(optax.cosine_decay_schedule(rate, steps))


@eqx.filter_jit
def _losses(
    network: Network,
    layers: Layers,
    images: Images,
    labels: Int[Array | np.ndarray, " batch"],
    names: Array,
    key: PRNGKeyArray,
) -> tuple[Float[Array, " batch"], Bool[Array, " batch"]]:
    """The cross-entropy of each image, and whether the chip is right."""
    logits = chip_logits(network, layers, images, names, key)
    logits = logits.reshape(len(images), -1)
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels), logits.argmax(axis=-1) == labels


@eqx.filter_jit
def _step(
    optimizer: optax.GradientTransformation, network: Network, state: Any, layers: Layers, images: Images,
    labels: Int[Array | np.ndarray, " batch"], names: Array, key: PRNGKeyArray,
) -> tuple[Weights, Any, Float[Array, ""], Float[Array, ""]]:  # fmt: skip
    """New weights of the matrix layers and a new state, with the mean loss and the accuracy of the old weights."""
    weights = {name: network.weights[name] for name in network.matrix_layers}

    def mean_loss(weights: Weights) -> tuple[Float[Array, ""], Float[Array, ""]]:
        trained = network.with_weights(network.weights | weights)
        losses, right = _losses(trained, layers, images, labels, names, key)
        return losses.mean(), right.mean()

    (loss, right), gradient = jax.value_and_grad(mean_loss, has_aux=True)(weights)
    updates, state = optimizer.update(gradient, state, weights)
    return optax.apply_updates(weights, updates), state, loss, right  # pyright: ignore[reportReturnType]
