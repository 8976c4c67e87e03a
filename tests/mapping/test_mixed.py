"""Tiles of several kinds on one chip: what they cost, and that each layer is where it is served best."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from pimsim import load_chip, load_component, read_result, simulate, write_result
from pimsim.accounting import Charging, account
from pimsim.chip import STANDARD, Kind, kind_of, vary
from pimsim.chip.chip import area_by_component, power_by_component
from pimsim.circuits import BareArray
from pimsim.errors import CapacityError, PimsimError, SpecError
from pimsim.experiment import network_on_chip
from pimsim.mapping import Budget, Search, fewest_reads, place
from pimsim.network.ops import MatrixOp
from pimsim.network.zoo import load_topology
from pimsim.results import result_summary
from pimsim.schedule import arrange, schedule, traffic
from pimsim.tables.columns import kind_counts
from pimsim.tables.outcome import kind_rows

ARRAYS = ("adc", "dac", "sample_hold", "array", "shift_add", "input_register", "output_register", "adder")
"""The components that the choice of a kind is about."""


def matrix_op(name, rows, cols, vectors, source="input"):
    return MatrixOp(name, (source,), rows, cols, vectors, 1, need=(np.arange(vectors) // 2,))


def with_kinds(chip, **kinds):
    return replace(chip, kinds={name: Kind(**fields) for name, fields in kinds.items()})


@pytest.fixture(scope="module")
def mixed(small):
    """Two tiles of 4 arrays of 16 rows and 4 weights, and two of 2 arrays of 32 rows and 8 weights."""
    adc = replace(small.core.adc, bits=6)
    return with_kinds(small, large={"tiles": 2, "rows": 32, "columns": 32, "arrays": 1, "adc": adc})


def cost(ops, chip, replicate="none", **plan):
    """Placement, timeline and report of operations whose inputs have no sign."""
    signed = {op.layer: False for op in ops}
    placement = place(ops, chip, replicate, **plan)
    edges = traffic(ops, placement, chip, image_values=ops[0].rows)
    timeline = schedule(ops, placement, chip, edges, signed)
    return placement, timeline, account(ops, placement, chip, edges, timeline, signed, Charging())


def test_a_kind_has_the_components_that_its_size_asks_for(isaac):
    """Four arrays of 512 × 256 in each of 12 cores: a driver a row, a converter for 128 columns, 8 times the cells of
    an array, and registers for twice the rows of a core and for as many columns."""
    adc = replace(isaac.core.adc, bits=10)
    large = {"tiles": 40, "rows": 512, "columns": 256, "arrays": 4, "columns_per_adc": 128, "adc": adc}
    chip = with_kinds(isaac, large=large)
    own, other = chip.parts
    assert [(part.kind, part.first, part.tiles, part.arrays_per_tile) for part in chip.parts] == [
        (STANDARD, 0, 128, 96), ("large", 128, 40, 48),
    ]  # fmt: skip
    before, after = ({line.component: line for line in part.tile.bill(part.core)} for part in (own, other))
    assert {name: after[name].number for name in ("adc", "dac", "sample_hold", "array")} == {
        "adc": 12 * 4 * 2, "dac": 12 * 4 * 512, "sample_hold": 12 * 4 * 256, "array": 12 * 4,
    }  # fmt: skip
    assert after["array"].cost.area == pytest.approx(8 * before["array"].cost.area)
    assert after["adc"].cost.energy == adc.cost().energy > before["adc"].cost.energy
    for name, times in (("shift_add", 1), ("input_register", 2), ("output_register", 1)):
        grown = area_by_component([after[name]])[name] / area_by_component([before[name]])[name]
        assert grown == pytest.approx(times)
    for name in ("dac", "sample_hold", "array", "shift_add", "input_register", "buffer"):
        assert after[name].cost.energy == pytest.approx(before[name].cost.energy)
    tiles = [128 * area_by_component(list(before.values()))[name] + 40 * area_by_component(list(after.values()))[name]
             for name in before]  # fmt: skip
    assert list(area_by_component(chip.bill()).values()) == pytest.approx([*tiles, isaac.link.area])
    whole = [sum(power_by_component(list(lines.values())).values()) for lines in (before, after)]
    assert chip.power() == pytest.approx(128 * whole[0] + 40 * whole[1] + isaac.link.power)
    assert chip.arrays == 128 * 96 + 40 * 48


def test_lines_are_as_long_as_the_array_that_they_cross(small):
    """A word line passes every column, a bit line every row; one that does not say what a cell adds is refused."""
    lines = {line: load_component(f"{line.replace('_', '-')}-28nm") for line in ("word_line", "bit_line")}
    chip, tall = replace(small, core=replace(small.core, **lines)), {"tiles": 1, "rows": 48, "columns": 32}
    core = with_kinds(chip, tall=tall).cores["tall"]
    assert core.word_line.segments == 2 * lines["word_line"].segments
    assert core.bit_line.segments == 3 * lines["bit_line"].segments
    vague = replace(small, core=replace(small.core, word_line=small.core.sample_hold))
    with pytest.raises(SpecError, match=r"kinds.tall: core.word_line does not say .* 2 times as long"):
        with_kinds(vague, tall=tall)


def test_cells_that_are_charged_for_what_they_conduct_still_are(small):
    bare = replace(small, core=replace(small.core, array=BareArray(area=1e-12, leakage=1e-9)))
    core = with_kinds(bare, large={"tiles": 1, "rows": 32, "columns": 32}).cores["large"]
    assert core.array == BareArray(area=4e-12, leakage=4e-9)
    assert [line.event for line in core.bill() if line.component == "array"] == ["full_read"]


OPS = [matrix_op("a", 70, 9, 12), matrix_op("b", 16, 4, 6, "a"), matrix_op("c", 33, 6, 3, "b")]
PAIR = [matrix_op("a", 16, 4, 6), matrix_op("b", 33, 6, 3, "a")]


def test_two_kinds_alike_are_one(small):
    """Same bill, same peak; a network costs the same but for its ways over the mesh."""
    alike = with_kinds(small, more={"tiles": 2, "rows": 16, "columns": 16})
    for one, two in zip(small.bill(), alike.bill(), strict=True):
        assert (one.component, one.cost) == (two.component, two.cost)
        assert one.number == pytest.approx(two.number)
    assert vars(alike.peak()) == pytest.approx(vars(small.peak()))
    assert alike.arrays == small.arrays
    (_, first, one), (where, second, two) = (cost(PAIR, chip, kinds=kinds) for chip, kinds in (
        (small, None), (alike, {"a": STANDARD, "b": "more"}),
    ))  # fmt: skip
    assert where.kind.tolist() == [STANDARD, "more"]
    assert (first.latency, first.interval) == (second.latency, second.interval)
    ways = one.component.tolist().index("router")
    np.testing.assert_allclose(np.delete(one.energy, ways, 1), np.delete(two.energy, ways, 1), rtol=1e-12)
    assert one.area == pytest.approx(two.area)
    assert one.area_on / one.tiles_on == pytest.approx(two.area_on / two.tiles_on)


@pytest.mark.parametrize("kind", [STANDARD, "large"])
def test_with_one_kind_in_use_a_chip_costs_what_a_chip_of_that_kind_does(small, mixed, kind):
    """To the joule, in the first tiles of the mesh; but for ways over the mesh in others, which lie elsewhere on it."""
    part = next(part for part in mixed.parts if part.kind == kind)
    alone = replace(small, core=part.core, tile=part.tile)
    _, there, ours = cost(PAIR, mixed, kinds={"a": kind, "b": kind})
    _, here, theirs = cost(PAIR, alone)
    assert (there.latency, there.interval) == (here.latency, here.interval)
    keep = [index for index, name in enumerate(ours.component.tolist()) if kind == STANDARD or name != "router"]
    np.testing.assert_array_equal(ours.energy[:, keep], theirs.energy[:, keep])
    assert ours.area_on == pytest.approx(theirs.area_on)
    assert ours.static_energy.tolist() == pytest.approx(theirs.static_energy.tolist())


def test_two_layers_by_hand(mixed):
    """a, 16 × 4 weights and 12 vectors, b, 32 × 8 and 6: 8 small arrays hold 6 copies of a, and three of the 4 large
    ones as many of b, so that two waves do. The other way round they took 3 waves, and both in small arrays 6."""
    ops = [matrix_op("a", 16, 4, 12), matrix_op("b", 32, 8, 6, "a")]
    table, timeline, report = cost(ops, mixed, "balance", budget=Budget(chips=1))
    assert table.kind.tolist() == [STANDARD, "large"]
    assert table.replication.tolist() == [6, 3]
    assert table.block_array.tolist() == [0, 1, 2, 3, 4, 5, 8, 9, 12]
    assert (table.arrays_used, table.arrays_total, table.tiles_on()) == (9, 2 * 4 + 2 * 2, 4)
    assert timeline.interval == pytest.approx(2 * 6 * mixed.core.cycle)
    conversions = 12 * 6 * (4 * 4 + 1), 6 * 6 * (8 * 4 + 1)
    adc = report.component.tolist().index("adc")
    energies = [part.core.adc.cost().energy for part in mixed.parts]
    np.testing.assert_allclose(report.energy[:, adc], np.multiply(conversions, energies))


def random_ops(rng):
    return [
        matrix_op(name, int(rng.integers(1, 60)), int(rng.integers(1, 20)), int(rng.integers(1, 12)))
        for name in "abc"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seed", "replicate"), [(0, "balance"), (1, "balance"), (2, "balance"), (3, {"a": 2}), (4, "none")]
)
def test_no_choice_of_kinds_is_faster_and_none_as_fast_takes_less_energy(small, seed, replicate):
    """Brute force over every choice, on a chip whose wide arrays need two cycles for a read."""
    wide = {"tiles": 3, "rows": 32, "columns": 256, "columns_per_adc": 256}
    chip, ops = with_kinds(replace(small, mesh_rows=4), wide=wide), random_ops(np.random.default_rng(seed))
    assert [int(part.core.read_cycles()) for part in chip.parts] == [1, 2]

    def figures(**kinds):
        _, timeline, report = cost(ops, chip, replicate, budget=Budget(chips=1), kinds=kinds)
        own = [name in ARRAYS for name in report.component.tolist()]
        return round(timeline.busy.max() / chip.tick), report.energy[:, own].sum()

    found, every = figures(), []
    for kinds in itertools.product((STANDARD, "wide"), repeat=3):
        try:
            every.append(figures(**dict(zip("abc", kinds, strict=True))))
        except CapacityError:
            continue
    assert len(every) > 1
    assert found[0] == min(time for time, _ in every)
    assert found[1] == pytest.approx(min(energy for time, energy in every if time == found[0]), rel=1e-12)


@pytest.mark.parametrize(("adder", "kind"), [(0.0, STANDARD), (1.0, "large")])
def test_adders_count_in_the_choice_of_a_kind(small, adder, kind):
    """Tall arrays with dear converters, or two of half the rows whose sums are added: dearer adders decide."""
    dear = replace(small.core.adc, bits=6, power=1e3 * small.core.adc.power)
    chip = replace(small, tile=replace(small.tile, adder=replace(small.tile.adder, power=1e3 * adder)))
    chip, ops = with_kinds(chip, large={"tiles": 2, "rows": 32, "columns": 16, "adc": dear}), [matrix_op("a", 32, 4, 1)]
    assert place(ops, chip, "none").kind.tolist() == [kind]


def test_each_layer_has_the_window_that_is_best_in_its_arrays():
    """LeNet-5's first kernels, 25 × 6, leave more of 512 × 512 cells empty: more places come from one read of these."""
    plan = {"mapping.windows": "auto", "mapping.replicate": "none", "mapping.kinds": {"conv1": "large"}}
    result, cores = simulate(network_on_chip("isaac-mixed", "lenet5", plan)), load_chip("isaac-mixed").cores
    first = load_topology("lenet5").nodes[0]
    best = {kind: fewest_reads(load_topology("lenet5"), core)[first.name] for kind, core in cores.items()}
    busy = result.timeline.busy[0] / cores["large"].cycle / cores["large"].latency(signed=False).interval
    assert busy == pytest.approx(-(-28 // best["large"][0]) * -(-28 // best["large"][1]))
    assert np.prod(best["large"]) > np.prod(best[STANDARD])


@pytest.fixture(scope="module")
def result():
    return simulate(network_on_chip("isaac-mixed", "lenet5"))


def test_energy_is_conserved_between_layers_components_and_the_total(result):
    report = result.cost
    assert sum(report.energy_by_layer().values()) == pytest.approx(report.total_energy, rel=1e-12)
    assert sum(report.energy_by_component().values()) == pytest.approx(report.total_energy, rel=1e-12)
    assert sum(report.area_by_component().values()) == pytest.approx(load_chip("isaac-mixed").area(), rel=1e-12)
    assert len(set(result.placement.kind.tolist())) == 2


def test_people_are_told_the_kind_of_each_layer(result):
    """Each is named once; where there is but one kind, none is."""
    kinds = result_summary(result)["kinds"]
    told = {head.split()[0]: names.split(", ") for head, names, _ in kind_rows(kinds)}
    assert {layer: kind for kind, names in told.items() for layer in names} == kinds
    assert kind_counts(kinds) == ", ".join(f"{kind} {len(names)}" for kind, names in told.items())
    assert (kind_rows(dict.fromkeys(kinds, STANDARD)), kind_counts(dict.fromkeys(kinds, STANDARD))) == ([], "")


def test_kinds_are_in_the_result_file(result, tmp_path):
    again = read_result(write_result(result, tmp_path / "a.h5"))
    assert again.placement.kind.tolist() == result.placement.kind.tolist()


def test_better_places_are_those_of_the_same_kind(mixed):
    table = place(OPS, mixed, "balance", budget=Budget(chips=3))
    moved = arrange(OPS, table, mixed, 70, Search(swaps=50))
    size = table.arrays_per_tile
    assert moved.block_array.tolist() != table.block_array.tolist()
    before, after = (kind_of(mixed, each.block_array // size) for each in (table, moved))
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(
    ("plan", "fact"),
    [
        ({"kinds": {"a": "larg"}}, r"mapping.kinds.a: small-mixed has no kind of tile 'larg'\n  Did you mean large"),
        ({"kinds": {"z": "large"}}, "mapping.kinds.z: no layer with a matrix has this name"),
        ({"packing": "dense"}, "mapping.packing: dense is for chips with tiles of one kind, and small-mixed has 2"),
        ({"overflow": "reload"}, "mapping.overflow: arrays take turns only where they are alike"),
        ({"budget": Budget(arrays=9)}, "mapping.budget: small-mixed has tiles of several kinds"),
        (
            {"kinds": {"b": "large", "a": "large"}, "overflow": "refuse"},
            r"a: takes 6 \(large\) arrays, and there are 8 ",
        ),
        ({"kinds": dict.fromkeys("abc", "large"), "overflow": "refuse"}, "large: 9 arrays are needed and there are 4"),
    ],
)
def test_plans_that_cannot_be_are_refused(mixed, plan, fact):
    with pytest.raises(PimsimError, match=fact):
        place(OPS, replace(mixed, name="small-mixed"), **plan)


def test_layers_that_fit_one_by_one_but_not_together_are_refused(mixed):
    ops = [matrix_op(name, 32, 16, 3) for name in "abcde"]
    with pytest.raises(CapacityError, match=r"one copy of each matrix takes 40 \(standard\) or 10 \(large\) arrays"):
        place(ops, mixed, overflow="refuse")
    assert place(ops, mixed).chips == 2


@pytest.mark.parametrize(
    ("kinds", "fact"),
    [
        ({"large": {"tiles": 0, "rows": 32, "columns": 32}}, "tiles: must be 1 to 65536, got 0"),
        ({"large": {"tiles": 1, "rows": 32, "columns": 32, "cores": 0}}, "^cores: must be 1 to 65536, got 0"),
        ({"large": {"tiles": 1, "rows": 32, "columns": 32, "arrays": 0}}, "^arrays: must be 1 to 65536, got 0"),
        ({"large": {"tiles": 1, "rows": 32, "columns": 32, "columns_per_adc": 0}}, "^columns_per_adc: must be 1 to"),
        ({"large": {"tiles": 4, "rows": 32, "columns": 32}}, "take 4 tiles, and the mesh has 4: none is left"),
        ({"standard": {"tiles": 1, "rows": 32, "columns": 32}}, "kinds.standard: is what tiles are called"),
        ({"thin": {"tiles": 1, "rows": 32, "columns": 3, "columns_per_adc": 1}}, "kinds.thin.columns: must hold one"),
    ],
)
def test_kinds_that_cannot_be_are_refused(small, kinds, fact):
    with pytest.raises(SpecError, match=fact):
        with_kinds(small, **kinds)


def test_what_knows_no_kinds_says_so(mixed):
    with pytest.raises(SpecError, match="tiles of several kinds are not varied"):
        vary(mixed, {"core.adc.bits": [5, 6]})
    with pytest.raises(SpecError, match="steps and layouts are stated for arrays of one size"):
        load_chip("mnsim-2.0", {"kinds": {"large": {"tiles": 1, "rows": 512, "columns": 512}}})
