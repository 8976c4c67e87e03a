"""A cell known by measurement: the fit that its card makes of a CSV file, beside the measurements.

    python examples/own_data.py [examples/my-cell.yaml] [--figure own_data.png]

Prints a table: for targets between the measured ones, the mean and spread of the fit at the card's age, and those of
10,000 cells programmed so.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import pimsim

CELLS = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("card", nargs="?", default=str(Path(__file__).parent / "my-cell.yaml"))
    parser.add_argument("--figure", help="draw it into this file")
    choice = parser.parse_args()

    cell = pimsim.load_device(choice.card)
    targets = jnp.linspace(cell.g_min, cell.g_max, 9, dtype="float32")
    mean, sigma = cell.fit(targets)
    programmed = cell.program(jnp.tile(targets, (CELLS, 1)), key=jax.random.key(0))
    print("| target | fit | programmed |\n|---|---|---|")
    for row in zip(targets, mean, sigma, programmed.mean(axis=0), programmed.std(axis=0), strict=True):
        target, m, s, m_cells, s_cells = (1e6 * float(value) for value in row)
        print(f"| {target:.2f} uS | {m:.2f} ± {s:.2f} uS | {m_cells:.2f} ± {s_cells:.2f} uS |")
    if choice.figure:
        draw(cell, choice.figure)


def draw(cell, path: str) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 3.5), layout="constrained")
    targets = np.linspace(cell.g_min, cell.g_max, 200, dtype="float32")
    for index, moments in enumerate(cell.data.moments()):
        measured = [1e6 * np.array(values) for values in moments[1:]]
        label = f"measured, {moments.time:g} s" if cell.data.time else "measured"
        off = measured[1] - measured[0]
        axes.errorbar(measured[0], off, measured[2], fmt="os^v"[index % 4], ms=4, capsize=3, label=label)
    ages = sorted({cell.data.time[0], cell.age, cell.data.time[-1]}) if cell.data.time else [cell.age]
    for age in ages:
        mean, sigma = (1e6 * np.asarray(values) for values in replace(cell, age=age).fit(jnp.asarray(targets)))
        (line,) = axes.plot(1e6 * targets, mean - 1e6 * targets, lw=1, label=f"fit, {age:g} s")
        axes.fill_between(1e6 * targets, mean - 1e6 * targets - sigma, mean - 1e6 * targets + sigma,
                          color=line.get_color(), alpha=0.1)  # fmt: skip
    axes.set(xlabel="target (µS)", ylabel="programmed − target (µS)")
    axes.legend(fontsize="small")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
