"""What `pimsim show` and `pimsim check` say about cards and results."""

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Group, RenderableType

from pimsim.cardfile import read_yaml
from pimsim.catalog import card_path, cards, is_file_name, reference, unknown
from pimsim.chip import AbstractChip, Chip, Machine
from pimsim.circuits import AbstractCircuit
from pimsim.devices import AbstractDevice
from pimsim.differences import changes_of, difference, flatten
from pimsim.errors import PimsimError, SpecError
from pimsim.experiment import (
    Experiment,
    load_any_chip,
    load_component,
    load_device,
    load_experiment,
    parse_experiment,
)
from pimsim.network.zoo import load_network, load_topology
from pimsim.results import chip_summary, read_result, result_summary
from pimsim.spec import sources, to_data, variants
from pimsim.tables import chip_table, level_table, result_table, source_table, titled, value_table

LOADERS = {"experiment": load_experiment, "chip": load_any_chip, "device": load_device, "component": load_component}
FORMS = {"experiment": Experiment, "chip": AbstractChip, "device": AbstractDevice, "component": AbstractCircuit}
COST_UNITS = {"energy": "J", "power": "W", "area": "m2", "leakage": "W", "constant": "W", "latency": "s"}
SHOWN_LEVELS, SHOWN_CELLS = 8, 2000
"""Levels of a cell that `show` draws, and the cells it programs to each."""
NOT_STATED = {("supply", "0.0 V"): "not stated"}
"""Values of fields that stand for none."""
LONGEST_VALUE = 120
"""Characters of a value that a cell's table shows; columns of measurements are longer."""

Shown = tuple[dict[str, Any], Callable[[], RenderableType]]
"""The JSON object, and a function that draws the same as a table."""


def show(name: str, overrides: Mapping[str, Any]) -> Shown:
    """A card or a result file, whichever the name means."""
    if name.endswith(".h5"):
        return show_result(name, overrides)
    card = load_any(name, overrides)
    if isinstance(card, Experiment):
        return show_experiment(card, name, overrides)
    stated = sources(card)
    if isinstance(card, AbstractChip):
        summary = chip_summary(card)
        return summary | {"sources": stated}, lambda: chip_table(summary, stated)
    if isinstance(card, AbstractCircuit):
        return show_component(card, name, stated)
    return show_device(card, name, stated)


def show_component(circuit: AbstractCircuit, name: str, stated: Mapping[str, str]) -> Shown:
    """A component's numbers, and what they make one instance cost."""
    data, cost = to_data(circuit), dataclasses.asdict(circuit.cost())
    costs = {f"{key}_{COST_UNITS[key]}": float(value) for key, value in cost.items()}
    heads = {"energy": f"energy of one {circuit.event.replace('_', ' ') or 'event'}"}
    rows = {heads.get(key, key): f"{float(value)!r} {COST_UNITS[key]}" for key, value in cost.items() if value}
    facts = value_table(titled(name, circuit.description), rows)
    fields = {path: NOT_STATED.get((path.rpartition(".")[2], text), text) for path, text in flatten(data).items()}
    tables = lambda: Group(facts, value_table("fields", fields), source_table(stated))  # noqa: E731
    return data | {"cost": costs, "sources": stated}, tables


def show_device(device: AbstractDevice, name: str, stated: Mapping[str, str]) -> Shown:
    """A cell's numbers, and the levels that programming many of them ends at."""
    data, levels = to_data(device), level_moments(device)
    flat = {path: "not stated" if value == "None" else value for path, value in flatten(data).items()}
    values = {path: text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]} …" for path, text in flat.items()}
    title = titled(name, device.description)
    tables = lambda: Group(value_table(title, values), level_table(levels), source_table(stated))  # noqa: E731
    return data | {"levels": levels, "sources": stated}, tables


def level_moments(device: AbstractDevice) -> dict[str, list[float]]:
    """Target, mean and standard deviation of each level, from `SHOWN_CELLS` programmed cells."""
    count = min(device.most_levels, SHOWN_LEVELS)
    target = device.target(jnp.tile(jnp.arange(count), (SHOWN_CELLS, 1)), count)
    g = np.asarray(device.program(target, key=jax.random.key(0)), np.float64)
    moments = {"target_S": np.asarray(target[0]), "mean_S": g.mean(axis=0), "spread_S": g.std(axis=0)}
    return {key: values.tolist() for key, values in moments.items()}


