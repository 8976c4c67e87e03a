"""How much current wires take from an array, by its size and by the resistance of a segment.

    python examples/ir_drop.py [--sizes 16 32 64 128] [--ohm 0.1 0.5 1 2 5] [--figure ir_drop.png]

Cells of ISAAC, at random levels, all rows driven: the table prints how much of its current the mean column loses, and
the column furthest from the drivers.
"""

import argparse

import jax.numpy as jnp
import numpy as np

import pimsim
from pimsim.circuits import Wires
from pimsim.circuits.wires import effective_conductance


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[16, 32, 64, 128], help="rows and columns")
    parser.add_argument("--ohm", type=float, nargs="+", default=[0.1, 0.5, 1, 2, 5], help="resistance of a segment")
    parser.add_argument("--figure", help="draw it into this file")
    choice = parser.parse_args()

    device = pimsim.load_device("isaac-cell")
    rng = np.random.default_rng(0)
    losses = {}
    print("| array | segment | mean loss | last column |\n|---|---|---|---|")
    for size in choice.sizes:
        cells = device.target(jnp.asarray(rng.integers(0, 4, (size, size))), 4)
        for ohm in choice.ohm:
            losses[size, ohm] = loss = column_losses(Wires(word_segment=ohm, bit_segment=ohm), cells)
            print(f"| {size} × {size} | {ohm:g} ohm | {loss.mean():.2%} | {loss[-1]:.2%} |", flush=True)
    if choice.figure:
        draw(losses, choice)


def column_losses(wires, cells):
    """The share of each column's current that is missing when all rows are driven by one volt."""
    return 1 - np.asarray(effective_conductance(wires, cells)).sum(axis=0) / np.asarray(cells, float).sum(axis=0)


def draw(losses, choice) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 3.5), layout="constrained")
    for ohm in choice.ohm:
        axes.plot(choice.sizes, [100 * losses[size, ohm].mean() for size in choice.sizes], "o-", label=f"{ohm:g} Ω")
    axes.set(xlabel="rows and columns", ylabel="loss of current (%)", yscale="log", xscale="log")
    axes.set_xticks(choice.sizes, [str(size) for size in choice.sizes])
    axes.minorticks_off()
    axes.legend(title="a segment")
    axes.grid(alpha=0.3)
    figure.savefig(choice.figure, dpi=150)


if __name__ == "__main__":
    main()
