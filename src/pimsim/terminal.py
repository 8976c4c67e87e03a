"""The terminal that the command line prints to: its streams, a console, a progress bar."""

import io
import os
import sys
from collections.abc import Callable
from typing import Any


def open_streams() -> None:
    """Something to print to, which takes any character: a µ must not end a run on a terminal that has none."""
    sys.stdout, sys.stderr = sys.stdout or io.StringIO(), sys.stderr or io.StringIO()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def console(stderr: bool = False) -> Any:
    """Where tables are printed, as wide as a terminal or 110 characters."""
    from rich.console import Console

    is_terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, highlight=False, width=None if is_terminal else 110)


class progress_bar:
    """A progress bar on stderr, for the stages that report; nothing where stderr is no terminal."""

    def __enter__(self) -> Callable[[str, int, int], None]:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        terminal = console(stderr=True)
        self.bar = Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal)
        self.bar.start()
        self.tasks: dict[str, Any] = {}
        return self.step

    def step(self, what: str, done: int, of: int) -> None:
        if what not in self.tasks:
            self.tasks[what] = self.bar.add_task(what, total=of)
        self.bar.update(self.tasks[what], completed=done)

    def __exit__(self, *failure: object) -> None:
        self.bar.stop()


def quiet_jax() -> None:
    """Keep the compiler's hints about the machine out of the user's terminal."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
