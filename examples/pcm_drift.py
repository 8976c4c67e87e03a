"""Accuracy of a small network on phase-change cells against time, with and without global drift compensation.

    python examples/pcm_drift.py [--samples 1000] [--trials 10] [--figure pcm_drift.png]

Prints a table: time since programming, and the mean accuracy and spread of the programmed chips. Weights of 8 bits are
pairs of 7-bit cells, and converters are ideal, so that what shows is the cells.
"""

import argparse

import pimsim

CORE = {
    "chip.core.weight_bits": 8,
    "chip.core.input_bits": 8,
    "chip.core.cell_bits": 7,
    "chip.core.encoding": {"model": "Differential", "subtraction": "analog"},
    "chip.core.adc": {"model": "IdealAdc"},
}
CELLS = {
    "as they are": {"chip.core.device": "pcm-gst", "chip.core.device.age": ""},
    "compensated": {"chip.core.device": "pcm-gst-compensated", "chip.core.device.device.age": ""},
}
HOUR, YEAR = 3600.0, 365 * 86400.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=1000, help="test images")
    parser.add_argument("--trials", type=int, default=10, help="chips programmed")
    parser.add_argument(
        "--seconds", type=float, nargs="+", default=[20, HOUR, 24 * HOUR, 720 * HOUR, YEAR, 10 * YEAR],
        help="since programming, at least 20",
    )  # fmt: skip
    parser.add_argument("--figure", help="draw it into this file")
    choice = parser.parse_args()

    found = {name: [] for name in CELLS}
    print("| time | " + " | ".join(found) + " |\n|---|---|---|")
    for seconds in choice.seconds:
        for name, cell in CELLS.items():
            aged = {path: value or f"{seconds!r} s" for path, value in cell.items()}
            changes = {"samples": choice.samples, "trials": choice.trials} | CORE | aged
            inference = pimsim.simulate(pimsim.load_experiment("isaac-mlp", changes)).inference
            found[name].append((inference.crossbar_mean, inference.crossbar_std))
        cells = " | ".join(f"{mean:.2%} ± {spread:.2%}" for mean, spread in (rows[-1] for rows in found.values()))
        print(f"| {seconds:g} s | {cells} |", flush=True)
    if choice.figure:
        draw(choice.seconds, found, choice.figure)


def draw(seconds: list[float], found: dict[str, list[tuple[float, float]]], path: str) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 3.5), layout="constrained")
    for name, rows in found.items():
        mean, spread = zip(*rows, strict=True)
        axes.errorbar(
            seconds, [100 * m for m in mean], [100 * s for s in spread], marker="o", capsize=3, label=name
        )  # fmt: skip
    axes.set(xscale="log", xlabel="time since programming (s)", ylabel="accuracy (%)", ylim=(0, 102))
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
