"""Makes the recordings beside it: four small products by a model of a few lines of NumPy that knows no pimsim.

    python generate.py

Conventions are those of the recordings in ../../../../shared/golden/README.md, section (b).
"""

import json
from pathlib import Path

import numpy as np

CASES = {
    # a signed product on pairs of 3-bit cells, the top slice of one bit, inputs two bits a read, 6 bits with a zero
    "own_differential_signed": {
        "style": "BALANCED", "bits_per_cell": 3, "weight_bits": 8, "input_bits": 7, "signed_in": True,
        "input_slice": 2, "adc_bits": 6, "adc_model": "SignMagnitudeADC", "subtract_analog": True,
    },
    # each column of a pair converted by itself, once after analog accumulation
    "own_differential_digital_accumulated": {
        "style": "BALANCED", "bits_per_cell": 2, "weight_bits": 6, "input_bits": 5, "signed_in": False,
        "input_slice": 1, "adc_bits": 7, "adc_model": "QuantizerADC", "subtract_analog": False, "adc_per_ibit": False,
    },
    # offset weights in 4-bit cells
    "own_offset": {
        "style": "OFFSET", "bits_per_cell": 4, "weight_bits": 8, "input_bits": 6, "signed_in": False,
        "input_slice": 1, "adc_bits": 7, "adc_model": "QuantizerADC", "subtract_analog": True,
    },
    # offset weights, the offset measured by a column of its own
    "own_offset_unit": {
        "style": "OFFSET", "bits_per_cell": 2, "weight_bits": 4, "input_bits": 4, "signed_in": False,
        "input_slice": 2, "adc_bits": 5, "adc_model": "QuantizerADC", "subtract_analog": True,
        "offset_style": "UNIT_COLUMN_SUBTRACTION",
    },
}  # fmt: skip
USUAL = {"adc_per_ibit": True, "offset_style": "DIGITAL_OFFSET", "bitserial": True, "gmin_infinite": True}
OUTPUTS, INPUTS, VECTORS = 7, 20, 4


def record(name, case):
    config = USUAL | case
    cell, bits, weight_bits = 2 ** config["bits_per_cell"] - 1, config["bits_per_cell"], config["weight_bits"]
    rng = np.random.default_rng(sum(map(ord, name)))
    most = 2 ** (weight_bits - 1) - 1
    weights = rng.integers(-most, most + 1, (OUTPUTS, INPUTS))
    weights[0], weights[1] = most, -most
    magnitude = config["input_bits"] - config["signed_in"]
    config["in_max"] = 2**magnitude - 1
    x = rng.integers(-config["in_max"] if config["signed_in"] else 0, config["in_max"] + 1, (INPUTS, VECTORS))
    x[:, 0] = config["in_max"]
    config["col_bounds"] = [[0, INPUTS]]

    # columns of cells: [polarity or unit-and-weights] of levels, sliced
    unit = config["offset_style"] == "UNIT_COLUMN_SUBTRACTION"
    if config["style"] == "BALANCED":
        stored = [np.maximum(weights, 0), np.maximum(-weights, 0)]
        slices = -(-(weight_bits - 1) // bits)
    else:
        shifted = weights + 2 ** (weight_bits - 1)
        stored = [np.vstack([np.full((int(unit), INPUTS), 2 ** (weight_bits - 1)), shifted])]
        slices = -(-weight_bits // bits)
    step = config["input_slice"]
    places = np.arange(0, magnitude, step)
    digits = [np.sign(x) * ((np.abs(x) >> place) & (2**step - 1)) for place in places]
    widest = 2**step - 1
    if not config["adc_per_ibit"]:
        digits, places, widest = [x], [0], config["in_max"]

    # limits that clip a little of what there is; codes, and the digital sum of what they stand for
    codes = 2 ** config["adc_bits"] - (config["adc_model"] == "SignMagnitudeADC")
    levels = [[(s >> (bits * i)) & cell for s in stored] for i in range(slices)]
    arrays = {"W": weights.astype(np.int16), "X": x.astype(np.int16), "exact": weights @ x}
    limits, total, margin = [], np.zeros((*stored[0].shape[:1], VECTORS)), 1.0
    for i, parts in enumerate(levels):
        pair = len(parts) == 2 and config["subtract_analog"]
        columns = [parts[0] - parts[1]] if pair else parts
        signs = [1, -1][: len(columns)]
        sums = np.array([[column @ digit for column in columns] for digit in digits])
        high = 0.83 * np.abs(sums).max() / (cell * widest)
        low = -high if sums.min() < 0 else 0.0
        limits.append([low, high])
        first, width = low * cell * widest, (high - low) * cell * widest / (codes - 1)
        ideal = (sums - first) / width
        inside = ideal[(ideal > -0.5) & (ideal < codes - 0.5)]
        margin = min(margin, np.abs(inside - np.floor(inside) - 0.5).min())
        code = np.clip(np.rint(ideal), 0, codes - 1)
        for k, place in enumerate(places):
            arrays[f"code_p0_s{i}_{'k' if config['adc_per_ibit'] else ''}{k}"] = code[k].astype(np.int16)
            for sign, each in zip(signs, code[k], strict=True):
                total += sign * 2.0 ** (bits * i + place) * (first + width * each)
    assert margin > 1e-3, (name, margin)
    if unit:
        total = total[1:] - total[0]
    elif config["style"] == "OFFSET":
        total -= 2 ** (weight_bits - 1) * x.sum(axis=0)
    config["adc_limits"] = limits
    arrays["y_ref"] = total
    np.savez_compressed(Path(__file__).with_name(f"{name}.npz"), config=json.dumps(config), **arrays)


if __name__ == "__main__":
    for name, case in CASES.items():
        record(name, case)
