"""What several commands have in common: their options, and what becomes of them."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from pimsim.errors import FileError, PimsimError, SpecError, os_fact
from pimsim.terminal import console

Overrides = Annotated[
    list[str],
    typer.Option("--set", metavar="PATH=VALUE", help="Replace one value; may be repeated.", show_default=False),
]
Network = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="This network or .onnx file; on a chip, for its cost.", show_default=False),
]
Images = Annotated[str | None, typer.Option("--dataset", metavar="NAME|PATH", help="These images.", show_default=False)]
Weights = Annotated[
    str | None, typer.Option(metavar="FILE.npz", help="These weights, as train writes them.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, in SI units.")]


def complain(error: PimsimError) -> None:
    """Print an error, or each of several."""
    for problem in getattr(error, "problems", [error]):
        print(f"error: {problem}", file=sys.stderr)


def parse(overrides: list[str]) -> dict[str, Any]:
    """The values of `--set`, by their paths."""
    from pimsim.catalog import parse_override

    return dict(parse_override(text) for text in overrides)


def read_experiment(
    name: str, network: str | None, overrides: list[str], dataset: str | None = None, weights: str | None = None
) -> Any:
    """The experiment of a card, of a .yaml file, or stored in a result; or a network on a chip, asked nothing if
    there is no data set."""
    require_names(network=network, dataset=dataset, weights=weights)
    named = {"dataset": dataset, "weights": weights}
    changes = {field: value for field, value in named.items() if value} | parse(overrides)
    plan = _planned(name, network, changes)
    if weights and not plan.has_data:
        fact = "would not be read: no data set is named, and only costs are computed"
        raise SpecError("--weights", fact, "Name one, --dataset NAME, or leave the weights out.")
    return plan


def _planned(name: str, network: str | None, changes: dict[str, Any]) -> Any:
    from pimsim.experiment import load_experiment, network_on_chip, parse_experiment
    from pimsim.results import read_result
    from pimsim.show import is_chip

    if network and is_chip(name):
        return network_on_chip(name, network, changes)
    if network:
        changes = {"network": network} | changes
    if name.endswith(".h5"):
        return parse_experiment(read_result(name).specification.yaml, name, changes)
    return load_experiment(name, changes)


def require_names(**options: str | None) -> None:
    """Raise SpecError for an option that is given, but empty."""
    for option, name in options.items():
        if name is not None and not name.strip():
            raise SpecError(f"--{option}", "names nothing", "Name something, or leave it out.")


def default_output(name: str, suffix: str = ".h5") -> Path:
    """Where results go that nobody asked to have elsewhere; the folder is made."""
    folder = Path("results")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise FileError(str(folder), os_fact(error), f"Name a file elsewhere: -o FILE{suffix}") from None
    return folder / f"{name}{suffix}"


def answer(found: Any, as_json: bool, *tables: Callable[[], RenderableType]) -> None:
    """Print what a command has found, as JSON or as tables."""
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for table in tables:
        console().print(table())
