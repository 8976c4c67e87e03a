"""Which chips of a group of machines have which weights in their memories."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Shaped

from pimsim.chip import Machine, Matrices, WeightStreaming
from pimsim.errors import CapacityError, NetworkError, SpecError, nearest
from pimsim.mapping.budget import MOST_CHIPS, Budget, Overflow
from pimsim.mapping.replication import Replicate
from pimsim.network.ops import MatrixOp, Op, ProductOp
from pimsim.units import Storage


@dataclass(frozen=True)
class Distribution:
    """Copies of matrices: the chips of each copy share its columns, the copies share the vectors."""

    matrix: Shaped[np.ndarray, " matrix"]
    """The names of the layers that have a matrix."""
    copies: Int[np.ndarray, " matrix"]
    """Of each; they divide the number of chips."""
    chips: int
    stored: Storage
    """Weights in the memory of each chip."""
    storage: Storage
    """That memory."""


def distribute(
    ops: Sequence[Op],
    machine: Machine,
    replicate: Replicate = "balance",
    *,
    budget: Budget | None = None,
    overflow: Overflow = "spread",
) -> Distribution:
    """Spread weights over as few chips as hold them, or those of a budget; `balance` fills what is left with copies.

    Raises CapacityError where memory is lacking, and SpecError for what a machine cannot be asked for.
    """
    matrices = [op for op in ops if isinstance(op, MatrixOp)]
    if not matrices:
        raise NetworkError("", "has no layer with a matrix, so there is nothing to map")
    streaming = streaming_of(machine)
    bits = {op.layer: float(op.weights * machine.weight_bits) for op in matrices}
    chips = chips_for(sum(bits.values()), machine, budget, overflow)
    room = machine.storage * chips - sum(bits.values())
    if replicate == "balance":
        copies, room = filled(matrices, streaming, bits, chips, room)
    else:
        given = {} if replicate == "none" else checked(replicate, bits, chips)
        copies = {layer: given.get(layer, 1) for layer in bits}
        room -= sum(extra_bits(op, copies[op.layer], bits) for op in matrices)
        if room < 0:
            raise CapacityError("mapping.replicate", f"the memory of {chips} chips lacks {-room / 8:,.0f} B")
    return Distribution(
        matrix=np.array(list(copies)),
        copies=np.array(list(copies.values())),
        chips=chips,
        stored=machine.storage - room / chips,
        storage=machine.storage,
    )


def chips_for(bits: Storage, machine: Machine, budget: Budget | None, overflow: Overflow) -> int:
    """How many chips there are for so many bits of weights."""
    if overflow == "reload":
        remedy = "`spread` takes as many chips as hold the weights."
        raise SpecError("mapping.overflow", f"{machine.name} has nothing to reload weights from", remedy)
    needed = math.ceil(bits / max(machine.storage, 1.0))
    if needed > MOST_CHIPS:
        fact = f"the weights need the memory of {needed:,} chips, more than {MOST_CHIPS:,}"
        raise CapacityError("chip.storage", fact)
    chips = needed if budget is None else budget.affords_machines(machine)
    chips = min(chips, 1) if overflow == "refuse" else chips
    if needed > chips:
        fact = f"the weights need the memory of {needed:,} chips and there are {chips:,}"
        raise CapacityError("mapping.budget" if budget else "mapping.overflow", fact)
    return chips


def checked(replicate: dict[str, int], bits: Mapping[str, Storage], chips: int) -> dict[str, int]:
    """Copies by layer, as given. Raises SpecError for an unknown layer, and copies that do not divide the chips."""
    for layer, copies in replicate.items():
        place = f"mapping.replicate.{layer}"
        if layer not in bits:
            raise SpecError(place, "no layer with a matrix has this name", nearest(layer, bits))
        if copies < 1 or chips % copies:
            raise SpecError(place, f"must divide the number of chips, {chips}, got {copies}")
    return replicate


def filled(
    ops: Sequence[MatrixOp],
    streaming: WeightStreaming,
    bits: Mapping[str, Storage],
    chips: int,
    room: Storage,
) -> tuple[dict[str, int], Storage]:
    """Copies, those first that spare most passes for the memory they take, as long as there is room."""
    copies = dict.fromkeys(bits, 1)
    numbers = [number for number in range(1, chips + 1) if chips % number == 0]
    passes = {op.layer: {n: streaming.share(matrices_of(op), n, chips // n).passes for n in numbers} for op in ops}
    while True:
        best = None
        for op in ops:
            for number in () if op.recurrent else numbers:
                spared = passes[op.layer][copies[op.layer]] - passes[op.layer][number]
                taken = extra_bits(op, number, bits) - extra_bits(op, copies[op.layer], bits)
                if number > copies[op.layer] and spared > 0 and taken <= room:
                    gain = spared / taken if taken else float("inf")
                    best = max(best or (gain, 0, 0.0, ""), (gain, number, taken, op.layer))
        if best is None:
            return copies, room
        _, number, taken, layer = best
        copies[layer], room = number, room - taken


def extra_bits(op: MatrixOp, copies: int, bits: Mapping[str, Storage]) -> Storage:
    """What copies of a layer take beyond the first; of different matrices each group has those of its own vectors."""
    return bits[op.layer] * (max(1.0, copies / op.matrices) - 1)


def streaming_of(machine: Machine) -> WeightStreaming:
    """How it runs networks. Raises SpecError where it does not say."""
    if machine.streaming is None:
        fact = f"is not stated, so no network can run on {machine.name}"
        raise SpecError("chip.streaming", fact, "Its figures of merit: `pimsim show`.")
    return machine.streaming


def matrices_of(op: MatrixOp | ProductOp) -> Matrices:
    """A layer as a machine sees it."""
    if isinstance(op, ProductOp):
        return Matrices(op.heads, op.k, op.n, op.m)
    return Matrices(op.groups, op.rows // op.groups, op.cols // op.groups, op.vectors)
