"""Arrays under a budget, in arrays, area or power: never more than it pays for, never slower than any other way."""

import itertools

import numpy as np
import pytest

from pimsim import load_chip, load_experiment
from pimsim.chip.chip import area_by_component, power_by_component
from pimsim.errors import CapacityError, SpecError
from pimsim.mapping import Budget, place
from pimsim.network.ops import MatrixOp, VectorOp
from pimsim.spec import from_data, to_data


def matrix_op(name, rows, cols, vectors):
    return MatrixOp(name, ("input",), rows, cols, vectors, 1, need=(np.zeros(vectors, int),))


OPS = [matrix_op("a", 16, 4, 7), matrix_op("b", 32, 4, 5), matrix_op("c", 16, 12, 3)]
ONE_COPY = {"a": 1, "b": 2, "c": 3}


def fixed(chip, by_component, whole):
    """What a chip costs beside its tiles, and what a tile costs."""
    tile = sum(by_component(chip.tile_bill()).values())
    return whole - chip.tiles * tile, tile


@pytest.mark.parametrize("arrays", [6, 7, 9, 13, 20, 50])
def test_copies_are_the_best_that_a_budget_of_arrays_pays_for(small, arrays):
    """Brute force over every assignment of copies: none within the budget has fewer waves."""
    table = place(OPS, small, budget=Budget(arrays=arrays))
    assert table.arrays_used <= arrays
    waves = [max(-(-op.vectors // copies) for op, copies in zip(OPS, each, strict=True))
             for each in itertools.product(range(1, 8), range(1, 6), range(1, 4))
             if sum(copies * size for copies, size in zip(each, ONE_COPY.values(), strict=True)) <= arrays]  # fmt: skip
    assert max(-(-op.vectors // table.copies(op.layer)) for op in OPS) == min(waves)


@pytest.mark.parametrize("field", ["area", "power"])
@pytest.mark.parametrize("tiles", [2, 3, 4, 5, 9])
def test_a_budget_of_area_or_power_pays_for_whole_tiles_and_links(small, field, tiles):
    """Just enough for n tiles on chips of 4, and a millionth less: n and n - 1."""
    total = getattr(small, field)()
    rest, tile = fixed(small, {"area": area_by_component, "power": power_by_component}[field], total)
    enough = -(-tiles // 4) * rest + tiles * tile
    assert Budget(**{field: enough}).affords(small) == tiles * 4
    assert Budget(**{field: enough * (1 - 1e-6)}).affords(small) == (tiles - 1) * 4


@pytest.mark.parametrize("field", ["area", "power"])
@pytest.mark.parametrize("tiles", [2, 3, 4, 6])
def test_copies_are_the_best_that_an_area_or_a_power_pays_for(small, field, tiles):
    """Brute force: of all copies whose tiles and links, bought one by one, cost no more, none has fewer waves."""
    by_component = {"area": area_by_component, "power": power_by_component}[field]
    rest, tile = fixed(small, by_component, getattr(small, field)())

    def cost(copies):
        bought = -(-sum(r * size for r, size in zip(copies, ONE_COPY.values(), strict=True)) // small.arrays_per_tile)
        return bought * tile + -(-bought // small.tiles) * rest

    budget = cost((tiles * small.arrays_per_tile, 0, 0)) * (1 + 1e-9)
    affordable = [each for each in itertools.product(range(1, 8), range(1, 6), range(1, 4)) if cost(each) <= budget]
    waves = [max(-(-op.vectors // copies) for op, copies in zip(OPS, each, strict=True)) for each in affordable]
    table = place(OPS, small, budget=Budget(**{field: budget}))
    found = tuple(table.copies(op.layer) for op in OPS)
    assert found in affordable
    assert max(-(-op.vectors // copies) for op, copies in zip(OPS, found, strict=True)) == min(waves)


def test_tiles_of_pools_are_paid_once(small):
    """Two layers and a pool, a tile of four arrays each, in a budget of just three tiles."""
    pool = VectorOp("pool", ("a",), "pool", 4, 16, 1, 4, need=(np.array([3]),))
    ops = [matrix_op("a", 16, 4, 4), pool, matrix_op("b", 4, 4, 1)]
    table = place(ops, small, "none", budget=Budget(arrays=12), tiles="own")
    assert (table.block_array.tolist(), table.pool_tile.tolist()) == ([0, 8], [1])
    with pytest.raises(CapacityError, match="12 arrays are needed and there are 11"):
        place(ops, small, "none", budget=Budget(arrays=11), tiles="own")


def test_more_budget_is_never_slower(small):
    waves = [
        max(-(-op.vectors // place(OPS, small, budget=Budget(arrays=n)).copies(op.layer)) for op in OPS)
        for n in range(6, 35)
    ]
    assert waves == sorted(waves, reverse=True)
    assert (waves[0], waves[-1]) == (7, 1)


def test_what_a_budget_lacks_is_said(small):
    """One copy takes 1 + 2 + 3 arrays."""
    with pytest.raises(CapacityError, match=r"mapping.budget: 6 arrays are needed and there are 5: 1 are lacking"):
        place(OPS, small, budget=Budget(arrays=5))
    with pytest.raises(CapacityError, match=r"6 arrays are needed and there are 4: 2 are lacking"):
        place(OPS, small, budget=Budget(area=small.area() - 3 * fixed(small, area_by_component, small.area())[1]))
    with pytest.raises(CapacityError, match=r"mapping.budget: 1 arrays are needed and there are 0"):
        place(OPS, small, budget=Budget(area=small.area() * 1e-6), overflow="reload")
    with pytest.raises(CapacityError, match=r"mapping.replicate: 7 arrays are needed and there are 6: 1 are lacking"):
        place(OPS, small, {"a": 2}, budget=Budget(arrays=6))


def test_a_network_larger_than_a_chip_is_spread_or_refused():
    """13 arrays on chips of 4."""
    chip = load_chip("isaac-ce", {"mesh_rows": 1, "mesh_cols": 1, "tile.router.shared_by": 1, "tile.cores": 2,
                                  "core.arrays": 2})  # fmt: skip
    ops = [matrix_op("a", 128, 16 * 12, 9), matrix_op("b", 128, 16, 4)]
    assert place(ops, chip).chips == 4
    with pytest.raises(CapacityError, match=r"mapping.overflow: 13 arrays are needed and there are 4: 9 are lacking"):
        place(ops, chip, overflow="refuse")
    assert place(ops[1:], chip, overflow="refuse").arrays_used == 4
    with pytest.raises(CapacityError, match=r"mapping.replicate: 5 arrays .* there are 4"):
        place([matrix_op("b", 128, 16, 9)], chip, {"b": 5}, overflow="refuse")


@pytest.mark.parametrize(
    ("budget", "fact"),
    [
        ({}, "mapping.budget: expected one of chips, arrays, area and power, got none"),
        ({"arrays": 9, "area": "1 mm2"}, "expected one of chips, arrays, area and power, got arrays and area"),
        ({"arrays": 0}, "mapping.budget.arrays: must be at least 1, got 0"),
        ({"power": "0 W"}, "mapping.budget.power: must be more than 0"),
        ({"area": 9}, "mapping.budget.area: expected an area, got 9"),
    ],
)
def test_budgets_that_cannot_be_are_refused(budget, fact):
    with pytest.raises(SpecError) as caught:
        load_experiment("isaac-mlp", {"mapping.budget": budget})
    assert fact in str(caught.value)


@pytest.mark.parametrize("budget", [{"arrays": 9000}, {"area": "40 mm2"}, {"power": "30 W"}])
def test_a_plan_survives_its_file(budget):
    plan = load_experiment("isaac-mlp", {"mapping.budget": budget, "mapping.overflow": "refuse"}).mapping
    assert from_data(to_data(plan), type(plan)) == plan
