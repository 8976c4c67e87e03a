"""Cards by name: "isaac-ce" → configs/chips/isaac-ce.yaml, as plain data with its references filled in.

A card refers to another by name (`chip: isaac-ce`) or starts from it (`base: isaac-ce`, then only what differs). A
name that ends in .yaml is a file, looked up beside the file that names it; `data: cells.csv` is a file of measurements,
looked up likewise, and becomes its columns; so are the `dataset` of an experiment, if it is a file, and a `network`
that is an .onnx file. Nothing here imports JAX, so that `pimsim list` is instant.
"""

import ast
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pimsim.cardfile import MAX_DEPTH, parse_value, read_yaml
from pimsim.datafile import read_cells
from pimsim.errors import QUOTED, CardNotFound, FileError, PimsimError, SpecError, nearest, quoted

PACKAGE = Path(__file__).parent
FOLDERS = {"chip": "configs/chips", "device": "devices", "experiment": "configs", "component": "configs/components"}
"""Where the cards of a kind live; a key of this name, anywhere in a card, may hold a card's name."""
COMPONENTS = (
    "activation", "adc", "adder", "array", "bit_line", "buffer", "bus", "circuit", "dac", "input_register", "link",
    "mac", "memory", "operand_write", "output_register", "pool", "router", "sample_hold", "shift_add", "word_line",
)  # fmt: skip
"""Keys that hold a component, or the name of one's card."""
REGISTRIES = {"networks": ("network/zoo/__init__.py", "ZOO"), "datasets": ("network/datasets.py", "DATASETS")}
FILES = ("dataset", "labels", "weights")
"""Keys of an experiment that may hold a file or a folder."""
LONGEST_REMEDY = 200
"""Characters of names, beyond which an error does not repeat them."""
MAX_TRAIL = 20
"""Cards that refer to cards that refer to cards."""


def load_card(name: str, kind: str, beside: Path | None = None) -> dict[str, Any]:
    """The card's data, every reference replaced by the card it names.

    Raises CardNotFound for an unknown name, FileError for an unreadable file, SpecError for text that is no mapping;
    their place is the card, and in it the path to whatever card it refers to.
    """
    return _load(name, kind, beside, ())


def card_path(name: str, kind: str, beside: Path | None = None) -> Path:
    """The file that a name means: itself if it is written as a file, otherwise the shipped card."""
    if is_file_name(name):
        path = (beside or Path()) / name
        if not os.path.isfile(path):  # unlike Path.is_file, also of names that no file can have
            raise FileError(str(path), "no such file", f"`pimsim list {kind}s` names the cards that are built in.")
        return path
    known = cards(kind)
    if name not in known:
        raise unknown(name, [kind])
    return known[name]


def unknown(name: str, kinds: Sequence[str]) -> CardNotFound:
    """The error that no card of these kinds has a name."""
    if others := [kind for kind in FOLDERS if name in cards(kind)]:
        remedy = f"There is a {others[0]} of this name."
        if others[0] == "chip" and "experiment" in kinds:
            remedy += " Say what it is to run: --network NAME"
    elif os.path.exists(name) or os.sep in name:
        remedy = "The name of a card's file ends in .yaml, that of a result in .h5."
    else:
        remedy = nearest(name, [card for kind in kinds for card in cards(kind)])
        remedy = remedy if len(remedy) < LONGEST_REMEDY else f"`pimsim list {kinds[0]}s` names all."
    return CardNotFound(name[:QUOTED] or quoted(name), f"no {' or '.join(kinds)} has this name", remedy)


def reference(name: str, kind: str, key: str) -> str | None:
    """The name or file of the card that a card refers to at `key`, itself or through its base."""
    path = card_path(name, kind)
    raw = read_yaml(path)
    value = raw.get(key)
    if isinstance(value, Mapping):
        value = value.get("base")
    if value is None and isinstance(raw.get("base"), str):
        return reference(_located(raw["base"], path), kind, key)
    return _located(value, path) if isinstance(value, str) else None


