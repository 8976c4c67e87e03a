"""Matrices into arrays: cut, copied, and put one after the other."""

import functools
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int

from pimsim.chip import Chip, CrossbarCore
from pimsim.errors import NetworkError, SpecError, inside
from pimsim.mapping.blocks import block_table
from pimsim.mapping.budget import Budget, Overflow
from pimsim.mapping.fill import Fill
from pimsim.mapping.kinds import choose_kinds
from pimsim.mapping.lay import Laid, Plan, lay
from pimsim.mapping.mixed import lay_by_kind
from pimsim.mapping.packing import Packing, cuts_along_groups
from pimsim.mapping.placement import Placement
from pimsim.mapping.replication import Replicate
from pimsim.mapping.tiles import Tiles
from pimsim.network.ops import MatrixOp, Op, Precision, ProductOp

Own = tuple[str, Precision | None]
"""The kind of tile and the precision of a layer."""


def place(
    ops: Sequence[Op],
    chip: Chip,
    replicate: Replicate = "balance",
    *,
    budget: Budget | None = None,
    overflow: Overflow = "spread",
    tiles: Tiles = "shared",
    packing: Packing = "single",
    fill: Fill = "order",
    kinds: Mapping[str, str] | None = None,
) -> Placement:
    """Cut every matrix into the fewest arrays and fill tiles in the network's order, one replica after the other.

    A network that needs more arrays than a chip has takes as many chips as one copy of it needs, unless `overflow` has
    its layers take turns, or refuses; `balance` then replicates within those chips, or within a budget, while counts
    given by layer may add chips. A layer of several matrices has a replica for each, and as many again for each further
    copy: vector v passes replica v mod their number. Layers share tiles, or have tiles of their own, pools among them.
    Where tiles differ, `kinds` names those of some layers, and the others have what serves them best (`choose_kinds`).
    Raises CapacityError where arrays are lacking, SpecError for choices that exclude each other, and for layers of
    different precision that would share arrays.
    """
    matrices = [op for op in ops if isinstance(op, MatrixOp)]
    if not matrices:
        raise NetworkError("", "has no layer with a matrix, so there is nothing to map")
    check_products(ops, chip)
    with inside("mapping"):
        check_choices(overflow, tiles, packing, fill)
    check_turns(matrices, packing)
    check_arrays(chip, packing, fill)
    check_kinds(chip, overflow, tiles, packing, fill)
    by_kind = chip.cores
    chosen = choose_kinds(dict.fromkeys(by_kind, ops), chip, kinds or {}, replicate, budget, overflow)
    own: list[Own] = [(chosen[op.layer], op.precision) for op in matrices]
    cores = {each: by_kind[each[0]].at(each[1]) for each in set(own)}
    tables = cut_all(matrices, own, cores, packing)
    plan = Plan(replicate, budget, overflow, tiles, packing, fill)
    if chip.kinds:
        laid = lay_by_kind(matrices, tables, chip, [kind for kind, _ in own], plan)
    else:
        laid = lay(ops, matrices, tables, chip, plan)
    return _placement(matrices, own, cores, laid, chip)


def _placement(
    matrices: Sequence[MatrixOp], own: Sequence[Own], cores: Mapping[Own, CrossbarCore], laid: Laid, chip: Chip
) -> Placement:
    """What was laid as a table of blocks."""
    matrix, replica, row, height, col, width = laid.blocks
    return Placement(
        matrix=np.array([op.layer for op in matrices]),
        kind=np.array([kind for kind, _ in own]),
        weight_bits=np.array([cores[each].weight_bits for each in own]),
        input_bits=np.array([cores[each].input_bits for each in own]),
        replication=laid.replicas,
        chips=laid.chips,
        arrays_total=laid.chips * chip.arrays,
        arrays_per_tile=chip.arrays_per_tile,
        tiles_per_chip=chip.tiles,
        block_matrix=matrix,
        block_replica=replica,
        block_row=row,
        block_rows=height,
        block_col=col,
        block_cols=width,
        block_array=laid.array,
        block_line=laid.line,
        block_round=laid.turn,
        arrays_per_block=chip.core.arrays_per_block,
        pool=np.array(list(laid.pools), dtype=str),
        pool_tile=np.array(list(laid.pools.values()), int),
    )


