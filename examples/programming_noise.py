"""Accuracy of LeNet-5 on ISAAC against the programming error of its cells.

    python examples/programming_noise.py [--samples 1000] [--trials 5] [--figure programming_noise.png]

Prints a table: the error in percent of the largest conductance, the mean accuracy of the programmed chips, and their
spread.
"""

import argparse

import pimsim


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=1000, help="test images")
    parser.add_argument("--trials", type=int, default=5, help="chips programmed")
    parser.add_argument(
        "--percent", type=float, nargs="+", default=[0, 2, 5, 10, 20], help="of the largest conductance"
    )
    parser.add_argument("--figure", help="draw it into this file")
    choice = parser.parse_args()

    rows = []
    print("| programming error | accuracy |\n|---|---|")
    for percent in choice.percent:
        sigma = f"500 uS * {percent / 100!r}"  # ISAAC's cells reach 500 uS
        changes = {"samples": choice.samples, "trials": choice.trials, "chip.core.device.programming_noise": sigma}
        inference = pimsim.simulate(pimsim.load_experiment("isaac-lenet5", changes)).inference
        rows.append((percent, inference.crossbar_mean, inference.crossbar_std))
        print(f"| {percent:g} % | {inference.crossbar_mean:.2%} ± {inference.crossbar_std:.2%} |", flush=True)
    if choice.figure:
        draw(rows, choice.figure)


def draw(rows: list[tuple[float, float, float]], path: str) -> None:
    import matplotlib.pyplot as plt

    percent, mean, spread = zip(*rows, strict=True)
    figure, axes = plt.subplots(figsize=(5, 3.5), layout="constrained")
    axes.errorbar(percent, [100 * m for m in mean], [100 * s for s in spread], marker="o", capsize=3)
    axes.set(xlabel="programming error (% of largest conductance)", ylabel="accuracy (%)", ylim=(0, 102))
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
