"""Accuracy of a small CNN on phase-change cells against time: with and without global drift compensation, and with and
without training for the cells' errors.

    python examples/pcm_drift.py [--data digits_cnn.npz] [--trials 25] [--figure pcm_drift.png]

Prints a table: time since the first read, and mean and spread of the accuracy of the programmed chips, which are the
same chips at every time. The images are scikit-learn's 8×8 digits, on which the network is trained first; `tuned`
weights were then trained through chips with compensation, a year old and each with errors of its own. A file has images
(Xtr, ytr, Xte, yte; pixels 0 to 16, channels first) and, if it likes, weights as PyTorch lays them (0_weight …).

Weights are pairs of cells of 256 levels, a matrix an array. Converters are those of aihwkit's presets (--converters
ideal for the cells alone): 8 bits, a reach of 10 times the most that one cell gives, noise of 0.04 of that. Inputs
reach to the 95th percentile, which is where aihwkit's first guess, 3 standard deviations, lies in this network.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

import pimsim
from pimsim.experiment import network_on_chip
from pimsim.network.datasets import load_dataset
from pimsim.network.graph import Weights
from pimsim.network.train import train
from pimsim.network.weightfile import write_weights
from pimsim.network.zoo import load_topology

NETWORK = "digits-cnn"
PLAN = {
    "mapping.replicate": "none",
    "chip.core.rows": 256,
    "chip.core.columns": 256,
    "chip.core.weight_bits": 9,
    "chip.core.cell_bits": 8,
    "chip.core.encoding": {"model": "Differential", "subtraction": "analog"},
    "chip.core.input_bits": 7,  # inputs are never negative here, which is half the codes of a signed 8-bit converter
    "chip.core.dac.bits": 7,
    "chip.core.dac.power": "0 W",
    "chip.core.dac.area": "0 m2",
}
REACH, NOISE = 10, 0.04
FULL_SCALE = float(REACH * (2**7 - 1) * (2**8 - 1))
"""In steps of an input and of a level."""
SAR = {"model": "SarAdc", "bits": 8, "sign_magnitude": True, "rate": "1 GHz", "power": "0 W", "area": "0 m2"}
CONVERTERS = {
    "8-bit": {
        "calibration.percentile": 95.0,
        "chip.core.adc": {"model": "ImperfectAdc", "adc": SAR, "noise": NOISE * (2**8 - 2) / (2 * REACH)},
        "chip.core.full_scale": {"model": "Fixed", "low": [-FULL_SCALE], "high": [FULL_SCALE]},
    },
    "ideal": {"chip.core.adc": {"model": "IdealAdc"}},
}
DEVICE = "chip.core.device"
CELLS = {"as they are": ("pcm-gst", DEVICE), "compensated": ("pcm-gst-compensated", f"{DEVICE}.device")}
HOUR, DAY = 3600.0, 86400.0
TIMES = {"programmed": None, "1 s": 1.0, "1 hour": HOUR, "1 day": DAY, "30 days": 30 * DAY, "1 year": 365 * DAY}
"""Since the first read; cells that are only programmed are read without noise."""

Found = dict[str, list[np.ndarray]]
"""The accuracies of the chips at each time."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, help="an .npz file of images, and of weights if it has any")
    parser.add_argument("--trials", type=int, default=25, help="chips programmed")
    parser.add_argument(
        "--epochs", type=int, nargs=2, default=[60, 20], metavar=("FLOAT", "CHIP"),
        help="of training where there are no weights, and of training through chips, which 0 leaves out",
    )  # fmt: skip
    parser.add_argument("--times", nargs="+", choices=TIMES, default=list(TIMES), metavar="TIME")
    parser.add_argument("--converters", choices=CONVERTERS, default="8-bit")
    parser.add_argument("--figure", help="draw it into this file")
    choice = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = study(choice, Path(folder))
    if choice.figure:
        draw(choice.times, found, choice.figure)


