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
from pimsim.inference.driving import Kind, Sums, Watch, some_of
from pimsim.inference.engines import LayerPlan, Work, Written, play, write
from pimsim.network.graph import Images
from pimsim.network.quantize import Product, QuantizedLayer, QuantizedNetwork, evaluate
from pimsim.numerics import exact_product, fold

Tune = Callable[[Product], QuantizedNetwork]

CLASSIFYING, TUNING = 0, 1
"""Courses of images through a chip, whose reads have noise of their own."""
SIDE_BY_SIDE = 2
"""Trials whose first layers share a product: a wider one is no faster."""


class PlayedLayer:
    """A layer as all chips play it: what they have in common is made once."""

    def __init__(self, core: CrossbarCore, plan: LayerPlan, layer: QuantizedLayer, activity: Kind):
        self.plan, self.work, self.watch = plan, Work.of(core, plan, layer), Watch(core, plan, layer, activity)

    def powers(self, x: Int[Array, "batch vector row"], y: Num[Array, "batch vector col"]) -> Float[Array, "3"]:
        """Of some vectors: sum of squares of the exact products, that of the errors, and how many there are."""
        if self.plan.engine == "folded":
            return jnp.zeros(3)
        some = some_of(x.shape[0] * x.shape[1], x.shape[1], "moments")
        return _powers(x, y, self.work.matrix, self.work.signed, some.step)


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

    def __init__(self, layers: Mapping[str, PlayedLayer], keys: Key[Array, " chip"], count: int, tune: Tune):
        self.layers, self.keys = layers, keys
        self.chips = [Trial(layers) for _ in range(count)]
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
        """A layer's products on images to be set up with."""
        return self._products(slice(trial, trial + 1), layer, x, jnp.arange(len(x)), first, TUNING)[0][0]

    def _play(
        self, trial: int, names: Array, opening: dict, layer: str, x: Int[Array, "batch vector row"], first: int = 0
    ) -> Array:
        """A layer's products; those of the first layer are computed for all trials at once and kept in `opening`, if
        its vectors do not depend on what the chips answer."""
        shared = layer == next(iter(self.layers)) and not self.layers[layer].plan.recurrent
        played = opening.get(layer)
        if played is None:
            played = self._products(slice(None) if shared else slice(trial, trial + 1), layer, x, names, first)
        if shared:
            opening[layer] = played
        y, tally = jax.tree.map(lambda each: each[trial if shared else 0], played)
        self._note(self.chips[trial], layer, names, x, y, tally)
        return y

    def _products(
        self, chips: slice, layer: str, x: Int[Array, "batch vector row"], names: Array, first: int,
        course: int = CLASSIFYING,
    ) -> tuple[Num[Array, "chip batch vector col"], Tally]:  # fmt: skip
        own, keys, place = self.layers[layer], self.keys[chips], (chips.start, layer)
        if own.plan.recurrent and place not in self.written:
            self.written[place] = write(own.work, keys=keys)
        return play(own.work, x, names, keys=keys, first=first, course=course, written=self.written.get(place))

    def _note(self, chip: Trial, layer: str, names: Array, x: Array, y: Array, tally: Tally) -> None:
        """Add what the vectors did, and how good the products are, when the last of each image have passed."""
        earlier, before = chip.passed.pop(layer, []), chip.tallies[layer].codes
        if earlier and tally.codes is not None and before is not None:
            tally = replace(tally, codes=before + tally.codes)
        chip.tallies[layer] = tally
        passed, own = [*earlier, (x, y)], self.layers[layer]
        if own.plan.recurrent and sum(part.shape[1] for part, _ in passed) < own.plan.vectors:
            chip.passed[layer] = passed
            return
        if earlier:
            x, y = (jnp.concatenate(parts, axis=1) for parts in zip(*passed, strict=True))
        seen = own.watch.batch(x, np.asarray(names), tally)
        chip.sums[layer] = chip.sums[layer].plus(seen) if layer in chip.sums else seen
        chip.powers[layer] += own.powers(x, y)


@partial(jax.jit, static_argnames=("signed", "step"))
def _powers(
    x: Int[Array, "batch vector row"], y: Num[Array, "batch vector col"], matrix: Array, signed: bool, step: int
) -> Float[Array, "3"]:
    """Of every step-th vector: sum of squares of the exact products, that of the errors, and how many there are."""
    vectors, products = (each.reshape(-1, each.shape[-1])[::step] for each in (x, y))
    exact = exact_product(vectors, matrix, signed=signed).astype(jnp.float64)
    return jnp.array([jnp.sum(exact**2), jnp.sum((products - exact) ** 2), exact.size])


def run_trials(
    quantized: QuantizedNetwork, cores: Mapping[str, CrossbarCore], plans: dict[str, LayerPlan], images: Images,
    wanted: Num[np.ndarray, "image value"], key: PRNGKeyArray, trials: int, batch: int, activity: Kind,
    tune: Tune, progress: Callable[[int, int], None],
) -> list[Trial]:  # fmt: skip
    """All images on every chip, each layer on its own core; `tune` makes the network that a chip plays, given its
    products of any vectors; progress(done, of) counts images of all trials."""
    done, lock = 0, threading.Lock()
    layers = {name: PlayedLayer(cores[name], plan, quantized.layers[name], activity) for name, plan in plans.items()}

    def open_chips(first: int) -> ProgrammedChips:
        keys = jnp.stack([fold(key, trial) for trial in range(first, first + min(trials, SIDE_BY_SIDE))])
        return ProgrammedChips(layers, keys, min(trials - first, SIDE_BY_SIDE), tune)

    def classify(chips: ProgrammedChips, starts: range) -> ProgrammedChips:
        nonlocal done
        for start in starts:
            own = slice(start, start + batch)
            for _ in chips.classify(images[own], wanted[own], start):
                with lock:
                    done += len(images[own])
                    progress(done, trials * len(images))
        return chips

    starts = range(0, len(images), batch)
    ahead = classify(open_chips(0), starts[:1])  # alone, because it compiles

    def run(first: int) -> ProgrammedChips:
        return classify(open_chips(first), starts) if first else classify(ahead, starts[1:])

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # JAX computes without the interpreter's lock
        return [chip for group in pool.map(run, range(0, trials, SIDE_BY_SIDE)) for chip in group.chips]
