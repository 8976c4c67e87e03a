"""Wire resistance: the effective conductance of an array against other ways to the same numbers, in the same process.

    python benchmarks/wires.py [--json] [--repeats 7]

128 × 128 cells of 10 kΩ or 1 MΩ, 1 Ω a segment, float64. SuperLU factorizes the nodal matrix once and solves it for
each of the 128 word lines (building the matrix is not counted); badcrossbar 1.1 is given the same 128 vectors, and is
left out where it is not installed. All must agree to 1e-9 of the largest conductance. The competitors take turns, so
that a busy machine slows all alike; every figure is a median.
"""

import argparse
import json
import logging
import resource
import statistics
import time
import warnings

import jax
import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from pimsim.circuits import Wires, effective_conductance

SIZE, OHMS, ARRAYS, VECTORS = 128, 1.0, 1000, 1024
WIRES = Wires(word_segment=OHMS, bit_segment=OHMS)
MISSING = "badcrossbar is not installed: pip install badcrossbar==1.1.0 (its drawing needs cairo, this does not)"


def nodal_matrix(cells):
    """Kirchhoff's current law at every word-line and bit-line node, as scipy's sparse matrix, and the drive's side."""
    rows, cols = cells.shape
    word = np.arange(rows * cols).reshape(rows, cols)
    bit = word + rows * cols
    ends = [(word, bit, cells), (word[:, 1:], word[:, :-1], 1 / OHMS), (bit[1:], bit[:-1], 1 / OHMS)]
    a, b, g = (np.concatenate([np.broadcast_to(part[k], part[0].shape).ravel() for part in ends]) for k in range(3))
    grounded = np.concatenate([word[:, 0], bit[-1]])
    i = np.concatenate([a, b, a, b, grounded])
    j = np.concatenate([b, a, a, b, grounded])
    values = np.concatenate([-g, -g, g, g, np.full(rows + cols, 1 / OHMS)])
    side = np.zeros((2 * rows * cols, rows))
    side[word[:, 0], np.arange(rows)] = 1 / OHMS
    return scipy.sparse.csc_matrix((values, (i, j))), side


def by_superlu(matrix, side):
    """The effective conductance [row col], through one factorization."""
    nodes = scipy.sparse.linalg.splu(matrix).solve(side)
    return nodes[-SIZE:].T / OHMS


def badcrossbar_or_none():
    """Its `compute`, or None with a message."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import badcrossbar

            compute = badcrossbar.compute
    except (ImportError, AttributeError):
        print(MISSING)
        return None
    logging.disable(logging.INFO)
    return lambda cells: np.array(compute(np.eye(SIZE), 1 / cells, OHMS).currents.output)


def seconds(run):
    start = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - start


def medians(runs, repeats):
    """Median seconds of each, all taking turns after one round to warm up."""
    rounds = [[seconds(run) for run in runs] for _ in range(repeats + 1)][1:]
    return [statistics.median(times) for times in zip(*rounds, strict=True)]


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def of_many_arrays(rng):
    """Seconds and additional peak memory of a thousand arrays."""
    cells = rng.choice([1e-4, 1e-6], (ARRAYS, SIZE, SIZE))
    jax.block_until_ready(effective_conductance(WIRES, cells[:1]))
    jax.block_until_ready(effective_conductance(WIRES, cells[: ARRAYS // 100]))
    before = peak_bytes()
    spent = seconds(lambda: effective_conductance(WIRES, cells))
    return spent, peak_bytes() - before


def measure(repeats):
    rng = np.random.default_rng(0)
    cells = rng.choice([1e-4, 1e-6], (SIZE, SIZE))
    many_seconds, many_bytes = of_many_arrays(rng)
    matrix, side = nodal_matrix(cells)
    runs, reference = (
        [lambda: effective_conductance(WIRES, cells), lambda: by_superlu(matrix, side)],
        by_superlu(matrix, side),
    )
    ours, superlu = medians(runs, repeats)
    found = effective_conductance(WIRES, cells)
    errors = [float(np.abs(found - reference).max() / reference.max())]
    theirs, badcrossbar = None, badcrossbar_or_none()
    if badcrossbar is not None:
        theirs = seconds(lambda: badcrossbar(cells))
        errors.append(float(np.abs(found - badcrossbar(cells)).max() / reference.max()))
    x = rng.uniform(0, 0.3, (VECTORS, SIZE))
    product = jax.jit(lambda x, g: x @ g)
    wired, plain = medians([lambda: product(x, found), lambda: product(x, cells)], 20 * repeats)
    return {
        "vs_superlu": superlu / ours,
        "vs_badcrossbar": None if theirs is None else theirs / ours,
        "read_vs_product": wired / plain,
        "max_error": max(errors),
        "matrix_s": ours,
        "superlu_s": superlu,
        "badcrossbar_s": theirs,
        "thousand_arrays_s": many_seconds,
        "thousand_arrays_bytes": many_bytes,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--repeats", type=int, default=7)
    choice = parser.parse_args()
    found = measure(choice.repeats)
    if choice.json:
        print(json.dumps(found, indent=2))
        return
    print(f"effective conductance, 128 × 128     {1e3 * found['matrix_s']:8.1f} ms")
    print(f"SuperLU, one factorization           {found['vs_superlu']:8.1f} × as long (aim: 20)")
    if found["vs_badcrossbar"] is not None:
        print(f"badcrossbar                          {found['vs_badcrossbar']:8.1f} × as long")
    print(f"a read, against the plain product    {found['read_vs_product']:8.2f} × as long (aim: 1)")
    print(f"largest difference between the ways  {found['max_error']:8.1e} of the largest conductance")
    size = found["thousand_arrays_bytes"] / 2**20
    print(f"1,000 arrays                         {found['thousand_arrays_s']:8.1f} s, {size:.0f} MiB more")


if __name__ == "__main__":
    main()