def _located(name: str, card: Path) -> str:
    """A name as a card writes it, so that it means the same elsewhere."""
    return str(card.parent / name) if is_file_name(name) else name


def kind_of_key(key: str) -> str:
    """The kind of card that a key of a card may name."""
    return "component" if key in COMPONENTS else key


def is_file_name(name: str) -> bool:
    """Whether a reference is to a file, not to a shipped card."""
    return name.endswith((".yaml", ".yml"))


def is_model(name: str) -> bool:
    """Whether a network is an ONNX file, not a name of the zoo."""
    return name.endswith(".onnx")


def cards(kind: str) -> dict[str, Path]:
    """The shipped cards of a kind, by name."""
    return {path.stem: path for path in sorted((_card_root() / FOLDERS[kind]).glob("*.yaml"))}


def published() -> dict[str, Path]:
    """The files of what was published, by the chip that they are about."""
    return {path.stem: path for path in sorted((_card_root() / "configs/published").glob("*.yaml"))}


def apply_overrides(data: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a card with values replaced at dotted paths: {"chip.core.adc.bits": 7}.

    A file that a value names is looked up in the current folder.
    """
    for path, value in overrides.items():
        data = _replaced(data, path.split("."), value, path)
    return _resolve(data, None, ())


def parse_override(text: str) -> tuple[str, Any]:
    """'chip.core.adc.bits=7' → ("chip.core.adc.bits", 7)."""
    path, equals, value = text.partition("=")
    names = [name.strip() for name in path.split(".")]
    if not equals or not all(names) or len(names) > MAX_DEPTH:
        fact = f"expected PATH=VALUE, got {quoted(text)}"
        raise SpecError("--set", fact, "For example: --set chip.core.adc.bits=7")
    return ".".join(names), parse_value(value, f"--set {path.strip()[:60]}")


def listing() -> dict[str, dict[str, str]]:
    """What there is to choose from: {"chips": {name: description}, …}."""
    found = {f"{kind}s": {name: _describe(path) for name, path in cards(kind).items()} for kind in FOLDERS}
    found |= {heading: registered(heading) for heading in REGISTRIES}
    for package in ("devices", "circuits", "chip"):
        found["components"] |= _exported(PACKAGE / package)
    return found


def registered(heading: str) -> dict[str, str]:
    """The names in a registry: `VARIABLE = {"name": Entry("what it is", …)}`, or a function whose docstring says it."""
    module, variable = REGISTRIES[heading]
    body = ast.parse((PACKAGE / module).read_text(encoding="utf-8")).body
    docs = {
        node.name: (ast.get_docstring(node) or "").split("\n")[0] for node in body if isinstance(node, ast.FunctionDef)
    }
    tables = [node.value for node in body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == variable]
    if not tables or not isinstance(tables[0], ast.Dict):
        raise LookupError(f"{module} defines no {variable}")
    pairs = zip(tables[0].keys, tables[0].values, strict=True)
    return {
        ast.literal_eval(key): ast.literal_eval(item.args[0]) if isinstance(item, ast.Call) else docs[ast.unparse(item)]
        for key, item in pairs
        if key
    }


def _load(name: str, kind: str, beside: Path | None, trail: tuple[Path, ...]) -> dict[str, Any]:
    path = card_path(name, kind, beside)
    place = str(path) if is_file_name(name) else name
    if path.resolve() in trail or len(trail) > MAX_TRAIL:
        steps = " → ".join(step.name for step in (*trail[:MAX_TRAIL], path))
        fact = "refers to itself" if path.resolve() in trail else f"is the end of more than {MAX_TRAIL} references"
        raise SpecError(place, fact, steps)
    raw = read_yaml(path)
    try:
        card = _resolve(raw, path.parent, (*trail, path.resolve()), kind)
    except PimsimError as error:
        raise error.within(place, ": ") from None
    if "base" in raw and "description" not in raw:
        card.pop("description", None)  # which describes the base
    return card | {"name": raw.get("name", path.stem)}


def _resolve(data: Any, beside: Path | None, trail: tuple[Path, ...], kind: str = "", where: str = "") -> Any:
    """Fill in the cards that `data` refers to; `kind` is what data itself describes, `where` its path in the card."""
    if isinstance(data, str) and kind in FOLDERS and where:
        return _referred(data, kind, beside, trail, where)
    if isinstance(data, str) and kind == "data":
        return _measured(data, beside, where)
    if isinstance(data, str) and beside is not None and _is_own_file(data, where):
        return os.path.join(beside, data)  # which keeps a leading ./
    if not isinstance(data, Mapping):
        return data
    inside = f"{where}." if where else ""
    own = {
        key: _resolve(value, beside, trail, kind_of_key(key), inside + key) if isinstance(key, str) else value
        for key, value in data.items()
        if key != "base"
    }
    if "base" not in data:
        return own
    if kind not in FOLDERS:
        raise SpecError(f"{inside}base", "unknown key", f"Only a card has a base: {', '.join(FOLDERS)}.")
    if not isinstance(data["base"], str):
        raise SpecError(f"{inside}base", f"expected the name of a card, got {quoted(data['base'])}")
    return _merged(_referred(data["base"], kind, beside, trail, f"{inside}base"), own)


def _is_own_file(value: str, where: str) -> bool:
    """Whether a key of an experiment holds a file or a folder, not a name."""
    return bool(where in FILES and re.search(r"[./\\]", value)) or (where == "network" and is_model(value))


def _referred(name: str, kind: str, beside: Path | None, trail: tuple[Path, ...], where: str) -> dict[str, Any]:
    """The card that a value names; an error in it says where it is referred to."""
    try:
        return _load(name, kind, beside, trail)
    except PimsimError as error:
        raise error.within(where, ": ") from None


def _measured(name: str, beside: Path | None, where: str) -> dict[str, Any]:
    """The columns of the file of measurements that a value names."""
    try:
        return read_cells((beside or Path()) / name)
    except PimsimError as error:
        raise error.within(where, ": ") from None


def _merged(card: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The card with changes laid over it; a mapping of another `model` replaces instead of merging."""
    result = dict(card)
    for key, value in changes.items():
        old = result.get(key)
        if (
            isinstance(old, dict)
            and isinstance(value, Mapping)
            and value.get("model", old.get("model")) == old.get("model")
        ):
            value = _merged(old, value)
        result[key] = value
    return result


def _replaced(data: Any, path: list[str], value: Any, whole: str) -> Any:
    if not path:
        return value
    if not isinstance(data, Mapping):
        outer = whole.removesuffix("." + ".".join(path))
        raise SpecError(whole, "cannot be set", f"{outer} is {quoted(data)}, which has no values inside.")
    head, *rest = path
    inner = data.get(head, {} if rest else None)
    if rest and isinstance(inner, str) and kind_of_key(head) in FOLDERS:
        inner = load_card(inner, kind_of_key(head))
    return dict(data) | {head: _replaced(inner, rest, value, whole)}


def _card_root() -> Path:
    """`cards/` inside an installed package, the repository's root in a checkout."""
    installed = PACKAGE / "cards"
    return installed if installed.is_dir() else PACKAGE.parents[1]


def _describe(path: Path) -> str:
    return str(read_yaml(path).get("description", ""))


def _exported(package: Path) -> dict[str, str]:
    """The concrete classes a package exports, with the first line of their docstrings, read without importing them."""
    found = {}
    for line in ast.parse((package / "__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(line, ast.ImportFrom) and line.module:
            names = [alias.name for alias in line.names]
            module = PACKAGE.parent.joinpath(*line.module.split(".")).with_suffix(".py")
            for node in ast.parse(module.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef) and node.name in names and _is_component(node):
                    found[node.name] = (ast.get_docstring(node) or "").split("\n")[0]
    return found


def _is_component(node: ast.ClassDef) -> bool:
    """Whether a class is a concrete spec: the child of an abstract one, and not itself abstract."""
    bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
    return not node.name.startswith("Abstract") and any(base.startswith("Abstract") for base in bases)
