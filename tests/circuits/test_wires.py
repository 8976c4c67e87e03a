"""Arrays with resistive wires: Kirchhoff's laws, what follows from them, and circuits solved by others.

Exact solutions recorded from badcrossbar 1.1 and of the parasitic circuits of CrossSim 3.2 lie beside the checkout, in
../shared/golden, and are skipped where they are not there; circuits solved by loops (circuit.py) are always played.
"""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from circuit import play

from pimsim.circuits import Wires, effective_conductance, solve_nodes
from pimsim.errors import PimsimError, SpecError
from pimsim.spec import from_data, to_data

SHARED = Path(__file__).parents[2].parent / "shared" / "golden" / "wires"
NODAL = [(path, case, len(np.load(path)["r_wl"])) for path in sorted(SHARED.glob("bc_*.npz")) for case in range(2)]
"""Of each file two cases: its first, and its last, whose wires matter most."""
WITH_MATRIX = ("bc_1x1", "bc_8x8_binary")  # compiling it for a new shape takes seconds
PARASITIC = sorted(SHARED.glob("cs_parasitics_*.npz"))
PLAIN = Wires(word_segment=3.0, bit_segment=7.0)
CIRCUITS = {
    "plain": PLAIN,
    "drivers": replace(PLAIN, driver=150.0, sense=40.0),
    "double": replace(PLAIN, double_sided=True, driver=20.0),
    "word only": replace(PLAIN, bit_segment=0.0),
    "bit only": replace(PLAIN, word_segment=0.0),
    "drivers only": Wires(word_segment=0.0, bit_segment=0.0, driver=100.0, sense=30.0),
    "interleaved": replace(PLAIN, interleaved=True, sense=5.0),
    "interleaved double": replace(PLAIN, interleaved=True, double_sided=True, driver=3.0),
    "separate": replace(PLAIN, feed="separate", supply=0.3),
    "separate double": replace(PLAIN, feed="separate", supply=0.3, double_sided=True, driver=9.0),
    "separate interleaved": replace(PLAIN, feed="separate", supply=0.3, interleaved=True, sense=5.0),
    "no resistance": Wires(word_segment=0.0, bit_segment=0.0, double_sided=True),
}
LINEAR = {name: wires for name, wires in CIRCUITS.items() if wires.feed == "input"}


@pytest.fixture(scope="module")
def rng():
    return np.random.default_rng(1827)


def random_cells(rng, *shape):
    """10 kΩ … 1 MΩ, some of them open, one nearly a short circuit."""
    cells = np.exp(rng.uniform(np.log(1e-6), np.log(1e-4), shape)) * (rng.random(shape) > 0.1)
    cells[..., 0, 0] = 1e-2
    return cells


def relative(ours, theirs):
    """The largest difference, in the largest of theirs; where theirs are all 0 ours must be."""
    return np.abs(np.asarray(ours) - theirs).max() / (np.abs(theirs).max() or 1e-30)


@pytest.mark.skipif(not SHARED.exists(), reason="the recordings lie beside the checkout, and here do not")
def test_the_recordings_are_there():
    """Arrays of 1 × 1 to 128 × 128, and two parasitic circuits at least."""
    assert len(NODAL) >= 12
    assert len(PARASITIC) >= 2


@pytest.mark.parametrize(("path", "case", "count"), NODAL, ids=lambda part: getattr(part, "stem", str(part)))
def test_recorded_nodes_are_reproduced(path, case, count):
    """Output and branch currents and node voltages of badcrossbar, to 1e-9 of the largest."""
    case = (count - 1) * case
    with np.load(path) as file:
        wires = Wires(word_segment=float(file["r_wl"][case]), bit_segment=float(file["r_bl"][case]))
        cells, drive = 1 / file["R"], file["V"].T
        nodes = solve_nodes(wires, cells, drive)
        assert relative(nodes.current, file[f"iout_{case}"]) < 1e-9
        if path.stem in WITH_MATRIX:
            assert relative(drive @ effective_conductance(wires, cells), file[f"iout_{case}"]) < 1e-9
        for name, ours in (("vw", nodes.feed), ("vb", nodes.bit), ("idev", nodes.cell)):
            if f"{name}_{case}" in file:
                assert relative(ours, np.moveaxis(file[f"{name}_{case}"], -1, 0)) < 1e-9
        if f"iwl_{case}" in file:
            right = np.cumsum(np.asarray(nodes.cell)[..., ::-1], axis=2)[..., ::-1]
            assert relative(right, np.moveaxis(file[f"iwl_{case}"], -1, 0)) < 1e-9
            assert relative(np.cumsum(nodes.cell, axis=1), np.moveaxis(file[f"ibl_{case}"], -1, 0)) < 1e-9


