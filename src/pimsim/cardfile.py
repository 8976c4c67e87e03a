"""One YAML file → plain data, and no file can do harm: neither a bomb nor a binary nor a silent duplicate key."""

import re
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from pimsim.errors import FileError, SpecError, os_fact, quoted

MAX_CARD_BYTES = 100_000
MAX_CARD_VALUES = 10_000
MAX_DEPTH = 20
"""Of mappings in each other."""


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping a YAML file holds. No tags, no aliases, no duplicate keys, no more than a long card needs."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_CARD_BYTES + 1)
    except OSError as error:
        raise FileError(str(path), os_fact(error), "A card is a text file that you may read.") from None
    if len(raw) > MAX_CARD_BYTES:
        raise FileError(str(path), f"is larger than {MAX_CARD_BYTES // 1000} kB", "A card is a page of text.")
    try:
        return deepcopy(_remembered(raw.decode("utf-8"), str(path)))
    except UnicodeDecodeError:
        raise FileError(str(path), "is not a text file", "A card is YAML, in UTF-8.") from None


@lru_cache(maxsize=128)
def _remembered(text: str, place: str) -> dict[str, Any]:
    """Chips of the same cards are often made by the hundred, and parsing is most of the work."""
    return parse_yaml(text, place)


def parse_yaml(text: str, place: str) -> dict[str, Any]:
    """The mapping a YAML text holds; `place` is what errors call it."""
    data = parse_value(text, place)
    if not isinstance(data, dict):
        found = "is empty" if data is None else f"expected a mapping, found a {type(data).__name__}"
        raise SpecError(place, found, "A card is a list of `key: value` lines.")
    return data


def parse_value(text: str, place: str) -> Any:
    """Whatever a YAML text holds."""
    remedy = "YAML is `key: value` lines, indented by spaces."
    try:
        return yaml.load(text, _CardLoader)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise SpecError(place, f"{line}{error.problem or 'not YAML'}", error.note or remedy) from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date or an integer beyond what Python holds
        fact = re.split(r"[;\n]", str(error))[0]
        raise SpecError(place, f"is not YAML: {fact}", remedy) from None


class _CardLoader(yaml.SafeLoader):
    """Safe loading of what a card needs: no aliases (a page of them can stand for gigabytes), no tags, no key twice."""

    depth = values = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        self.depth, self.values = self.depth + 1, self.values + 1
        for refused, fact, remedy in (
            (isinstance(event, yaml.AliasEvent), "an alias (*name) is not accepted", "Write out what it stands for."),
            (getattr(event, "tag", None), "a tag (!name) is not accepted", "Write the value without it."),
            (self.depth > MAX_DEPTH, f"nested more than {MAX_DEPTH} deep", "A card is a page of text."),
            (self.values > MAX_CARD_VALUES, f"more than {MAX_CARD_VALUES} values", "A card is a page of text."),
        ):
            if refused:
                raise yaml.MarkedYAMLError(problem=fact, problem_mark=event.start_mark, note=remedy)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep=deep)
        if len(mapping) < len(node.value):
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            index = next(index for index, key in enumerate(keys) if key in keys[:index])
            fact, mark = f"the key {quoted(keys[index])} appears twice", node.value[index][0].start_mark
            raise yaml.MarkedYAMLError(problem=fact, problem_mark=mark, note="Keep one of the two.")
        return mapping
