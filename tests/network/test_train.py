"""Training: it learns, it repeats itself, and it says what it cannot do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pimsim.network import train as module
from pimsim.network.datasets import load_dataset
from pimsim.network.graph import build_network
from pimsim.network.layers import Dense, Flatten
from pimsim.network.train import accuracy, augment, main, train


@pytest.fixture(scope="module")
def mnist():
    return load_dataset("mnist")


TOPOLOGY = build_network("linear", (28, 28, 1), [("flatten", Flatten()), ("fc", Dense(10))])


def test_training_learns_and_repeats_itself(mnist):
    """From chance to most digits in a few steps; the same seed gives the same weights, another seed others."""
    images, labels = mnist.train_images[:500], mnist.train_labels[:500]
    losses = []
    network = train(TOPOLOGY, images, labels, epochs=8, seed=0, report=losses.append)
    assert len(losses) == 40
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) / 1.5
    assert accuracy(network, mnist.test_images, mnist.test_labels) > 0.6
    again, other = (train(TOPOLOGY, images, labels, epochs=8, seed=seed).weights["fc"]["weight"] for seed in (0, 1))
    np.testing.assert_array_equal(network.weights["fc"]["weight"], again)
    assert np.abs(again - other).max() > 0


def test_augmented_images_are_convex_mixtures(mnist):
    """Bilinear sampling stays in 0 … 1; each image moves its own way."""
    images = jnp.asarray(np.repeat(mnist.train_images[:1], 5, axis=0))
    moved = np.asarray(jax.jit(augment)(images, key=jax.random.key(0)))
    assert moved.min() >= 0
    assert moved.max() <= 1 + 1e-6
    assert all(np.abs(moved[0] - other).max() > 0.1 for other in moved[1:])


def test_no_change_is_the_identity(mnist, monkeypatch):
    for name in ("SHIFT", "TURN", "SCALE", "SHEAR"):
        monkeypatch.setattr(module, name, 0.0)
    images = jnp.asarray(mnist.train_images[:3])
    same = jax.jit(lambda x, key: augment(x, key=key))(images, jax.random.key(0))
    np.testing.assert_allclose(same, images, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["lenet"], "error: lenet: no network has this name\n  Did you mean lenet5"),
        (["mlp", "--epochs", "0"], "error: epochs: "),
        (["mlp", "--output", "nowhere/w.npz"], "its folder does not exist"),
    ],
)
def test_mistakes_are_told(arguments, said, capsys):
    assert main(arguments) == 2
    assert said in capsys.readouterr().err
