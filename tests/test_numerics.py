"""The arithmetic everything stands on: exact products, grids, keys named by place."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pimsim import numerics
from pimsim.numerics import contract, exact_float, fold, integer_product, leaves_to_arrays, on_grid


@pytest.mark.parametrize("largest_sum", [1.0, 100.0, 768.0, 1024.0, 5e5])
def test_sums_on_the_grid_are_exact_in_float32_in_any_order(largest_sum):
    """Rounded to the grid, numbers of either sign whose magnitudes sum below the bound add exactly, however added."""
    rng = np.random.default_rng(int(largest_sum))
    values = rng.normal(size=999)
    values = (values * 0.99 * largest_sum / np.abs(values).sum()).astype(np.float32)
    grid = np.asarray(on_grid(jnp.asarray(values), largest_sum))
    exact = grid.astype(np.float64).sum()
    orders = [np.arange(999), np.argsort(grid), np.argsort(np.abs(grid)), *(rng.permutation(999) for _ in range(5))]
    for order in orders:
        one_by_one = np.cumsum(grid[order], dtype=np.float32)[-1]
        in_blocks = np.float32(grid[order].reshape(27, 37).sum(axis=0).sum())
        assert one_by_one == in_blocks == exact
    product = contract(jnp.ones((8, 999), jnp.float32), jnp.asarray(grid[:, None]))
    assert (np.asarray(product) == exact).all()


@pytest.mark.parametrize("largest_sum", [1.0, 3.0, 768.0, 1024.0, 1025.0])
def test_the_grid_is_as_fine_as_float32_allows(largest_sum):
    """The step is the bound's 2^24th part, up to the next power of two, and no value moves by more than half of it."""
    steps = np.unique(on_grid(jnp.linspace(0, 8 * largest_sum / 2**24, 1001), largest_sum))
    step = np.diff(steps).min()
    assert largest_sum / 2**24 <= step < 2 * largest_sum / 2**24
    assert np.log2(step) % 1 == 0
    values = np.random.default_rng(0).uniform(-1, 1, 4096) * largest_sum / 64
    grid = np.asarray(on_grid(jnp.asarray(values), largest_sum))
    assert (grid % step == 0).all()
    assert np.abs(grid - values).max() <= step / 2


def test_the_grid_resolves_isaacs_levels():
    """For 128 cells of 2 bits, with as much room again for noise, a step is less than a ten-thousandth of a level."""
    levels = jnp.linspace(0, 3, 30_001)
    assert np.abs(on_grid(levels, 2.0 * 128 * 3) - levels).max() < 0.5e-4
    assert (on_grid(jnp.arange(4.0), 2.0 * 128 * 3) == jnp.arange(4.0)).all()


@pytest.mark.parametrize("units", [False, True], ids=["float64", "bytes"])
@pytest.mark.parametrize(("low", "high"), [(-(2**15), 2**15 - 1), (0, 2**16 - 1)], ids=["signed", "unsigned"])
@pytest.mark.parametrize("rows", [1, 700, 2**16, 2**16 + 2])
def test_the_integer_product_is_exact_where_it_is_largest(rows, low, high, units, monkeypatch):
    """Sums of products of 16-bit extremes equal those of Python's own integers, whole or through bytes."""
    monkeypatch.setattr(numerics, "has_matrix_units", lambda: units)
    x = jnp.array([[low] * rows, [high] * rows, [high, low] * (rows // 2) + [1] * (rows % 2)])
    w = jnp.array([[-(2**15), 2**15 - 1]] * rows)
    y = integer_product(x, w, signed=low < 0)
    expected = [[sum(int(a) * b for a in row) for b in (-(2**15), 2**15 - 1)] for row in np.asarray(x).tolist()]
    assert np.asarray(y).tolist() == expected


def test_the_integer_product_refuses_sums_that_might_round():
    with pytest.raises(ValueError, match=r"2\^53"):
        integer_product(jnp.zeros((1, 2**22 + 1), jnp.int32), jnp.zeros((2**22 + 1, 1), jnp.int32), signed=True)


@pytest.mark.parametrize("largest", [2.0**24 - 1, 2.0**24 + 1, 2.0**40])
def test_the_exact_float_carries_every_integer_up_to_the_largest(largest):
    """The type tells the largest integer from its neighbours, and is float32 where that suffices."""
    kind = exact_float(largest)
    assert len({np.asarray(largest - i, kind).item() for i in range(3)}) == 3
    assert (kind == jnp.float32) == (largest < 2**24)


def test_a_folded_key_is_named_by_its_indices_alone(key):
    """The same indices give the same key, traced or not; others, or another order, give another."""
    bits = lambda *at: tuple(jax.random.bits(fold(key, *at), (2,)).tolist())  # noqa: E731
    places = [(0,), (1,), (0, 0), (0, 1), (1, 0), (2, 3)]
    assert len({bits(*place) for place in places}) == len(places)
    traced = jax.jit(lambda i: jax.random.bits(fold(key, i, 3), (2,)))(2)
    assert tuple(traced.tolist()) == bits(2, 3)
    assert fold(key) is key


def test_a_new_value_of_a_quantity_compiles_nothing_anew(isaac):
    """A spec's floats become arguments of the compiled function; what shapes depend on stays fixed."""
    compiled = 0

    @eqx.filter_jit
    def g_max(core):
        nonlocal compiled
        compiled += 1
        assert isinstance(core.rows, int)
        return core.device.g_max

    for value in (5e-4, 6e-4, 7e-4):
        core = eqx.tree_at(lambda c: c.device.g_max, isaac.core, value)
        assert g_max(leaves_to_arrays(core)) == value
    assert compiled == 1
