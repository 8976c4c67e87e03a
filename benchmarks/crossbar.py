"""How fast the crossbar is, against what the same machine does in the same process.

    python benchmarks/crossbar.py [--json] [--repeats 7]

Throughput counts 2·MACs·reads·slices·signs of real rows only; the unit is the machine's own float32 product, 2048³.
Every figure is a median. What each bounds is in docs/performance.md.
"""

import argparse
import json
import resource
import statistics
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from naive import naive_matmul

import pimsim
from pimsim.chip import Differential, Maximum
from pimsim.chip.programming import program
from pimsim.chip.reading import matmul
from pimsim.devices import Reram
from pimsim.inference.run import plan_layers
from pimsim.inference.trials import run_trials
from pimsim.mapping import place
from pimsim.network.datasets import load_dataset
from pimsim.network.graph import outputs
from pimsim.network.quantize import evaluate
from pimsim.numerics import exact_product, leaves_to_arrays

LARGE = ((576, 64, 16 * 32 * 32), (1152, 128, 16 * 16 * 16), (2304, 256, 16 * 8 * 8))
SMALL = ((144, 16, 64 * 32 * 32), (288, 32, 64 * 16 * 16), (576, 64, 64 * 8 * 8))
TRIALS, IMAGES = 20, 1000
"""Trials of ours, a fifth of the hundred; the naive engine runs one, for each takes it as long."""


def seconds(run):
    """Of one call."""
    start = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - start


def ratio(ours, theirs, repeats):
    """The median of their seconds over ours, each pair timed one after the other: a busy machine slows both."""
    for run in (*ours, *theirs):
        jax.block_until_ready(run())  # compiles
    return statistics.median(sum(map(seconds, theirs)) / sum(map(seconds, ours)) for _ in range(repeats))


def unit_product():
    """A float32 product of 2048³, and its work in flop."""
    a = jnp.ones((2048, 2048), jnp.float32)
    product = jax.jit(lambda a: jnp.matmul(a, a, precision="highest"))
    return (lambda: product(a)), 2.0 * 2048**3


def scheme(**changes):
    """8-bit weights in pairs of four 2-bit slices, 8-bit inputs bit by bit, an 8-bit conversion of every column."""
    core = pimsim.load_chip("isaac-ce", {"core.weight_bits": 8, "core.input_bits": 8}).core
    own = {"encoding": Differential(subtraction="digital"), "full_scale": Maximum()} | changes
    return eqx.tree_at(lambda c: [getattr(c, name) for name in own], core, list(own.values()))


def stack_ratio(core, layers, repeats):
    """Bit-true throughput over a stack of layers (rows, cols, vectors), in units of the machine's float32 product."""
    rng, runs, work = np.random.default_rng(0), [], 0.0
    traced, key = leaves_to_arrays(core), jax.random.key(0)
    for rows, cols, vectors in layers:
        array = core.program(jnp.asarray(rng.integers(-127, 128, (rows, cols)), jnp.int32), key=key)
        x = jnp.asarray(rng.integers(0, 256, (vectors, rows)), jnp.int32)
        index = jnp.arange(vectors)
        runs.append(lambda a=array, x=x, i=index: matmul(traced, core.traits, a, x, key, i))
        work += 2.0 * rows * cols * vectors * core.planes * len(core.streams(False))
    product, unit_work = unit_product()
    return work / unit_work * ratio(runs, [product], repeats)


def lossless_ratio(repeats):
    """ISAAC's 16-bit scheme under `auto`, which proves that it folds, against float32 products of the same layers."""
    rng, ours, plain = np.random.default_rng(0), [], []
    product = jax.jit(lambda x, w: jnp.matmul(x, w, precision="highest"))
    for rows, cols, vectors in LARGE:
        w = jnp.asarray(rng.integers(-(2**15), 2**15, (rows, cols)), jnp.int32)
        x = jnp.asarray(rng.integers(0, 2**16, (vectors, rows)), jnp.int32)
        ours.append(lambda x=x, w=w: exact_product(x, w, signed=False))
        x, w = x.astype(jnp.float32), w.astype(jnp.float32)
        plain.append(lambda x=x, w=w: product(x, w))
    return ratio(ours, plain, repeats)


def monte_carlo_ratio(repeats):
    """Programmed chips of LeNet-5 on 1,000 images: the naive einsum engine's time for one over ours, many at a time."""
    experiment = pimsim.load_experiment("isaac-lenet5", {"chip.core.device.programming_noise": "10 uS"})
    core, data = experiment.chip.core, load_dataset("mnist")
    network, images = pimsim.load_network("lenet5"), data.test_images[:IMAGES]
    quantized = pimsim.quantize(network, data.train_images[:500], weight_bits=16, input_bits=16)
    placement = place(network.ops(), experiment.chip, "none")
    cores = dict.fromkeys(quantized.layers, core)
    plans = plan_layers(quantized, placement, cores, "auto", None, "moments")
    key, traced = jax.random.key(0), leaves_to_arrays(core)
    wanted = outputs(network.forward, images)

    def ours():
        run_trials(quantized, cores, plans, images, wanted, key, TRIALS, 250, "moments", lambda product: quantized,
            lambda done, of: None,
        )  # fmt: skip

    def naive():
        arrays = {
            name: program(
                traced, jnp.asarray(layer.matrix), core.cuts(*layer.matrix.shape), plans[name].occupied, key, False,
                plans[name].ranges,
            )
            for name, layer in quantized.layers.items()
        }  # fmt: skip

        def product(name, x):
            y = naive_matmul(core, arrays[name], x.reshape(-1, x.shape[-1]))
            return y.reshape(*x.shape[:2], -1).astype(jnp.int64)

        return [evaluate(quantized, images[start : start + 250], product) for start in range(0, IMAGES, 250)]

    return TRIALS * ratio([ours], [naive], repeats)


def measure(repeats):
    """Every ratio; peak memory covers all but the naive engine, which runs last."""
    noisy = scheme(device=Reram(0.5e-6, 500e-6, proportional_read_noise=0.05))
    product, work = unit_product()
    seconds(product)
    found = {
        "bit_true": stack_ratio(scheme(), LARGE, repeats),
        "bit_true_small": stack_ratio(scheme(), SMALL, repeats),
        "read_noise": stack_ratio(noisy, LARGE, repeats),
        "lossless_16bit": lossless_ratio(repeats),
    }
    found["peak_memory_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    found["monte_carlo"] = monte_carlo_ratio(min(repeats, 3))
    found["product_flop_per_s"] = work / statistics.median(seconds(product) for _ in range(repeats))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--repeats", type=int, default=7)
    choice = parser.parse_args()
    found = measure(choice.repeats)
    if choice.json:
        print(json.dumps(found, indent=2))
        return
    print(f"float32 product 2048³            {found['product_flop_per_s'] / 1e9:8.0f} Gflop/s")
    for name, target in (("bit_true", 1.5), ("bit_true_small", 0.6), ("read_noise", 0.35)):
        print(f"{name:32s} {found[name]:8.2f} × that          (aim: {target})")
    print(f"{'lossless_16bit':32s} {found['lossless_16bit']:8.2f} × float32 layers (aim: 0.25)")
    print(f"{'monte_carlo':32s} {found['monte_carlo']:8.1f} × the naive engine (aim: 10)")
    print(f"{'peak memory':32s} {found['peak_memory_bytes'] / 1e9:8.2f} GB")


if __name__ == "__main__":
    main()
