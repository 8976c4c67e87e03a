"""Accuracy of a small CNN on phase-change cells against time, with and without global drift compensation.

    python examples/pcm_drift.py [--data digits_cnn.npz] [--trials 25] [--figure pcm_drift.png]

Prints a table: time since the first read, and mean and spread of the accuracy of the programmed chips, which are the
same chips at every time. The images are scikit-learn's 8×8 digits, and the network is trained on them first. A file has
images (Xtr, ytr, Xte, yte; pixels 0 to 16, channels first) and, if it likes, weights as PyTorch lays them (0_weight …).

Weights are pairs of cells of 256 levels, a matrix an array. Converters are those of aihwkit's presets (--converters
ideal for the cells alone): 8 bits, a reach of 10 times the most that one cell gives, noise of 0.04 of that. Inputs
reach to the 95th percentile, which is where aihwkit's first guess, 3 standard deviations, lies in this network.
"""

import argparse
from pathlib import Path

import jax
import numpy as np

import pimsim
from pimsim.chip import Chip
from pimsim.inference import infer
from pimsim.mapping import place
from pimsim.network.datasets import Dataset, load_dataset
from pimsim.network.graph import Network, predict
from pimsim.network.quantize import quantize
from pimsim.network.train import train
from pimsim.network.zoo import load_topology

Accuracies = np.ndarray

CORE = {
    "core.rows": 256,
    "core.columns": 256,
    "core.weight_bits": 9,
    "core.cell_bits": 8,
    "core.encoding": {"model": "Differential", "subtraction": "analog"},
    "core.input_bits": 7,  # inputs are never negative here, which is half the codes of a signed 8-bit converter
    "core.dac.bits": 7,
    "core.dac.power": "0 W",
    "core.dac.area": "0 m2",
}
ONE_CELL = (2**7 - 1) * (2**8 - 1)
"""The most that one cell gives, in steps of an input and a level."""
REACH, NOISE = 10, 0.04
SAR = {"model": "SarAdc", "bits": 8, "sign_magnitude": True, "rate": "1 GHz", "power": "0 W", "area": "0 m2"}
CONVERTERS = {
    "8-bit": (
        {
            "core.adc": {"model": "ImperfectAdc", "adc": SAR, "noise": NOISE * (2**8 - 2) / (2 * REACH)},
            "core.full_scale": {"model": "Fixed", "low": [-1.0 * REACH * ONE_CELL], "high": [1.0 * REACH * ONE_CELL]},
        },
        95.0,
    ),
    "ideal": ({"core.adc": {"model": "IdealAdc"}}, 100.0),
}
"""What becomes of a column's current, and the percentile to which inputs reach."""
CELLS = {"as they are": ("pcm-gst", "core.device"), "compensated": ("pcm-gst-compensated", "core.device.device")}
HOUR, DAY = 3600.0, 86400.0
TIMES = {"programmed": None, "1 s": 1.0, "1 hour": HOUR, "1 day": DAY, "30 days": 30 * DAY, "1 year": 365 * DAY}
"""Since the first read; cells that are only programmed are read without noise."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="an .npz file of images, and of weights if it has any")
    parser.add_argument("--trials", type=int, default=25, help="chips programmed")
    parser.add_argument("--epochs", type=int, default=60, help="of training, where there are no weights")
    parser.add_argument("--times", nargs="+", choices=TIMES, default=list(TIMES), metavar="TIME")
    parser.add_argument("--converters", choices=CONVERTERS, default="8-bit")
    parser.add_argument("--figure", help="draw it into this file")
    choice = parser.parse_args()

    network, data = read(choice.data) if choice.data else (load_topology("digits-cnn"), load_dataset("sklearn-digits"))
    if not network.weights:
        seen = data.train_images, data.train_labels
        network = train(network, *seen, epochs=choice.epochs, seed=0, change=lambda images, key: images)
    print(f"float: {(predict(network.forward, data.test_images) == data.test_labels).mean():.2%}\n")

    found = {name: [] for name in CELLS}
    print("| since the first read | " + " | ".join(found) + " |\n" + "|---" * (1 + len(found)) + "|")
    for time in choice.times:
        for name, rows in found.items():
            chip = load_chip(name, TIMES[time], choice.converters)
            rows.append(classify(network, data, chip, choice.converters, choice.trials))
        cells = " | ".join(f"{rows[-1].mean():.1%} ± {rows[-1].std(ddof=1):.1%}" for rows in found.values())
        print(f"| {time} | {cells} |", flush=True)
    if choice.figure:
        draw(choice.times, found, choice.figure)


def read(path: Path) -> tuple[Network, Dataset]:
    """The network, with weights if the file has any, and the images, of a file as PyTorch lays them."""
    topology = load_topology("digits-cnn")
    with np.load(path) as file:
        images = {part: np.moveaxis(file[f"X{part}"], 1, -1).astype(np.float32) / 16 for part in ("tr", "te")}
        labels = {part: file[f"y{part}"].astype(np.int32) for part in ("tr", "te")}
        data = Dataset(path.name, images["tr"], labels["tr"], images["te"], labels["te"])
        if "0_weight" not in file:
            return topology, data
        weights = {}
        for name, place in zip(topology.matrix_layers, (0, 3, 7, 9), strict=True):
            weight = file[f"{place}_weight"]
            if name == "fc1":  # of maps that PyTorch flattens channel first
                weight = np.moveaxis(weight.reshape(-1, 32, 2, 2), 1, -1).reshape(len(weight), -1)
            axes = (2, 3, 1, 0) if weight.ndim == 4 else (1, 0)
            weights[name] = {"weight": weight.transpose(axes), "bias": file[f"{place}_bias"]}
    return topology.with_weights(weights), data


def load_chip(cells: str, seconds: float | None, converters: str) -> Chip:
    """A chip whose cells were first read so long ago, or have only been programmed."""
    card, cell = CELLS[cells]
    first = pimsim.load_device("pcm-gst").t0
    moment = {f"{cell}.flicker": 0.0} if seconds is None else {f"{cell}.age": f"{first + seconds!r} s"}
    return pimsim.load_chip("isaac-ce", CORE | CONVERTERS[converters][0] | {"core.device": card} | moment)


def classify(network: Network, data: Dataset, chip: Chip, converters: str, trials: int) -> Accuracies:
    """Accuracies of programmed chips: a trial is the same chip at every time."""
    bits = {"weight_bits": chip.core.weight_bits, "input_bits": chip.core.input_bits}
    quantized = quantize(network, data.train_images, **bits, percentile=CONVERTERS[converters][1])
    placement = place(network.ops(), chip, "none")
    images, key = (data.test_images, data.test_labels), jax.random.key(0)
    return infer(quantized, placement, chip.core, *images, trials=trials, key=key).crossbar_accuracy


def draw(times: list[str], found: dict[str, list[Accuracies]], path: str) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 3.5), layout="constrained")
    for name, rows in found.items():
        mean, spread = (100 * np.array(each) for each in zip(*((a.mean(), a.std(ddof=1)) for a in rows), strict=True))
        axes.errorbar(times, mean, spread, marker="o", capsize=3, label=name)
    axes.set(xlabel="since the first read", ylabel="accuracy (%)")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
