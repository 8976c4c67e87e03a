"""Cards as files: references, bases and overrides, and every file that should never have been one."""

import time
from pathlib import Path

import pytest

from pimsim.cardfile import MAX_CARD_BYTES, MAX_DEPTH, parse_yaml, read_yaml
from pimsim.catalog import apply_overrides, cards, listing, load_card, parse_override, reference, registered
from pimsim.errors import CardNotFound, FileError, PimsimError, SpecError
from pimsim.experiment import load_chip, load_device, load_experiment, parse_experiment


@pytest.fixture
def write(tmp_path, monkeypatch):
    """write("name.yaml", text) in the current folder, which is a fresh one."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return name

    return write


def bomb(levels: int = 9, width: int = 9) -> str:
    """Levels of lists that each name the one before `width` times: a billion entries in a few hundred bytes."""
    lines = ["a0: &a0 [" + ", ".join(["lol"] * width) + "]"]
    lines += [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * width) + "]" for n in range(1, levels)]
    return "\n".join(lines)


HARMFUL = {
    "alias bomb": (bomb(), "alias"),
    "one alias": ("a: &x 1\nb: *x", "line 2: an alias"),
    "merge by alias": ("a: &x {b: 1}\nc:\n  <<: *x", "line 3: an alias"),
    "python tag": ("a: !!python/object/apply:os.system ['true']", "a tag"),
    "standard tag": ('a: !!float "2"', "a tag"),
    "set tag": ("a: !!set {b, c}", "a tag"),
    "local tag": ("a: !include x.yaml", "a tag"),
    "bare tag": ("a: ! x", "a tag"),
    "duplicate key": ("a: 1\nb: 2\na: 3", "line 3: the key 'a' appears twice"),
    "nested duplicate": ("a:\n  b: 1\n  b: 2", "line 3: the key 'b' appears twice"),
    "empty": ("", "is empty"),
    "only comments": ("# nothing\n---\n", "is empty"),
    "null": ("null", "is empty"),
    "list": ("- a\n- b\n", "expected a mapping, found a list"),
    "text": ("hello", "expected a mapping, found a str"),
    "number": ("42", "expected a mapping, found a int"),
    "two documents": ("a: 1\n---\nb: 2", "another document"),
    "tab": ("chip:\n\tname: x", "line 2: found character"),
    "unclosed": ("a: [1, 2", "line 1"),
    "unclosed quote": ('a: "b', "line 1"),
    "colon in text": ("a: b: c", "mapping values are not allowed here"),
    "unhashable key": ("? [1, 2]\n: 3", "unhashable key"),
    "bad merge": ("a: 1\n<<: 3", "line 2"),
    "equals sign": ("a: =", "line 1"),
    "impossible date": ("a: 2001-99-99", "is not YAML"),
    "endless number": ("a: " + "9" * 6000, "is not YAML"),
    "binary": (bytes(range(256)) * 4, "is not a text file"),
    "null bytes": (b"a: \x00\x00", "is not YAML"),
    "escape codes": (b"a: \x1b[2J", "is not YAML"),
    "latin-1": ("a: 3 µS".encode("latin-1"), "is not a text file"),
    "utf-16": ("a: 3".encode("utf-16"), "is not a text file"),
    "image": (b"\x89PNG\r\n\x1a\n" + bytes(100), "is not a text file"),
    "too large": ("a: 1\n" + "#" * 1_000_001, "is larger than"),
    "a little too large": ("a: 1\n" + "#" * MAX_CARD_BYTES, "is larger than"),
    "open brackets": ("[" * 10_000, "nested more than"),
    "open braces": ("{a: " * 10_000, "nested more than"),
    "indented": ("".join(" " * n + "a:\n" for n in range(300)), "nested more than"),
    "many values": ("a: [" + "1," * 45_000 + "]", "more than 10000 values"),
    "many keys": ("\n".join(f"k{n}: 1" for n in range(9_000)), "more than 10000 values"),
}


@pytest.mark.parametrize("name", HARMFUL)
def test_a_file_that_is_no_card_is_refused_at_once_in_its_name(write, name):
    """A PimsimError with the file as place and a remedy, within a second of processor time."""
    content, fact = HARMFUL[name]
    file = write("card.yaml", content)
    start = time.process_time()
    for load in (lambda: read_yaml(Path(file)), lambda: load_chip(file), lambda: load_experiment(file)):
        with pytest.raises(PimsimError, match=r"^card\.yaml: ") as caught:
            load()
        assert fact in caught.value.fact
        assert caught.value.remedy
        assert len(str(caught.value)) < 300
    assert time.process_time() - start < 3


@pytest.mark.parametrize("name", [name for name, (_, fact) in HARMFUL.items() if "alias" in fact or "nested" in fact])
def test_an_override_is_held_to_the_same(name):
    with pytest.raises(SpecError, match=r"^--set a: line \d+: ") as caught:
        parse_override(f"a=\n{HARMFUL[name][0]}")
    assert HARMFUL[name][1].split(": ")[-1] in caught.value.fact


def test_the_deepest_card_that_is_read():
    deepest = "a: " + "[" * (MAX_DEPTH - 2) + "1" + "]" * (MAX_DEPTH - 2)
    assert parse_yaml(deepest, "x")
    with pytest.raises(SpecError, match="nested more than"):
        parse_yaml(deepest.replace("1", "[1]"), "x")


def test_folders_pipes_and_missing_files_are_no_cards(write, tmp_path):
    (tmp_path / "folder.yaml").mkdir()
    for name in ("folder.yaml", "nosuch.yaml", "x" * 300 + ".yaml", "nosuch/a.yaml", "/dev/null/a.yaml", "a\0.yaml"):
        with pytest.raises(FileError) as caught:
            load_chip(name)
        assert caught.value.remedy


class TestNames:
    @pytest.mark.parametrize("kind", ["chip", "device", "experiment"])
    def test_a_name_that_no_card_has_is_met_with_the_nearest(self, kind):
        known = next(iter(cards(kind)))
        with pytest.raises(CardNotFound) as caught:
            load_card(known[:-1], kind)
        assert caught.value.place == known[:-1]
        assert known in caught.value.remedy

    def test_a_name_of_another_kind_is_recognised(self):
        with pytest.raises(CardNotFound, match="There is a chip of this name"):
            load_experiment("isaac-ce")

    @pytest.mark.parametrize("name", ["", ".", "..", "../configs/isaac-ce", "/etc/passwd", "isaac-ce/", "a" * 10_000])
    def test_a_name_is_no_path(self, name):
        with pytest.raises(CardNotFound) as caught:
            load_chip(name)
        assert len(str(caught.value)) < 300

    def test_no_two_cards_share_a_name(self):
        """`pimsim show NAME` would have to guess."""
        names = [name for kind in ("chip", "device", "experiment") for name in cards(kind)]
        assert len(names) == len(set(names))

    def test_networks_and_datasets_are_what_can_be_loaded(self):
        from pimsim.network.datasets import DATASETS
        from pimsim.network.zoo import ZOO

        assert registered("networks").keys() == ZOO.keys()
        assert registered("datasets").keys() == DATASETS.keys()
        assert all(line for entries in listing().values() for line in entries.values())


class TestReferences:
    def test_a_file_is_looked_up_beside_the_card_that_names_it(self, write):
        write("lab/cells/cell.yaml", "base: isaac-cell\nprogramming_noise: 2 uS")
        write("lab/chip.yaml", "base: isaac-ce\ncore: {device: cells/cell.yaml}")
        write("lab/runs/run.yaml", "chip: ../chip.yaml\nnetwork: mlp")
        experiment = load_experiment("lab/runs/run.yaml")
        assert experiment.chip.core.device.programming_noise == 2e-6
        assert (experiment.name, experiment.chip.name, experiment.chip.core.device.name) == ("run", "chip", "cell")

    def test_an_override_is_looked_up_in_the_current_folder(self, write):
        """Also where the card it changes lies elsewhere, as those of the package do."""
        write("chip.yaml", "base: isaac-ce\nmesh_rows: 3")
        assert load_experiment("isaac-mlp", {"chip": "chip.yaml"}).chip.mesh_rows == 3

    def test_a_base_gives_what_the_card_leaves_out(self, write, isaac):
        write("chip.yaml", "base: isaac-ce\nmesh_rows: 3\ncore: {adc: {bits: 7}}")
        chip = load_chip("chip.yaml")
        assert (chip.mesh_rows, chip.mesh_cols, chip.core.adc.bits) == (3, isaac.mesh_cols, 7)
        assert chip.core.adc.power == isaac.core.adc.power
        assert chip.source == isaac.source
        assert chip.name == "chip"
        assert chip.description == ""  # that of its base would be wrong

    def test_bases_of_bases(self, write):
        write("a.yaml", "base: isaac-mlp\nsamples: 10\ntrials: 2")
        write("b.yaml", "base: a.yaml\ntrials: 3\nname: mine")
        experiment = load_experiment("b.yaml")
        assert (experiment.samples, experiment.trials, experiment.name) == (10, 3, "mine")

    def test_another_model_replaces_where_the_same_one_merges(self, write):
        other = "{model: LognormalReram, g_min: 1 uS, g_max: 9 uS, sigma: 0.2}"
        write("a.yaml", f"base: isaac-ce\ncore: {{device: {other}}}")
        assert load_chip("a.yaml").core.device.sigma == 0.2
        write("b.yaml", "base: isaac-ce\ncore: {device: {model: Reram, programming_noise: 3 uS}}")
        device = load_chip("b.yaml").core.device
        assert (device.programming_noise, device.g_max) == (3e-6, 500e-6)

    def test_a_base_at_any_place_that_takes_a_card(self, write):
        write("run.yaml", "network: mlp\nchip:\n  base: isaac-ce\n  core: {device: {base: ideal, g_max: 3 uS}}")
        device = load_experiment("run.yaml").chip.core.device
        assert (type(device).__name__, device.g_max, device.g_min) == ("Ideal", 3e-6, 0.5e-6)

    @pytest.mark.parametrize(
        "files",
        [
            {"a.yaml": "base: a.yaml"},
            {"a.yaml": "base: ../here/a.yaml"},
            {"a.yaml": "base: b.yaml", "b.yaml": "base: ./a.yaml"},
            {"a.yaml": "network: mlp\nchip: b.yaml", "b.yaml": "base: isaac-ce\ncore: {device: c.yaml}",
             "c.yaml": "base: isaac-cell\ndevice: c.yaml"},
        ],
        ids=["itself", "in disguise", "in two steps", "deep inside"],
    )  # fmt: skip
    def test_a_circle_is_found(self, write, monkeypatch, tmp_path, files):
        for name, text in files.items():
            write(f"here/{name}", text)
        monkeypatch.chdir(tmp_path / "here")
        with pytest.raises(SpecError, match=r"^a\.yaml: .*refers to itself"):
            load_card("a.yaml", "experiment")

    def test_a_trail_of_references_ends(self, write):
        for n in range(30):
            write(f"c{n}.yaml", f"base: c{n + 1}.yaml")
        with pytest.raises(SpecError, match="more than 20 references"):
            load_chip("c0.yaml")

    def test_an_error_names_every_step_to_it(self, write):
        write("run.yaml", "network: mlp\nchip: chip.yaml")
        write("chip.yaml", "base: isaac-ce\ncore: {device: isac-cell}")
        with pytest.raises(CardNotFound) as caught:
            load_experiment("run.yaml")
        assert caught.value.place == "run.yaml: chip: chip.yaml: core.device: isac-cell"
        assert caught.value.remedy.startswith("Did you mean isaac-cell")

    @pytest.mark.parametrize(
        ("text", "place"),
        [("base: [1]", "base"), ("base: isaac-ce\ncore: {base: x}", "core.base"), ("base: 3", "base"),
         ("base: nosuch", "base: nosuch"), ("base: nosuch.yaml", "base: nosuch.yaml")],
    )  # fmt: skip
    def test_a_bad_base_has_its_place(self, write, text, place):
        write("chip.yaml", text)
        with pytest.raises(PimsimError) as caught:
            load_chip("chip.yaml")
        assert caught.value.place == f"chip.yaml: {place}"

    def test_reference_says_what_a_card_builds_on(self, write):
        write("x/a.yaml", "network: mlp\nchip: c.yaml")
        write("x/b.yaml", "base: a.yaml")
        write("x/d.yaml", "network: mlp\nchip: {base: isaac-ce}")
        assert reference("isaac-mlp", "experiment", "chip") == "isaac-ce"
        assert reference("x/d.yaml", "experiment", "chip") == "isaac-ce"
        assert reference("x/b.yaml", "experiment", "chip") == "x/c.yaml"


class TestOverrides:
    @pytest.mark.parametrize(
        ("text", "parsed"),
        [
            ("trials=8", ("trials", 8)),
            ("a.b=2 uS", ("a.b", "2 uS")),
            (" a . b = 3", ("a.b", 3)),
            ("a=b=c", ("a", "b=c")),
            ("a={fc1: 2}", ("a", {"fc1": 2})),
            ("a=true", ("a", True)),
            ("a=", ("a", None)),
            ("a=1e-3", ("a", "1e-3")),
        ],
    )
    def test_path_and_value(self, text, parsed):
        assert parse_override(text) == parsed

    @pytest.mark.parametrize("text", ["", "=", "=3", "a", "..=3", "a..b=3", ".a=3", "a.=3", "a." * 30 + "b=3", " =3"])
    def test_what_is_no_override(self, text):
        with pytest.raises(SpecError, match="expected PATH=VALUE") as caught:
            parse_override(text)
        assert caught.value.place == "--set"
        assert caught.value.remedy

    def test_they_reach_any_depth_and_leave_the_card_alone(self):
        card = load_card("isaac-ce", "chip")
        changed = apply_overrides(card, {"core.adc.bits": 7, "core.device.programming_noise": "2 uS"})
        assert (changed["core"]["adc"]["bits"], card["core"]["adc"]["bits"]) == (7, 8)
        assert changed["tile"] == card["tile"]
        assert load_chip("isaac-ce", {"core.device.programming_noise": "2 uS"}).core.device.programming_noise == 2e-6

    def test_a_card_that_an_override_names_can_be_overridden_in_turn(self):
        chip = load_chip("isaac-ce", {"core.device": "reram-lognormal", "core.device.sigma": 0.3})
        assert chip.core.device.sigma == 0.3
        assert load_device("reram-stuck", {"device": "ideal", "device.g_max": "9 uS"}).g_max == 9e-6

    @pytest.mark.parametrize(
        ("overrides", "place"),
        [
            ({"trials": 0}, "isaac-mlp: trials"),
            ({"trials": 10**20}, "isaac-mlp: trials"),
            ({"samples": -1}, "isaac-mlp: samples"),
            ({"seed": -1}, "isaac-mlp: seed"),
            ({"name": "../x"}, "isaac-mlp: name"),
            ({"name": ""}, "isaac-mlp: name"),
            ({"name": ".."}, "isaac-mlp: name"),
            ({"name": "x" * 61}, "isaac-mlp: name"),
            ({"name": "a\nb"}, "isaac-mlp: name"),
            ({"network": "lenet"}, "isaac-mlp: network"),
            ({"dataset": "cifar"}, "isaac-mlp: dataset"),
            ({"calibration.percentile": 0}, "isaac-mlp: calibration.percentile"),
            ({"calibration.percentile": 100.1}, "isaac-mlp: calibration.percentile"),
            ({"calibration.images": 0}, "isaac-mlp: calibration.images"),
            ({"mapping.replicate": "all"}, "isaac-mlp: mapping.replicate"),
            ({"mapping.replicate": {"fc1": "two"}}, "isaac-mlp: mapping.replicate.fc1"),
            ({"charging.constant_power": "never"}, "isaac-mlp: charging.constant_power"),
            ({"chip.core.adc.bits": 0}, "isaac-mlp: chip.core.adc.bits"),
            ({"chip.core.adc.bits": 17}, "isaac-mlp: chip.core.adc.bits"),
            ({"chip.core.rows": 0}, "isaac-mlp: chip.core.rows"),
            ({"chip.core.rows": -128}, "isaac-mlp: chip.core.rows"),
            ({"chip.core.cycle": "0 ns"}, "isaac-mlp: chip.core.cycle"),
            ({"chip.core.device.g_max": 25}, "isaac-mlp: chip.core.device.g_max"),
            ({"chip.core.device": "nosuch"}, "isaac-mlp: chip.core.device: nosuch"),
            ({"chip.core.adc.bits.x": 3}, "isaac-mlp: chip.core.adc.bits.x"),
            ({"chip.core.base": "isaac-ce"}, "isaac-mlp: chip.core.base"),
            ({"chip": "…"}, "isaac-mlp: chip: …"),
            ({"a.b.c": 3}, "isaac-mlp: a"),
        ],
        ids=str,
    )
    def test_a_bad_one_has_its_place(self, overrides, place):
        with pytest.raises(PimsimError) as caught:
            load_experiment("isaac-mlp", overrides)
        assert caught.value.place == place

    def test_a_stored_experiment_takes_them_too(self):
        text = "name: a\nnetwork: mlp\nchip: isaac-ce"
        assert parse_experiment(text, "a.h5", {"trials": 3}).trials == 3
        with pytest.raises(SpecError, match=r"^a\.h5: trials: must be"):
            parse_experiment(text, "a.h5", {"trials": 0})
        with pytest.raises(SpecError, match=r"^a\.h5: line 2: "):
            parse_experiment("a: 1\n\tb: 2", "a.h5")
