"""The application that commands join, and what its own help says."""

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
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
