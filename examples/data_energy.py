"""Energy of reading an array, from moments of its inputs, against the sum over every cell: ResNet-18, layer by layer.

    python examples/data_energy.py [--vectors 2000] [--figure data_energy.png]

Inputs are drawn from measured histograms and applied as 16 voltages by a 4-bit DAC. A cell takes V² G t: an estimate
from the mean V takes too much, one from its square far too little, and one from the mean of V² what it should.
"""

import argparse
import csv
from pathlib import Path

import numpy as np

import pimsim
from pimsim.inference.driving import Rows, geometry, stored_exactly

HISTOGRAMS = Path(__file__).parent / "resnet18-inputs.csv"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectors", type=int, default=2000, help="drawn for each layer")
    parser.add_argument("--figure", help="draw it into this file")
    choice = parser.parse_args()

    core = pimsim.load_chip("isaac-ce", {"core.dac.bits": 4, "core.input_bits": 4, "core.weight_bits": 8}).core
    rng = np.random.default_rng(0)
    weights = np.clip(np.rint(rng.normal(0, 30, (core.rows, core.weights_per_array))), -127, 127).astype(int)
    occupied = np.ones((1, 1), bool)
    stored = stored_exactly(core, weights, False, occupied)
    arrays, _ = geometry(core, weights.shape, occupied)

    rows = []
    print("| layer | mean V | its square | mean V² |\n|---|---|---|---|")
    for layer, share in histograms().items():
        x = rng.choice(16, (choice.vectors, core.rows), p=share / share.sum())
        sums = Rows(core, arrays, False).sums(x, np.zeros(len(x), int), stored)
        conducting, reads = sums.conductance.sum() / len(x), len(x) * core.rows
        mean, square, true = sums.level[0] / reads, sums.square[0] / reads, sums.conducted.sum() / len(x)
        rows.append([estimate * conducting / true for estimate in (mean, mean**2, square)])
        print(f"| {layer} | " + " | ".join(f"{100 * each:.1f} %" for each in rows[-1]) + " |")
    if choice.figure:
        draw(rows, choice.figure)


def histograms() -> dict[str, np.ndarray]:
    """Shares of each voltage, by layer."""
    with HISTOGRAMS.open() as file:
        lines = list(csv.reader(line for line in file if not line.startswith("#")))
    return {row[0]: np.array(row[1:], float) for row in lines[1:]}


def draw(rows: list[list[float]], path: str) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 3.5), layout="constrained")
    for label, marker, values in zip(("mean V", "its square", "mean V²"), "os.", zip(*rows, strict=True), strict=True):
        axes.plot(values, marker=marker, label=label)
    axes.set(xlabel="layer of ResNet-18", ylabel="estimate over the true energy", ylim=(0, None))
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
