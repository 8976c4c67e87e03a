"""The command line."""

import os
import sys

from pimsim.cli import runs, views  # in the order that the help lists their commands in
from pimsim.cli.app import app
from pimsim.cli.options import complain
from pimsim.errors import FileError, PimsimError, os_fact
from pimsim.terminal import open_streams


def main() -> None:
    """Run the command line; a PimsimError becomes its message and exit status 2."""
    open_streams()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except PimsimError as error:
        complain(error)
        sys.exit(2)
    except OSError as error:
        if error.filename is None:  # it is standard output, which would complain again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # the reader of our output may go when it has read enough
            complain(FileError(str(error.filename or "standard output"), os_fact(error)))
            sys.exit(2)
