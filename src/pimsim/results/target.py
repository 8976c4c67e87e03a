"""The files that a run leaves: checked before it, and put in their place whole or not at all."""

import mmap
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from pimsim.errors import FileError, os_fact

FORMAT = "pimsim-result"
MARKS = {
    ".h5": (FORMAT.encode(),),
    ".json": (b'{"traceEvents"',),
    ".npz": (b".weight.npy", b".bias.npy", b"experiment.npy"),
}
"""Bytes of files that may be replaced: one of them stands in each that was written here."""


def check_target(path: str | Path, suffix: str = ".h5") -> Path:
    """The path, if a file can be written there; called before a run, so that none is lost for want of a folder.

    A file that is there is replaced if it is one of ours, whole or not. Raises FileError.
    """
    path = Path(path)
    if os.path.isdir(path):
        raise FileError(str(path), "is a folder", f"Name a file: FILE{suffix}")
    if path.suffix != suffix:
        raise FileError(str(path), f"does not end in {suffix}, by which such files are known", f"Try {path}{suffix}")
    if files := [folder for folder in path.parents if os.path.isfile(folder)]:
        raise FileError(str(path), f"{files[0]} is a file, not a folder", f"Name a file elsewhere: FILE{suffix}")
    if not os.path.isdir(path.parent):
        raise FileError(str(path), f"there is no folder {path.parent}", f"Make it first: mkdir -p {path.parent}")
    try:
        tempfile.TemporaryFile(dir=path.parent).close()
        with suppress(FileNotFoundError):
            path.lstat()  # raises for a name that no file can have
    except OSError as error:
        fact = f"cannot be written: {os_fact(error)}"
        raise FileError(str(path), fact, f"Name a file elsewhere: FILE{suffix}") from None
    if path.exists() and not os.access(path, os.W_OK):
        raise FileError(str(path), "is write-protected", f"Name another file: FILE{suffix}")
    if not _may_go(path, MARKS[suffix]):
        fact = f"is there, and is no {suffix} file that pimsim has written"
        raise FileError(str(path), fact, f"Move it away, or name another file: FILE{suffix}")
    return path


def _may_go(path: Path, marks: tuple[bytes, ...]) -> bool:
    """Whether nothing is lost that somebody else has made."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return any(content.find(mark) >= 0 for mark in marks)
    except (FileNotFoundError, ValueError):  # ValueError: it is empty
        return True
    except OSError:
        return False


def replace_file(path: Path, content: bytes | memoryview) -> None:
    """Put the content in the place of a file: written beside it, flushed to the disk, then renamed.

    Raises FileError where that fails; what was there is then unchanged.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
        scratch = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(handle)
            scratch.chmod(0o666 & ~_umask())
            scratch.replace(path)
        finally:
            scratch.unlink(missing_ok=True)
    except OSError as error:
        remedy = f"What was there is unchanged. Make room, or name a file elsewhere: FILE{path.suffix}"
        raise FileError(str(path), f"cannot be written: {os_fact(error)}", remedy) from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