def show_result(name: str, overrides: Mapping[str, Any]) -> Shown:
    """A result, what it is a result of, and the sources of every number that went into it."""
    if overrides:
        raise SpecError("--set", f"{name} is a result, which nothing changes", f"Run it again: pimsim run {name}")
    result = read_result(name)
    summary = result_summary(result)
    stated = dict(zip(result.specification.card.tolist(), result.specification.source.tolist(), strict=True))
    base, changes = changes_of(result.specification.yaml, name)
    changed = [value_table(f"changed in {base}", changes)] if changes else []
    tables = lambda: Group(result_table(summary), *changed, source_table(stated))  # noqa: E731
    return summary | {"changes": changes, "sources": stated}, tables


def show_experiment(experiment: Experiment, name: str, overrides: Mapping[str, Any]) -> Shown:
    """The experiment's own settings, and what it changes in the chip it names."""
    data = to_data(experiment)
    chip, changes = data.pop("chip"), {}
    named = overrides.get("chip", reference(name, "experiment", "chip"))
    if isinstance(named, str):
        changes = difference(to_data(load_any_chip(named)), chip)
        changes = {f"chip.{path}": value for path, value in changes.items()}
    settings = flatten({"chip": named if isinstance(named, str) else chip} | data)
    summary = {"experiment": experiment.name, "settings": settings, "changes": changes}
    tables = [value_table(titled(experiment.name, experiment.description), settings)]
    if changes:
        tables.append(value_table(f"changed in {named}", changes))
    return summary, lambda: Group(*tables)


def load_any(name: str, overrides: Mapping[str, Any]) -> Experiment | AbstractChip | AbstractDevice | AbstractCircuit:
    """The experiment, chip, device or component of a name; a .yaml file is what its keys say."""
    if is_file_name(name):
        return LOADERS[kind_of_file(card_path(name, "experiment"))](name, overrides)
    kinds = [kind for kind in LOADERS if name in cards(kind)]
    if not kinds:
        raise unknown(name, list(LOADERS))
    return LOADERS[kinds[0]](name, overrides)


def is_chip(name: str) -> bool:
    """Whether a name is that of a chip's card or .yaml file."""
    if is_file_name(name):
        return kind_of_file(card_path(name, "experiment")) == "chip"
    return name in cards("chip")


def kind_of_file(path: Path, seen: frozenset[Path] = frozenset()) -> str:
    """What a card describes, an experiment, a chip, a device or a component: as its base, or most of its own keys."""
    data = read_yaml(path)
    base = data.get("base")
    if isinstance(base, str) and is_file_name(base):
        below = (path.parent / base).resolve()
        if os.path.isfile(below) and below not in seen:
            return kind_of_file(below, seen | {below})
    shipped = [kind for kind in LOADERS if base in list(cards(kind))]
    return shipped[0] if shipped else max(FORMS, key=lambda kind: len(data.keys() & keys_of(FORMS[kind])))


def keys_of(form: type) -> set[str]:
    """The keys that a card of this form may have, whichever model it names."""
    fields = {field.name for model in variants(form).values() for field in dataclasses.fields(model)}
    return fields | {"model"} if form is not Experiment else fields


def check_file(name: str) -> list[PimsimError]:
    """Every problem of a card, or of the experiment in a result, to the images and arrays that it asks for."""
    try:
        if name.endswith(".h5"):
            card = parse_experiment(read_result(name).specification.yaml, name)
        else:
            card = load_any(name, {})
    except PimsimError as error:
        return [error]
    problems = []
    if isinstance(card, Experiment):
        for check in (check_data, check_placement):
            try:
                check(card)
            except PimsimError as error:
                problems.append(error.within(name, ": "))
    return problems


def check_data(experiment: Experiment) -> None:
    if experiment.has_data:
        experiment.load_data(load_network(experiment.network, experiment.weights))


def check_placement(experiment: Experiment) -> None:
    ops, chip = experiment.ops(load_topology(experiment.network)), experiment.chip
    if isinstance(chip, Chip):
        experiment.mapping.place(ops, chip)
    elif isinstance(chip, Machine):
        experiment.mapping.distribute(ops, chip)
