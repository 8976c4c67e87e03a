"""Accuracy of a small network against the share of stuck cells, without and with repair of the arrays.

    python examples/stuck_cells.py [--samples 250] [--trials 3] [--percent 3 10.79] [--figure stuck_cells.png]
                                   [--encodings differential offset] [--repairs none spares rows retarget …]

Prints a table: the share of stuck cells, five in the high-resistance state for each in the low-resistance one as in the
usual pair of 9.04 % and 1.75 %, and for each repair the mean accuracy and spread of the chips. Converters are ideal and
weights have 8 bits in 2-bit cells, so that what shows is where faults strike: a cell of a pair that is stuck at zero is
most often one that should be zero anyway, while an offset cell holds half of its range. A second table says what each
repair costs the arrays with ISAAC's own converters.
"""

import argparse

import pimsim

CORE = {
    "chip": "isaac-ce-repaired",
    "chip.core.weight_bits": 8,
    "chip.core.input_bits": 8,
    "chip.core.device": "reram-stuck",
}
ENCODINGS = {
    "differential": {"model": "Differential", "subtraction": "analog"},
    "offset": {"model": "Offset"},
}
NOTHING = {"spares": 0, "retarget": False, "rows": None, "correction": None}
REPAIRS = {"none": (), **{part: (part,) for part in NOTHING}, "all": tuple(NOTHING)}
SPARES = 4
"""In both encodings they take the place of one column of weights."""
HRS_SHARE = 0.0904 / (0.0904 + 0.0175)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=250, help="test images")
    parser.add_argument("--trials", type=int, default=3, help="chips programmed")
    parser.add_argument("--percent", type=float, nargs="+", default=[3, 10.79], help="of cells are stuck")
    parser.add_argument("--encodings", nargs="+", default=["differential"], choices=ENCODINGS)
    parser.add_argument("--repairs", nargs="+", default=list(REPAIRS), choices=REPAIRS)
    parser.add_argument("--figure", help="draw it into this file")
    choice = parser.parse_args()

    found = {(encoding, repair): [] for encoding in choice.encodings for repair in choice.repairs}
    print(f"| stuck cells | encoding | {' | '.join(choice.repairs)} |\n|---|---|{'---|' * len(choice.repairs)}")
    for percent in choice.percent:
        for encoding in choice.encodings:
            for repair in choice.repairs:
                found[encoding, repair].append(accuracy(percent / 100, encoding, repair, choice.samples, choice.trials))
            cells = " | ".join("{:.2%} ± {:.2%}".format(*found[encoding, repair][-1]) for repair in choice.repairs)
            print(f"| {percent:g} % | {encoding} | {cells} |", flush=True)
    print("\n| repair | encoding | weights an array | energy a MAC, fJ | area a weight, µm² |\n|---|---|---|---|---|")
    for encoding, repair in found:
        print("| {} | {} | {} | {:.1f} | {:.3f} |".format(repair, encoding, *costs(encoding, repair)))
    if choice.figure:
        draw(choice.percent, found, choice.figure)


def changes(encoding: str, repair: str) -> dict:
    """What an encoding and a repair change in the experiment."""
    kept = {f"chip.core.mitigation.{part}": off for part, off in NOTHING.items() if part not in REPAIRS[repair]}
    spares = {"chip.core.mitigation.spares": SPARES if "spares" in REPAIRS[repair] else 0}
    return CORE | {"chip.core.encoding": ENCODINGS[encoding]} | kept | spares


def accuracy(share: float, encoding: str, repair: str, samples: int, trials: int) -> tuple[float, float]:
    """Mean and spread over programmed chips."""
    rates = {"hrs_rate": share * HRS_SHARE, "lrs_rate": share * (1 - HRS_SHARE)}
    faults = {f"chip.core.device.{name}": rate for name, rate in rates.items()}
    run = {"samples": samples, "trials": trials, "chip.core.adc": {"model": "IdealAdc"}}
    inference = pimsim.simulate(pimsim.load_experiment("isaac-mlp", changes(encoding, repair) | faults | run)).inference
    return inference.crossbar_mean, inference.crossbar_std


def costs(encoding: str, repair: str) -> tuple[int, float, float]:
    """Weights that an array holds, energy of a multiply-accumulate, area of a weight."""
    core = pimsim.load_experiment("isaac-mlp", changes(encoding, repair)).chip.core
    weights = core.rows * core.weights_per_array
    events = core.events(core.rows, core.weights_per_array, signed=False)
    energy = sum(events[line.event] * line.cost.energy for line in core.bill())
    area = sum(line.number * line.cost.area for line in core.bill()) / core.arrays
    return weights, energy / weights * 1e15, area / weights * 1e12


def draw(percent: list[float], found: dict[tuple[str, str], list[tuple[float, float]]], path: str) -> None:
    import matplotlib.pyplot as plt

    encodings = list(dict.fromkeys(encoding for encoding, _ in found))
    figure, panels = plt.subplots(1, len(encodings), figsize=(4 * len(encodings), 3.5), sharey=True, squeeze=False)
    for (encoding, repair), rows in found.items():
        axes = panels[0][encodings.index(encoding)]
        mean, spread = zip(*rows, strict=True)
        axes.errorbar(percent, [100 * m for m in mean], [100 * s for s in spread], marker="o", capsize=3, label=repair)
        axes.set(title=encoding, xlabel="stuck cells (%)", ylim=(0, 102))
        axes.grid(alpha=0.3)
    panels[0][0].set(ylabel="accuracy (%)")
    panels[0][0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
