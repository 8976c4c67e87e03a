"""What LeNet-5 loses to errors of ISAAC's cells, and what training that knows them brings back.

    python examples/noise_aware_training.py [--trials 10] [--samples 1000] [--figure noise_aware_training.png]
                                            [--cases programming stuck] [--epochs 12] [--dataset mnist]

ISAAC's own scheme: 16-bit weights in 2-bit cells, offset, with a column that measures the sum of the inputs; one copy
of each layer. Two cases:

- programming: cells miss their targets by 10 % of the largest conductance. One training, for no chip in particular; it
  is tested on chips with errors that it has not seen.
- stuck: 5 % of the cells are stuck, five at zero for each at the largest conductance, and known. A short training for
  each chip, to weights that work around its faults.

Prints a table: the accuracy before and after, as means over the chips with their 95 % confidence intervals, and the
share of what was lost that came back.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from scipy.special import stdtrit

import pimsim

PLAN = {"mapping.replicate": "none", "training.conversions": "ideal"}
CASES = {
    "programming": {"chip.core.device.programming_noise": "50 uS"},  # of 500 uS
    "stuck": {
        "chip.core.device": {
            "model": "StuckAt",
            "device": "isaac-cell",
            "hrs_rate": 0.05 * 5 / 6,
            "lrs_rate": 0.05 / 6,
        },
        "training.known": "faults",
    },
}
SHARE = 4
"""A training for one chip has so many times fewer epochs than one for all."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--experiment", default="isaac-lenet5")
    parser.add_argument("--trials", type=int, default=10, help="chips programmed")
    parser.add_argument("--samples", type=int, default=1000, help="test images")
    parser.add_argument("--epochs", type=int, default=12, help="over the training images, for all chips together")
    parser.add_argument("--batch", type=int, default=100, help="images a step")
    parser.add_argument("--dataset", default="mnist", help="a name, or a file of images and labels")
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=CASES)
    parser.add_argument("--figure", help="draw it into this file")
    choice = parser.parse_args()

    plan = PLAN | {"samples": choice.samples, "dataset": choice.dataset, "training.batch": choice.batch}
    found = {}
    print("| errors of cells | exact | before | after | regained |\n|---|---|---|---|---|")
    for case in choice.cases:
        found[case] = exact, before, after = STUDIES[case](choice, plan | CASES[case])
        regained = (after.mean() - before.mean()) / (exact - before.mean())
        print(f"| {case} | {exact:.2%} | {told(before)} | {told(after)} | {regained:.0%} |", flush=True)
    if choice.figure:
        draw(found, choice.figure)


def any_chip(choice: argparse.Namespace, plan: dict) -> tuple[float, np.ndarray, np.ndarray]:
    """Accuracy on exact integers, and of each chip before and after one training for all of them."""
    own = {"trials": choice.trials, "training.epochs": choice.epochs}
    experiment = pimsim.load_experiment(choice.experiment, plan | own)
    before = pimsim.simulate(experiment).inference
    return before.quantized_accuracy, before.crossbar_accuracy, trained(experiment)


def each_chip(choice: argparse.Namespace, plan: dict) -> tuple[float, np.ndarray, np.ndarray]:
    """The same, with a training for each chip."""
    before, after = [], []
    for seed in range(choice.trials):
        own = {"seed": seed, "training.epochs": max(1, choice.epochs // SHARE)}
        experiment = pimsim.load_experiment(choice.experiment, plan | own)
        before.append(pimsim.simulate(experiment).inference)
        after.append(trained(experiment))
    accuracy = np.concatenate([inference.crossbar_accuracy for inference in before])
    return before[0].quantized_accuracy, accuracy, np.concatenate(after)


STUDIES = {"programming": any_chip, "stuck": each_chip}


def trained(experiment: pimsim.Experiment) -> np.ndarray:
    """Accuracy of each chip of the experiment after its training."""
    with tempfile.TemporaryDirectory() as folder:
        return pimsim.train(experiment, Path(folder) / "weights.npz").inference.crossbar_accuracy


def half_width(accuracy: np.ndarray) -> float:
    """Of the 95 % confidence interval of the mean over chips, from Student's t."""
    count = len(accuracy)
    return float(stdtrit(count - 1, 0.975) * accuracy.std(ddof=1) / count**0.5) if count > 1 else float("nan")


def told(accuracy: np.ndarray) -> str:
    return f"{accuracy.mean():.2%} ± {half_width(accuracy):.2%}"


def draw(found: dict[str, tuple[float, np.ndarray, np.ndarray]], path: str) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 3.5), layout="constrained")
    for place, (exact, before, after) in enumerate(found.values()):
        for shift, name, accuracy in ((-0.2, "before", before), (0.2, "after", after)):
            style = {"color": "C0" if name == "before" else "C1", "label": name if place == 0 else None}
            axes.bar(place + shift, 100 * accuracy.mean(), 0.36, yerr=100 * half_width(accuracy), capsize=4, **style)
        label = "exact" if place == 0 else None
        axes.hlines(100 * exact, place - 0.45, place + 0.45, color="black", linestyle="--", linewidth=1, label=label)
    names = {"programming": "programming error\n10 % of the range", "stuck": "5 % of cells stuck,\nfaults known"}
    axes.set(ylabel="accuracy (%)", ylim=(0, 102), xticks=range(len(found)))
    axes.set_xticklabels([names[case] for case in found])
    figure.legend(loc="outside upper center", ncols=3)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
