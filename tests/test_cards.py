"""The cards that ship: each loads, says what it is, and says where every number is from."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import pytest
import yaml

from pimsim import load_component, load_device, load_experiment, units
from pimsim.catalog import cards, listing
from pimsim.errors import UnitError
from pimsim.experiment import load_any_chip
from pimsim.spec import sources
from pimsim.units import Unit, parse

LOADERS = {"chip": load_any_chip, "component": load_component, "device": load_device, "experiment": load_experiment}
SHIPPED = [(kind, name) for kind in LOADERS for name in cards(kind)]
UNITS = [unit for unit in vars(units).values() if isinstance(unit, Unit)]
every_card = pytest.mark.parametrize(("kind", "name"), SHIPPED)


def is_physical(value: object) -> bool:
    """Whether a value is a quantity, or a number such as a rate of faults, and no mere count or name."""
    if isinstance(value, float):
        return True
    for unit in UNITS:
        with suppress(UnitError):
            return isinstance(value, str) and parse(value, unit) is not None
    return False


def mappings(data: Mapping[str, Any], path: str = "", stated: bool = False) -> Iterator[tuple[str, Mapping, bool]]:
    """(path, mapping, whether it or what holds it names a source or an assumption) of every mapping in a card."""
    stated = stated or bool(data.get("source") or data.get("assumed"))
    yield path, data, stated
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from mappings(value, f"{path}.{key}".lstrip("."), stated)


def unstated(data: Mapping[str, Any]) -> list[str]:
    """The physical values of a card that nothing speaks for."""
    found = [(f"{path}.{key}", stated) for path, inside, stated in mappings(data) for key in inside
             if is_physical(inside[key])]  # fmt: skip
    return [path.lstrip(".") for path, stated in found if not stated]


def test_cards_of_each_kind_ship():
    assert {kind for kind, _ in SHIPPED} == set(LOADERS)


@every_card
def test_it_loads_under_its_own_name(kind, name):
    assert LOADERS[kind](name).name == name


@every_card
def test_it_is_listed_with_what_it_is(kind, name):
    description = LOADERS[kind](name).description
    assert 10 < len(description) < 100
    assert listing()[f"{kind}s"][name] == description


@every_card
def test_every_physical_value_has_a_source_or_is_owned_up_to(kind, name):
    assert unstated(yaml.safe_load(cards(kind)[name].read_text())) == []


def test_a_value_without_a_source_would_be_found():
    dac = {"source": "Table I", "inside": {"area": "3 um2"}}
    assert unstated({"core": {"adc": {"power": "2 mW / 8", "bits": 8}, "dac": dac}, "rate": 0.1}) == [
        "rate",
        "core.adc.power",
    ]


@every_card
def test_every_source_reaches_the_reader(kind, name):
    """What a card states is what `show` and result files repeat, at the same path."""
    found = sources(LOADERS[kind](name))
    for path, inside, _ in mappings(yaml.safe_load(cards(kind)[name].read_text())):
        for note in ("source", "assumed"):
            assert inside.get(note, "").strip() in found.get(path or ".", "")
