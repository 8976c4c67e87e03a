"""Which kind of tile each layer has on a chip whose arrays differ in size.

The choice is the one whose busiest layer is done soonest, with copies as `balance` gives them; of several such, the one
whose arrays take least energy. For each length of time a layer needs a known number of arrays of each kind, so whether
a time can be met is a generalized assignment problem, which an integer program solves exactly; bisection finds the
least time that can.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from pimsim.chip import STANDARD, Chip, Part
from pimsim.errors import CapacityError, SpecError, nearest
from pimsim.mapping.blocks import block_table
from pimsim.mapping.budget import MOST_CHIPS, Budget, Overflow, stated_chips
from pimsim.mapping.replication import Replicate
from pimsim.network.ops import MatrixOp, Op

SCALE = 1e4
"""Of the largest energy in the integer program, whose solver leaves a gap of 1e-6."""


class Options(NamedTuple):
    """What each layer would be in tiles of each kind."""

    layers: list[str]
    kinds: list[str]
    vectors: Int[np.ndarray, "matrix kind"]
    """Of one matrix."""
    arrays: Int[np.ndarray, "matrix kind"]
    """That one copy takes."""
    energy: Float[np.ndarray, "matrix kind"]
    """Of one inference, in the cores and in the tiles' adders."""
    pace: Int[np.ndarray, " kind"]
    """Cycles of a read."""
    room: Int[np.ndarray, " kind"]
    """Arrays on a chip."""
    open: Bool[np.ndarray, "matrix kind"]
    """Which kinds a layer may have."""
    copies: Int[np.ndarray, " matrix"] | None
    """Where they are given; None where they are to be balanced."""

    def needed(self, time: int) -> tuple[Int[np.ndarray, "matrix kind"], Bool[np.ndarray, "matrix kind"]]:
        """The arrays with which each layer is done in so many cycles of reads, and where it can be."""
        waves = np.maximum(1, time // self.pace)
        copies = -(-self.vectors // waves) if self.copies is None else self.copies[:, None]
        return copies * self.arrays, self.open & (-(-self.vectors // copies) * self.pace <= time)


def choose_kinds(
    ops: Mapping[str, Sequence[Op]],
    chip: Chip,
    pinned: Mapping[str, str],
    replicate: Replicate = "balance",
    budget: Budget | None = None,
    overflow: Overflow = "spread",
) -> dict[str, str]:
    """The kind of tile of each layer with a matrix, given what a network asks of tiles of each kind.

    Raises SpecError for layers or kinds that do not exist, CapacityError where one copy of each matrix does not fit.
    """
    layers = [op.layer for op in ops[STANDARD] if isinstance(op, MatrixOp)]
    kinds = [part.kind for part in chip.parts]
    for layer, kind in pinned.items():
        if layer not in layers:
            raise SpecError(f"mapping.kinds.{layer}", "no layer with a matrix has this name", nearest(layer, layers))
        if kind not in kinds:
            raise SpecError(f"mapping.kinds.{layer}", f"{chip.name} has no kind of tile {kind!r}", nearest(kind, kinds))
    if len(kinds) == 1 or len(pinned) == len(layers):
        return {layer: pinned.get(layer, STANDARD) for layer in layers}
    options = _options(ops, chip.parts, pinned, replicate)
    most = int((options.vectors * options.pace).max())
    chips = _chips(options, most, stated_chips(chip, budget, overflow))
    low, high = 1, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _solve(options, middle, chips) is not None else (middle + 1, high)
    found = _solve(options, low, chips, frugal=True)
    assert found is not None
    return {layer: kinds[index] for layer, index in zip(layers, found, strict=True)}


def _options(
    ops: Mapping[str, Sequence[Op]], parts: Sequence[Part], pinned: Mapping[str, str], replicate: Replicate
) -> Options:
    of_kind = {part.kind: [op for op in ops[part.kind] if isinstance(op, MatrixOp)] for part in parts}
    layers, kinds = [op.layer for op in of_kind[STANDARD]], list(of_kind)
    vectors = [[op.vectors // op.matrices for op in own] for own in of_kind.values()]
    found = np.array([[_arrays_and_energy(op, part) for op in of_kind[part.kind]] for part in parts])
    given = {} if replicate == "none" else replicate
    return Options(
        layers=layers,
        kinds=kinds,
        vectors=np.array(vectors).T,
        arrays=found[..., 0].T.astype(int),
        energy=found[..., 1].T,
        pace=np.array([int(part.core.read_cycles()) for part in parts]),
        room=np.array([part.arrays for part in parts]),
        open=np.array([[pinned.get(layer, kind) == kind for kind in kinds] for layer in layers]),
        copies=None if isinstance(given, str) else np.array([given.get(layer, 1) for layer in layers]),
    )


def _arrays_and_energy(op: MatrixOp, part: Part) -> tuple[int, float]:
    """Of one copy of each of its matrices, and of all vectors, as if inputs had no sign."""
    core = part.core.at(op.precision)
    blocks = block_table(op, core.cuts(op.rows, op.cols, op.taps))
    each = core.events(blocks[:, 1], blocks[:, 3], signed=False)
    happened = {event: float(np.sum(np.broadcast_to(count, len(blocks)))) for event, count in each.items()}
    happened["addition"] = float(blocks[:, 3].sum() - op.cols)
    energy = sum(happened.get(line.event, 0.0) * line.cost.energy for line in part.tile.bill(part.core))
    return op.matrices * len(blocks), op.vectors * energy


def _chips(options: Options, most: int, stated: int | None) -> int:
    """The chips that may be used: those stated, or as many as one copy needs."""
    low, high = (1, MOST_CHIPS) if stated is None else (stated, stated)
    if _solve(options, most, high) is None:
        _refuse(options, most, high)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _solve(options, most, middle) is not None else (middle + 1, high)
    return low


def _refuse(options: Options, most: int, chips: int) -> None:
    """Raise CapacityError: for a layer that no kind has room for, or for all of them together."""
    (needed, allowed), room = options.needed(most), chips * options.room
    there = _listed(room, options.kinds)
    for layer, own, may in zip(options.layers, needed, allowed, strict=True):
        if not (may & (own <= room)).any():
            only = [kind for kind, open_ in zip(options.kinds, may, strict=True) if open_]
            fact = f"takes {_listed(own[may], only)} arrays, and there are {there}"
            raise CapacityError(layer, fact, "More chips (mapping.budget, mapping.overflow) have more room.")
    fact = f"one copy of each matrix takes {_listed(needed.sum(axis=0), options.kinds)} arrays, and there are {there}"
    raise CapacityError("mapping.kinds", fact, "More chips (mapping.budget, mapping.overflow) have more room.")


def _listed(numbers: Int[np.ndarray, " kind"], kinds: Sequence[str]) -> str:
    return " or ".join(f"{number:,} ({kind})" for number, kind in zip(numbers.tolist(), kinds, strict=True))


def _solve(options: Options, time: int, chips: int, frugal: bool = False) -> list[int] | None:
    """The index of each layer's kind such that all are done in a time, or None; `frugal`, with least energy."""
    from scipy.optimize import Bounds, LinearConstraint, milp  # takes long to import, and few chips ask for it

    needed, allowed = options.needed(time)
    room = chips * options.room
    allowed &= needed <= room
    if not allowed.any(axis=1).all():
        return None
    layers, kinds = needed.shape
    one_each = np.kron(np.eye(layers), np.ones(kinds))
    held = np.tile(np.eye(kinds), layers) * needed.ravel()
    cost = options.energy * (SCALE / (options.energy.max() or 1.0) if frugal else 0.0)
    answer = milp(
        cost.ravel(),
        integrality=np.ones(needed.size),
        bounds=Bounds(0, allowed.ravel().astype(float)),  # pyright: ignore[reportArgumentType]
        constraints=[LinearConstraint(one_each, 1, 1), LinearConstraint(held, 0, room)],  # pyright: ignore[reportArgumentType]
        options={"mip_rel_gap": 0.0},
    )
    if answer.x is None:
        return None
    chosen = answer.x.reshape(needed.shape).argmax(axis=1)
    used = np.bincount(chosen, needed[np.arange(layers), chosen], kinds)
    return chosen.tolist() if (used <= room).all() else None
