"""The figures of the physics pages, from the cells themselves.

    python docs/physics/figures.py

Writes a PNG beside this file for each function below.
"""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from pimsim import load_device
from pimsim.devices import (
    BrokenLines,
    FlickerNoise,
    Ideal,
    ShotNoise,
    StuckAt,
    StuckClusters,
    TelegraphNoise,
    ThermalNoise,
    WriteVerify,
    report_programming,
)

HERE = Path(__file__).parent
CELLS = 20_000
KEY = jax.random.key(0)


def pcm(left: Axes, right: Axes) -> None:
    cell, ages = load_device("pcm-gst"), np.geomspace(20, 1e8, 25)
    for target in (25e-6, 15e-6, 5e-6):
        g = 1e6 * np.array([replace(cell, age=float(t)).program(jnp.full(CELLS, target), key=KEY) for t in ages])
        left.plot(ages, g.mean(axis=1))
        left.fill_between(ages, g.mean(axis=1) - g.std(axis=1), g.mean(axis=1) + g.std(axis=1), alpha=0.25)
    left.set(xscale="log", xlabel="time since programming (s)", ylabel="conductance (µS)", ylim=(0, 28))
    targets = jnp.linspace(0, 25e-6, 40)
    for age in (20.0, 86400.0, 3.15e7):
        g = replace(cell, age=age).program(jnp.tile(targets, (CELLS, 1)), key=KEY)
        right.plot(1e6 * targets, 1e6 * g.std(axis=0), label=f"{age:g} s")
    right.set(xlabel="target (µS)", ylabel="spread (µS)")
    right.legend()


def reram(left: Axes, right: Axes) -> None:
    cell = load_device("reram-neurram")
    targets = jnp.linspace(1e-6, 40e-6, 100)
    for age in cell.times:
        left.plot(1e6 * targets, 1e6 * replace(cell, age=age).sigma(targets), label=f"{age:g} s")
    left.set(xlabel="target (µS)", ylabel="spread (µS)", title="NeuRRAM")
    left.legend()
    cell, ages = load_device("reram-cmo"), np.geomspace(1, 1e8, 25)
    for target in (80e-6, 50e-6, 20e-6):
        g = 1e6 * np.array([replace(cell, age=float(t)).program(jnp.full(CELLS, target), key=KEY) for t in ages])
        off = g.mean(axis=1) - 1e6 * target
        right.plot(ages, off, label=f"{1e6 * target:.0f} µS")
        right.fill_between(ages, off - g.std(axis=1), off + g.std(axis=1), alpha=0.2)
    right.set(xscale="log", xlabel="time since programming (s)", ylabel="conductance − target (µS)", title="CMO/HfOx")
    right.legend()


def measured(left: Axes, right: Axes) -> None:
    cell = load_device(HERE.parents[1] / "examples" / "my-cell.yaml")
    targets = jnp.linspace(cell.g_min, cell.g_max, 200, dtype="float32")
    for index, axes in enumerate((left, right)):
        for moments in cell.data.moments():
            known = np.array(moments[index + 2]) - (np.array(moments.target) if index == 0 else 0)
            axes.plot(1e6 * np.array(moments.target), 1e6 * known, "o", ms=4, label=f"measured, {moments.time:g} s")
        fit = cell.fit(targets)[index] - (targets if index == 0 else 0)
        axes.plot(1e6 * targets, 1e6 * fit, label=f"the cell, {cell.age:g} s")
        axes.set(xlabel="target (µS)", ylabel=("mean − target (µS)", "spread (µS)")[index])
    left.legend()


def sram(left: Axes, right: Axes) -> None:
    cell = load_device("sram-8t")
    for spread in (10e-3, 33e-3):
        g = replace(cell, threshold_spread=spread).program(jnp.full(CELLS, cell.g_max), key=KEY)
        left.hist(1e6 * np.asarray(g), 60, histtype="step", label=f"σ_Vt = {1e3 * spread:g} mV")
    left.set(xlabel="conductance when on (µS)", ylabel="cells", title="current")
    left.legend()
    cell, sizes = load_device("sram-charge"), np.geomspace(0.1e-15, 100e-15, 50)
    noise = [
        float(c.read_spread(jnp.float32(0))) / c.g_max for c in (replace(cell, capacitance=float(s)) for s in sizes)
    ]
    right.loglog(1e15 * sizes, 100 * np.array(noise), label="kT/C, each read")
    right.axhline(100 * cell.mismatch, color="C1", label="mismatch, each cell")
    right.set(xlabel="capacitance (fF)", ylabel="error of one cell (%)", title="charge")
    right.legend()


