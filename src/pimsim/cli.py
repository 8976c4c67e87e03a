"""The command line: one function a command."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from pimsim.errors import FileError, PimsimError, os_fact
from pimsim.terminal import console, open_streams, progress_bar, quiet_jax

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

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
EXAMPLES = """
[bold]Examples[/]

  pimsim run isaac-lenet5                    accuracy and cost, into results/

  pimsim run isaac-lenet5 --set chip.core.adc.bits=7 -o seven.h5

  pimsim run isaac-lenet5 --set "chip.core.device.programming_noise=25 uS"

  pimsim train isaac-lenet5                  its weights fitted to the chip's errors

  pimsim show isaac-ce                       a chip, with its sources

  pimsim list devices                        what there is to choose from

  pimsim check my-chip.yaml                  every problem in a file

  pimsim check model.onnx                    what goes to crossbars, and what is missing

  pimsim compare isaac-ce puma               chips side by side

  pimsim validate isaac-ce                   published figures, and ours
"""


@app.callback(epilog=EXAMPLES)
def pimsim() -> None:
    """Neural networks on processing-in-memory crossbars: what the chip computes, and what it costs."""


@app.command(
    epilog="""Examples:

    pimsim run isaac-lenet5

    pimsim run my-experiment.yaml -o results/mine.h5 --set trials=8

    pimsim run isaac-lenet5 --set chip.core.adc.bits=7 --json

    pimsim run isaac-ce --network lenet5 --dataset my-digits/

    pimsim run isaac-ce --network vgg-d --trace vgg-d.json

    pimsim run isaac-ce --network model.onnx
    """
)
def run(
    experiment: Annotated[
        str, typer.Argument(help="A name from `pimsim list experiments`, a .yaml file, a result.h5, or a chip.")
    ],
    network: Network = None,
    dataset: Images = None,
    weights: Weights = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE.h5", show_default="results/NAME.h5")
    ] = None,
    trace: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Write the timeline for Perfetto.", show_default=False)
    ] = None,
    overrides: Overrides = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Simulate one experiment and write one HDF5 file."""
    quiet_jax()
    from pimsim.results import check_target, result_summary, write_result, write_trace
    from pimsim.simulation import simulate

    plan = _read_experiment(experiment, network, overrides, dataset, weights)
    output = check_target(_default_output(plan.name) if output is None else output)
    if trace is not None:
        check_target(trace, ".json")
    with progress_bar() as progress, _within(experiment):
        result = simulate(plan, progress)
    write_result(result, output)
    written = [output] if trace is None else [output, write_trace(result.timeline, trace, result.replay)]
    _print(result_summary(result), as_json)
    print(f"wrote {' and '.join(map(str, written))}", file=sys.stderr)


@app.command(
    epilog="""Examples:

    pimsim train isaac-lenet5 --set "chip.core.device.programming_noise=50 uS"

    pimsim train my-experiment.yaml -o mine.npz --set training.epochs=20

    pimsim train my-experiment.yaml -o mine.npz --set training.epochs=20 --resume

    pimsim run my-experiment.yaml --weights mine.npz
    """
)
def train(
    experiment: Annotated[str, typer.Argument(help="A name from `pimsim list experiments`, or a .yaml file.")],
    network: Network = None,
    dataset: Images = None,
    weights: Weights = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE.npz", show_default="results/NAME-trained.npz")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last epoch's checkpoint.")] = False,
    overrides: Overrides = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Train a network for its chip; write its weights and, beside them, one HDF5 file of the run with them."""
    quiet_jax()
    from pimsim import training
    from pimsim.results import check_target, result_summary, write_result

    plan = _read_experiment(experiment, network, overrides, dataset, weights)
    output = check_target(_default_output(f"{plan.name}-trained", ".npz") if output is None else output, ".npz")
    target = check_target(output.with_suffix(".h5"))
    with progress_bar() as progress, _within(experiment):
        result = training.train(plan, output, resume=resume, progress=progress)
    write_result(result, target)
    _print(result_summary(result), as_json)
    print(f"wrote {output} and {target}", file=sys.stderr)


@app.command(
    epilog="""Examples:

    pimsim show isaac-ce --json

    pimsim show isaac-lenet5 --set chip.core.adc.bits=7

    pimsim show results/isaac-lenet5.h5
    """
)
def show(
    name: Annotated[
        str, typer.Argument(help="A chip, device, component or experiment, by name or .yaml file, or a result.h5.")
    ],
    overrides: Overrides = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Show a card or a result, with sources; of an experiment, how it differs from the cards it uses."""
    quiet_jax()
    from pimsim import show as shown

    summary, table = shown.show(name, _parse(overrides))
    if as_json:
        print(json.dumps(summary, indent=2))
    else:
        console().print(table())


