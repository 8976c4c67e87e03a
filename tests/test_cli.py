"""The command line: what it prints, where it writes, and how it says no."""

import json
import os
import re
import subprocess
import sys
from typing import NamedTuple

import h5py
import pytest

from pimsim import read_result
from pimsim.catalog import cards, listing
from pimsim.cli import main

FAST = ("--set", "samples=12", "--set", "calibration.images=50")
COMMANDS = ("run", "train", "show", "list", "check", "compare", "validate")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and /dev/full")


class Done(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def pimsim(monkeypatch, capsys, tmp_path):
    """pimsim("run", …) as a shell calls it, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def call(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["pimsim", *map(str, arguments)])
        status = 0
        try:
            main()
        except SystemExit as stop:
            status = stop.code or 0
        return Done(status, *capsys.readouterr())

    return call


@pytest.fixture
def write(tmp_path):
    def write(name: str, content: str | bytes) -> None:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    return write


@pytest.fixture(scope="session")
def stored(tmp_path_factory):
    """A result file, for the tests that only read one."""
    from pimsim import load_experiment, simulate, write_result

    experiment = load_experiment("isaac-mlp", {"samples": 12, "calibration.images": 50})
    return write_result(simulate(experiment), tmp_path_factory.mktemp("stored") / "stored.h5")


def refused(done: Done, place: str, fact: str) -> None:
    """Status 2, nothing on stdout, "error: place: fact" on stderr, and no traceback."""
    assert done.status == 2
    assert done.out == ""
    assert "Traceback" not in done.err
    assert done.err.startswith("error: ")
    assert f"{place}: " in done.err
    assert fact in done.err
    assert all(len(line) < 500 for line in done.err.splitlines())


class TestRun:
    def test_it_prints_the_figures_and_writes_the_file(self, pimsim, tmp_path):
        done = pimsim("run", "isaac-mlp", *FAST)
        assert done.status == 0
        for word in ("accuracy, float", "accuracy, crossbar", "latency", "energy by layer", "fc1", "adc", "mm²", "%"):
            assert word in done.out
        assert done.err.splitlines()[-1] == "wrote results/isaac-mlp.h5"
        assert read_result(tmp_path / "results" / "isaac-mlp.h5").specification.experiment == "isaac-mlp"

    def test_json_is_one_object_that_the_file_repeats(self, pimsim, tmp_path):
        done = pimsim("run", "isaac-mlp", *FAST, "-o", "a.h5", "--json")
        summary = json.loads(done.out)
        assert summary["accuracy"]["samples"] == 12
        shown = json.loads(pimsim("show", "a.h5", "--json").out)
        assert {key: shown[key] for key in summary} == summary
        assert "Table I" in shown["sources"]["chip.core.adc"]

    def test_a_result_can_be_run_again_and_changed(self, pimsim, stored):
        again = json.loads(pimsim("run", stored, "-o", "b.h5", "--json").out)
        first = json.loads(pimsim("show", stored, "--json").out)
        assert {key: first[key] for key in again if key != "seconds"} == {
            key: value for key, value in again.items() if key != "seconds"
        }
        changed = json.loads(pimsim("run", stored, "--set", "chip.core.adc.power=1 mW", "-o", "c.h5", "--json").out)
        assert changed["power_W"] < again["power_W"]

    def test_a_failed_run_overwrites_nothing(self, pimsim, tmp_path, monkeypatch):
        """Whether it fails before, while or after it simulates."""
        target = tmp_path / "a.h5"
        target.write_text("half a pimsim-result")
        for changes in ("trials=0", "mapping.replicate={conv9: 2}", "samples=99999"):
            refused(pimsim("run", "isaac-mlp", "--set", changes, "-o", "a.h5"), "isaac-mlp", "")

        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fsync", full)
        refused(pimsim("run", "isaac-mlp", *FAST, "-o", "a.h5"), "a.h5", "no space left on device")
        assert target.read_text() == "half a pimsim-result"
        assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


class TestShow:
    def test_a_chip(self, pimsim):
        done = pimsim("show", "isaac-ce")
        for word in ("peak", "41.29 Top/s", "power by component", "area by component", "sources", "Table I"):
            assert word in done.out
        figures = json.loads(pimsim("show", "isaac-ce", "--json").out)
        assert {"peak", "power_W", "area_m2", "arrays_total", "power_by_component_W"} <= figures.keys()
        fewer = json.loads(pimsim("show", "isaac-ce", "--set", "core.adc.bits=7", "--json").out)
        assert fewer["power_W"] < figures["power_W"]

    def test_a_device(self, pimsim):
        done = pimsim("show", "reram-hfox")
        assert "9 µS" in done.out
        assert "Falcone" in done.out
        assert json.loads(pimsim("show", "reram-hfox", "--json").out)["g_min"] == "9e-06 S"

    def test_what_a_component_does_not_state(self, pimsim):
        assert re.search(r"process\.supply +not stated", pimsim("show", "adc-isaac-8b").out)

    def test_the_levels_of_a_device(self, pimsim):
        """A bar for each level, rising from the left end of the axis to its right end; a spread is a line around it."""
        lines = pimsim("show", "ideal").out.splitlines()
        bars = [line.index("█") for line in lines if "█" in line]
        assert len(bars) == 8
        assert (bars == sorted(bars), "─█" in "".join(lines)) == (True, False)
        assert "─█" in pimsim("show", "pcm-gst").out
        levels = json.loads(pimsim("show", "reram-hfox", "--json").out)["levels"]
        assert levels.keys() == {"target_S", "mean_S", "spread_S"}
        assert levels["spread_S"][-1] == pytest.approx(1.007e-6, rel=0.1)

    def test_a_result(self, pimsim, stored):
        done = pimsim("show", stored)
        assert "isaac-mlp: mlp on isaac-ce" in done.out
        assert "Shafiee" in done.out
        assert "changed in isaac-mlp" in done.out
        changes = json.loads(pimsim("show", stored, "--json").out)["changes"]
        assert changes == {"samples": "1000 → 12", "calibration.images": "None → 50"}

    def test_an_experiment_is_its_own_settings_and_what_it_changes(self, pimsim):
        """Not one of the chip's hundred values shows, unless it differs."""
        done = pimsim("show", "isaac-mlp")
        assert "chip " in done.out
        assert "chip." not in done.out
        assert "changed" not in done.out
        done = pimsim("show", "isaac-mlp", "--set", "chip.core.adc.bits=7", "--set", "trials=3")
        assert re.findall(r"(chip\.\S+)\s+(.*?)\s*$", done.out, re.MULTILINE) == [("chip.core.adc.bits", "8 → 7")]
        assert re.search(r"trials +3", done.out)
        data = json.loads(pimsim("show", "isaac-mlp", "--set", "chip.core.adc.bits=7", "--json").out)
        assert data["changes"] == {"chip.core.adc.bits": "8 → 7"}
        assert data["settings"]["chip"] == "isaac-ce"

    def test_its_own_chip_is_named_and_not_unfolded(self, pimsim, write):
        write("my-chip.yaml", "base: isaac-ce\nmesh_rows: 3")
        write("mine.yaml", "network: mlp\nchip: my-chip.yaml")
        write("inline.yaml", "network: mlp\nchip: {base: my-chip.yaml, core: {device: {base: ideal, g_max: 3 uS}}}")
        shown = json.loads(pimsim("show", "mine.yaml", "--json").out)
        assert (shown["settings"]["chip"], shown["changes"]) == ("my-chip.yaml", {})
        changes = json.loads(pimsim("show", "inline.yaml", "--json").out)["changes"]
        assert changes["chip.core.device.g_max"] == "0.0005 S → 3e-06 S"
        assert changes["chip.core.device.model"] == "Reram → Ideal"
        assert not any("mesh" in path for path in changes)

    @pytest.mark.parametrize(
        ("text", "word"),
        [
            ("base: isaac-ce", "conversions per MAC"),
            ("base: chip.yaml", "conversions per MAC"),
            ("base: isaac-cell", "500 µS"),
            ("base: cell.yaml", "500 µS"),
            ("base: isaac-mlp", "isaac-ce"),
            ("network: mlp\nchip: isaac-ce", "isaac-ce"),
            ("model: Ideal\ng_min: 1 uS\ng_max: 9 uS", "9 µS"),
        ],
    )
    def test_a_file_is_what_its_keys_or_its_base_say(self, pimsim, write, text, word):
        write("chip.yaml", "base: isaac-ce\nlink: {power: 3 W}")
        write("cell.yaml", "base: isaac-cell\nname: c")
        write("x.yaml", text)
        done = pimsim("show", "x.yaml")
        assert done.status == 0
        assert word in done.out

    def test_a_result_is_not_to_be_changed(self, pimsim, stored):
        refused(pimsim("show", stored, "--set", "trials=3"), "--set", "is a result")


class TestList:
    def test_everything_that_can_be_named(self, pimsim):
        out = pimsim("list").out
        for heading, names in listing().items():
            assert heading in out
            assert all(name in out for name in names)

    @pytest.mark.parametrize("heading", ["chips", "devices", "networks", "datasets", "experiments", "components"])
    def test_one_heading(self, pimsim, heading):
        done = pimsim("list", heading, "--json")
        assert json.loads(done.out) == {heading: listing()[heading]}
        assert listing()[heading]
        others = {name for other, names in listing().items() if other != heading for name in names}
        assert not others & set(pimsim("list", heading).out.split()) - {"ideal"}


class TestCheck:
    def test_what_ships_is_sound(self, pimsim):
        names = [name for kind in ("chip", "device", "experiment") for name in cards(kind)]
        done = pimsim("check", *names)
        assert done.status == 0
        assert done.out.splitlines() == [f"{name}: ok" for name in names]

    def test_every_problem_of_every_file(self, pimsim, write, stored):
        write("a.yaml", "network: mlp\nchip: isaac-ce\ntrials: 0")
        write("b.yaml", "model: Reram\ng_min: 3\ng_mx: 2 uS\nproportional_noise: .nan")
        write("c.yaml", "base: isaac-mlp\nsamples: 99999\ncalibration: {images: 50}\nmapping: {replicate: {conv1: 2}}")
        write("d.yaml", "base: isaac-ce")
        done = pimsim("check", "a.yaml", "b.yaml", "c.yaml", "d.yaml", "nosuch", stored)
        assert done.status == 2
        assert done.out.splitlines() == ["d.yaml: ok", f"{stored}: ok"]
        places = [line.split(": ")[1:-1] for line in done.err.splitlines() if line.startswith("error: ")]
        assert [place[:2] for place in places] == [
            ["a.yaml", "trials"],
            ["b.yaml", "g_min"],
            ["b.yaml", "g_max"],
            ["b.yaml", "proportional_noise"],
            ["b.yaml", "g_mx"],
            ["c.yaml", "samples"],
            ["c.yaml", "mapping.replicate.conv1"],
            ["nosuch"],
        ]

    def test_what_check_passes_runs(self, pimsim, write):
        write("mine.yaml", "base: isaac-mlp\nsamples: 12\ncalibration: {images: 50}\nmapping: {replicate: {fc1: 1}}")
        assert pimsim("check", "mine.yaml").status == 0
        assert pimsim("run", "mine.yaml").status == 0


class TestHelp:
    @pytest.mark.parametrize("command", ["", *COMMANDS])
    def test_it_shows_examples_that_fit_a_terminal(self, pimsim, command):
        done = pimsim(*[command] * bool(command), "--help")
        assert done.status == 0
        assert "Example" in done.out
        assert f"pimsim {command or 'run'} " in done.out.split("Example")[1]
        assert all(len(line.rstrip()) <= 80 for line in done.out.splitlines())

    def test_nothing_shows_the_help(self, pimsim):
        done = pimsim()
        assert done.status == 2
        assert all(f" {command} " in done.out + done.err for command in COMMANDS)

    @pytest.mark.parametrize("arguments", ["--help", "list", "list devices --json", "run --help", "list nosuch"])
    def test_it_does_not_wait_for_jax(self, arguments):
        code = (
            "import sys\nfrom pimsim.cli import main\ntry:\n    main()\nexcept SystemExit:\n    pass\n"
            "print(sorted({'jax', 'jaxlib', 'equinox', 'h5py'} & sys.modules.keys()), file=sys.stderr)"
        )
        done = subprocess.run([sys.executable, "-c", code, *arguments.split()], capture_output=True, text=True)
        assert done.stderr.splitlines()[-1] == "[]"


class TestProcess:
    """In a process of its own, as a shell sees it."""

    MAIN = "from pimsim.cli import main; main()"

    def start(
        self, *arguments: str, environment: dict[str, str] | None = None, **streams
    ) -> subprocess.CompletedProcess:
        command = [sys.executable, "-c", self.MAIN, *arguments]
        return subprocess.run(command, env=os.environ | (environment or {}), timeout=120, **streams)

    def test_status_and_streams(self):
        done = self.start("run", "isaac-lenet5", "--set", "chip.core.device.g_max=25", capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            'error: isaac-lenet5: chip.core.device.g_max: expected a conductance, got 25\n  Write the unit: "25 uS".\n'
        )

    def test_a_result_is_checked_where_nothing_else_checks_types(self, stored, tmp_path):
        """Under pytest every record is checked as it is built; here only by the reader."""
        edited = tmp_path / "edited.h5"
        edited.write_bytes(stored.read_bytes())
        with h5py.File(edited, "a") as file:
            del file["inference/crossbar_class"]
            file["inference/crossbar_class"] = [[1, 2, 3]]
        done = self.start("show", str(edited), capture_output=True, text=True)
        refused(Done(done.returncode, done.stdout, done.stderr), "edited.h5", "/inference/crossbar_class is not")

    @LINUX
    def test_a_full_disk_behind_standard_output(self):
        with open("/dev/full", "w") as full:
            done = self.start("list", stdout=full, stderr=subprocess.PIPE)
        assert (done.returncode, done.stderr) == (2, b"error: standard output: no space left on device\n")

    def test_a_reader_that_has_gone(self):
        reading, writing = os.pipe()
        os.close(reading)
        done = self.start("list", stdout=writing, stderr=subprocess.PIPE)
        os.close(writing)
        assert done.stderr == b""

    def test_no_standard_output_at_all(self):
        closed = ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-c", self.MAIN, "list"]
        done = subprocess.run(closed, stderr=subprocess.PIPE)
        assert (done.returncode, done.stderr) == (0, b"")

    @pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
    def test_a_terminal_without_the_characters(self, encoding):
        done = self.start("list", "networks", environment={"PYTHONIOENCODING": encoding}, capture_output=True)
        assert (done.returncode, done.stderr) == (0, b"")
        assert "28×28".encode(encoding, "replace") in done.stdout


class TestBadInput:
    """Whatever is typed: a place, a fact, status 2, and no traceback."""

    @pytest.mark.parametrize(
        ("change", "place", "fact"),
        [
            ("colour=3", "isaac-mlp: colour", "unknown key"),
            ("chip.core.adc.bit=3", "isaac-mlp: chip.core.adc.bit", "Did you mean bits"),
            ("chip.core.device.g_max=25 V", "isaac-mlp: chip.core.device.g_max", "V is not a unit of conductance"),
            ("chip.core.device.g_max=25", "isaac-mlp: chip.core.device.g_max", 'Write the unit: "25 uS"'),
            ("chip.core.device.g_max=.nan", "isaac-mlp: chip.core.device.g_max", "expected a conductance"),
            ("chip.core.device.g_max=-3 uS", "isaac-mlp: chip.core.device.g_max", "must not be negative"),
            ("chip.core.device.g_max=0 uS", "isaac-mlp: chip.core.device.g_max", "must exceed"),
            ("chip.core.rows=0", "isaac-mlp: chip.core.rows", "must be 1 to 65536, got 0"),
            ("chip.core.rows=-5", "isaac-mlp: chip.core.rows", "must be 1 to 65536, got -5"),
            ("chip.core.rows=1000000", "isaac-mlp: chip.core.rows", "must be 1 to 65536, got 1000000"),
            ("chip.core.rows=1.5", "isaac-mlp: chip.core.rows", "expected a whole number"),
            ("chip.core.adc.bits=0", "isaac-mlp: chip.core.adc.bits", "must be 1 to 16, got 0"),
            ("chip.core.adc.bits=99", "isaac-mlp: chip.core.adc.bits", "must be 1 to 16, got 99"),
            ("chip.core.adc.bits=.nan", "isaac-mlp: chip.core.adc.bits", "expected a whole number, got nan"),
            ("chip.core.weight_bits=17", "isaac-mlp: chip.core.weight_bits", "must be 1 to 16"),
            ("chip.core.cycle=0 ns", "isaac-mlp: chip.core.cycle", "must be more than 0"),
            ("chip.link.bandwidth=1e-300 bit/s", "isaac-mlp: chip.link.bandwidth", "beyond"),
            ("chip.core.device=reram-hfx", "isaac-mlp: chip.core.device: reram-hfx", "Did you mean reram-hfox"),
            ("chip=nosuch.yaml", "isaac-mlp: chip: nosuch.yaml", "no such file"),
            ("chip=…", "isaac-mlp: chip: …", "no chip has this name"),
            ("chip=3", "isaac-mlp: chip", "expected a mapping"),
            ("network=lenet", "isaac-mlp: network", "Did you mean lenet5"),
            ("trials=0", "isaac-mlp: trials", "must be 1 to 100000, got 0"),
            ("trials=1e99", "isaac-mlp: trials", "expected a whole number, got 1e99\n  Write it in digits alone."),
            ("trials=many", "isaac-mlp: trials", "expected a whole number, got 'many'\n"),
            ("trials=9" + "9" * 30, "isaac-mlp: trials", "must be 1 to 100000"),
            ("trials=0x" + "f" * 5000, "isaac-mlp: trials", "must be 1 to 100000"),
            ("seed=-1", "isaac-mlp: seed", "must be 0 to 4294967295"),
            ("samples=99999", "isaac-mlp: samples", "mnist has 2000 test images, got 99999"),
            ("calibration.images=99999", "isaac-mlp: calibration.images", "mnist has 8000 training images"),
            ("mapping.replicate={conv9: 2}", "isaac-mlp: mapping.replicate.conv9", "no layer"),
            ("mapping.replicate={fc1: 0}", "isaac-mlp: mapping.replicate.fc1", "must be 1 to 1, got 0"),
            ("name=../../x", "isaac-mlp: name", "usable as the name of a file"),
            ("=3", "--set", "expected PATH=VALUE"),
            ("a", "--set", "expected PATH=VALUE"),
            ("", "--set", "expected PATH=VALUE"),
            ("a={", "--set a", "line 1"),
            ("a=*x", "--set a", "an alias"),
            ("a=!!python/name:os.system", "--set a", "a tag"),
            ("a=" + "[" * 5000, "--set a", "nested more than"),
            ("a." * 500 + "b=3", "--set", "expected PATH=VALUE"),
        ],
        ids=lambda text: text[:40],
    )
    def test_a_bad_value(self, pimsim, tmp_path, change, place, fact):
        refused(pimsim("run", "isaac-mlp", *FAST[2:], "--set", change, "-o", "a.h5"), f"error: {place}", fact)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("name", "fact"),
        [
            ("nosuch", "no experiment has this name"),
            ("isaac-lenet", "Did you mean isaac-lenet5"),
            ("ISAAC-MLP", "Did you mean isaac-mlp"),
            ("isaac-ce", "There is a chip of this name. Say what it is to run: --network NAME"),
            ("", "no experiment has this name"),
            (".", "ends in .yaml"),
            ("../isaac-mlp", "ends in .yaml"),
            ("/etc/passwd", "ends in .yaml"),
            ("/dev/null", "ends in .yaml"),
            ("nosuch.yaml", "no such file"),
            ("../../etc/passwd.yaml", "no such file"),
            ("nosuch.h5", "no such file"),
            ("folder.h5", "is a folder"),
            ("folder.yaml", "no such file"),
            ("x" * 300 + ".yaml", "no such file"),
            ("x" * 300 + ".h5", "no such file"),
            ("x" * 300, "no experiment has this name"),
        ],
    )
    def test_a_bad_name(self, pimsim, tmp_path, name, fact):
        (tmp_path / "folder.h5").mkdir()
        (tmp_path / "folder.yaml").mkdir()
        refused(pimsim("run", name), "error", fact)
        shown = pimsim("show", name)
        if name != "isaac-ce":
            kinds = "no experiment or chip or device or component has"
            refused(shown, "error", fact.replace("no experiment has", kinds))

    def test_a_folder_named_as_a_data_set(self, pimsim, tmp_path):
        (tmp_path / "digits").mkdir()
        done = pimsim("run", "isaac-ce", "--network", "lenet5", "--dataset", "digits")
        refused(
            done,
            "lenet5 on isaac-ce: dataset",
            "no dataset is called 'digits'\n  To mean the file or folder, write ./digits",
        )

    @pytest.mark.parametrize(
        ("content", "fact"),
        [
            ("", "is empty"),
            ("- a\n- b", "expected a mapping, found a list"),
            (bytes(range(256)), "is not a text file"),
            ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", "line 2: an alias"),
            ("network: mlp\n\tchip: isaac-ce", "line 2"),
            ("network: mlp\nnetwork: mlp", "line 2: the key 'network' appears twice"),
            ("base: x.yaml", "refers to itself"),
            ("base: isaac-ml", "Did you mean isaac-mlp"),
            ("base: [isaac-mlp]", "expected the name of a card"),
            ("network: mlp", "chip: is missing"),
            ("model: [Reram]", "odel"),
            ("chip: isaac-ce\nnetwork: [mlp]", "network: expected text"),
            ("chip: isaac-ce\nnetwork: mlp\n0xf: 1", "15: unknown key"),
        ],
        ids=str,
    )  # fmt: skip
    @pytest.mark.parametrize("command", ["run", "show", "check"])
    def test_a_bad_file(self, pimsim, write, command, content, fact):
        write("x.yaml", content)
        refused(pimsim(command, "x.yaml"), "error: x.yaml", fact)

    @pytest.mark.parametrize(
        ("target", "fact"),
        [
            ("/", "is a folder"),
            ("", "is a folder"),
            (".", "is a folder"),
            ("folder.h5", "is a folder"),
            ("nosuch/a.h5", "there is no folder nosuch"),
            ("file/a.h5", "file is a file, not a folder"),
            ("file/b/a.h5", "file is a file, not a folder"),
            ("mine.yaml", "does not end in .h5"),
            ("a", "does not end in .h5"),
            pytest.param("/proc/a.h5", "cannot be written", marks=LINUX),
            ("x" * 300 + ".h5", "file name too long"),
        ],
    )
    def test_a_bad_target_before_anything_runs(self, pimsim, tmp_path, monkeypatch, target, fact):
        (tmp_path / "folder.h5").mkdir()
        (tmp_path / "file").write_text("x")
        monkeypatch.setattr("pimsim.simulation.simulate", lambda *_: pytest.fail("it ran"))
        refused(pimsim("run", "isaac-mlp", "-o", target), "error", fact)

    def test_a_file_where_results_should_go(self, pimsim, write):
        write("results", "x")
        refused(pimsim("run", "isaac-mlp", *FAST), "error: results", "file exists")

    @pytest.mark.parametrize("command", ["run", "show", "check"])
    def test_a_bad_result(self, pimsim, write, stored, tmp_path, command):
        whole = stored.read_bytes()
        write("cut.h5", whole[: len(whole) // 2])
        refused(pimsim(command, "cut.h5"), "error: cut.h5", "is not a whole HDF5 result")
        write("text.h5", "hello")
        refused(
            pimsim(command, "text.h5"), "error: text.h5", "is not a whole HDF5 result: it is cut short or damaged\n"
        )
        with h5py.File(tmp_path / "foreign.h5", "w") as file:
            file["x"] = 1
        refused(pimsim(command, "foreign.h5"), "error: foreign.h5", "not a pimsim result")
        write("newer.h5", whole)
        with h5py.File(tmp_path / "newer.h5", "a") as file:
            file.attrs["format_version"] = 99
        refused(pimsim(command, "newer.h5"), "error: newer.h5", "has format version 99")
        write("edited.h5", whole)
        with h5py.File(tmp_path / "edited.h5", "a") as file:
            file["specification/yaml"][()] = "chip: isaac-ce\nname: x\nnetwork: mlp\nsamples: none"
        if command != "show":
            refused(pimsim(command, "edited.h5"), "error: edited.h5: samples", "expected a whole number")

    def test_a_result_that_may_not_be_read(self, pimsim, stored, monkeypatch):
        def denied(*_):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("pathlib.Path.open", denied)
        refused(pimsim("show", stored), f"error: {stored}", "stored.h5: permission denied\n")

    @pytest.mark.parametrize(
        ("arguments", "place", "fact"),
        [
            (("run", "isaac-mlp", "--network", ""), "--network", "names nothing"),
            (("run", "isaac-mlp", "--dataset", ""), "--dataset", "names nothing"),
            (("train", "isaac-mlp", "--weights", " "), "--weights", "names nothing"),
            (("compare", "isaac-ce", "--network", ""), "--network", "names nothing"),
            (("run", "isaac-ce", "--network", "mlp", "--weights", "a.npz"), "--weights", "only costs are computed"),
            (("validate", "isaac-ce", "--json", "--markdown"), "--json, --markdown", "Ask for one of them"),
        ],
    )  # fmt: skip
    def test_options_that_cannot_be_meant(self, pimsim, arguments, place, fact):
        refused(pimsim(*arguments), f"error: {place}", fact)

    @pytest.mark.parametrize(
        "arguments",
        ["run", "check", "show", "frobnicate", "run a b", "run isaac-mlp --frob", "run isaac-mlp --set", "list a b",
         "run isaac-mlp -o", "show --json", "--version-of-nothing"],
    )  # fmt: skip
    def test_a_bad_command(self, pimsim, arguments):
        done = pimsim(*arguments.split())
        assert done.status == 2
        assert "Traceback" not in done.err
        assert done.err

    def test_a_bad_heading(self, pimsim):
        refused(pimsim("list", "chip"), "error: list", "Did you mean chips?")
