"""Cards by name: "isaac-ce" → configs/chips/isaac-ce.yaml, as plain data with its references filled in.

A card refers to another by name (`chip: isaac-ce`) or starts from it (`base: isaac-ce`, then only what differs). A
name that ends in .yaml is a file, looked up beside the file that names it. Nothing here imports JAX, so that
`pimsim list` is instant.
"""

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pimsim.errors import CardNotFound, FileError, SpecError, nearest

PACKAGE = Path(__file__).parent
FOLDERS = {"chip": "configs/chips", "device": "devices", "experiment": "configs"}
"""Where the cards of a kind live; a key of this name, anywhere in a card, may hold a card's name."""
REGISTRIES = {"networks": ("network/zoo.py", "ZOO"), "datasets": ("network/datasets.py", "DATASETS")}
MAX_CARD_BYTES = 1_000_000
MAX_DEPTH = 20


def load_card(name: str, kind: str, beside: Path | None = None) -> dict[str, Any]:
    """The card's data, every reference replaced by the card it names.

    Raises CardNotFound for an unknown name, FileError for an unreadable file, SpecError for text that is no mapping;
    their place is the file.
    """
    return _load(name, kind, beside, ())


def card_path(name: str, kind: str, beside: Path | None = None) -> Path:
    """The file that a name means: itself if it is written as a file, otherwise the shipped card."""
    if name.endswith((".yaml", ".yml")):
        path = (beside or Path()) / name
        if not path.is_file():
            raise FileError(str(path), "no such file", f"`pimsim list {kind}s` names the cards that are built in.")
        return path
    known = cards(kind)
    if name not in known:
        raise CardNotFound("", f"no {kind} is called {name!r}", nearest(name, known))
    return known[name]


def cards(kind: str) -> dict[str, Path]:
    """The shipped cards of a kind, by name."""
    return {path.stem: path for path in sorted((_card_root() / FOLDERS[kind]).glob("*.yaml"))}


def apply_overrides(data: dict[str, Any], overrides: Mapping[str, Any], beside: Path | None = None) -> dict[str, Any]:
    """A copy of a card with values replaced at dotted paths: {"chip.core.adc.bits": 7}."""
    for path, value in overrides.items():
        data = _replaced(data, path.split("."), value, path)
    return _resolve(data, beside, ())


def parse_override(text: str) -> tuple[str, Any]:
    """'chip.core.adc.bits=7' → ("chip.core.adc.bits", 7)."""
    path, equals, value = text.partition("=")
    if not equals or not path.strip(". "):
        raise SpecError("--set", f"expected PATH=VALUE, got {text!r}", "For example: --set chip.core.adc.bits=7")
    try:
        return path.strip(), yaml.load(value, _CardLoader)
    except yaml.YAMLError:
        raise SpecError("--set", f"{value!r} is not a YAML value", 'For example: --set "chip.name=mine"') from None


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping a YAML file holds. No tags, no aliases, no duplicate keys, at most 1 MB."""
    try:
        if path.stat().st_size > MAX_CARD_BYTES:
            raise FileError(str(path), f"is larger than {MAX_CARD_BYTES // 1_000_000} MB", "A card is a page of text.")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise FileError(str(path), "is not a text file", "A card is YAML, in UTF-8.") from None
    except OSError as error:
        raise FileError(str(path), error.strerror.lower() if error.strerror else "cannot be read") from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, place: str) -> dict[str, Any]:
    """The mapping a YAML text holds; `place` is what errors call it."""
    try:
        data = yaml.load(text, _CardLoader)
    except RecursionError:
        raise SpecError(place, "is nested too deeply to be a card") from None
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise SpecError(place, f"{line}{error.problem or 'not YAML'}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise SpecError(place, f"is not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(data, dict):
        found = "is empty" if data is None else f"expected a mapping, found a {type(data).__name__}"
        raise SpecError(place, found, "A card is a list of `key: value` lines.")
    return data


def listing() -> dict[str, dict[str, str]]:
    """What there is to choose from: {"chips": {name: description}, …}."""
    found = {f"{kind}s": {name: _describe(path) for name, path in cards(kind).items()} for kind in FOLDERS}
    found |= {heading: registered(heading) for heading in REGISTRIES}
    found["components"] = {}
    for package in ("devices", "circuits", "chip"):
        found["components"] |= _exported(PACKAGE / package)
    return found


def registered(heading: str) -> dict[str, str]:
    """The names in a registry `VARIABLE = {"name": function}`, with the functions' first docstring lines."""
    module, variable = REGISTRIES[heading]
    body = ast.parse((PACKAGE / module).read_text(encoding="utf-8")).body
    docs = {node.name: ast.get_docstring(node) or "" for node in body if isinstance(node, ast.FunctionDef)}
    for node in body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == variable and isinstance(node.value, ast.Dict):
            pairs = zip(node.value.keys, node.value.values, strict=True)
            return {key.value: docs[item.id].split("\n")[0] for key, item in pairs}  # type: ignore[union-attr]
    raise LookupError(f"{module} defines no {variable}")


