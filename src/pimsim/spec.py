"""Plain data ⇄ frozen modules, by annotation.

A spec is an `equinox.Module` whose annotated fields *are* the schema of its YAML: quantities want a unit, an abstract
class wants `model: ClassName`, a field without a default is required, and a key that is no field is an error. Every
problem is reported at once, each with its path.
"""

import dataclasses
import inspect
import math
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import cattrs
import equinox as eqx
from cattrs.gen import make_dict_structure_fn

from pimsim.errors import QUOTED, PimsimError, SpecError, nearest, quoted
from pimsim.units import parse, unit_of

T = TypeVar("T")
NOTES = ("source", "assumed", "description")


class AbstractSpec(eqx.Module):
    """A described thing: its numbers, and where they come from."""

    usual_model: ClassVar[str] = ""
    """Of an abstract class: the model that a mapping without `model` means."""

    source: str = eqx.field(default="", kw_only=True, static=True)
    """Where the numbers were published, and how they follow from what was published."""
    assumed: str = eqx.field(default="", kw_only=True, static=True)
    """Which of the numbers nobody published, and the reason they are plausible."""
    description: str = eqx.field(default="", kw_only=True, static=True)
    """One line for lists."""


class SpecProblems(SpecError):
    """Several problems of one description, found together."""

    def __init__(self, problems: Sequence[PimsimError]):
        super().__init__("", "; ".join(problem.fact for problem in problems))
        self.problems = problems
        self.args = (problems,)  # from which a copy in another process is built

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))

    def within(self, place: str, separator: str = ".") -> "SpecProblems":
        return type(self)([problem.within(place, separator) for problem in self.problems])


def from_data(data: object, kind: type[T]) -> T:
    """Build a module of the annotated kind from plain mappings, numbers and text.

    Raises SpecError, with its path inside the data as place; SpecProblems if there is more than one.
    """
    try:
        return _CONVERTER.structure(data, kind)
    except Exception as error:
        problems = list(_problems(error))
        raise problems[0] if len(problems) == 1 else SpecProblems(problems) from None


def to_data(value: Any) -> Any:
    """The plain data from which `from_data` builds an equal module: quantities as "0.002 W", exact to the last bit."""
    if not dataclasses.is_dataclass(value):
        if isinstance(value, tuple):
            return [to_data(item) for item in value]
        return {key: to_data(item) for key, item in value.items()} if isinstance(value, Mapping) else value
    hints = get_type_hints(type(value), include_extras=True)
    data = {"model": type(value).__name__} if _is_variant(type(value)) else {}
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        if item or field.name not in NOTES:
            data[field.name] = _field_data(item, hints[field.name])
    return data


def _field_data(item: Any, hint: Any) -> Any:
    """A field's plain data: a quantity, or a tuple of them, with the unit that its annotation states."""
    if item is None:
        return None
    if get_origin(hint) in (Union, types.UnionType):
        hint = next((option for option in get_args(hint) if unit_of(option)), hint)
    if unit := unit_of(hint):
        return f"{float(item)!r} {unit.symbol}"
    if get_origin(hint) is tuple and (unit := unit_of(get_args(hint)[0])):
        return [f"{float(each)!r} {unit.symbol}" for each in item]
    return to_data(item)


def sources(value: Any, path: str = "") -> dict[str, str]:
    """Every source and assumption stated within a spec, by path: {"core.adc": "Table I: …"}."""
    found = {}
    if isinstance(value, AbstractSpec):
        stated = [value.source, f"assumed: {value.assumed}" if value.assumed else ""]
        if text := "; ".join(filter(None, stated)):
            found[path or "."] = text
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            found |= sources(getattr(value, field.name), f"{path}.{field.name}".lstrip("."))
    if isinstance(value, Mapping):
        for key, item in value.items():
            found |= sources(item, f"{path}.{key}")
    return found


def variants(kind: type) -> dict[str, type]:
    """The concrete classes of an abstract one, by name."""
    found = {} if _is_abstract(kind) else {kind.__name__: kind}
    for child in kind.__subclasses__():
        found |= variants(child)
    return found


def _is_abstract(kind: object) -> bool:
    return inspect.isclass(kind) and issubclass(kind, AbstractSpec) and kind.__name__.startswith("Abstract")


def _is_variant(kind: type) -> bool:
    """Whether YAML must name this class, because its field is annotated with an abstract one."""
    return any(_is_abstract(base) and base is not AbstractSpec for base in kind.__mro__[1:])


def _is_concrete(kind: object) -> bool:
    return inspect.isclass(kind) and issubclass(kind, AbstractSpec) and not _is_abstract(kind)


def _structure_variant(data: object, kind: type[AbstractSpec]) -> Any:
    """Build the class that `model` names."""
    known = variants(kind)
    if not isinstance(data, Mapping):
        raise SpecError("", f"expected a mapping with `model`, got {quoted(data)}", nearest("", known))
    name = data.get("model", kind.usual_model or None)
    if not isinstance(name, str) or name not in known:
        fact = "is missing" if name is None else f"unknown model {quoted(name)}"
        raise SpecError("model", fact, nearest(str(name), known))
    return _CONVERTER.structure(data, known[name])


