"""Networks that come with the package, and their trained weights."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np

from pimsim.errors import CardNotFound, nearest
from pimsim.network.graph import Network, Weights, build_network
from pimsim.network.layers import Conv2d, Dense, Flatten, MaxPool, Relu

WEIGHTS = Path(__file__).parent / "weights"


def lenet5() -> Network:
    """LeNet-5 for 28×28 digits, with ReLU and max pooling (LeCun et al., Proc. IEEE 86, 2278 (1998), modernised)."""
    return build_network(
        "lenet5",
        (28, 28, 1),
        [
            ("conv1", Conv2d(6, 5, padding=2)),
            ("relu1", Relu()),
            ("pool1", MaxPool(2)),
            ("conv2", Conv2d(16, 5)),
            ("relu2", Relu()),
            ("pool2", MaxPool(2)),
            ("flatten", Flatten()),
            ("fc1", Dense(120)),
            ("relu3", Relu()),
            ("fc2", Dense(84)),
            ("relu4", Relu()),
            ("fc3", Dense(10)),
        ],
    )


def mlp() -> Network:
    """Perceptron for 28×28 digits with two hidden layers, 784-256-128-10."""
    return build_network(
        "mlp",
        (28, 28, 1),
        [
            ("flatten", Flatten()),
            ("fc1", Dense(256)),
            ("relu1", Relu()),
            ("fc2", Dense(128)),
            ("relu2", Relu()),
            ("fc3", Dense(10)),
        ],
    )


ZOO = {"lenet5": lenet5, "mlp": mlp}
"""The networks' topologies, without weights."""


def load_topology(name: str) -> Network:
    """The network of this name, without weights; CardNotFound names the nearest where there is none."""
    if name not in ZOO:
        raise CardNotFound(name, "no network has this name", nearest(name, ZOO))
    return ZOO[name]()


def load_network(name: str) -> Network:
    """The network of this name with its trained weights; CardNotFound names the nearest where there is none."""
    topology = load_topology(name)
    return topology.with_weights(read_weights(WEIGHTS / f"{name}.npz"))


def read_weights(path: Path) -> Weights:
    """The weights in an .npz file, whose arrays are named <layer>.weight and <layer>.bias."""
    weights = {}
    with np.load(path) as file:
        for key, array in file.items():
            layer, kind = key.rsplit(".", 1)
            weights.setdefault(layer, {})[kind] = jnp.asarray(array)
    return weights


def write_weights(path: Path, weights: Weights) -> None:
    """Write what `read_weights` reads."""
    arrays = {f"{layer}.{kind}": np.asarray(a) for layer, own in weights.items() for kind, a in own.items()}
    np.savez_compressed(path, allow_pickle=False, **arrays)
