"""The figure of docs/components.md: energy and area of converters by resolution, laws beside published points.

python docs/components_figures.py
"""

from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt

from pimsim import load_component

TARGET = Path(__file__).parent / "figures" / "adc_laws.png"
LAWS = {
    "adc-isaac-8b": ("ISAAC: split of capacitors and logic", range(3, 13)),
    "adc-newton-9b": ("Newton: linear", range(3, 10)),
    "adc-closed-form": ("ZigZag-IMC: closed form, 28 nm, 0.9 V", range(3, 11)),
    "adc-survey": ("survey regression, 1.28 GS/s, 32 nm", range(4, 13)),
}
POINTS = {
    "adc-isaac-8b": "ISAAC", "adc-kull-8b": "Kull", "adc-newton-9b": "Newton", "adc-forms-4b": "FORMS",
    "adc-mnsim-4b": "MNSIM", "adc-mnsim-6b": "MNSIM", "adc-mnsim-10b": "MNSIM", "adc-timely-8b": "TIMELY",
}  # fmt: skip
UNIT = 1e12
"""Picojoule to the joule, and square micrometre to the square metre."""


def main() -> None:
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for name, (label, bits) in LAWS.items():
        costs = [replace(load_component(name), bits=n).cost() for n in bits]
        axes[0].plot(bits, [UNIT * cost.energy for cost in costs], label=label)
        axes[1].plot(bits, [UNIT * cost.area for cost in costs])
    for name, label in POINTS.items():
        adc = load_component(name)
        for axis, value in zip(axes, (adc.cost().energy, adc.cost().area), strict=True):
            axis.plot(adc.bits, UNIT * value, "ko", markersize=4)
            axis.annotate(label, (adc.bits, UNIT * value), xytext=(4, 5), textcoords="offset points", fontsize=8)
    axes[0].set(xlabel="bits", ylabel="energy of a conversion (pJ)", yscale="log", ylim=(0.1, 200))
    axes[1].set(xlabel="bits", ylabel="area (µm²)", yscale="log")
    axes[0].legend(fontsize=8)
    figure.savefig(TARGET, dpi=110)


if __name__ == "__main__":
    main()
