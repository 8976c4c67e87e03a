"""The layers, the public names, and the rule that an export line registers a component."""

import ast
import inspect
from importlib import import_module
from pathlib import Path

import pytest

import pimsim
from pimsim.catalog import cards, listing
from pimsim.spec import AbstractSpec

SOURCE = Path(pimsim.__file__).parent
PLAIN = [
    *SOURCE.glob("mapping/*.py"),
    *SOURCE.glob("schedule/*.py"),
    SOURCE / "accounting.py",
    SOURCE / "network/ops.py",
]
COMPONENTS = [
    item
    for package in ("devices", "circuits", "chip")
    for item in vars(import_module(f"pimsim.{package}")).values()
    if inspect.isclass(item) and issubclass(item, AbstractSpec) and not item.__name__.startswith("Abstract")
]
MODULES = sorted(str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", PLAIN, ids=lambda path: str(path.relative_to(SOURCE)))
def test_plans_and_prices_are_plain_python(path):
    assert not imported(path) & {"jax", "jaxlib", "equinox"}


def test_the_layers_are_kept(monkeypatch):
    """The contract of pyproject.toml: a module imports only from lines below its own."""
    cli = pytest.importorskip("importlinter.cli")
    monkeypatch.chdir(SOURCE.parents[1])
    assert cli.lint_imports(no_cache=True) == cli.EXIT_STATUS_SUCCESS


@pytest.mark.parametrize("name", MODULES)
def test_annotations_are_evaluated(name):
    """Postponed annotations would hide shapes from the checker."""
    assert "__future__" not in imported(SOURCE / name)


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.__name__)
def test_an_exported_component_is_listed_with_what_it_is(component):
    """Its own docstring, whose first line is what `pimsim list components` shows."""
    own = inspect.cleandoc(vars(component)["__doc__"])
    assert not own.startswith(f"{component.__name__}(")  # what a dataclass without a docstring gets
    assert listing()["components"][component.__name__] == own.split("\n")[0]


def test_nothing_else_is_listed():
    models = {component.__name__ for component in COMPONENTS}
    assert listing()["components"].keys() == models | cards("component").keys()


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.__name__)
def test_a_concrete_class_is_never_subclassed(component):
    assert component.__subclasses__() == []


@pytest.mark.parametrize("name", pimsim.__all__)
def test_a_public_name_is_there_and_says_what_it_is(name):
    item = getattr(pimsim, name)
    assert item.__name__ == name
    assert item.__doc__
    assert name in dir(pimsim)


def test_type_checkers_see_the_same_names():
    """The lazy table of `pimsim/__init__.py` and its imports for type checkers agree."""
    body = ast.parse((SOURCE / "__init__.py").read_text(encoding="utf-8")).body
    lines = [
        line for node in body if isinstance(node, ast.If) for line in node.body if isinstance(line, ast.ImportFrom)
    ]
    assert {alias.name: line.module for line in lines for alias in line.names} == pimsim._PUBLIC


def test_other_names_are_refused():
    with pytest.raises(AttributeError, match="no attribute 'simulat'"):
        pimsim.simulat  # noqa: B018