def cut_all(
    ops: Sequence[MatrixOp], own: Sequence[Own], cores: Mapping[Own, CrossbarCore], packing: Packing
) -> list[Int[np.ndarray, "_ 4"]]:
    """The blocks of one copy of each matrix; dense packing cuts grouped ones along their groups where that pays."""
    cuts, tables = functools.cache(lambda core, *size: cores[core].cuts(*size)), []
    for op, each in zip(ops, own, strict=True):
        core, evenly = cores[each], cuts(each, op.rows, op.cols, op.taps)
        table = block_table(op, evenly)
        if packing == "dense" and op.groups > 1:
            table = block_table(op, cuts_along_groups(op, evenly, core.rows, core.weights_per_array, len(table)))
        tables.append(table)
    return tables


def check_choices(overflow: Overflow, tiles: Tiles, packing: Packing, fill: Fill) -> None:
    """Raise SpecError for choices that exclude each other, whatever the network and the chip."""
    reloads, packed = overflow == "reload", packing == "dense"
    if packed and reloads:
        raise SpecError("packing", "dense arrays are not rewritten", "Choose overflow: spread, or packing: single.")
    if fill == "level" and (packed or reloads):
        fact = "tiles cannot be levelled where blocks take turns in their arrays"
        raise SpecError("fill", fact, "Choose fill: order, or packing: single and no reload.")
    if tiles == "own" and reloads:
        fact = "layers that take turns in the arrays have no tiles of their own"
        raise SpecError("tiles", fact, "Choose tiles: shared, or overflow: spread.")
    if tiles == "own" and (packed or fill == "level"):
        fact = "layers with tiles of their own share no array and level no tile"
        raise SpecError("tiles", fact, "Choose tiles: shared, or packing: single and fill: order.")


def check_turns(ops: Sequence[MatrixOp], packing: Packing) -> None:
    """Raise SpecError where blocks would take turns that differ."""
    if packing == "dense" and len({op.precision for op in ops}) > 1:
        fact = "layers of different precision read for different times, and blocks of one array read in equal turns"
        raise SpecError("mapping.packing", fact, "Choose single, or one precision for all layers.")


def check_arrays(chip: Chip, packing: Packing, fill: Fill) -> None:
    """Raise SpecError for what is planned of a block alone where the chip's arrays hold parts of one, or its wires."""
    if packing == "dense" and chip.core.wires is not None:
        fact = "wires are modelled for arrays that hold one block"
        raise SpecError("mapping.packing", fact, "Leave core.wires out, or choose single.")
    for key, asked, usual in (("packing", packing, "single"), ("fill", fill, "order")):
        if asked != usual:
            require_whole_blocks(chip, key)


def require_whole_blocks(chip: Chip, key: str) -> None:
    """Raise SpecError for a plan of the mapping that takes a block to lie in one array, where it takes several."""
    if chip.core.arrays_per_block > 1:
        fact = f"blocks of {chip.name} take {chip.core.arrays_per_block} arrays, and this is for one array each"
        raise SpecError(f"mapping.{key}", fact, "Leave it out, or choose a core whose layout keeps slices together.")


def check_kinds(chip: Chip, overflow: Overflow, tiles: Tiles, packing: Packing, fill: Fill) -> None:
    """Raise SpecError for what is planned as if all arrays were of one size."""
    for key, asked, usual in (("tiles", tiles, "shared"), ("packing", packing, "single"), ("fill", fill, "order")):
        if chip.kinds and asked != usual:
            fact = f"{asked} is for chips with tiles of one kind, and {chip.name} has {1 + len(chip.kinds)}"
            raise SpecError(f"mapping.{key}", fact, f"Choose {usual}.")
    if chip.kinds and overflow == "reload":
        fact = f"arrays take turns only where they are alike, and {chip.name} has tiles of {1 + len(chip.kinds)} kinds"
        raise SpecError("mapping.overflow", fact, "Choose spread.")


def check_products(ops: Sequence[Op], chip: Chip) -> None:
    """Raise NetworkError for products of two results on a chip that has nothing to multiply them."""
    dynamic = [op.layer for op in ops if isinstance(op, ProductOp)]
    if dynamic and chip.tile.products is None:
        remedy = "Choose a chip with `tile.products`, such as isaac-ce-attention."
        raise NetworkError(dynamic[0], f"has dynamic products, which {chip.name} has no unit for", remedy)
