"""Commands that simulate: one function each."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pimsim.cli.app import app
from pimsim.cli.options import (
    Images,
    Json,
    Network,
    Overrides,
    Weights,
    answer,
    default_output,
    read_experiment,
)
from pimsim.errors import inside
from pimsim.terminal import progress_bar, quiet_jax


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
        Path | None,
        typer.Option("-o", "--output", metavar="FILE.h5", show_default="results/NAME.h5"),
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
    from pimsim.tables import result_table

    plan = read_experiment(experiment, network, overrides, dataset, weights)
    output = check_target(default_output(plan.name) if output is None else output)
    if trace is not None:
        check_target(trace, ".json")
    with progress_bar() as progress, inside(experiment, ": "):
        result = simulate(plan, progress)
    write_result(result, output)
    written = [output] if trace is None else [output, write_trace(result.timeline, trace, result.replay)]
    summary = result_summary(result)
    answer(summary, as_json, lambda: result_table(summary))
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
        Path | None,
        typer.Option("-o", "--output", metavar="FILE.npz", show_default="results/NAME-trained.npz"),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last epoch's checkpoint.")] = False,
    overrides: Overrides = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Train a network for its chip; write its weights and, beside them, one HDF5 file of the run with them."""
    quiet_jax()
    from pimsim import training
    from pimsim.results import check_target, result_summary, write_result
    from pimsim.tables import result_table

    plan = read_experiment(experiment, network, overrides, dataset, weights)
    output = check_target(default_output(f"{plan.name}-trained", ".npz") if output is None else output, ".npz")
    target = check_target(output.with_suffix(".h5"))
    with progress_bar() as progress, inside(experiment, ": "):
        result = training.train(plan, output, resume=resume, progress=progress)
    write_result(result, target)
    summary = result_summary(result)
    answer(summary, as_json, lambda: result_table(summary))
    print(f"wrote {output} and {target}", file=sys.stderr)