@pytest.mark.parametrize("path", PARASITIC, ids=lambda path: path.stem)
def test_recorded_parasitic_circuits_are_reproduced(path):
    """The exact currents of CrossSim's circuits, to 1e-8 of the largest."""
    with np.load(path) as file:
        for name in (key for key in file if key.startswith("I_exact_")):
            size, case = name.split("_")[2:]
            wires, cells, drive = parasitic(path.stem, file, size, case)
            theirs = file[name].T
            assert relative(solve_nodes(wires, cells, drive).current, theirs) < 1e-8


def parasitic(name, file, size, case):
    """A recorded circuit as wires, cells [row col] and drive [vector row]; interleaved ones double their rows."""
    positive, negative, x = file[f"Gp_{size}"].T, file[f"Gn_{size}"].T, file[f"X_{size}"].T.astype(float)
    interleaved = "_Interleaved" in name
    wires = Wires(
        word_segment=float(file[f"r_row_{size}_{case}"]), bit_segment=float(file[f"r_col_{size}_{case}"]),
        feed="separate" if "Separate" in name else "input", interleaved=interleaved,
        supply=1.0 if "Separate" in name else 0.0,
    )  # fmt: skip
    if not interleaved:
        return wires, positive, x
    cells = np.stack([positive, negative], axis=1).reshape(-1, positive.shape[1])
    return wires, cells, np.stack([x, -x], axis=2).reshape(len(x), -1)


@pytest.mark.parametrize("name", CIRCUITS)
def test_every_circuit_is_the_one_that_is_drawn(rng, name):
    """Currents and node voltages equal those of a circuit put together branch by branch, to 1e-11 of the largest."""
    wires, cells = CIRCUITS[name], random_cells(rng, 6, 5)
    drive = rng.uniform(-0.3, 0.3, (3, 6)) * (rng.random((3, 6)) > 0.3)
    current, feed, bit = play(wires, cells, drive)
    nodes = solve_nodes(wires, cells, drive)
    assert relative(nodes.current, current) < 1e-11
    np.testing.assert_allclose(nodes.feed, feed, rtol=0, atol=1e-11 * np.abs(feed).max())
    np.testing.assert_allclose(nodes.bit, bit, rtol=0, atol=1e-11 * np.abs(feed).max())
    if name in LINEAR:
        assert relative(drive @ effective_conductance(wires, cells), current) < 1e-11


@pytest.mark.parametrize(
    ("shape", "name"),
    [((1, 8), "drivers"), ((8, 1), "double"), ((15, 7), "double")],
)
def test_both_ways_agree_for_arrays_of_any_shape(rng, shape, name):
    """The matrix and the nodes are found by unrelated algorithms."""
    cells, drive = random_cells(rng, *shape), rng.uniform(-0.3, 0.3, (3, shape[0]))
    wires = CIRCUITS[name]
    assert (
        relative(drive @ effective_conductance(wires, cells), np.asarray(solve_nodes(wires, cells, drive).current))
        < 1e-11
    )


