"""Cores without cost, for tests of what they compute."""

from pimsim.chip import CrossbarCore, Differential, Offset, SignMagnitudeInputs
from pimsim.circuits import Circuit, Dac, IdealAdc, SarAdc
from pimsim.devices import Ideal

G_MAX = 1e-4


def make_core(**fields):
    """Eight-bit weights on differential pairs of 2-bit cells, in one array of any height, unless told otherwise."""
    part = Circuit(power=0.0, rate=1.0, area=0.0)
    parts = dict.fromkeys(("array", "sample_hold", "shift_add", "input_register", "output_register"), part)
    bits = fields.pop("dac_bits", 1)
    usual = {
        "rows": 128, "columns": 4096, "arrays": 1, "cell_bits": 2, "weight_bits": 8, "input_bits": 8,
        "encoding": Differential(), "device": Ideal(g_min=0.0, g_max=G_MAX), "cycle": 1e-7, "pipeline_cycles": 0,
        "columns_per_adc": 1, "dac": Dac(bits=bits, rate=1.0, power=0.0, area=0.0), "adc": make_adc(16),
    }  # fmt: skip
    return CrossbarCore(**parts | usual | fields)


def make_adc(bits, sign_magnitude=False):
    return SarAdc(bits=bits, rate=1e9, power=0.0, area=0.0, sign_magnitude=sign_magnitude)


def recorded_core(config, **fields):
    """The core that a recorded configuration, in the words of CrossSim, describes; but for its full scale."""
    cell_bits = config["bits_per_cell"]
    unit = config["offset_style"] == "UNIT_COLUMN_SUBTRACTION"
    subtraction = "analog" if config["subtract_analog"] else "digital"
    encoding = Offset(unit_column=unit, unit_cell_level=2 ** (cell_bits - 1))
    if config["style"] == "BALANCED":
        encoding = Differential(subtraction=subtraction)
    on_off = 0.0 if config["gmin_infinite"] else config["Rmin"] / config["Rmax"]
    (start, stop), *_ = config["col_bounds"]
    sign_magnitude = config["adc_model"] == "SignMagnitudeADC"
    recorded = {
        "rows": stop - start, "cell_bits": cell_bits, "weight_bits": config["weight_bits"],
        "input_bits": config["input_bits"], "encoding": encoding, "inputs": SignMagnitudeInputs(),
        "device": Ideal(g_min=on_off * G_MAX, g_max=G_MAX), "pedestal": "digital" if on_off else "kept",
        "dac_bits": config["input_slice"] if config["bitserial"] else config["input_bits"],
        "accumulate": "digital" if config["adc_per_ibit"] else "analog",
        "adc": make_adc(config["adc_bits"], sign_magnitude) if config["adc_bits"] else IdealAdc(),
    }  # fmt: skip
    return make_core(**recorded | fields)
