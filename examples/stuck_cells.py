"""Accuracy of a small network against the share of stuck cells, for weights in pairs of cells and in offset cells.

    python examples/stuck_cells.py [--samples 1000] [--trials 10] [--figure stuck_cells.png]

Prints a table: the share of stuck cells, five in the high-resistance state for each in the low-resistance one as in the
usual pair of 9.04 % and 1.75 %, and the mean accuracy and spread of the chips. Converters are ideal and weights have 8
bits in 2-bit cells, so that what shows is where faults strike: a cell of a pair that is stuck at zero is most often one
that should be zero anyway, while an offset cell holds half of its range.
"""

import argparse

import pimsim

CORE = {
    "chip.core.weight_bits": 8,
    "chip.core.input_bits": 8,
    "chip.core.cell_bits": 2,
    "chip.core.adc": {"model": "IdealAdc"},
    "chip.core.device": "reram-stuck",
}
ENCODINGS = {
    "differential": {"model": "Differential", "subtraction": "analog"},
    "offset": {"model": "Offset"},
}
HRS_SHARE = 0.0904 / (0.0904 + 0.0175)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=1000, help="test images")
    parser.add_argument("--trials", type=int, default=10, help="chips programmed")
    parser.add_argument("--percent", type=float, nargs="+", default=[0, 0.1, 1, 3, 10.79], help="of cells are stuck")
    parser.add_argument("--figure", help="draw it into this file")
    choice = parser.parse_args()

    found = {name: [] for name in ENCODINGS}
    print("| stuck cells | " + " | ".join(found) + " |\n|---|---|---|")
    for percent in choice.percent:
        for name, encoding in ENCODINGS.items():
            hrs = percent / 100 * HRS_SHARE
            rates = {"chip.core.device.hrs_rate": hrs, "chip.core.device.lrs_rate": percent / 100 - hrs}
            changes = {"samples": choice.samples, "trials": choice.trials, "chip.core.encoding": encoding}
            inference = pimsim.simulate(pimsim.load_experiment("isaac-mlp", changes | CORE | rates)).inference
            found[name].append((inference.crossbar_mean, inference.crossbar_std))
        cells = " | ".join(f"{mean:.2%} ± {spread:.2%}" for mean, spread in (rows[-1] for rows in found.values()))
        print(f"| {percent:g} % | {cells} |", flush=True)
    if choice.figure:
        draw(choice.percent, found, choice.figure)


def draw(percent: list[float], found: dict[str, list[tuple[float, float]]], path: str) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 3.5), layout="constrained")
    for name, rows in found.items():
        mean, spread = zip(*rows, strict=True)
        axes.errorbar(percent, [100 * m for m in mean], [100 * s for s in spread], marker="o", capsize=3, label=name)
    axes.set(xlabel="stuck cells (%)", ylabel="accuracy (%)", ylim=(0, 102))
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
