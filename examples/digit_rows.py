"""Digits read row by row: a small LSTM and a small GRU, trained in seconds, on ISAAC's arrays at 8 bits.

    python examples/digit_rows.py [--epochs 8] [--samples 1000] [--percent 0 2 5] [--trials 3]

Prints a table: accuracy in float, on exact integers, and on chips whose cells miss their targets by so much of their
range (mean and spread). Every step's vectors pass the same arrays; what they get wrong stays in the state.
"""

import argparse
from dataclasses import replace

import jax
import numpy as np
import optax

import pimsim
from pimsim.inference import infer
from pimsim.mapping import place
from pimsim.network.datasets import load_dataset
from pimsim.network.graph import Network, build_network, random_weights
from pimsim.network.layers import Dense, Gru, LastToken, Lstm
from pimsim.network.quantize import quantize

STEPS, UNITS, BATCH = 14, 48, 100


def rows(images: np.ndarray) -> np.ndarray:
    """Digits of half the size, as sequences of rows."""
    return images.reshape(-1, STEPS, 2, STEPS, 2).mean(axis=(2, 4))


def train(network: Network, x: np.ndarray, labels: np.ndarray, epochs: int) -> Network:
    """The network after some passes in a fixed order of random batches."""
    count = len(x) // BATCH
    optimizer = optax.adam(optax.cosine_decay_schedule(5e-3, epochs * count))
    weights = random_weights(network, key=jax.random.key(0))
    weights = jax.tree.map(lambda w: w / 2**0.5, weights)

    @jax.jit
    def step(weights, state, x, labels):
        def loss(weights):
            logits = network.with_weights(weights).forward(x)
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

        updates, state = optimizer.update(jax.grad(loss)(weights), state, weights)
        return optax.apply_updates(weights, updates), state

    state, rng = optimizer.init(weights), np.random.default_rng(0)
    for _ in range(epochs):
        for chosen in rng.permutation(len(x))[: count * BATCH].reshape(count, BATCH):
            weights, state = step(weights, state, x[chosen], labels[chosen])
    return network.with_weights(weights)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--percent", type=float, nargs="+", default=[0, 2, 5])
    parser.add_argument("--trials", type=int, default=3)
    choice = parser.parse_args()

    data = load_dataset("mnist")
    x, tests = rows(data.train_images), rows(data.test_images)[: choice.samples]
    chip = pimsim.load_chip("isaac-ce", {"core.weight_bits": 8, "core.input_bits": 8})
    print("| layer | float | integers | " + " | ".join(f"cells off by {share:g} %" for share in choice.percent) + " |")
    print("|---" * (3 + len(choice.percent)) + "|")
    for name, layer in (("LSTM", Lstm(UNITS)), ("GRU", Gru(UNITS))):
        topology = build_network(name, (STEPS, STEPS), [("cell", layer), ("last", LastToken()), ("fc", Dense(10))])
        quantized = quantize(train(topology, x, data.train_labels, choice.epochs), x[:500], weight_bits=8, input_bits=8)
        placement, runs = place(topology.ops(), chip, "none"), []
        for share in choice.percent:
            device = replace(chip.core.device, programming_noise=share / 100 * chip.core.device.g_max)
            core = replace(chip.core, device=device)
            settings = {"trials": choice.trials, "key": jax.random.key(0), "calibration": x[:500]}
            runs.append(infer(quantized, placement, core, tests, data.test_labels[: choice.samples], **settings))
        shares = [f"{100 * run.crossbar_mean:.1f} % ± {100 * run.crossbar_std:.1f} %" for run in runs]
        exact = [f"{100 * accuracy:.1f} %" for accuracy in (runs[0].float_accuracy, runs[0].quantized_accuracy)]
        print(f"| {name}, {UNITS} units | " + " | ".join([*exact, *shares]) + " |", flush=True)


if __name__ == "__main__":
    main()
