"""The example scripts run, in a reduced form, and print what their figures claim."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np

EXAMPLES = Path(__file__).parents[1] / "examples"
MNIST = Path(__file__).parents[1] / "src/pimsim/network/data/mnist10k.npz"


def rows(script, *arguments):
    """The numbers of each row of the table a script prints."""
    table = [line for line in output(script, *arguments).splitlines() if line.startswith("|")][2:]
    return [[float(number) for number in re.findall(r"\d+\.?\d*(?= ?%)", row)] for row in table]


def output(script, *arguments):
    """What a script prints."""
    command = (sys.executable, EXAMPLES / script, *arguments)
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_programming_noise(tmp_path):
    """No error costs no accuracy; an error of a fifth of the range leaves little of it; the figure is drawn."""
    figure = tmp_path / "noise.png"
    clean, ruined = rows(
        "programming_noise.py", "--samples", "20", "--trials", "2", "--percent", "0", "20", "--figure", str(figure)
    )
    assert clean[1] >= 95
    assert ruined[1] <= 50
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_own_core():
    """Lossless schemes are exact to the last digit; every other choice costs something."""
    errors = [row[-1] for row in rows("own_core.py")]
    assert [error for error in errors if error == 0] == [0.0] * 4
    assert len(errors) == 11


def test_golden_vector():
    """Our own recordings are reproduced to the last digits of a double, though their converters are coarse."""
    table = [row for row in output("golden_vector.py").splitlines() if row.startswith("| own")]
    off = [(float(row.split("|")[4]), float(row.split("|")[5].strip(" %"))) for row in table]
    assert len(off) == 4
    assert all(recorded < 1e-12 and rounding > 1 for recorded, rounding in off)


def test_own_data(tmp_path):
    """Cells are programmed as the fit says; the figure is drawn."""
    figure = tmp_path / "own.png"
    table = [line for line in output("own_data.py", "--figure", str(figure)).splitlines() if line.startswith("|")][2:]
    assert len(table) == 9
    for row in table:
        _, mean, sigma, found, spread = map(float, re.findall(r"\d+\.\d+", row))
        assert abs(found - mean) < 4 * sigma / 100 + 0.01
        assert abs(spread - sigma) < 4 * sigma / 141 + 0.01
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_pcm_drift(tmp_path):
    """A chip just programmed is as good either way; after a year compensation has kept what drift took from the other.

    On MNIST's digits, made as small as those that the example is for.
    """
    from pimsim.network.datasets import load_dataset

    mnist, arrays = load_dataset("mnist"), {}
    for part, images, labels in (
        ("tr", mnist.train_images[:1000], mnist.train_labels[:1000]),
        ("te", mnist.test_images[:100], mnist.test_labels[:100]),
    ):
        small = images[:, 2:26, 2:26, 0].reshape(-1, 1, 8, 3, 8, 3).mean(axis=(3, 5))
        arrays |= {f"X{part}": np.rint(16 * small).astype(np.uint8), f"y{part}": labels}
    data, figure = tmp_path / "digits.npz", tmp_path / "drift.png"
    np.savez(data, **arrays)
    reduced = ("--trials", "3", "--epochs", "20", "0", "--converters", "ideal", "--times", "programmed", "1 year")
    fresh, old = rows("pcm_drift.py", "--data", str(data), *reduced, "--figure", str(figure))
    assert fresh[0] == fresh[2] >= 75
    assert old[0] < old[2] - 5
    assert old[2] >= fresh[2] - 15
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_stuck_cells(tmp_path):
    """Of the accuracy that 3 % of stuck cells cost, healthy partners bring most back, and at no cost to a read."""
    figure = tmp_path / "stuck.png"
    reduced = ("--samples", "100", "--trials", "2", "--percent", "3", "--repairs", "none", "retarget")
    printed = output("stuck_cells.py", *reduced, "--figure", str(figure)).splitlines()
    _, none, _, repaired, _ = (float(number) for number in re.findall(r"\d+\.?\d*(?= ?%)", printed[2]))
    assert none + 2 < repaired
    assert repaired >= 95
    assert printed[-2].split("|")[2:] == printed[-1].split("|")[2:]
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_ir_drop(tmp_path):
    """Losses grow with the array and with the resistance, in proportion while they are small."""
    figure = tmp_path / "drop.png"
    reduced = ("--sizes", "4", "8", "--ohm", "1", "2", "--figure", str(figure))
    (small, _), (small_twice, _), (large, last), (large_twice, _) = rows("ir_drop.py", *reduced)
    assert abs(small_twice / small - 2) < 0.2
    assert abs(large_twice / large - 2) < 0.2
    assert large > 3 * small
    assert last > large
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_data_energy(tmp_path):
    """From mean voltages too much, from their squares too little, by the factors that others found for each layer."""
    figure = tmp_path / "energy.png"
    linear, squared, second = zip(*rows("data_energy.py", "--vectors", "300", "--figure", str(figure)), strict=True)
    assert len(linear) == 21
    assert 145 < min(linear) < 155
    assert 250 < max(linear) < 265
    assert 205 < sum(linear) / 21 < 220
    assert 10 < min(squared) < 12
    assert 70 < max(squared) < 75
    assert all(abs(each - 100) < 1 for each in second)
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_timeline(tmp_path):
    """Overlap shortens the latency, and a pipeline the interval; the figure is drawn."""
    figure = tmp_path / "timeline.png"
    lines = output("timeline.py", "--network", "lenet5", "--figure", str(figure)).splitlines()[1:]
    layers, batch, sequence = ([float(number.replace(",", "")) for number in line.split()[1:3]] for line in lines)
    assert layers[0] <= batch[0] == sequence[0] == sequence[1]
    assert layers[1] == batch[1] < sequence[1]
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_decoder_replay():
    """3D-CiM's decoder, with and without keys and values kept: of all our steps one hop of 10 ns is not in theirs, and
    energies differ by norms of tokens that nobody reads."""
    for arguments, theirs in (((), 45_739), (("--cached",), 23_739)):
        time, energy = (line.split() for line in output("decoder_replay.py", *arguments).splitlines()[1:3])
        assert int(time[2].replace(",", "")) == theirs + 10
        assert abs(float(energy[-1].rstrip("%"))) < 0.25


def test_digit_rows():
    """One pass over the data is enough to be far from chance; exact cells get what integers get."""
    table = rows("digit_rows.py", "--epochs", "1", "--samples", "60", "--percent", "0", "--trials", "1")
    assert len(table) == 2
    for floating, integers, crossbar, spread in table:
        assert floating > 30
        assert (crossbar, spread) == (integers, 0)


def test_noise_aware_training(tmp_path):
    """Short of time and of images, training still brings back some of what known faults cost; the figure is drawn."""
    figure, few = tmp_path / "training.png", tmp_path / "few.npz"
    with np.load(MNIST) as data:
        chosen = np.random.default_rng(0).permutation(len(data["x"]))[:500]
        x, y = data["x"][chosen], data["y"][chosen]
    np.savez(few, x_train=x[:400], y_train=y[:400], x_test=x[400:], y_test=y[400:])
    reduced = ("--experiment", "isaac-mlp", "--cases", "stuck", "--trials", "1", "--samples", "100", "--epochs", "8")
    printed = output(
        "noise_aware_training.py", *reduced, "--batch", "20", "--dataset", str(few), "--figure", str(figure)
    )
    _, before, after, regained = (float(n) for n in re.findall(r"\d+\.?\d*(?= ?%)", printed.splitlines()[-1]))
    assert before + 10 < after
    assert regained > 0
    assert figure.read_bytes().startswith(b"\x89PNG")
