"""Files inside of downloaded packages, read without installing them."""

import io
import zipfile
from pathlib import Path

import numpy as np


class Wheels:
    """The packages in a folder."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def open(self, package):
        found = sorted(self.folder.glob(f"{package}-*.whl"))
        if not found:
            raise SystemExit(
                f"{self.folder} has no {package}-*.whl: see the head of benchmarks/packaged_models/__main__.py"
            )
        return zipfile.ZipFile(found[-1])

    def read(self, package, end):
        """The bytes of the file whose path ends so."""
        with self.open(package) as archive:
            return archive.read(next(name for name in archive.namelist() if name.endswith(end)))

    def pictures(self, kind):
        """The labelled pictures of foolbox, each uint8 [height, width, 3] and of its own size, and their labels."""
        from PIL import Image

        with self.open("foolbox") as archive:
            names = sorted(name for name in archive.namelist() if f"data/{kind}_" in name)
            pictures = [np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")) for name in names]
        return pictures, np.array([int(Path(name).stem.rsplit("_", 1)[1]) for name in names])
