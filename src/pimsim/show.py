"""What `pimsim show` and `pimsim check` say about cards and results."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType

from pimsim.catalog import cards, read_yaml
from pimsim.chip import Chip
from pimsim.errors import CardNotFound, PimsimError, nearest
from pimsim.experiment import Experiment, load_chip, load_device, load_experiment
from pimsim.mapping import place
from pimsim.network.zoo import load_topology
from pimsim.results import chip_summary, read_result, result_summary
from pimsim.spec import AbstractSpec, sources, to_data
from pimsim.tables import chip_table, result_table, source_table, titled, value_table

LOADERS = {"experiment": load_experiment, "chip": load_chip, "device": load_device}

Shown = tuple[dict[str, Any], Callable[[], RenderableType]]
"""The JSON object, and a function that draws the same as a table."""


def show(name: str, overrides: Mapping[str, Any]) -> Shown:
    """A card or a result file, whichever the name means."""
    if name.endswith(".h5"):
        result = read_result(name)
        summary = result_summary(result)
        stated = dict(zip(result.specification.card.tolist(), result.specification.source.tolist(), strict=True))
        return summary | {"sources": stated}, lambda: Group(result_table(summary), source_table(stated))
    card = load_any(name, overrides)
    if isinstance(card, Experiment):
        return show_experiment(card)
    stated = sources(card)
    if isinstance(card, Chip):
        summary = chip_summary(card)
        return summary | {"sources": stated}, lambda: chip_table(summary, stated)
    data = to_data(card)
    title = titled(name, card.description)
    return data | {"sources": stated}, lambda: Group(value_table(title, flatten(data)), source_table(stated))


def show_experiment(experiment: Experiment) -> Shown:
    """The experiment's own settings, and what it changes in the chip it names."""
    data = to_data(experiment)
    chip = data.pop("chip")
    changes = {}
    if experiment.chip.name in cards("chip"):
        chip = experiment.chip.name
        changes = difference(to_data(load_chip(chip)), to_data(experiment.chip))
        changes = {f"chip.{path}": value for path, value in changes.items()}
    settings = flatten({"chip": chip} | data)
    summary = {"experiment": experiment.name, "settings": settings, "changes": changes}
    tables = [value_table(titled(experiment.name, experiment.description), settings)]
    if changes:
        tables.append(value_table(f"changed in {chip}", changes))
    return summary, lambda: Group(*tables)


def load_any(name: str, overrides: Mapping[str, Any]) -> AbstractSpec:
    """The experiment, chip or device of a name; a .yaml file is what its keys say."""
    if name.endswith((".yaml", ".yml")):
        return LOADERS[kind_of_file(Path(name))](name, overrides)
    kinds = [kind for kind in LOADERS if name in cards(kind)]
    if not kinds:
        known = [card for kind in LOADERS for card in cards(kind)]
        raise CardNotFound("", f"no experiment, chip or device is called {name!r}", nearest(name, known))
    return LOADERS[kinds[0]](name, overrides)


def kind_of_file(path: Path) -> str:
    """Whether a card describes an experiment, a chip or a device."""
    data = read_yaml(path)
    keys = set(data)
    for kind in LOADERS:
        if data.get("base") in cards(kind):
            return kind
    if keys & {"chip", "network"}:
        return "experiment"
    return "chip" if keys & {"tile", "core", "mesh_rows"} else "device"


def check_file(name: str) -> list[PimsimError]:
    """Every problem of one card, including whether an experiment's network can be placed as it asks."""
    try:
        card = load_any(name, {})
        if isinstance(card, Experiment):
            place(load_topology(card.network).ops(), card.chip, card.mapping.replicate)
    except PimsimError as error:
        return [error]
    return []


def difference(card: Mapping[str, Any], changed: Mapping[str, Any]) -> dict[str, str]:
    """What differs, by path: {"core.adc.bits": "8 → 7"}."""
    old, new = flatten(card), flatten(changed)
    paths = sorted(old.keys() | new.keys())
    return {p: f"{old.get(p, 'none')} → {new.get(p, 'none')}" for p in paths if old.get(p) != new.get(p)}


def flatten(data: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested data as dotted paths."""
    found = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            found |= flatten(value, f"{prefix}{key}.")
        elif key not in ("source", "assumed", "description"):
            found[f"{prefix}{key}"] = str(value)
    return found