def _structure_module(kind: type) -> Any:
    fill = make_dict_structure_fn(kind, _CONVERTER)
    names = [field.name for field in dataclasses.fields(kind)]

    def structure(data: object, _: type) -> Any:
        if not isinstance(data, Mapping):
            raise SpecError("", f"expected a mapping, got {quoted(data)}", f"Its keys: {', '.join(names)}.")
        if data.get("model", kind.__name__) != kind.__name__:
            raise SpecError("model", f"must be {kind.__name__} here, got {quoted(data['model'])}")
        return fill({key: value for key, value in data.items() if key != "model"}, kind)

    return structure


def _structure_union(data: object, kind: Any) -> Any:
    """The first member of the union that accepts the data; where only one can be meant, its own complaint."""
    options = [option for option in get_args(kind) if (option is types.NoneType) == (data is None)] or get_args(kind)
    meant = [option for option in options if _is_mapping(option) == isinstance(data, Mapping)]
    if len(meant) == 1:
        return _CONVERTER.structure(data, meant[0])
    for option in meant:
        with suppress(SpecError, cattrs.BaseValidationError):
            return _CONVERTER.structure(data, option)
    raise SpecError("", f"expected {' or '.join(map(_name, get_args(kind)))}, got {quoted(data)}")


def _is_mapping(kind: object) -> bool:
    """Whether YAML writes this kind of thing as a mapping."""
    return get_origin(kind) in (dict, Mapping) or _is_abstract(kind) or _is_concrete(kind)


def _structure_literal(data: object, kind: Any) -> Any:
    if not any(data == option and type(data) is type(option) for option in get_args(kind)):
        remedy = nearest(str(data), map(str, get_args(kind)))
        raise SpecError("", f"must be {' or '.join(map(str, get_args(kind)))}, got {quoted(data)}", remedy)
    return data


def _structure_int(data: object, _: type) -> int:
    if isinstance(data, bool) or not isinstance(data, int):
        shown, remedy = quoted(data), ""
        if isinstance(data, float | str):
            with suppress(ValueError):
                remedy = "Write it in digits alone." if float(data).is_integer() else ""
                shown = str(data)[:QUOTED]  # YAML 1.1 reads 1e9 as text
        raise SpecError("", f"expected a whole number, got {shown}", remedy)
    return data


def _structure_float(data: object, _: type) -> float:
    if isinstance(data, int | float | str) and not isinstance(data, bool):  # YAML 1.1 reads 1e-3 as text
        with suppress(ValueError, OverflowError):
            if math.isfinite(value := float(data)):
                return value
    raise SpecError("", f"expected a number, got {quoted(data)}")


def _structure_bool(data: object, _: type) -> bool:
    if not isinstance(data, bool):
        raise SpecError("", f"expected true or false, got {quoted(data)}")
    return data


def _structure_text(data: object, _: type) -> str:
    if not isinstance(data, str):
        raise SpecError("", f"expected text, got {quoted(data)}")
    return data


def _structure_nothing(data: object, _: type) -> None:
    if data is not None:
        raise SpecError("", f"expected nothing, got {quoted(data)}")


def _problems(error: BaseException, path: str = "") -> Iterator[PimsimError]:
    """Flatten what cattrs collected into errors with paths."""
    for note in getattr(error, "__notes__", ()):
        name = getattr(note, "name", None) or getattr(note, "index", None)
        if name is not None:
            path = _inside(path, name)
    if isinstance(error, SpecProblems):
        yield from (problem.within(path) if path else problem for problem in error.problems)
    elif isinstance(error, PimsimError):
        yield error.within(path) if path else error
    elif isinstance(error, cattrs.ForbiddenExtraKeysError):
        known = [field.name for field in dataclasses.fields(error.cl)]
        for name in sorted(error.extra_fields, key=quoted):
            remedy = nearest(name, known) if isinstance(name, str) else ""
            yield SpecError(_inside(path, name), "unknown key", remedy)
    elif isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _problems(inner, path)
    elif isinstance(error, KeyError):
        yield SpecError(path, "is missing")
    else:
        raise error


def _inside(path: str, key: object) -> str:
    name = key[:QUOTED] if isinstance(key, str) else quoted(key)
    return f"{path}.{name}" if path else name


def _name(kind: Any) -> str:
    """What a member of a union is called in an error."""
    if unit := unit_of(kind):
        return unit.one
    if get_origin(kind) is Literal:
        return " or ".join(map(str, get_args(kind)))
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text", types.NoneType: "nothing"}
    return "a mapping" if _is_mapping(kind) else words.get(kind, str(kind))


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)
    for kind, hook in (
        (int, _structure_int),
        (float, _structure_float),
        (bool, _structure_bool),
        (str, _structure_text),
        (types.NoneType, _structure_nothing),
    ):
        converter.register_structure_hook(kind, hook)
    converter.register_structure_hook_func(lambda kind: get_origin(kind) is Literal, _structure_literal)
    converter.register_structure_hook_func(lambda kind: get_origin(kind) in (Union, types.UnionType), _structure_union)
    converter.register_structure_hook_factory(_is_concrete, _structure_module)
    converter.register_structure_hook_func(_is_abstract, _structure_variant)
    converter.register_structure_hook_func(
        lambda kind: unit_of(kind) is not None,
        lambda data, kind: parse(data, unit_of(kind)),  # type: ignore[arg-type]
    )
    return converter


_CONVERTER = _make_converter()
