"""When the layers of a network work, one after the other and overlapped.

python examples/timeline.py [--network resnet-18] [--figure timeline.png]
"""

import argparse

from pimsim import simulate
from pimsim.experiment import network_on_chip

KINDS = ("layer_pipeline", "batch_pipeline", "sequential")


def timelines(network):
    """The timeline of one image under each schedule."""
    return [simulate(network_on_chip("isaac-ce", network, {"schedule.kind": kind})).timeline for kind in KINDS]


def draw(found, network, path):
    """A bar a layer with a matrix, from its first vector's start to its last one's result."""
    import matplotlib.pyplot as plt

    matrices = found[0].busy > 0
    figure, panels = plt.subplots(1, len(found), sharey=True, figsize=(11, 1.5 + 0.16 * matrices.sum()))
    for panel, timeline in zip(panels, found, strict=True):
        start, finish = (1e6 * times[matrices] for times in (timeline.start, timeline.finish))
        pace = ["tab:red" if layer == timeline.bottleneck else "tab:blue" for layer in timeline.layer[matrices]]
        panel.barh(timeline.layer[matrices], finish - start, left=start, color=pace, height=0.7)
        every = f"one image every {1e6 * timeline.interval:,.0f} µs, set by {timeline.bottleneck}"
        panel.set_title(f"{timeline.kind}\n{every}", fontsize=9)
        panel.set(xlabel="time of one image, µs", xlim=(0, None))
        panel.tick_params(labelsize=7)
        panel.grid(axis="x", alpha=0.3)
    panels[0].invert_yaxis()
    figure.suptitle(f"{network} on isaac-ce", fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="resnet-18")
    parser.add_argument("--figure", help="draw it into this file")
    choice = parser.parse_args()
    found = timelines(choice.network)
    print("schedule          latency, µs  interval, µs  set by")
    for timeline in found:
        latency, interval = 1e6 * timeline.latency, 1e6 * timeline.interval
        print(f"{timeline.kind:16} {latency:12,.1f}  {interval:12,.1f}  {timeline.bottleneck}")
    if choice.figure:
        draw(found, choice.network, choice.figure)


if __name__ == "__main__":
    main()