def _load(name: str, kind: str, beside: Path | None, trail: tuple[Path, ...]) -> dict[str, Any]:
    path = card_path(name, kind, beside)
    if path in trail:
        raise SpecError(str(path), "refers to itself", " → ".join(step.name for step in (*trail, path)))
    raw = read_yaml(path)
    return _resolve(raw, path.parent, (*trail, path), kind) | {"name": raw.get("name", path.stem)}


def _resolve(data: Any, beside: Path | None, trail: tuple[Path, ...], kind: str = "", depth: int = 0) -> Any:
    """Fill in the cards that `data` refers to; `kind` is what data itself describes."""
    if depth > MAX_DEPTH:
        raise SpecError(str(trail[-1]) if trail else "", f"is nested more than {MAX_DEPTH} deep")
    if isinstance(data, str) and kind in FOLDERS and depth:
        return _load(data, kind, beside, trail)
    if not isinstance(data, Mapping):
        return data
    own = {key: _resolve(value, beside, trail, str(key), depth + 1) for key, value in data.items() if key != "base"}
    if "base" not in data:
        return own
    if kind not in FOLDERS or not isinstance(data["base"], str):
        raise SpecError(
            "base", f"expected the name of a card, got {data['base']!r}" if kind in FOLDERS else "unknown key"
        )
    return _merged(_load(data["base"], kind, beside, trail), own)


def _merged(card: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The card with changes laid over it; a mapping of another `model` replaces instead of merging."""
    result = dict(card)
    for key, value in changes.items():
        old = result.get(key)
        both = isinstance(old, dict) and isinstance(value, Mapping)
        same = both and value.get("model", old.get("model")) == old.get("model")
        result[key] = _merged(old, value) if same else value
    return result


def _replaced(data: Any, path: list[str], value: Any, whole: str) -> Any:
    if not path:
        return value
    if not isinstance(data, Mapping):
        raise SpecError(whole, f"there is nothing to set {path[0]!r} in")
    head, *rest = path
    inner = data.get(head, {} if rest else None)
    if rest and isinstance(inner, str) and head in FOLDERS:
        inner = load_card(inner, head)
    return dict(data) | {head: _replaced(inner, rest, value, whole)}


def _card_root() -> Path:
    """`cards/` inside an installed package, the repository's root in a checkout."""
    installed = PACKAGE / "cards"
    return installed if installed.is_dir() else PACKAGE.parents[1]


def _describe(path: Path) -> str:
    return str(read_yaml(path).get("description", ""))


def _exported(package: Path) -> dict[str, str]:
    """The concrete classes a package exports, with the first line of their docstrings, read without importing them."""
    lines = ast.parse((package / "__init__.py").read_text(encoding="utf-8")).body
    imports = [line for line in lines if isinstance(line, ast.ImportFrom) and line.module]
    modules = {line.module: [alias.name for alias in line.names] for line in imports}
    found = {}
    for module, names in modules.items():
        body = ast.parse((package / f"{module.rsplit('.', 1)[-1]}.py").read_text(encoding="utf-8")).body
        for node in body:
            if isinstance(node, ast.ClassDef) and node.name in names and _is_component(node):
                found[node.name] = (ast.get_docstring(node) or "").split("\n")[0]
    return found


def _is_component(node: ast.ClassDef) -> bool:
    """Whether a class is a concrete spec: the child of an abstract one, and not itself abstract."""
    bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
    return not node.name.startswith("Abstract") and any(base.startswith("Abstract") for base in bases)


class _CardLoader(yaml.SafeLoader):
    """Safe loading, without aliases (a page of them can stand for gigabytes) and without silent duplicate keys."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not accepted in a card", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep=deep)
        if len(mapping) < len(node.value):
            raise yaml.MarkedYAMLError(problem="a key appears twice", problem_mark=node.start_mark)
        return mapping
