"""The cost of a network without data: how long a run takes, and how many variants of a chip a second.

    python benchmarks/cost.py [--json] [--repeats 15]

A run maps, schedules and accounts on `isaac-ce`, balanced; the network's operations and the chip are made beforehand.
Variants are of ResNet-18: priced (only components' parameters change: `vary` and `reprice`, with one full run for all
of them) or mapped (arrays of another size, so each is a run; loading its card is not counted). The unit is the pipeline
of ResNet-50 as a plain loop over vectors, in the same process. Best of the repeats, one core.
"""

import argparse
import json
import time
from math import prod

import numpy as np

from pimsim import load_chip
from pimsim.accounting import Charging, account, reprice
from pimsim.chip import vary
from pimsim.mapping import place
from pimsim.network.ops import MatrixOp
from pimsim.network.zoo import load_topology
from pimsim.schedule import schedule, traffic

AIMS = {"resnet50_s": 0.05, "vgg_e_s": 0.02, "variants_per_s": 1000.0, "mapped_variants_per_s": 50.0}
VARIANTS = 10_000
SIZES = (64, 96, 128, 192, 256)


class Net:
    """What a run starts from."""

    def __init__(self, name):
        network = load_topology(name)
        self.ops, self.signed, self.values = network.ops(), network.signed_inputs(), prod(network.input_shape)

    def run(self, chip):
        """The placement, the timeline and the cost."""
        placement = place(self.ops, chip)
        edges = traffic(self.ops, placement, chip, self.values)
        timeline = schedule(self.ops, placement, chip, edges, self.signed)
        return placement, timeline, account(self.ops, placement, chip, edges, timeline, self.signed, Charging())


def plain_latency(net, chip, placement):
    """Seconds of one image through the pipeline of one chip, one vector after the other in plain Python."""
    latency = {signed: chip.core.latency(signed=signed) for signed in (False, True)}
    arrived = {"input": [0] * net.values}
    for op in net.ops:
        matrix = isinstance(op, MatrixOp)
        depth, interval = latency[net.signed[op.layer]] if matrix else (0, 0)
        copies = placement.copies(op.layer) if matrix else op.vectors
        sources, starts, ends = [arrived[name] for name in op.inputs], [], []
        for v in range(op.vectors):
            ready = max(source[need[v]] for source, need in zip(sources, op.need, strict=True))
            starts.append(max(ready, starts[v - copies] + interval) if v >= copies else ready)
            ends.append(max(ends[-1] if ends else 0, starts[v] + depth))
        arrived[op.layer] = ends
    return arrived[net.ops[-1].layer][-1] * chip.core.cycle


def best(run, repeats):
    """The least seconds of several runs, after one to warm up."""
    taken = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return min(taken[1:])


def measure(repeats):
    chip = load_chip("isaac-ce")
    small, middle, large = map(Net, ("resnet-18", "resnet-50", "vgg-e"))
    powers = np.linspace(1e-3, 4e-3, VARIANTS)

    def priced():
        return reprice(small.run(chip)[2], vary(chip, {"core.adc.power": powers, "tile.buffer.power": 10 * powers}))

    others = [load_chip("isaac-ce", {"core.rows": rows}) for rows in SIZES]
    placement, timeline, _ = middle.run(chip)
    if plain_latency(middle, chip, placement) != timeline.latency:
        raise SystemExit("the pipeline and its plain loop disagree")
    plain = best(lambda: plain_latency(middle, chip, placement), max(1, repeats // 5))
    edges = traffic(middle.ops, placement, chip, middle.values)
    scheduled = best(lambda: schedule(middle.ops, placement, chip, edges, middle.signed), repeats)
    resnet = best(lambda: middle.run(chip), repeats)
    vgg = best(lambda: large.run(chip), repeats)
    return {
        "resnet50_s": resnet,
        "vgg_e_s": vgg,
        "variants_per_s": VARIANTS / best(priced, repeats),
        "mapped_variants_per_s": len(SIZES) / best(lambda: [small.run(other) for other in others], repeats),
        "plain_loop_s": plain,
        "schedule_vs_plain_loop": plain / scheduled,
        "resnet50_vs_plain_loop": plain / resnet,
        "vgg_e_vs_plain_loop": plain / vgg,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--repeats", type=int, default=15)
    choice = parser.parse_args()
    found = measure(choice.repeats)
    if choice.json:
        print(json.dumps(found, indent=2))
        return
    for name, what in (("resnet50", "ResNet-50"), ("vgg_e", "VGG-E")):
        seconds, ratio, aim = found[f"{name}_s"], found[f"{name}_vs_plain_loop"], AIMS[f"{name}_s"]
        print(f"{what:24} {1e3 * seconds:9.1f} ms (aim: {1e3 * aim:.0f})   plain loop takes {ratio:5.1f} × as long")
    ratio = found["schedule_vs_plain_loop"]
    print(f"{'ResNet-50, schedule only':24} {'':20} plain loop takes {ratio:5.1f} × as long")
    for name, what in (("variants_per_s", "priced variants"), ("mapped_variants_per_s", "mapped variants")):
        print(f"{what:24} {found[name]:9,.0f} a second (aim: {AIMS[name]:,.0f})")


if __name__ == "__main__":
    main()
