"""What differs between two specifications, by path."""

from collections.abc import Mapping, Sequence
from typing import Any

from pimsim.cardfile import parse_yaml
from pimsim.catalog import cards
from pimsim.chip import AbstractChip
from pimsim.experiment import load_experiment, network_on_chip, on_chip
from pimsim.spec import from_data, to_data

NONE = "none"
"""Of a path that one side lacks."""
ANY = "lenet5"
"""A network that ships, in the place of one that may have been taken away."""


def difference(card: Mapping[str, Any], changed: Mapping[str, Any]) -> dict[str, str]:
    """What differs, by path: {"core.adc.bits": "8 → 7"}."""
    return {path: " → ".join(values) for path, values in differing([card, changed]).items()}


def differing(specifications: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The paths at which not all say the same, and what each says there."""
    flat = [flatten(specification) for specification in specifications]
    paths = sorted({path for values in flat for path in values})
    found = {path: [values.get(path, NONE) for values in flat] for path in paths}
    return {path: values for path, values in found.items() if len(set(values)) > 1}


def flatten(data: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested data as dotted paths."""
    found = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            found |= flatten(value, f"{prefix}{key}.")
        elif key not in ("source", "assumed", "description"):
            found[f"{prefix}{key}"] = str(value)
    return found


def changes_of(text: str, place: str) -> tuple[str, dict[str, str]]:
    """What the experiment of a YAML text is a change of, and what it changes there.

    That is the experiment of its name, if one on the same chip ships; else its network on the chip as that ships; of a
    chip that does not, as it is. Nothing need be there of what the text names.
    """
    data = parse_yaml(text, place)
    name, chip, network = data["name"], data["chip"]["name"], data["network"]
    if name in cards("experiment") and (shipped := load_experiment(name)).chip.name == chip:
        return name, difference(to_data(shipped), data)
    known = chip in cards("chip")
    bare = network_on_chip(chip, ANY) if known else on_chip(from_data(data["chip"], AbstractChip), ANY)
    return chip, difference(to_data(bare) | {"name": name, "network": network}, data)
