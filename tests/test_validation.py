"""Published figures: they hold, every recomputed one follows from parts, and none is in the code."""

import dataclasses
import io
import json
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import jax
import pytest
from rich.console import Console

from pimsim.calibration import at
from pimsim.catalog import published
from pimsim.circuits import Process
from pimsim.claims import Published, load_published, points_of
from pimsim.cli import main
from pimsim.errors import CardNotFound, PimsimError, SpecError
from pimsim.experiment import load_any_chip
from pimsim.quantities import NETWORKS, measure, measure_run, run
from pimsim.spec import from_data
from pimsim.tables import validation_markdown, validation_table
from pimsim.tables.verdicts import VALIDATION_HEADS
from pimsim.validation import compare, validate

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
    assert all(row.fitted for row in rows if row.kind == "fitted")
    assert not any(row.fitted for row in rows if row.kind == "recomputed")
    assert all((row.holds is None) == (row.kind == "reported") for row in rows)
    assert all(row.source for row in rows)


@pytest.mark.parametrize("name", published())
def test_every_recomputed_row_moves_with_a_part(name):
    """Some number of some component, doubled, changes it: nothing that holds is written down as a result."""
    said = load_published(name)
    claims = [claim for claim in said.claims if claim.kind == "recomputed" and not claim.network]
    assert claims or {claim.kind for claim in said.claims} <= {"reported", "fitted"}
    for claim in claims:
        for point in points_of(claim)[: 1 if claim.fit else None]:
            chip = load_any_chip(point.chip or said.chip, point.set)
            before = measure(chip, point.quantity, claim.parts)
            others = measured(doubled(chip), point.quantity, claim.parts)
            assert any(value != before for value in others), point.quantity


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


def measured(chips, quantity, parts):
    """The quantity of those chips whose parts still fit each other, and which a law covers."""
    for chip in chips:
        with suppress(SpecError):
            yield measure(chip, quantity, parts)


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
        ({"quantity": "area.adc", "value": "1 mm2"}, "isaac-ce has no 'area.adc'"),
        ({"quantity": "peak", "value": "1 TOPS", "parts": ["adc"]}, "peak is no sum over components"),
        ({"fit": {"a factor": ["core.adc.powr"]}}, "Did you mean power"),
        ({"axes": {"core.adc.bits": [7, 8]}, "table": [1.0], "unit": "W"}, "table: has 1 values"),
    ],
)
def test_a_bad_claim_is_refused(changes, fact):
    with pytest.raises(PimsimError, match=fact):
        compare(claim(**changes), load_any_chip)


def test_a_fit_is_told_in_three_rows():
    """Points all 10 % low: one factor meets them, and predicts each of them from the others."""
    fit = {"energy of adders": ["units.adders.energy"]}
    said = from_data({"chip": "colonnade-2021", "source": "a paper", "claims": [
        {"quantity": "energy.adders", "tolerance": "5 %", "kind": "reported", "fit": fit, "unit": "pJ",
         "axes": {"input_bits": [1, 2]}, "table": [1.0, 2.0]}]}, Published)  # fmt: skip
    before, after, others = compare(said, load_any_chip)
    assert [row.kind for row in (before, after, others)] == ["reported", "fitted", "fitted"]
    assert before.ours == pytest.approx(before.theirs * 142.5, rel=1e-3)
    assert (after.difference, others.difference) == (pytest.approx(0, abs=1e-6), pytest.approx(0, abs=1e-6))
    assert after.fitted == "energy of adders x 0.00702"
    assert "worst of 2, at input_bits" in after.quantity


@pytest.mark.parametrize(
    ("chip", "label"),
    [
        ("jia-2020", "energy of converters by supply"),
        ("jia-2020", "energy of the array by supply"),
        ("jia-2020", "area of converters"),
        ("jia-2020", "area of the array"),
        ("jia-2020", "peak by supply"),
        ("sinangil-2021", "energy by supply and output"),
        ("sinangil-2021", "area of the circuits for compute"),
        ("sinangil-2021", "peak by supply"),
        ("colonnade-2021", "energy of a MAC by bits of both operands"),
        ("colonnade-2021", "area"),
        ("neurram", "power efficiency by bits"),
    ],
)
def test_cards_carry_what_was_fitted(rows, chip, label):
    """From the defaults of their classes, the published values lead to the factors and thresholds on the card."""
    (row,) = (row for row in rows if row.chip == chip and row.quantity.startswith(f"{label} (calibrated"))
    (claim,) = (c for c in load_published(chip).claims if c.fit and (c.label or c.quantity) == label)
    factors = dict(part.rsplit(" x ", 1) for part in row.fitted.split(", "))
    for name, paths in claim.fit.items():
        for path in paths:
            default = Process(node=65e-9).threshold if path == "process.threshold" else 1.0
            assert at(load_any_chip(chip), path.split(".")) == pytest.approx(default * float(factors[name]), rel=5e-3)


def test_an_unknown_name():
    with pytest.raises(CardNotFound, match="Did you mean puma"):
        validate(["pumma"])


def test_the_page_is_what_the_command_prints(rows):
    """Run `pimsim validate --markdown` and paste it below the line."""
    assert DOCS.read_text(encoding="utf-8").split("<!-- pimsim validate --markdown -->\n")[1] == (
        validation_markdown(rows) + "\n"
    )


@pytest.mark.parametrize(("width", "chips"), [(80, ["isaac-ce", "puma"]), (110, published())])
def test_the_table_keeps_every_word_of_a_quantity(rows, width, chips):
    """In a terminal of 80 columns, and in a pipe: columns wrap, and none is left out."""
    shown, drawn = [row for row in rows if row.chip in chips], io.StringIO()
    Console(file=drawn, width=width).print(validation_table(shown))
    words = set(drawn.getvalue().split())
    assert {*VALIDATION_HEADS[1:], *(row.chip for row in shown)} <= words
    assert {word for row in shown for word in (*row.quantity.split(), *row.shown[1].split(), row.kind)} <= words


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
