"""Errors: a place, a fact, a remedy, and a path that grows on the way out."""

import inspect
import pickle

import pytest

from pimsim import errors
from pimsim.errors import FileError, PimsimError, SpecError, UnitError, nearest, quoted, require
from pimsim.spec import SpecProblems

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, PimsimError)]


def test_the_tree_drawn_at_the_top_is_the_tree():
    """Each class stands in the drawing one step deeper than its parent."""
    drawn = [line for line in errors.__doc__.splitlines() if line.startswith("    ")]
    depth = {line.strip(" │├└─").split()[0]: len(line) - len(line.lstrip(" │├└─")) for line in drawn}
    assert depth.keys() == {kind.__name__ for kind in CLASSES}
    for kind in CLASSES:
        if kind is not PimsimError:
            assert depth[kind.__name__] == depth[kind.__base__.__name__] + 4


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_is_place_fact_and_remedy(kind):
    error = kind("chip.core.adc.bits", "must be 1 to 16, got 0", "Take 8.")
    assert str(error) == "chip.core.adc.bits: must be 1 to 16, got 0\n  Take 8."
    assert str(kind("", "is empty")) == "is empty"
    assert (error.place, error.fact, error.remedy) == error.args


@pytest.mark.parametrize("kind", CLASSES)
def test_a_place_grows_outwards_and_the_kind_stays(kind):
    error = kind("", "must be 1 to 16").within("bits").within("adc").within("mine.yaml", ": ")
    assert type(error) is kind
    assert error.place == "mine.yaml: adc.bits"


def test_several_problems_move_together():
    problems = SpecProblems([SpecError("a", "is missing"), UnitError("b", "expected a time, got 3", "Write 3 s.")])
    moved = problems.within("core").within("x.yaml", ": ")
    assert [problem.place for problem in moved.problems] == ["x.yaml: core.a", "x.yaml: core.b"]
    assert [type(problem) for problem in moved.problems] == [SpecError, UnitError]
    assert str(moved).splitlines()[0] == "x.yaml: core.a: is missing"


@pytest.mark.parametrize(
    "error", [FileError("a.h5", "no such file", "Look."), SpecProblems([SpecError("a", "1"), UnitError("b", "2", "3")])]
)
def test_an_error_survives_the_way_to_another_process(error):
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)


@pytest.mark.parametrize(
    ("typed", "found"),
    [("isaac-lenet", "isaac-lenet5"), ("ISAAC-LENET5", "isaac-lenet5"), ("lenet5", "isaac-lenet5")],
)
def test_the_nearest_name_is_found_whatever_its_case(typed, found):
    assert nearest(typed, ["ideal", "isaac-lenet5", "reram-hfox"]).startswith(f"Did you mean {found}")


def test_where_none_is_near_all_are_named():
    assert nearest("qqqq", ["b", "a"]) == "Known: a, b."
    assert nearest("x", []) == ""


@pytest.mark.parametrize("value", [0, 17, -1, float("nan"), float("inf"), 10**400, pytest.param(16**5000, id="hex")])
def test_what_is_outside_a_range_is_refused(value):
    with pytest.raises(SpecError, match="must be 1 to 16") as caught:
        require("bits", value, 1, 16)
    assert caught.value.place == "bits"
    assert len(caught.value.fact) < 100


@pytest.mark.parametrize("value", [1, 8, 16, 1.5])
def test_a_range_includes_its_ends(value):
    require("bits", value, 1, 16)


@pytest.mark.parametrize("value", ["x" * 10**6, 10**4000, 16**5000, list(range(10**5)), {"a": "b" * 10**5}], ids=type)
def test_whatever_a_user_wrote_is_quoted_in_a_line(value):
    assert len(quoted(value)) <= errors.QUOTED
    assert "\n" not in quoted(value)
