"""The tables of docs/mnsim.md: what MNSIM 2.0 computes, what the cards give, and what each correction changes.

python docs/mnsim_tables.py
"""

from collections.abc import Iterator
from typing import Any

from pimsim import load_chip
from pimsim.experiment import on_chip
from pimsim.simulation import cost_of
from pimsim.validation import load_published

CLOCKED = "sram-mnsim-2kb-clocked"
CORRECTIONS: dict[str, dict[str, Any]] = {
    "1 memories: a word a clock, leakage always": {"tile.buffer": CLOCKED, "steps.buffer": CLOCKED},
    "2 memories: power for own accesses": {"steps.gated": True},
    "3 results merged before they are written": {"steps.merged": True},
    "4 turns and blocks charged for what they hold": {"core.layout.charged": "used", "core.layout.blocks_alike": False},
    "5 a conversion takes 1 / rate": {
        "core.cycle": "9.784146 ns", "core.dac.rate": "1 GHz / 4", "core.adc.rate": "1 GHz",
    },
    "6 sums of residuals charged": {"steps.sums_charged": True},
}  # fmt: skip
"""What mnsim-corrected changes in mnsim-2.0."""
EVERY = {path: value for changes in CORRECTIONS.values() for path, value in changes.items()}
NETWORKS = ("mnsim-lenet", "mnsim-alexnet", "mnsim-vgg-8", "mnsim-vgg-16", "mnsim-resnet-18")
Figures = tuple[float, float, float]
"""Area of the tiles in use (mm²), latency (µs), energy (µJ)."""


def figures(network: str, name: str = "mnsim-2.0", changes: dict[str, Any] | None = None) -> Figures:
    timeline, cost = cost_of(on_chip(load_chip(name, changes), network))
    return 1e6 * cost.area_on, 1e6 * timeline.latency, 1e6 * cost.total_energy


def published(network: str) -> list[str]:
    """Tiles, area, latency and energy as MNSIM prints them, without units."""
    return [claim.value.split()[0] for claim in load_published("mnsim-2.0").claims if claim.network == network]


def totals(networks: tuple[str, ...] = NETWORKS) -> Iterator[str]:
    """A row a network: MNSIM's own figure, ours, and the corrected one."""
    each = "MNSIM | mnsim-2.0 | corrected"
    yield f"| network | tiles | mm²: MNSIM | mnsim-2.0 | latency, µs: {each} | energy, µJ: {each} |"
    yield f"|---|{'--:|' * 9}"
    for network in networks:
        (tiles, *theirs), ours = published(network), figures(network)
        _, *corrected = figures(network, "mnsim-corrected")
        cells = [theirs[0], f"{ours[0]:.6g}"]
        for said, own, right in zip(theirs[1:], ours[1:], corrected, strict=True):
            cells += [said, f"{own:.6g}", f"{right:.4g}"]
        yield f"| {network.removeprefix('mnsim-')} | {tiles} | {' | '.join(cells)} |"


def effects(networks: tuple[str, ...] = ("mnsim-lenet", "mnsim-vgg-8", "mnsim-resnet-18")) -> Iterator[str]:
    """A row a correction, alone: by how much it changes latency and energy."""
    heads = [f"{network.removeprefix('mnsim-')}: latency | energy" for network in networks]
    yield f"| correction, alone | {' | '.join(heads)} |"
    yield f"|---|{'--:|' * 2 * len(networks)}"
    before = [figures(network)[1:] for network in networks]
    for label, changes in (CORRECTIONS | {"all": EVERY}).items():
        after = [figures(network, changes=changes)[1:] for network in networks]
        moved = [new / old - 1 for pair in zip(before, after, strict=True) for old, new in zip(*pair, strict=True)]
        yield f"| {label} | {' | '.join(f'{change:+.1%}' for change in moved)} |"


if __name__ == "__main__":
    print("\n".join([*totals(), "", *effects()]))