@app.command("list", epilog="Example: pimsim list devices")
def list_(
    heading: Annotated[
        str | None, typer.Argument(help="chips, devices, networks, datasets, experiments or components.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List what there is to choose from."""
    from pimsim.catalog import listing
    from pimsim.errors import CardNotFound, nearest

    found = listing()
    if heading is not None and heading not in found:
        raise CardNotFound("list", f"there are no {heading!r}", nearest(heading, found))
    chosen = {heading: found[heading]} if heading else found
    if as_json:
        print(json.dumps(chosen, indent=2))
        return
    from pimsim.tables import listing_table

    for title, entries in chosen.items():
        console().print(listing_table(title, entries))


@app.command(
    epilog="""Examples:

    pimsim check my-chip.yaml my-experiment.yaml

    pimsim check model.onnx
    """
)
def check(
    files: Annotated[
        list[str],
        typer.Argument(help="Experiments, chips, devices or components, by name or .yaml file, or .onnx files."),
    ],
) -> None:
    """Validate without running: every problem, with its path; of a model, what its layers become."""
    quiet_jax()
    from pimsim.catalog import is_model
    from pimsim.show import check_file
    from pimsim.survey import check_model

    found = {}
    for file in files:
        if is_model(file):
            table, found[file] = check_model(file)
            console().print(table)
        else:
            found[file] = check_file(file)
    for file, problems in found.items():
        for problem in problems:
            _complain(problem)
        if not problems:
            print(f"{file}: ok")
    if any(found.values()):
        raise typer.Exit(2)


@app.command(
    epilog="""Examples:

    pimsim compare isaac-ce puma --network vgg-d

    pimsim compare isaac-ce dadiannao --network vgg-d --chips 16

    pimsim compare isaac-ce puma dadiannao --operand-bits 8
    """
)
def compare(
    names: Annotated[list[str], typer.Argument(help="Chips or experiments, by name or .yaml file, or results.h5.")],
    network: Annotated[
        str | None, typer.Option(metavar="NAME", help="What all of them run, for its cost.", show_default=False)
    ] = None,
    operand_bits: Annotated[
        int | None, typer.Option(min=1, max=16, help="Give all of them operands of this width.", show_default=False)
    ] = None,
    chips: Annotated[
        int | None, typer.Option(min=1, help="Give all of them so many chips for the network.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Put chips side by side, the best of each row marked."""
    quiet_jax()
    from pimsim import comparison
    from pimsim.tables import comparison_table

    found = comparison.compare(names, network, operand_bits, chips)
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        console().print(comparison_table(found))


@app.command(
    epilog="""Examples:

    pimsim validate

    pimsim validate isaac-ce puma --json
    """
)
def validate(
    names: Annotated[list[str] | None, typer.Argument(help="Chips; all if there is none.", show_default=False)] = None,
    as_json: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the page in docs/validation.md.")] = False,
) -> None:
    """Compare published figures with those computed here; status 1 if one is missed."""
    quiet_jax()
    import dataclasses

    from pimsim import validation
    from pimsim.tables import validation_markdown, validation_table

    rows = validation.validate(names or ())
    if as_json:
        print(json.dumps({"rows": [dataclasses.asdict(row) for row in rows]}, indent=2))
    elif markdown:
        print(validation_markdown(rows))
    else:
        console().print(validation_table(rows))
    if any(row.fails for row in rows):
        raise typer.Exit(1)


def main() -> None:
    """Run the command line; a PimsimError becomes its message and exit status 2."""
    open_streams()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except PimsimError as error:
        _complain(error)
        sys.exit(2)
    except OSError as error:
        if error.filename is None:  # it is standard output, which would complain again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # the reader of our output may go when it has read enough
            _complain(FileError(str(error.filename or "standard output"), os_fact(error)))
            sys.exit(2)


@contextmanager
def _within(place: str) -> Iterator[None]:
    """Errors inside are errors in `place`."""
    try:
        yield
    except PimsimError as error:
        raise error.within(place, ": ") from None


def _complain(error: PimsimError) -> None:
    for problem in getattr(error, "problems", [error]):
        print(f"error: {problem}", file=sys.stderr)


def _parse(overrides: list[str]) -> dict[str, Any]:
    from pimsim.catalog import parse_override

    return dict(parse_override(text) for text in overrides)


def _read_experiment(
    name: str, network: str | None, overrides: list[str], dataset: str | None = None, weights: str | None = None
) -> Any:
    """The experiment of a card, of a .yaml file, or stored in a result; or a network on a chip, asked nothing if
    there is no data set."""
    from pimsim.experiment import load_experiment, network_on_chip, parse_experiment
    from pimsim.results import read_result
    from pimsim.show import is_chip

    named = {"dataset": dataset, "weights": weights}
    changes = {field: value for field, value in named.items() if value} | _parse(overrides)
    if network and is_chip(name):
        return network_on_chip(name, network, changes)
    if network:
        changes = {"network": network} | changes
    if name.endswith(".h5"):
        return parse_experiment(read_result(name).specification.yaml, name, changes)
    return load_experiment(name, changes)


def _default_output(name: str, suffix: str = ".h5") -> Path:
    folder = Path("results")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise FileError(str(folder), os_fact(error), f"Name a file elsewhere: -o FILE{suffix}") from None
    return folder / f"{name}{suffix}"


def _print(summary: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(summary, indent=2))
        return
    from pimsim.tables import result_table

    console().print(result_table(summary))
