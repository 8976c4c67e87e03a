"""Published figures: they hold, every recomputed one follows from parts, and none is in the code."""

import dataclasses
import json
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import jax
import pytest

from pimsim.catalog import published
from pimsim.cli import main
from pimsim.errors import CardNotFound, PimsimError, SpecError
from pimsim.experiment import load_any_chip
from pimsim.quantities import NETWORKS, measure, measure_run
from pimsim.spec import from_data
from pimsim.tables import validation_markdown
from pimsim.validation import Published, common_factor, compare, load_published, run, validate

DOCS = Path(__file__).parents[1] / "docs/validation.md"


@pytest.fixture(scope="module")
def rows():
    return validate()


def claim(**changes):
    data = {"quantity": "power", "value": "65.8 W", "tolerance": "0.1 %"} | changes
    return from_data({"chip": "isaac-ce", "source": "a paper", "claims": [data]}, Published)


def test_every_claim_holds(rows):
    missed = [f"{row.chip}: {row.quantity}: {row.difference:+.2%}" for row in rows if row.holds is False]
    assert missed == []


def test_enough_of_them_are_recomputed(rows):
    """A fit says so by its kind and by what was fitted; what is not claimed to hold is never counted as holding."""
    kinds = Counter(row.kind for row in rows)
    assert kinds["recomputed"] >= 40
    assert all(bool(row.fitted) == (row.kind == "fitted") for row in rows)
    assert all((row.holds is None) == (row.kind == "reported") for row in rows)
    assert all(row.source for row in rows)


@pytest.mark.parametrize("name", published())
def test_every_recomputed_row_moves_with_a_part(name):
    """Some number of some component, doubled, changes it: nothing that holds is written down as a result."""
    said = load_published(name)
    claims = [claim for claim in said.claims if claim.kind == "recomputed" and not claim.network]
    assert claims or {claim.kind for claim in said.claims} <= {"reported", "fitted"}
    for claim in claims:
        for point in claim.points or (claim,):
            chip = load_any_chip(said.chip, point.set)
            before = measure(chip, claim.quantity, claim.parts)
            assert any(value != before for value in measured(doubled(chip), claim)), claim.quantity


def measured(chips, claim):
    """The quantity of those chips whose parts still fit each other."""
    for chip in chips:
        with suppress(SpecError):
            yield measure(chip, claim.quantity, claim.parts)


def test_every_figure_of_a_run_moves_with_a_part():
    """Of the smallest network that anything is claimed of; others run on the same card."""
    chip, still = (
        load_any_chip("mnsim-2.0"),
        {claim.quantity for claim in load_published("mnsim-2.0").claims if claim.network},
    )
    assert still == set(NETWORKS)
    before = run(chip, "mnsim-lenet")
    for other in doubled(chip):
        after = run(other, "mnsim-lenet")
        still -= {quantity for quantity in still if measure_run(after, quantity) != measure_run(before, quantity)}
        if not still:
            return
    raise AssertionError(still)


def doubled(chip):
    """The chip with one of its numbers doubled, one after the other."""
    leaves, tree = jax.tree.flatten(chip)
    for place, leaf in enumerate(leaves):
        if type(leaf) in (int, float) and leaf:
            yield jax.tree.unflatten(tree, [*leaves[:place], 2 * leaf, *leaves[place + 1 :]])


@pytest.mark.parametrize(
    ("changes", "holds", "fails"),
    [
        ({}, True, False),
        ({"value": "66 W"}, False, True),
        ({"value": "66 W", "confidence": "low"}, False, False),
        ({"value": "66 W", "kind": "reported"}, None, False),
        ({"value": "66 W", "tolerance": "0.5 %"}, True, False),
        ({"value": "70 W", "set": {"link.power": "14.6 W"}}, True, False),
    ],
)
def test_what_fails_a_run(changes, holds, fails):
    (row,) = compare(claim(**changes), load_any_chip)
    assert (row.holds, row.fails) == (holds, fails)


def test_parts_of_a_sum_and_their_share():
    """Converters and all others make the whole, in power as in share."""
    chip = load_any_chip("isaac-ce")
    others = [line.component for line in chip.bill() if line.component != "adc"]
    assert measure(chip, "power", ["adc"]) + measure(chip, "power", others) == pytest.approx(chip.power(), rel=1e-12)
    assert measure(chip, "power_share", others) == pytest.approx(1 - measure(chip, "power_share", ["adc"]), rel=1e-12)
    assert measure(chip, "area") == pytest.approx(chip.area(), rel=1e-12)
    with pytest.raises(SpecError, match="no component is called 'adcs'"):
        measure(chip, "tile_area", ["adcs"])


@pytest.mark.parametrize(
    ("changes", "fact"),
    [
        ({"quantity": "pwer"}, "Did you mean power"),
        ({"quantity": "pass_time", "value": "1 ns"}, "isaac-ce has no 'pass_time'"),
        ({"value": "65.8 GOPS"}, "is not its unit"),
        ({"value": "65.8 X"}, "expected a number and a unit"),
        ({"value": "much W"}, "expected a number and a unit"),
        ({"network": "mnsim-lenet"}, "a run has no 'power'"),
        ({"quantity": "latency"}, "isaac-ce has no 'latency'"),
        ({"tolerance": "small"}, "expected a percentage"),
        ({"kind": "guessed"}, "must be recomputed or fitted or reported"),
        ({"set": {"core.rows": 0}}, "core.rows: must be 1 to 65536"),
    ],
)
def test_a_bad_claim_is_refused(changes, fact):
    with pytest.raises(PimsimError, match=fact):
        compare(claim(**changes), load_any_chip)


def test_one_factor_and_each_from_the_others():
    """Points all 10 % low are met by one factor; of points (1, 1, 1.21) the last is predicted from the others as 1."""
    points = [{"value": f"{value} W"} for value in (1.0, 1.0, 1.21)]
    said = claim(value="", points=points, fitted="a factor")
    fitted, predicted = common_factor(said, said.claims[0], [(0.9, p) for p in said.claims[0].points])
    assert predicted.ours == pytest.approx(1.0)
    assert fitted.ours == pytest.approx(1.21 ** (1 / 3))
    low = [(0.9 * float(p.value.split()[0]), p) for p in said.claims[0].points]
    assert [row.difference for row in common_factor(said, said.claims[0], low)] == pytest.approx([0, 0], abs=1e-12)


def test_an_unknown_name():
    with pytest.raises(CardNotFound, match="Did you mean puma"):
        validate(["pumma"])


def test_the_page_is_what_the_command_prints(rows):
    """Run `pimsim validate --markdown` and paste it below the line."""
    assert DOCS.read_text(encoding="utf-8").split("<!-- pimsim validate --markdown -->\n")[1] == (
        validation_markdown(rows) + "\n"
    )


def command(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["pimsim", *arguments])
    status = 0
    try:
        main()
    except SystemExit as stop:
        status = stop.code or 0
    return status, capsys.readouterr().out


def test_the_command(monkeypatch, capsys):
    status, out = command(monkeypatch, capsys, "validate", "dadiannao")
    assert status == 0
    assert "8 of 8 recomputed rows hold" in out
    status, out = command(monkeypatch, capsys, "validate", "dadiannao", "--json")
    told = json.loads(out)["rows"]
    assert told == [json.loads(json.dumps(dataclasses.asdict(row))) for row in validate(["dadiannao"])]
    monkeypatch.setattr("pimsim.validation.load_published", lambda name: claim(value="1 W"))
    status, out = command(monkeypatch, capsys, "validate", "isaac-ce")
    assert status == 1
    assert "NO" in out
