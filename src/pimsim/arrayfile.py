"""Files of arrays: nothing in one is executed, and none unpacks to more than memory should hold.

Whatever goes wrong while a file is read is a FileError, which `reading` makes of it.
"""

import gzip
import os
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pimsim.errors import FileError, os_fact

MAX_BYTES = 2**31
"""Of the arrays in a file, which may be many times as large as the file."""
ZIPPED = b"PK\x03\x04"
DAMAGE = (ValueError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError)
"""What readers of damaged files, or of files made to do damage, raise."""


@contextmanager
def reading(path: Path, remedy: str) -> Iterator[None]:
    """Whatever the block meets in a file as FileError; the remedy is for a file that is another than was meant."""
    try:
        yield
    except gzip.BadGzipFile:
        raise FileError(str(path), "is damaged", "Fetch or write it again.") from None
    except OSError as error:
        raise FileError(str(path), os_fact(error), remedy) from None
    except DAMAGE as error:
        if "pickle" in str(error).lower() or "object" in str(error).lower():
            raise FileError(str(path), "holds Python objects, which are not read", "Save arrays of numbers.") from None
        raise FileError(str(path), "is cut short or damaged", "Fetch or write it again.") from None


def first_bytes(path: Path) -> bytes:
    """What tells one format from another."""
    with path.open("rb") as file:
        return file.read(4)


def read_npz(path: Path, remedy: str, wanted: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays of an .npz by name; those that nobody wants are left empty. Raises FileError."""
    if not os.path.isfile(path):
        raise FileError(str(path), "is a folder" if os.path.isdir(path) else "no such file", remedy)
    with reading(path, remedy):
        if first_bytes(path) != ZIPPED:
            raise FileError(str(path), "is no .npz file", remedy)
        with zipfile.ZipFile(path) as archive:
            require_size(path, sum(each.file_size for each in archive.infolist()))
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] if wanted is None or name in wanted else np.zeros(0) for name in file.files}


def require_size(path: Path, size: int) -> None:
    """Raise FileError for arrays of more bytes than are read."""
    if size > MAX_BYTES:
        fact = f"holds {size / 2**30:.0f} GiB, more than {MAX_BYTES // 2**30}"
        raise FileError(str(path), fact, "Take a part of it.")
