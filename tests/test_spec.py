"""Plain data ⇄ specs: what is written is what is built, and every problem is told, with its path."""

from typing import Literal

import equinox as eqx
import pytest
import yaml

from pimsim import load_chip, load_device, load_experiment
from pimsim.catalog import cards
from pimsim.errors import SpecError, UnitError
from pimsim.experiment import load_any_chip
from pimsim.spec import AbstractSpec, SpecProblems, from_data, sources, to_data, variants
from pimsim.units import Power, Time

LOADERS = {"chip": load_any_chip, "device": load_device, "experiment": load_experiment}
SHIPPED = [(kind, name) for kind in LOADERS for name in cards(kind)]


class AbstractEngine(AbstractSpec):
    """Something with variants."""


class Steam(AbstractEngine):
    pressure: float


class Electric(AbstractEngine):
    power: Power
    cells: int = 4

    def __check_init__(self):
        if self.cells < 1:
            raise SpecError("cells", "must be at least 1")


class Wheel(AbstractSpec):
    number: int


class Car(AbstractSpec):
    name: str
    engine: AbstractEngine
    wheel: Wheel = eqx.field(default_factory=lambda: Wheel(4))
    warm_up: Time = 0.0
    fast: bool = False
    gears: Literal["auto", "none"] | dict[str, int] = "auto"
    doors: int | str | None = None


CAR = {"name": "a", "engine": {"model": "Electric", "power": "3 kW"}}


def problem(changes: dict, kind: type = Car) -> SpecError:
    with pytest.raises(SpecError) as caught:
        from_data(CAR | changes, kind)
    assert not isinstance(caught.value, SpecProblems)
    return caught.value


@pytest.mark.parametrize(("kind", "name"), SHIPPED)
def test_every_card_comes_back_from_its_data_exactly(kind, name):
    """load → data → YAML text → data → load: equal to the last bit, notes included."""
    spec = LOADERS[kind](name)
    text = yaml.safe_dump(to_data(spec), sort_keys=False, allow_unicode=True)
    form = type(spec).__mro__[1] if kind == "device" else type(spec)
    copy = from_data(yaml.safe_load(text), form)
    assert type(copy) is type(spec)
    assert eqx.tree_equal(copy, spec, typematch=True) is True
    assert to_data(copy) == to_data(spec)
    assert sources(copy) == sources(spec)


def test_a_changed_card_is_not_equal():
    """The comparison above can tell the last bit of one field."""
    chip = load_chip("isaac-ce")
    moved = eqx.tree_at(lambda c: c.core.adc.power, chip, chip.core.adc.power * (1 + 2**-52))
    assert eqx.tree_equal(chip, moved) is False
    assert to_data(chip) != to_data(moved)


def test_fields_take_what_their_annotation_says():
    car = from_data(
        {
            "name": "b",
            "engine": {"model": "Steam", "pressure": "1e-3", "source": "a book"},  # which YAML 1.1 reads as text
            "wheel": {"model": "Wheel", "number": 3, "assumed": "round"},
            "warm_up": "20 ms",
            "fast": True,
            "gears": {"first": 1},
            "doors": "none",
            "description": "slow",
        },
        Car,
    )
    assert car.engine == Steam(1e-3, source="a book")
    assert (car.wheel.number, car.warm_up, car.fast, car.gears, car.doors) == (3, 0.02, True, {"first": 1}, "none")
    assert sources(car) == {"engine": "a book", "wheel": "assumed: round"}
    assert from_data(CAR, Car) == Car("a", Electric(3000.0))
    assert from_data(to_data(car), Car) == car


def test_a_number_may_be_whole_but_a_whole_number_not_a_fraction():
    assert from_data({"pressure": 3}, Steam).pressure == 3.0
    assert problem({"wheel": {"number": 3.0}}).fact == "expected a whole number, got 3.0"


def test_models_are_the_concrete_children():
    assert variants(AbstractEngine) == {"Steam": Steam, "Electric": Electric}
    assert variants(Wheel) == {"Wheel": Wheel}


