"""A decoder on 3D-CiM's accelerator, replayed event by event with that simulator's own constants.

python examples/decoder_replay.py [--cached]

Three layers of width 512 write 12 tokens from one, on stacks of 512×512 arrays. 3D-CiM-LLM-Inference-Simulator
(commit 0bef55f) says 45,739 ns and 269,552 nJ, and 23,739 ns and 128,915 nJ where keys and values are kept.
"""

import argparse
from collections import Counter

from pimsim.network.ops import MatrixOp, ProductOp, VectorOp, all_of, each
from pimsim.schedule.flow import Flow
from pimsim.schedule.play import play
from pimsim.schedule.shared import Shared
from pimsim.schedule.work import Work, vector_counts

WIDTH, INNER, VOCABULARY, LAYERS, START, TARGET = 512, 2048, 1024, 3, 1, 12
ARRAY = 512
MVM, MOVE, ADD, NORM, RELU, MHA, DRAM, SAMPLE = 100, 10, 10, 50, 1, 1, 1, 10
"""Nanoseconds; what is moved is a vector of an array's rows or columns."""
PASSIVE, IDLE_DRAM = 5.0, 0.1297
"""Watts: of one attention unit and four digital units; of memory that keys and values wait in."""
NANOJOULE = {"mvm": 10.0, "move": 8e-5 * WIDTH, "norm": 10.0, "relu": 10.0, "add": 10.0, "mha": 1.0, "dram": 1.0}
THEIRS = {False: (45_739.0, 269_552.3594), True: (23_739.0, 128_914.6005)}


def decoder(tokens, cached):
    """The works of one step, in cycles of 1 ns, and what happens in it."""
    works, events = [], Counter(mha=LAYERS, dram=LAYERS)
    one = each(tokens)

    def matrix(name, source, rows=WIDTH, cols=WIDTH, vectors=tokens):
        """Arrays side by side, each a hop away; sums of several of them follow one another."""
        down, across = -(-rows // ARRAY), -(-cols // ARRAY)
        op = MatrixOp(name, (source,), rows, cols, vectors, 1, (each(vectors),))
        works.append(Work(op, copies=1, interval=MVM, depth=2 * MOVE + MVM + ADD * (down - 1)))
        events.update(mvm=vectors * down * across, move=2 * vectors * down * across, add=vectors * across * (down - 1))

    def digital(name, sources, kind, time, event, need=one):
        vectors, values = len(need), WIDTH * len(need)
        op = VectorOp(name, sources, kind, values, values, vectors, WIDTH, (need,) * len(sources))
        works.append(Work(op, depth=time))
        events.update({event: vectors})

    def product(name, left, right, setup):
        need = one, all_of(tokens, tokens)
        op = ProductOp(name, (left, right), 8, tokens, 64, tokens + cached, name.endswith("scores"), cached, 1, need)
        works.append(Work(op, depth=setup))

    matrix("embedding", "input")
    digital("0", ("embedding",), "add", ADD, "add")
    for layer in range(LAYERS):
        here = f"{layer}/"
        for name in ("query", "key", "value"):
            matrix(here + name, str(layer))
        product(here + "scores", here + "query", here + "key", DRAM + MHA)
        product(here + "attention", here + "scores", here + "value", 0)
        matrix(here + "output", here + "attention")
        digital(here + "sum", (here + "output", str(layer)), "add", ADD, "add")
        digital(here + "norm", (here + "sum",), "normalize", NORM, "norm")
        matrix(here + "up", here + "norm", WIDTH, INNER)
        digital(here + "relu", (here + "up",), "activation", RELU, "relu")
        matrix(here + "down", here + "relu", INNER, WIDTH)
        digital(here + "last", (here + "down", here + "norm"), "add", ADD, "add")
        digital(str(layer + 1), (here + "last",), "normalize", NORM, "norm")
    digital("newest", (str(LAYERS),), "reshape", 0, "kept", all_of(tokens))
    matrix("head", "newest", WIDTH, VOCABULARY, 1)
    digital("sample", ("head",), "reshape", SAMPLE, "sample", each(1))
    return works, events


def replayed(works):
    """Nanoseconds of one step."""
    ops = [work.op for work in works]
    counts = vector_counts(ops)
    flow = Flow(works, [], {name: {} for name in counts}, counts)
    return int(play(flow, Shared([], {}, {}), 1, 0.0).passed.leaving(ops[-1])[0])


def run(cached):
    """Nanoseconds and nanojoules of all steps, one after the other, by what draws them."""
    time, events = 0, Counter()
    for step in range(START, TARGET):
        works, happened = decoder(1 if cached else step, step - 1 if cached else 0)
        time += replayed(works)
        events += happened
    energy = {name: events[name] * one for name, one in NANOJOULE.items()}
    energy["passive"] = (PASSIVE + (IDLE_DRAM if cached else 0.0)) * time
    return time, energy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cached", action="store_true", help="keep keys and values of earlier tokens")
    cached = parser.parse_args().cached
    time, energy = run(cached)
    theirs = THEIRS[cached]
    print("                 ours      theirs  difference")
    for what, ours, published in (("time, ns", time, theirs[0]), ("energy, nJ", sum(energy.values()), theirs[1])):
        print(f"{what:10} {ours:10,.0f}  {published:10,.0f}  {ours / published - 1:+10.3%}")
    print(", ".join(f"{name} {value:,.0f} nJ" for name, value in energy.items()))


if __name__ == "__main__":
    main()