@pytest.mark.parametrize("segment", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("sinh_voltage", [None, 0.15])
def test_kirchhoff_and_the_cells_agree(rng, segment, sinh_voltage):
    """At every node the currents of wires, from the voltages, and of the cell, from its law, add up to nothing.

    To 1e-12 of the largest current, and the rounding of a voltage over the resistance of a segment.
    """
    wires = Wires(word_segment=segment, bit_segment=2 * segment, driver=3 * segment)
    cells, drive = random_cells(rng, 6, 5), rng.uniform(-0.3, 0.3, (3, 6))
    nodes = solve_nodes(wires, cells, drive, sinh_voltage)
    feed, bit = np.asarray(nodes.feed), np.asarray(nodes.bit)
    across = feed - bit
    wanted = cells * (across if sinh_voltage is None else sinh_voltage * np.sinh(across / sinh_voltage))
    before = np.diff(feed, axis=2, prepend=drive[..., None]) / -segment
    before[..., 0] /= 4
    after = np.diff(bit, axis=1, append=0) / (-2 * segment)
    at_feed = before - np.append(before[..., 1:], np.zeros((3, 6, 1)), axis=2) - wanted
    at_bit = after - np.append(np.zeros((3, 1, 5)), after[:, :-1], axis=1) - wanted
    largest, rounding = np.abs(before).max(), 4 * np.finfo(float).eps * 0.3 / segment
    assert max(np.abs(at_feed).max(), np.abs(at_bit).max()) < 1e-12 * largest + rounding
    assert relative(nodes.cell, wanted) < 1e-12
    assert float(nodes.mismatch) < 1e-12


@pytest.mark.parametrize(
    ("shape", "double_sided", "interleaved"), [((8, 8), False, False), ((6, 5), True, False), ((6, 5), True, True)]
)
def test_wires_without_resistance_change_no_bit(rng, shape, double_sided, interleaved):
    wires = Wires(word_segment=0.0, bit_segment=0.0, double_sided=double_sided, interleaved=interleaved)
    cells, drive = random_cells(rng, *shape), rng.uniform(-0.3, 0.3, (3, shape[0]))
    np.testing.assert_array_equal(effective_conductance(wires, cells), cells)
    nodes = solve_nodes(wires, cells, drive)
    np.testing.assert_array_equal(nodes.cell, cells * drive[..., None])
    np.testing.assert_array_equal(nodes.bit, 0)


def test_currents_of_several_drivers_add_up(rng):
    """Superposition: the state of a linear array is linear in its drive."""
    cells, (one, other) = random_cells(rng, 6, 5), rng.uniform(-0.3, 0.3, (2, 6))
    nodes = solve_nodes(CIRCUITS["drivers"], cells, np.stack([one, other, 2 * one - 3 * other]))
    for part in (nodes.cell, nodes.feed, nodes.bit):
        one, other, both = np.asarray(part)
        np.testing.assert_allclose(both, 2 * one - 3 * other, rtol=0, atol=1e-12 * np.abs(part).max())


def test_the_mirrored_circuit_has_the_mirrored_matrix(rng):
    """Reciprocity: driving the bit lines and sensing the word lines gives the transpose."""
    cells = random_cells(rng, 6, 5)
    wires = Wires(word_segment=3.0, bit_segment=7.0, driver=40.0, sense=15.0)
    mirror = Wires(word_segment=7.0, bit_segment=3.0, driver=15.0, sense=40.0)
    ours = effective_conductance(wires, cells)
    mirrored = np.asarray(effective_conductance(mirror, cells.T[::-1, ::-1]))[::-1, ::-1].T
    np.testing.assert_allclose(ours, mirrored, rtol=0, atol=1e-13 * np.abs(mirrored).max())


@pytest.mark.parametrize("sinh_voltage", [None, 0.1])
def test_power_delivered_is_power_dissipated(rng, sinh_voltage):
    """What the drivers give, cells and wires turn into heat; to 1e-12."""
    wires = CIRCUITS["drivers"]
    cells, drive = random_cells(rng, 6, 5), rng.uniform(-0.3, 0.3, (3, 6))
    nodes = solve_nodes(wires, cells, drive, sinh_voltage)
    i, across = np.asarray(nodes.cell), np.asarray(nodes.feed - nodes.bit)
    delivered = np.einsum("nr,nrc->n", drive, i)
    in_word = np.cumsum(i[..., ::-1], axis=2)[..., ::-1] ** 2 * np.array([153.0] + 4 * [3.0])
    in_bit = np.cumsum(i, axis=1) ** 2 * np.array(5 * [7.0] + [47.0])[:, None]
    heat = (i * across + in_word + in_bit).sum(axis=(1, 2))
    np.testing.assert_allclose(delivered, heat, rtol=1e-12)


@pytest.mark.parametrize("field", ["word_segment", "bit_segment", "driver", "sense"])
@pytest.mark.parametrize("name", ["drivers", "interleaved", "double"])
def test_more_resistance_never_brings_more_current(rng, field, name):
    """Rayleigh: what all drivers at one voltage deliver falls with every resistance, and from one voltage on all rows
    it all arrives at the sense amplifiers."""
    cells = random_cells(rng, 6, 5)
    wires = CIRCUITS[name]
    totals = [
        float(effective_conductance(replace(wires, **{field: ohms}), cells).sum()) for ohms in (0.0, 1.0, 30.0, 1e4)
    ]
    assert all(after < before for before, after in pairwise(totals))
    assert totals[0] <= cells.sum()


def test_a_sinh_of_high_voltage_is_ohms_law(rng):
    """And the deviation from it falls with 1/V₀²: V₀ sinh(V/V₀) = V + V³/6V₀² + …"""
    cells, drive = random_cells(rng, 6, 5), rng.uniform(-0.3, 0.3, (3, 6))
    ohmic = np.asarray(solve_nodes(PLAIN, cells, drive).current)
    apart = [relative(solve_nodes(PLAIN, cells, drive, v0).current, ohmic) for v0 in (10.0, 100.0, 1e6)]
    assert apart[0] / apart[1] == pytest.approx(100, rel=0.01)
    assert apart[2] < 1e-12


def test_one_sinh_cell_by_hand():
    """1 kΩ of wire and a cell: V = I R + V₀ asinh(I/(G V₀)), for the current that the solver finds."""
    wires = Wires(word_segment=400.0, bit_segment=600.0)
    for volts in (0.05, 0.5, 3.0):
        current = float(solve_nodes(wires, np.array([[1e-4]]), np.array([[volts]]), 0.1).current[0, 0])
        assert current * 1e3 + 0.1 * np.arcsinh(current / 1e-5) == pytest.approx(volts, rel=1e-12)


@pytest.mark.parametrize("name", ["drivers", "separate interleaved"])
def test_many_arrays_are_solved_as_one_by_one(rng, name):
    """No array feels its neighbours, to the bit."""
    wires, cells = CIRCUITS[name], random_cells(rng, 2, 3, 6, 5)
    drive = rng.uniform(-0.3, 0.3, (3, 6))
    together = solve_nodes(wires, cells, drive)
    assert together.cell.shape == (2, 3, 3, 6, 5)
    for place in np.ndindex(2, 3):
        np.testing.assert_array_equal(together.cell[place], solve_nodes(wires, cells[place], drive).cell)
        if name in LINEAR:
            whole = effective_conductance(wires, cells)
            np.testing.assert_array_equal(whole[place], effective_conductance(wires, cells[place]))


def test_open_rows_and_columns_carry_nothing(rng):
    """And the other cells do not feel that they are there, but for the wire that passes them."""
    wires, cells = CIRCUITS["drivers"], random_cells(rng, 6, 5)
    cells[3], cells[:, -1] = 0, 0
    found = np.asarray(effective_conductance(wires, cells))
    assert (found[3] == 0).all()
    assert (found[:, -1] == 0).all()
    np.testing.assert_allclose(found[:, :-1], effective_conductance(wires, cells[:, :-1]), rtol=1e-13, atol=1e-20)
    assert (np.asarray(effective_conductance(wires, np.zeros((6, 5)))) == 0).all()


@pytest.mark.parametrize(
    ("field", "value"),
    [("word_segment", -1.0), ("bit_segment", float("nan")), ("driver", float("inf")), ("sense", -1e-9),
     ("supply", 0.0)],
)  # fmt: skip
def test_impossible_wires_are_refused(field, value):
    """A SpecError names the field that cannot be meant."""
    fields = {"word_segment": 1.0, "bit_segment": 1.0, "feed": "separate", "supply": 0.2}
    with pytest.raises(SpecError) as caught:
        Wires(**fields | {field: value})
    assert caught.value.place == field


@pytest.mark.parametrize(
    ("cells", "drive", "place"),
    [
        (np.full((2, 2), -1e-6), np.ones((1, 2)), "cells"),
        (np.full((2, 2), np.nan), np.ones((1, 2)), "cells"),
        (np.zeros((0, 2)), np.ones((1, 0)), "cells"),
        (np.full((3, 2), 1e-6), np.ones((1, 3)), "cells"),
        (np.full((2, 2), 1e-6), np.ones((1, 3)), "drive"),
        (np.full((2, 2), 1e-6), np.full((1, 2), np.nan), "drive"),
    ],
)
def test_impossible_arrays_are_refused(cells, drive, place):
    """Also by the matrix, if it is the cells that cannot be meant; supply lines have no matrix."""
    wires = Wires(word_segment=1.0, bit_segment=1.0, interleaved=True)
    with pytest.raises(SpecError) as caught:
        solve_nodes(wires, cells, drive)
    assert caught.value.place == place
    if place == "cells":
        with pytest.raises(SpecError, match="cells"):
            effective_conductance(wires, cells)


def test_supply_lines_have_no_matrix():
    with pytest.raises(SpecError, match="not linear") as caught:
        effective_conductance(CIRCUITS["separate"], np.full((2, 2), 1e-6))
    assert caught.value.place == "feed"


@pytest.mark.parametrize("volts", [3.0, 100.0])
def test_currents_that_do_not_settle_are_no_answer(rng, volts):
    """Tens of V₀ across cells strain the solver, a thousand pass the largest float."""
    with pytest.raises(PimsimError, match="do not settle"):
        solve_nodes(PLAIN, random_cells(rng, 6, 5), np.full((3, 6), volts), 0.1)


def test_wires_are_read_from_yaml_and_written_back():
    data = {"word_segment": "1.5 ohm", "bit_segment": "2 ohm", "driver": "1 kohm", "interleaved": True}
    wires = from_data(data, Wires)
    assert wires == Wires(word_segment=1.5, bit_segment=2.0, driver=1000.0, interleaved=True)
    assert from_data(to_data(wires), Wires) == wires
    with pytest.raises(SpecError, match="resistance"):
        from_data(data | {"sense": "3 S"}, Wires)


def test_the_matrix_is_found_in_float64(rng):
    """Whatever the cells come in: what float32 keeps of them is what is solved."""
    cells = random_cells(rng, 6, 5).astype(np.float32)
    found = effective_conductance(PLAIN, jnp.asarray(cells))
    assert found.dtype == jnp.float64
    np.testing.assert_array_equal(found, effective_conductance(PLAIN, cells.astype(float)))