@pytest.mark.parametrize(
    ("changes", "place", "fact", "remedy"),
    [
        ({"zzz": 1}, "zzz", "unknown key", "Known: assumed, description"),
        ({"warmup": 1}, "warmup", "unknown key", "Did you mean warm_up?"),
        ({3: 1}, "3", "unknown key", ""),
        ({"wheel": {"numbr": 3, "number": 3}}, "wheel.numbr", "unknown key", "Did you mean number?"),
        ({"wheel": {}}, "wheel.number", "is missing", ""),
        ({"wheel": 3}, "wheel", "expected a mapping, got 3", "number"),
        ({"wheel": {"model": "Steam", "number": 1}}, "wheel.model", "must be Wheel here", ""),
        ({"engine": {"model": "Elektric"}}, "engine.model", "unknown model 'Elektric'", "Did you mean Electric?"),
        ({"engine": {"model": ["Electric"]}}, "engine.model", "unknown model ['Electric']", "Did you mean Electric?"),
        ({"engine": {"power": "3 W"}}, "engine.model", "is missing", "Known: Electric, Steam."),
        ({"engine": None}, "engine", "expected a mapping with `model`, got nothing", "Known: Electric, Steam."),
        ({"engine": {"model": "Electric"}}, "engine.power", "is missing", ""),
        ({"engine": {"model": "Electric", "power": 3}}, "engine.power", "expected a power, got 3", '"3 mW"'),
        ({"engine": CAR["engine"] | {"cells": 0}}, "engine.cells", "must be at least 1", ""),
        ({"engine": {"model": "Steam", "pressure": "x"}}, "engine.pressure", "expected a number, got 'x'", ""),
        ({"engine": {"model": "Steam", "pressure": True}}, "engine.pressure", "expected a number, got True", ""),
        ({"engine": {"model": "Steam", "pressure": ".nan"}}, "engine.pressure", "expected a number", ""),
        ({"engine": {"model": "Steam", "pressure": float("nan")}}, "engine.pressure", "expected a number", ""),
        ({"engine": {"model": "Steam", "pressure": float("inf")}}, "engine.pressure", "expected a number", ""),
        ({"engine": {"model": "Steam", "pressure": 10**400}}, "engine.pressure", "expected a number", ""),
        ({"engine": {"model": "Steam", "pressure": 16**5000}}, "engine.pressure", "expected a number", ""),
        ({"name": 3}, "name", "expected text, got 3", ""),
        ({"fast": "yes"}, "fast", "expected true or false, got 'yes'", ""),
        ({"fast": 1}, "fast", "expected true or false, got 1", ""),
        ({"wheel": {"number": True}}, "wheel.number", "expected a whole number, got True", ""),
        ({"gears": "atuo"}, "gears", "must be auto or none, got 'atuo'", "Did you mean auto?"),
        ({"gears": {"first": "one"}}, "gears.first", "expected a whole number, got 'one'", ""),
        ({"gears": True}, "gears", "must be auto or none, got True", ""),
        ({"doors": 1.5}, "doors", "expected a whole number or text or nothing, got 1.5", ""),
        ({"doors": {"a": 1}}, "doors", "expected a whole number or text or nothing, got {'a': 1}", ""),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str) else "",
)
def test_a_problem_has_its_path_its_fact_and_its_remedy(changes, place, fact, remedy):
    error = problem(changes)
    assert error.place == place
    assert error.fact.startswith(fact)
    assert remedy in error.remedy


def test_a_unit_error_stays_one():
    assert type(problem({"warm_up": "3 V"})) is UnitError


@pytest.mark.parametrize("data", [None, 3, "car", [], [CAR], True])
def test_what_is_no_mapping_is_refused(data):
    with pytest.raises(SpecError, match="expected a mapping"):
        from_data(data, Car)


def test_all_problems_are_told_at_once_each_with_its_path():
    with pytest.raises(SpecProblems) as caught:
        from_data(
            {
                "engine": {"model": "Electric", "power": 3, "cells": "four", "horse": 1},
                "wheel": {"nmber": 3},
                "warm_up": "3 V",
                "gears": {"first": 1.5, "second": "b"},
                "colour": "red",
            },
            Car,
        )
    found = {problem.place: problem.fact.split(",")[0] for problem in caught.value.problems}
    assert found == {
        "name": "is missing",
        "engine.power": "expected a power",
        "engine.cells": "expected a whole number",
        "engine.horse": "unknown key",
        "wheel.number": "is missing",
        "wheel.nmber": "unknown key",
        "warm_up": "expected a time",
        "gears.first": "expected a whole number",
        "gears.second": "expected a whole number",
        "colour": "unknown key",
    }


def test_a_bug_in_a_spec_is_not_taken_for_a_mistake_of_the_user():
    class Broken(AbstractSpec):
        number: int

        def __check_init__(self):
            raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError, match="a bug"):
        from_data({"number": 1}, Broken)
