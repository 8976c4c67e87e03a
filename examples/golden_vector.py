"""Recorded matrix products, played again by a core that is built from their configuration.

    python examples/golden_vector.py [FILE.npz ...]

A recording holds integer weights and inputs, the products that another simulator made of them, and its configuration
in that simulator's words. `core_of` translates those: encoding, cells, drivers, converters and their full scale. The
table prints how far our products are from the recorded ones, and both from exact integers, relative to the largest.
"""

import argparse
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import pimsim

RECORDINGS = Path(__file__).parents[1] / "tests" / "chip" / "golden"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, default=sorted(RECORDINGS.glob("*.npz")), metavar="FILE.npz")
    print("| recording | cells | conversions | off the recording | off exact integers |\n|---|---|---|---|---|")
    for path in parser.parse_args().files:
        with np.load(path) as file:
            config, weights, x, recorded = json.loads(str(file["config"])), file["W"].T, file["X"].T, file["y_ref"].T
        core, key = core_of(config), jax.random.key(0)
        array = core.program(jnp.asarray(weights, jnp.int32), key=key, signed=config["signed_in"])
        y = np.asarray(core.matmul(array, jnp.asarray(x, jnp.int32), key=key))
        exact = x.astype(int) @ weights
        off, rounding = (np.abs(y - other).max() / np.abs(exact).max() for other in (recorded, exact))
        converter = f"{config['adc_bits']} bits" if config["adc_bits"] else "ideal"
        cells = f"{config['style'].lower()}, {config['bits_per_cell']} bits"
        print(f"| {path.stem} | {cells} | {converter} | {off:.0e} | {rounding:.2%} |", flush=True)


def core_of(config):
    """The core that a recording describes."""
    on_off = 0 if config["gmin_infinite"] else config["Rmin"] / config["Rmax"]
    settings = {
        "rows": config["col_bounds"][0][1],
        "columns": 256,
        "cell_bits": config["bits_per_cell"],
        "weight_bits": config["weight_bits"],
        "input_bits": config["input_bits"],
        "encoding": encoding(config),
        "device": {"model": "Ideal", "g_min": f"{100 * on_off} uS", "g_max": "100 uS"},
        "pedestal": "digital" if on_off else "kept",
        "inputs": {"model": "SignMagnitudeInputs"},
        "dac.bits": config["input_slice"] if config["bitserial"] else config["input_bits"],
        "dac.power": "0 W",  # its cost is stated up to 4 bits only
        "dac.area": "0 mm2",
        "accumulate": "digital" if config["adc_per_ibit"] else "analog",
    }
    if config["adc_bits"]:
        settings |= {
            "adc.bits": config["adc_bits"],
            "adc.sign_magnitude": config["adc_model"] == "SignMagnitudeADC",
            "full_scale": full_scale(config, on_off),
        }
    else:
        settings["adc"] = {"model": "IdealAdc"}
    return pimsim.load_chip("isaac-ce", {f"core.{name}": value for name, value in settings.items()}).core


def encoding(config):
    """How weights become cells."""
    if config["style"] == "BALANCED":
        return {"model": "Differential", "subtraction": "analog" if config["subtract_analog"] else "digital"}
    unit_column, level = config["offset_style"] == "UNIT_COLUMN_SUBTRACTION", 2 ** (config["bits_per_cell"] - 1)
    return {"model": "Offset", "unit_column": unit_column, "unit_cell_level": level}


def full_scale(config, on_off):
    """Limits of each slice's converter, in steps of a level; recorded in currents of the best cell at full drive."""
    by_stream = config["adc_per_ibit"] and config["bitserial"]
    drive = 2 ** config["input_slice"] - 1 if by_stream else config["in_max"]
    low, high = np.array(config["adc_limits"]).T * drive * (2 ** config["bits_per_cell"] - 1) / (1 - on_off)
    return {"model": "Fixed", "low": low.tolist(), "high": high.tolist()}


if __name__ == "__main__":
    main()
