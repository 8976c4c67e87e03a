"""Commands that show, check and compare: one function each."""

from functools import partial
from typing import Annotated

import typer

from pimsim.cli.app import app
from pimsim.cli.options import Json, Overrides, answer, complain, parse, require_names
from pimsim.errors import CardNotFound, SpecError, nearest
from pimsim.terminal import console, quiet_jax


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

    summary, table = shown.show(name, parse(overrides))
    answer(summary, as_json, table)


@app.command("list", epilog="Example: pimsim list devices")
def list_(
    heading: Annotated[
        str | None, typer.Argument(help="chips, devices, networks, datasets, experiments or components.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List what there is to choose from."""
    from pimsim.catalog import listing
    from pimsim.tables import listing_table

    found = listing()
    if heading is not None and heading not in found:
        raise CardNotFound("list", f"there are no {heading!r}", nearest(heading, found))
    chosen = {heading: found[heading]} if heading else found
    answer(chosen, as_json, *(partial(listing_table, title, entries) for title, entries in chosen.items()))


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
            complain(problem)
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

    require_names(network=network)
    found = comparison.compare(names, network, operand_bits, chips)
    answer(found, as_json, lambda: comparison_table(found))


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

    if as_json and markdown:
        raise SpecError("--json, --markdown", "are two forms of one answer", "Ask for one of them.")
    rows = validation.validate(names or ())
    if markdown:
        print(validation_markdown(rows))
    else:
        answer({"rows": [dataclasses.asdict(row) for row in rows]}, as_json, lambda: validation_table(rows))
    if any(row.fails for row in rows):
        raise typer.Exit(1)
