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
from pimsim.chip.crossbar import matmul, program
from pimsim.devices import Reram
from pimsim.inference.run import _ProgrammedChip, plan_layers
from pimsim.mapping import place
from pimsim.network.datasets import load_dataset
from pimsim.network.quantize import evaluate
from pimsim.numerics import fold, integer_product, leaves_to_arrays

LARGE = ((576, 64, 16 * 32 * 32), (1152, 128, 16 * 16 * 16), (2304, 256, 16 * 8 * 8))
SMALL = ((144, 16, 64 * 32 * 32), (288, 32, 64 * 16 * 16), (576, 64, 64 * 8 * 8))
TRIALS, IMAGES = 100, 1000


def median(run, repeats):
    """Seconds of one call, after one that compiles."""
    jax.block_until_ready(run())
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(run())
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def product_rate(repeats):
    """The machine's float32 matrix products, flop/s."""
    a = jnp.ones((2048, 2048), jnp.float32)
    product = jax.jit(lambda a: jnp.matmul(a, a, precision="highest"))
    return 2 * 2048**3 / median(lambda: product(a), repeats)


def scheme(**changes):
    """8-bit weights in pairs of four 2-bit slices, 8-bit inputs bit by bit, an 8-bit conversion of every column."""
    core = pimsim.load_chip("isaac-ce", {"core.weight_bits": 8, "core.input_bits": 8}).core
    own = {"encoding": Differential(subtraction="digital"), "full_scale": Maximum()} | changes
    return eqx.tree_at(lambda c: [getattr(c, name) for name in own], core, list(own.values()))


def stack_rate(core, layers, repeats):
    """Bit-true flop/s over a stack of layers, each (rows, cols, vectors)."""
    rng, seconds, work = np.random.default_rng(0), 0.0, 0.0
    traced, key = leaves_to_arrays(core), jax.random.key(0)
    for rows, cols, vectors in layers:
        array = core.program(jnp.asarray(rng.integers(-127, 128, (rows, cols)), jnp.int32), key=key)
        x = jnp.asarray(rng.integers(0, 256, (vectors, rows)), jnp.int32)
        index = jnp.arange(vectors)
        seconds += median(lambda a=array, x=x, i=index: matmul(traced, core.traits, a, x, key, i), repeats)
        work += 2.0 * rows * cols * vectors * core.planes * len(core.streams(False))
    return work / seconds


def lossless_ratio(repeats):
    """ISAAC's 16-bit scheme under `auto`, which proves that it folds, against float32 products of the same layers."""
    rng, ours, plain = np.random.default_rng(0), 0.0, 0.0
    folded, product = jax.jit(integer_product), jax.jit(lambda x, w: jnp.matmul(x, w, precision="highest"))
    for rows, cols, vectors in LARGE:
        w = jnp.asarray(rng.integers(-(2**15), 2**15, (rows, cols)), jnp.int32)
        x = jnp.asarray(rng.integers(0, 2**16, (vectors, rows)), jnp.int32)
        xf, wf = x.astype(jnp.float32), w.astype(jnp.float32)
        ours += median(lambda x=x, w=w: folded(x, w), repeats)
        plain += median(lambda x=xf, w=wf: product(x, w), repeats)
    return plain / ours


def monte_carlo_ratio(repeats):
    """Programmed chips of LeNet-5 on 1,000 images: the naive einsum engine's time over ours, for one trial of many."""
    experiment = pimsim.load_experiment("isaac-lenet5", {"chip.core.device.programming_noise": "10 uS"})
    core, data = experiment.chip.core, load_dataset("mnist")
    network, images = pimsim.load_network("lenet5"), data.test_images[:IMAGES]
    quantized = pimsim.quantize(network, data.train_images[:500], weight_bits=16, input_bits=16)
    placement = place(network.ops(), experiment.chip, "none")
    plans = plan_layers(quantized, placement, core, "auto", None)
    key, traced = jax.random.key(0), leaves_to_arrays(core)

    def ours(trial=[0]):  # noqa: B006  a new chip each time
        trial[0] += 1
        chip = _ProgrammedChip(quantized, core, plans, fold(key, trial[0]))
        for start in range(0, IMAGES, 250):
            chip.classify(images[start : start + 250], start)
        return chip.classes

    def naive():
        arrays = {
            name: program(
                traced, jnp.asarray(layer.matrix), core.cuts(*layer.matrix.shape), plans[name].occupied, key, False,
                plans[name].ranges,
            )
            for name, layer in quantized.layers.items()
        }  # fmt: skip

        def product(name, x):
            flat = x.reshape(-1, x.shape[-1])
            parts = [naive_matmul(core, arrays[name], flat[at : at + 20_000]) for at in range(0, len(flat), 20_000)]
            return jnp.concatenate(parts).reshape(*x.shape[:2], -1).astype(jnp.int64)

        return [evaluate(quantized, images[start : start + 250], product) for start in range(0, IMAGES, 250)]

    return median(naive, 1) / median(ours, repeats)


def measure(repeats):
    """Every ratio; peak memory covers all but the naive engine, which runs last."""
    unit = product_rate(repeats)
    noisy = scheme(device=Reram(0.5e-6, 500e-6, proportional_read_noise=0.05))
    found = {
        "bit_true": stack_rate(scheme(), LARGE, repeats) / unit,
        "bit_true_small": stack_rate(scheme(), SMALL, repeats) / unit,
        "read_noise": stack_rate(noisy, LARGE, repeats) / unit,
        "lossless_16bit": lossless_ratio(repeats),
    }
    found["peak_memory_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    found["monte_carlo"] = monte_carlo_ratio(min(repeats, 3))
    found["product_flop_per_s"] = unit
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
