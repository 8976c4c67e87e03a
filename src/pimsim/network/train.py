"""Train a network of the zoo: `python -m pimsim.network.train lenet5`.

Every step sees its images shifted, turned, scaled and sheared anew; the learning rate rises and falls once. The recipe
was fixed on 1,500 images held out of the training split. The test split is read once, after the last step.
"""

import argparse
import functools
import sys
from collections.abc import Callable
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.scipy.ndimage import map_coordinates
from jaxtyping import Array, Float, Float32, Int, Int32, PRNGKeyArray
from rich.console import Console
from rich.progress import Progress

from pimsim.errors import FileError, PimsimError, SpecError
from pimsim.network.datasets import Dataset, load_dataset
from pimsim.network.graph import Network, Weights, predict, random_weights
from pimsim.network.weightfile import write_weights
from pimsim.network.zoo import WEIGHTS, load_topology

BATCH = 100
LEARNING_RATE = 3e-3
"""The highest, reached after a tenth of the steps."""
WEIGHT_DECAY = 1e-4
LABEL_SMOOTHING = 0.05
EPOCHS = {"lenet5": 150, "mlp": 150, "resnet8-digits": 50, "mobilenet-digits": 60, "vit-digits": 80}
"""Of the weights that the package has."""
SHIFT, TURN, SCALE, SHEAR = 2.0, 0.2, 0.15, 0.2
"""The greatest change of an image: pixels, radians, logarithm of the factor along each axis, and slope."""


def augment(
    images: Float32[Array, "batch height width channel"], *, key: PRNGKeyArray
) -> Float32[Array, "batch height width channel"]:
    """Each image under an affine map of its own, drawn evenly; bilinear between pixels, black outside."""
    batch, height, width, _ = images.shape
    draws = jax.random.uniform(key, (6, batch, 1, 1), jnp.float32, -1, 1)
    turn, shear, stretch = TURN * draws[0], SHEAR * draws[1], jnp.exp(SCALE * draws[2:4])
    middle = (height - 1) / 2, (width - 1) / 2
    y = jnp.arange(height, dtype=jnp.float32)[:, None] - middle[0]
    x = jnp.arange(width, dtype=jnp.float32) - middle[1]
    y, x = stretch[0] * y, stretch[1] * x + shear * y
    rows = jnp.cos(turn) * y - jnp.sin(turn) * x + SHIFT * draws[4] + middle[0]
    cols = jnp.sin(turn) * y + jnp.cos(turn) * x + SHIFT * draws[5] + middle[1]
    resample = functools.partial(map_coordinates, order=1)
    channels = jax.vmap(resample, in_axes=(2, None), out_axes=2)
    return jax.vmap(channels)(images, [rows, cols])


def train(
    topology: Network,
    images: Float32[np.ndarray, "image height width channel"],
    labels: Int32[np.ndarray, " image"],
    *,
    epochs: int,
    seed: int,
    change: Callable[..., Array] = augment,
    report: Callable[[float], None] = lambda loss: None,
) -> Network:
    """The network after `epochs` passes over the images, each step's changed; `report` hears each step's loss.

    The same seed gives the same weights on the same machine. Raises SpecError where there are fewer images than a
    batch, and for fewer than one epoch.
    """
    if epochs < 1 or len(images) < BATCH:
        raise SpecError("epochs", f"needs 1 or more, over {BATCH} images or more, got {epochs} over {len(images)}")
    steps = len(images) // BATCH
    schedule = optax.cosine_onecycle_schedule(epochs * steps, LEARNING_RATE, pct_start=0.1)
    optimizer = optax.adamw(schedule, weight_decay=WEIGHT_DECAY)

    @jax.jit
    def step(weights, state, x, y, key):
        def loss(weights: Weights) -> Float[Array, ""]:
            logits = topology.with_weights(weights).forward(change(x, key=key))
            targets = optax.smooth_labels(jax.nn.one_hot(y, logits.shape[-1], dtype=jnp.float32), LABEL_SMOOTHING)
            return optax.softmax_cross_entropy(logits, targets).mean()

        value, gradient = jax.value_and_grad(loss)(weights)
        updates, state = optimizer.update(gradient, state, weights)
        return optax.apply_updates(weights, updates), state, value

    start, order_key, augment_key = jax.random.split(jax.random.key(seed), 3)
    weights = random_weights(topology, key=start)
    state = optimizer.init(weights)
    for epoch in range(epochs):
        order = np.asarray(jax.random.permutation(jax.random.fold_in(order_key, epoch), len(images)))
        for i in range(steps):
            chosen = order[i * BATCH : (i + 1) * BATCH]
            key = jax.random.fold_in(augment_key, epoch * steps + i)
            weights, state, value = step(weights, state, images[chosen], labels[chosen], key)
            report(float(value))
    return topology.with_weights(weights)


def accuracy(
    network: Network, images: Float32[np.ndarray, "image height width channel"], labels: Int[np.ndarray, " image"]
) -> float:
    """The share of images whose largest logit is their label's."""
    return float(np.mean(predict(eqx.filter_jit(network.forward), images) == labels))


def main(arguments: list[str] | None = None) -> int:
    """Train, measure and write; mistakes go to stderr with exit status 2."""
    parser = argparse.ArgumentParser(prog="python -m pimsim.network.train", description="Train a network of the zoo.")
    parser.add_argument("network")
    parser.add_argument("--epochs", type=int, help="by default as many as the package's own weights saw, or 50")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="the .npz file to write; by default the package's own")
    options = parser.parse_args(arguments)
    try:
        topology, data = load_topology(options.network), load_dataset("mnist")
        output = options.output or WEIGHTS / f"{options.network}.npz"
        if not output.parent.is_dir():
            raise FileError(str(output), "its folder does not exist")
        epochs = EPOCHS.get(options.network, 50) if options.epochs is None else options.epochs
        network = _train_with_progress(topology, data, epochs, options.seed)
    except PimsimError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    write_weights(output, network.weights)
    print(f"{output}: {accuracy(network, data.test_images, data.test_labels):.2%} of the test images")
    return 0


def _train_with_progress(topology: Network, data: Dataset, epochs: int, seed: int) -> Network:
    """`train` behind a progress bar on stderr."""
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(topology.name, total=epochs * (len(data.train_images) // BATCH))

        def report(loss: float) -> None:
            progress.update(task, advance=1, description=f"{topology.name}, loss {loss:.3f}")

        return train(topology, data.train_images, data.train_labels, epochs=epochs, seed=seed, report=report)


if __name__ == "__main__":
    sys.exit(main())
