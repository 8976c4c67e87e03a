"""Programmed chips that classify images: one a trial, several at a time."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, Num, PRNGKeyArray

from pimsim.chip import CrossbarCore
from pimsim.chip.tally import Tally
from pimsim.inference.agreement import compare_outputs
from pimsim.inference.driving import SAMPLE_VECTORS, Kind, Sums, watch
from pimsim.inference.engines import LayerPlan, Written, play, write
from pimsim.network.graph import Images
from pimsim.network.quantize import Product, QuantizedNetwork, evaluate
from pimsim.numerics import exact_product, fold

Tune = Callable[[Product], QuantizedNetwork]

FIRST_TUNING_IMAGE = 2**20
"""The name of the first image that a chip is set up with: no image to classify has it."""
SIDE_BY_SIDE = 2
"""Trials whose first layers share a product: a wider one is no faster."""


class Trial:
    """One trial: its answers, and the power of its products and of their errors, layer by layer."""

    def __init__(self, names: Iterable[str]):
        self.classes: list[Int[np.ndarray, " sample"]] = []
        self.nearness: list[np.ndarray] = []
        self.powers = {name: np.zeros(3) for name in names}
        self.tallies = {name: Tally() for name in names}
        self.sums: dict[str, Sums] = {}
        self.passed: dict[str, list[tuple[Array, Array]]] = {}
        """Vectors and products of the layer that is at work, whose last ones are yet to come."""

    def mean_powers(self) -> Float[np.ndarray, "2 matrix"]:
        """Mean square of the exact products and of the errors; (1, 0) for layers proved exact."""
        found = [power[:2] / power[2] if power[2] else np.array([1.0, 0.0]) for power in self.powers.values()]
        return np.array(found).T


class ProgrammedChips:
    """Trials that see the same images, so that their first layers share one product; `keys` may be more than count."""

    def __init__(
        self, quantized: QuantizedNetwork, cores: Mapping[str, CrossbarCore], plans: dict[str, LayerPlan],
        keys: Key[Array, " chip"], count: int, activity: Kind, tune: Tune,
    ):  # fmt: skip
        self.quantized, self.cores, self.plans, self.keys = quantized, cores, plans, keys
        self.activity: Kind = activity
        self.chips = [Trial(plans) for _ in range(count)]
        self.written: dict[tuple[int, str], Written] = {}
        """The cells that recurrent layers read at every step."""
        self.networks = [tune(partial(self._answer, trial)) for trial in range(count)]

    def classify(self, images: Images, wanted: Num[np.ndarray, "image value"], first: int) -> Iterator[None]:
        """Add the classes of images called `first`, first + 1, …, and how near outputs come to those wanted, a step a
        trial."""
        names, opening = first + jnp.arange(len(images)), {}
        for trial, chip in enumerate(self.chips):
            play = partial(self._play, trial, names, opening)
            y = np.asarray(evaluate(self.networks[trial], images, play)).reshape(len(images), -1)
            chip.classes.append(y.argmax(axis=-1))
            chip.nearness.append(compare_outputs(y, wanted))
            yield

    def _answer(self, trial: int, layer: str, x: Int[Array, "batch vector row"], first: int = 0) -> Array:
        """A layer's products on images that have names of their own."""
        names = FIRST_TUNING_IMAGE + jnp.arange(len(x))
        return self._products(slice(trial, trial + 1), layer, x, names, first)[0][0]

    def _play(
        self, trial: int, names: Array, opening: dict, layer: str, x: Int[Array, "batch vector row"], first: int = 0
    ) -> Array:
        """A layer's products; those of the first layer are computed for all trials at once and kept in `opening`, if
        its vectors do not depend on what the chips answer."""
        shared = layer == next(iter(self.plans)) and not self.plans[layer].recurrent
        played = opening.get(layer)
        if played is None:
            played = self._products(slice(None) if shared else slice(trial, trial + 1), layer, x, names, first)
        if shared:
            opening[layer] = played
        y, tally = jax.tree.map(lambda each: each[trial if shared else 0], played)
        self._note(self.chips[trial], layer, names, x, y, tally)
        return y

    def _products(
        self, chips: slice, layer: str, x: Int[Array, "batch vector row"], names: Array, first: int
    ) -> tuple[Num[Array, "chip batch vector col"], Tally]:
        plan, own, keys, place = self.plans[layer], self.quantized.layers[layer], self.keys[chips], (chips.start, layer)
        if plan.recurrent and place not in self.written:
            self.written[place] = write(self.cores[layer], plan, own, keys=keys)
        return play(self.cores[layer], plan, own, x, names, keys=keys, first=first, written=self.written.get(place))

    def _note(self, chip: Trial, layer: str, names: Array, x: Array, y: Array, tally: Tally) -> None:
        """Add what the vectors did, and how good the products are, when the last of each image have passed."""
        earlier, before = chip.passed.pop(layer, []), chip.tallies[layer].codes
        if earlier and tally.codes is not None and before is not None:
            tally = replace(tally, codes=before + tally.codes)
        chip.tallies[layer] = tally
        passed, plan, own = [*earlier, (x, y)], self.plans[layer], self.quantized.layers[layer]
        if plan.recurrent and sum(part.shape[1] for part, _ in passed) < plan.vectors:
            chip.passed[layer] = passed
            return
        if earlier:
            x, y = (jnp.concatenate(parts, axis=1) for parts in zip(*passed, strict=True))
        seen = watch(self.cores[layer], plan, own, x, np.asarray(names), tally, self.activity)
        chip.sums[layer] = chip.sums[layer].plus(seen) if layer in chip.sums else seen
        self._compare(chip, layer, x, y)

    def _compare(self, chip: Trial, layer: str, x: Int[Array, "batch vector row"], y: Array) -> None:
        """Add the power of some products and of their errors."""
        if self.plans[layer].engine == "folded":
            return
        own, some = self.quantized.layers[layer], slice(None, None, -(-x.shape[0] * x.shape[1] // SAMPLE_VECTORS))
        vectors, products = x.reshape(-1, x.shape[-1])[some], y.reshape(-1, y.shape[-1])[some]
        chip.powers[layer] += _powers(
            exact_product(vectors, jnp.asarray(own.matrix), signed=own.signed_input), products
        )


@jax.jit
def _powers(exact: Array, products: Array) -> Float[Array, "3"]:
    """Sum of squares of the exact products, that of the errors, and how many there are."""
    exact = exact.astype(jnp.float64)
    return jnp.array([jnp.sum(exact**2), jnp.sum((products - exact) ** 2), exact.size])


def run_trials(
    quantized: QuantizedNetwork, cores: Mapping[str, CrossbarCore], plans: dict[str, LayerPlan], images: Images,
    wanted: Num[np.ndarray, "image value"], key: PRNGKeyArray, trials: int, batch: int, activity: Kind,
    tune: Tune, progress: Callable[[int, int], None],
) -> list[Trial]:  # fmt: skip
    """All images on every chip, each layer on its own core; `tune` makes the network that a chip plays, given its
    products of any vectors; progress(done, of) counts images of all trials."""
    done, lock = 0, threading.Lock()

    def run(first: int) -> ProgrammedChips:
        nonlocal done
        keys = jnp.stack([fold(key, trial) for trial in range(first, first + min(trials, SIDE_BY_SIDE))])
        chips = ProgrammedChips(quantized, cores, plans, keys, min(trials - first, SIDE_BY_SIDE), activity, tune)
        for start in range(0, len(images), batch):
            own = slice(start, start + batch)
            for _ in chips.classify(images[own], wanted[own], start):
                with lock:
                    done += len(images[own])
                    progress(done, trials * len(images))
        return chips

    found = [run(0)]  # alone, because it compiles
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # JAX computes without the interpreter's lock
        found += pool.map(run, range(SIDE_BY_SIDE, trials, SIDE_BY_SIDE))
    return [chip for group in found for chip in group.chips]
