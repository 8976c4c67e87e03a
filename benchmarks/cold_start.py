"""How long the command line keeps a person waiting, each command from a cold start, and what memory it takes.

    python benchmarks/cold_start.py [--json] [--repeats 5]

Median of wall time and largest resident memory; the unit is a Python that starts and imports NumPy.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMANDS = {
    "help": (("--help",), 0.5),
    "list": (("list",), 0.5),
    "check": (("check", "experiment.yaml"), 3.0),
    "show": (("show", "isaac-ce"), 3.0),
    "run": (("run", "isaac-lenet5"), 30.0),
}
"""Arguments of `pimsim`, and the seconds they should stay below."""


def waited(command, folder):
    """Wall seconds and peak resident bytes of one process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{command} failed")
    return time.perf_counter() - start, usage.ru_maxrss * 1024


def measure(repeats):
    """For each command: seconds, bytes, the aim, and the ratio to a Python that imports NumPy."""
    pimsim = shutil.which("pimsim", path=str(Path(sys.executable).parent)) or "pimsim"
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "experiment.yaml").write_text("base: isaac-lenet5\n")
        bare = statistics.median(waited([sys.executable, "-c", "import numpy"], folder)[0] for _ in range(repeats))
        for name, (arguments, aim) in COMMANDS.items():
            runs = [waited([pimsim, *arguments], folder) for _ in range(repeats)]
            wall, memory = (statistics.median(values) for values in zip(*runs, strict=True))
            found[name] = {"seconds": wall, "bytes": memory, "aim_seconds": aim, "ratio": wall / bare}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--repeats", type=int, default=5)
    choice = parser.parse_args()
    found = measure(choice.repeats)
    if choice.json:
        print(json.dumps(found, indent=2))
        return
    for name, row in found.items():
        print(
            f"pimsim {name:6s} {row['seconds']:6.2f} s (aim: {row['aim_seconds']:g} s)"
            f"  {row['ratio']:5.1f} × `import numpy`  {row['bytes'] / 1e9:5.2f} GB"
        )


if __name__ == "__main__":
    main()