def mram(left: Axes, right: Axes) -> None:
    cell = load_device("stt-mram")
    for level, name in ((cell.g_max, "parallel"), (cell.g_min, "antiparallel")):
        g = cell.program(jnp.full(CELLS, level), key=KEY)
        left.hist(1e6 * np.asarray(g), 60, histtype="step", label=name)
    left.set(xlabel="conductance (µS)", ylabel="cells")
    left.legend()
    voltage = np.linspace(0, 1, 50)
    right.plot(voltage, [100 * replace(cell, read_voltage=float(v)).tmr_at_read for v in voltage])
    right.set(xlabel="read voltage (V)", ylabel="magnetoresistance (%)", ylim=(0, None))


def fefet(left: Axes, right: Axes) -> None:
    cell = load_device("fefet-2bit")
    levels = cell.target(jnp.tile(jnp.arange(4), (CELLS, 1)), 4)
    left.hist(1e6 * np.asarray(cell.program(levels, key=KEY)), 80, histtype="step")
    left.set(xlabel="conductance (µS)", ylabel="cells")
    targets = jnp.geomspace(1e-8, 1e-5, 50)
    g = np.asarray(cell.program(jnp.tile(targets, (CELLS, 1)), key=KEY))
    right.loglog(1e6 * targets, 1e6 * g.std(axis=0))
    right.set(xlabel="target (µS)", ylabel="spread (µS)")


def programming(left: Axes, right: Axes) -> None:
    cell, target = load_device("reram-2bit"), jnp.full(CELLS, 50e-6)
    for pulses in (1, 3, 20):
        g = WriteVerify(cell, 2e-6, pulses).program(target, key=KEY)
        left.hist(1e6 * np.asarray(g), np.linspace(35, 65, 91), histtype="step", label=f"{pulses} pulses")
    left.set(xlabel="conductance (µS)", ylabel="cells")
    left.legend()
    tolerance = np.geomspace(0.2e-6, 12e-6, 30)
    reports = [report_programming(WriteVerify(cell, float(t), 20), target, key=KEY) for t in tolerance]
    right.semilogx(1e6 * tolerance, [r.mean_pulses for r in reports], label="mean pulses")
    right.semilogx(1e6 * tolerance, [20 * r.converged for r in reports], "--", label="converged (20 = all)")
    right.set(xlabel="tolerance (µS)", ylim=(0, 21))
    right.legend()


def reading(left: Axes, right: Axes) -> None:
    cell, g = Ideal(1e-6, 100e-6), jnp.geomspace(1e-6, 100e-6, 50)
    for noise in (ThermalNoise(cell, 300.0, 0.2, 10e-9), ShotNoise(cell, 0.2, 10e-9), TelegraphNoise(cell, 0.02),
                  FlickerNoise(cell, 1e-3, 1.0, 10e-9)):  # fmt: skip
        left.loglog(1e6 * g, 1e6 * noise.read_spread(g), label=noise.name)
    left.set(xlabel="conductance (µS)", ylabel="spread of a read (µS)", title="reads of 10 ns at 0.2 V")
    left.legend()
    times = np.geomspace(1e-9, 1e-3, 50)
    for make in (lambda t: ThermalNoise(cell, 300.0, 0.2, t), lambda t: ShotNoise(cell, 0.2, t),
                 lambda t: FlickerNoise(cell, 1e-3, 1.0, t)):  # fmt: skip
        spread = [1e6 * float(make(float(t)).read_spread(jnp.float32(50e-6))) for t in times]
        right.loglog(times, spread, label=make(1e-9).name)
    right.set(xlabel="duration of a read (s)", ylabel="spread at 50 µS (µS)")
    right.legend()


def faults(left: Axes, right: Axes) -> None:
    cell, target = Ideal(0.0, 100e-6), jnp.full((64, 64), 50e-6)
    left.imshow(StuckClusters(StuckAt(cell, 0.02, 0.02), 0.05, 4).program(target, key=KEY), cmap="magma", vmin=0)
    left.set(title="stuck cells and clusters", xlabel="bit line", ylabel="word line")
    right.imshow(BrokenLines(cell, 0.03, 0.03).program(target, key=KEY), cmap="magma", vmin=0, vmax=1e-4)
    right.set(title="broken lines", xlabel="bit line")


def main() -> None:
    plt.rcParams |= {"legend.fontsize": "small", "axes.grid": True, "grid.alpha": 0.3}
    for draw in (pcm, reram, measured, sram, mram, fefet, programming, reading, faults):
        figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
        draw(*axes)
        if draw is faults:
            for each in axes:
                each.grid(False)
        figure.savefig(HERE / f"{draw.__name__}.png", dpi=80)
        plt.close(figure)


if __name__ == "__main__":
    main()
