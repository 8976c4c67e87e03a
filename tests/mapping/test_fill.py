"""Tiles that work alike: every block has an array, and the busiest tile is as close to the mean as groups allow."""

import numpy as np
import pytest

from pimsim.mapping.fill import level


@pytest.mark.parametrize("seed", range(10))
def test_levelled_tiles(seed):
    """Arrays are all different and there; where no group had to be cut, the busiest tile has no more than the mean and
    the largest group (Graham's bound)."""
    rng = np.random.default_rng(seed)
    groups, tiles = 40, 8
    size, vectors = rng.integers(1, 5, groups), rng.integers(1, 50, groups)
    group = np.repeat(np.arange(groups), size)
    array = level((group,), vectors[group], tiles, 64)
    assert len(set(array.tolist())) == len(array)
    assert 0 <= array.min() <= array.max() < tiles * 64
    pairs = np.unique(np.stack([array // 64, group]), axis=1)
    assert pairs.shape[1] == groups
    load = np.bincount(pairs[0], vectors[pairs[1]], tiles)
    assert load.max() <= vectors.sum() / tiles + vectors.max()


def test_full_tiles_cut_groups_but_lose_no_block():
    """Three groups of 3 in two tiles of 5, nearly full: one is cut, and each tile takes its vectors."""
    group = np.repeat(np.arange(3), 3)
    array = level((group,), np.array([9, 9, 9, 8, 8, 8, 1, 1, 1]), 2, 5)
    assert len(set(array.tolist())) == 9
    assert np.bincount(array // 5).tolist() in ([5, 4], [4, 5])
    assert set((array // 5)[6:].tolist()) == {0, 1}