def study(choice: argparse.Namespace, folder: Path) -> Found:
    """Train, then ask the chips, and print the table on the way."""
    plan, epochs = PLAN | CONVERTERS[choice.converters] | prepare(choice, folder), choice.epochs[1]
    weights = {"": plan["weights"]}
    if epochs:
        weights[", tuned"] = str(folder / "tuned.npz")
        recipe = {"training.epochs": epochs, "training.patience": epochs, "training.learning_rate": 1e-3}
        pimsim.train(experiment(plan | recipe, "compensated", "1 year"), weights[", tuned"])

    columns = {f"{cells}{how}": (cells, path) for how, path in weights.items() for cells in CELLS}
    found: Found = {name: [] for name in columns}
    print("| since the first read | " + " | ".join(columns) + " |\n" + "|---" * (1 + len(columns)) + "|")
    for time in choice.times:
        for name, (cells, path) in columns.items():
            asked = experiment(plan | {"trials": choice.trials, "weights": path}, cells, time)
            found[name].append(pimsim.simulate(asked).inference.crossbar_accuracy)
        row = " | ".join(f"{rows[-1].mean():.1%} ± {rows[-1].std(ddof=1):.1%}" for rows in found.values())
        print(f"| {time} | {row} |", flush=True)
    return found


def experiment(plan: dict, cells: str, time: str) -> pimsim.Experiment:
    """The network on cells that were first read so long ago, or have only been programmed."""
    card, cell = CELLS[cells]
    first, seconds = pimsim.load_device("pcm-gst").t0, TIMES[time]
    moment = {f"{cell}.flicker": 0.0} if seconds is None else {f"{cell}.age": f"{first + seconds!r} s"}
    return network_on_chip("isaac-ce", NETWORK, plan | {DEVICE: card} | moment)


def prepare(choice: argparse.Namespace, folder: Path) -> dict[str, str]:
    """Images and weights as an experiment takes them; weights are trained where a file has none."""
    name, weights = "sklearn-digits", None
    if choice.data:
        name, weights = str(folder / "digits.npz"), read(choice.data, folder / "digits.npz")
    if not weights:
        data = load_dataset(name)
        seen = load_topology(NETWORK), data.train_images, data.train_labels
        weights = train(*seen, epochs=choice.epochs[0], seed=0, change=lambda images, key: images).weights
    write_weights(folder / "float.npz", weights)
    return {"dataset": name, "weights": str(folder / "float.npz")}


def read(path: Path, images: Path) -> Weights:
    """The weights of a file, if it has any; its images are put into another one."""
    with np.load(path) as file:
        arrays = {}
        for part, name in (("tr", "train"), ("te", "test")):
            arrays[f"x_{name}"] = np.moveaxis(file[f"X{part}"], 1, -1).astype(np.float32) / 16
            arrays[f"y_{name}"] = file[f"y{part}"]
        np.savez(images, **arrays)
        if "0_weight" not in file:
            return {}
        weights = {}
        for name, place in zip(("conv1", "conv2", "fc1", "fc2"), (0, 3, 7, 9), strict=True):
            weight = file[f"{place}_weight"]
            if name == "fc1":  # of maps that PyTorch flattens channel first
                weight = np.moveaxis(weight.reshape(-1, 32, 2, 2), 1, -1).reshape(len(weight), -1)
            axes = (2, 3, 1, 0) if weight.ndim == 4 else (1, 0)
            weights[name] = {"weight": weight.transpose(axes), "bias": file[f"{place}_bias"]}
        return weights


def draw(times: list[str], found: Found, path: str) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for color, (name, rows) in enumerate(found.items()):
        mean, spread = 100 * np.mean(rows, axis=1), 100 * np.std(rows, axis=1, ddof=1)
        style = "--" if name.endswith("tuned") else "-"
        axes.errorbar(times, mean, spread, marker="o", capsize=3, ls=style, color=f"C{color % len(CELLS)}", label=name)
    axes.set(xlabel="since the first read", ylabel="accuracy (%)")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
