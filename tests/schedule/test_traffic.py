"""What travels between tiles and chips, counted by hand on small meshes."""

import jax.numpy as jnp
import numpy as np
import pytest

from pimsim import load_chip
from pimsim.mapping import demands, place
from pimsim.network.layers import Conv2d
from pimsim.network.ops import MatrixOp, VectorOp
from pimsim.schedule import traffic
from pimsim.schedule.traffic import Mesh


def dense(name, source, rows, cols):
    return MatrixOp(name, (source,), rows, cols, 1, 1, need=(np.zeros(1, int),))


def add(name, first, second, width):
    need = (np.zeros(1, int),) * 2
    return VectorOp(name, (first, second), "add", width, 2 * width, 1, width, need)


def edges_of(ops, chip, image_values):
    edges = traffic(ops, place(ops, chip, "none"), chip, image_values)
    return {(edge.producer, edge.consumer): edge for edge in edges}


def test_distance_is_the_number_of_links_of_an_xy_route(isaac):
    """Four tiles share a router; routers stand 6 in a row; the distance is symmetric and obeys the triangle."""
    tiles = np.arange(isaac.tiles)
    mesh = Mesh.of(isaac)
    between = mesh.distance(tiles[:, None], tiles)
    row, col = tiles // 4 // 6, tiles // 4 % 6
    np.testing.assert_array_equal(between, abs(row[:, None] - row) + abs(col[:, None] - col))
    assert between.max() == 6 + 5
    assert (mesh.distance(tiles + isaac.tiles, tiles) == np.zeros(isaac.tiles)).all()


def test_a_network_in_one_tile_sends_no_flit(isaac):
    """Two small layers lie in the tile at which images enter: every tensor stays in its buffer."""
    edges = edges_of([dense("a", "input", 100, 16), dense("b", "a", 16, 4)], isaac, 100)
    assert set(edges) == {("input", "a"), ("a", "b")}
    assert all(edge.flit_hops == edge.link_bits == 0 for edge in edges.values())


def test_each_tile_that_needs_a_tensor_gets_it_over_the_mesh(small):
    """Tiles of 4 arrays at the corners of a square. a, 16 × 16, fills tile 0; b, 16 × 48, fills tiles 1, 2 and 3.

    a's 16 values of 6 bits are 3 flits of 32 bits. They pass 2 routers to tile 1, 2 to tile 2 and 3 to tile 3: 21 hops.
    Of b's 48 values, 9 flits, two thirds come back to tile 0 over 2 routers and a third over 3, for a sum that lies
    where its first input does: 9 × 7/3 = 21 hops. Three tiles keep a copy of a, one of b.
    """
    ops = [dense("a", "input", 16, 16), dense("b", "a", 16, 48)]
    edges = edges_of(ops, small, 16)
    assert edges["a", "b"].flit_hops == pytest.approx(21, rel=1e-12)
    assert (edges["a", "b"].received, edges["a", "b"].values) == (3 * 16, 16)
    joined = edges_of([*ops, add("sum", "a", "b", 48)], small, 16)
    assert ("a", "sum") not in joined
    assert joined["b", "sum"].flit_hops == pytest.approx(9 * 7 / 3, rel=1e-12)
    assert joined["b", "sum"].received == 48


@pytest.mark.parametrize(
    ("kernel", "groups", "channels", "copies"),
    [(3, 1, 8, 5), (3, 8, 8, 1), (3, 2, 40, 3), (1, 1, 40, 1), (1, 1, 40, 7), (2, 1, 40, 36)],
)
def test_a_tile_gets_what_its_rows_take(small, kernel, groups, channels, copies):
    """Against the pixels that the rows and the vectors of its blocks really see: never less, never more than all, and
    just that where windows do not overlap."""
    conv = Conv2d(channels, kernel, groups=groups)
    op = conv.lower("m", ("a",), (7, 7, channels))[0]
    before = MatrixOp("a", ("input",), 1, channels, 49, 1, need=(np.arange(49),))
    table = place([before, op], small, {"m": copies})
    pixels = jnp.arange(49 * channels).reshape(1, 7, 7, channels)
    columns = np.asarray(conv.vectors(pixels))[0]
    demand, seen = demands([before, op], table)["m"], {}
    for block in np.flatnonzero(table.block_matrix == 1):
        rows = slice(table.block_row[block], table.block_row[block] + table.block_rows[block])
        own = columns[table.block_replica[block] :: copies, rows]
        seen.setdefault(table.block_array[block] // small.arrays_per_tile, set()).update(own.ravel().tolist())
    share, true = demand.share(pixels.size), np.array([len(seen[tile]) for tile in demand.tiles]) / pixels.size
    assert sorted(seen) == demand.tiles.tolist()
    assert (share >= true - 1e-12).all()
    assert (share <= 1).all()
    if kernel == 1:
        np.testing.assert_allclose(share, true, rtol=1e-12)
    assert len(share) == 1 or share.sum() < len(share)


def test_a_sum_gets_the_matching_parts(isaac):
    """The tiles on which the first branch lies add it to what they get of the second: one copy of it in all."""
    ops = [dense("a", "input", 64, 4096), dense("b", "a", 4096, 4096), add("sum", "b", "a", 4096)]
    edges = edges_of(ops, isaac, 64)
    assert len(edges["a", "sum"].target) > 1
    assert edges["a", "sum"].received == pytest.approx(4096, rel=1e-12)


def test_bits_leave_a_chip_once_for_each_chip_that_needs_them():
    """Chips of two arrays: a lies on chip 0, b on chips 1 and 2, c on chip 3.

    a's 32 values of 16 bits cross to two chips: 1024 bits. b's 64 values come from half of chip 1 and half of chip 2,
    and all of them leave for chip 3: 1024 bits.
    """
    size = {"mesh_rows": 1, "mesh_cols": 1, "tile.router.shared_by": 1, "tile.cores": 2, "core.arrays": 1}
    chip = load_chip("isaac-ce", size)
    edges = edges_of([dense("a", "input", 128, 32), dense("b", "a", 32, 64), dense("c", "b", 64, 32)], chip, 128)
    assert [edge.link_bits for edge in edges.values()] == [0, 1024, 1024]
