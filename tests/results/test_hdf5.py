"""Result files: what is written is what is read, by anyone; what is damaged is refused; what was there is safe."""

import dataclasses
import errno
import os
import resource
import sys

import h5py
import numpy as np
import pytest
import xarray

from pimsim import read_result, simulate, write_result
from pimsim.errors import FileError
from pimsim.experiment import parse_experiment
from pimsim.results import check_target, hdf5, result_summary

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
OF_THE_RUN = ("provenance", "stages")
"""What differs between two runs of the same experiment."""


def leaves(record, path=""):
    """(path, value) of every field, records within records flattened."""
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if dataclasses.is_dataclass(value):
            yield from leaves(value, f"{path}{field.name}.")
        else:
            yield f"{path}{field.name}", value


def same(one, other) -> bool:
    """Equal, of one type; what nobody states, NaN, is equal to itself."""
    if not isinstance(one, np.ndarray):
        return type(one) is type(other) and (one == other or (one != one and other != other))
    return one.dtype.kind == other.dtype.kind and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


def datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    found = {}
    file.visititems(lambda name, item: found.update({name: item}) if isinstance(item, h5py.Dataset) else None)
    return found


def refused(path, fact: str) -> FileError:
    with pytest.raises(FileError, match=fact) as caught:
        read_result(path)
    assert caught.value.place == str(path)
    assert caught.value.remedy
    assert len(str(caught.value)) < 600
    return caught.value


class TestRoundTrip:
    def test_every_field_comes_back_equal(self, result, file):
        written, read = dict(leaves(result)), dict(leaves(read_result(file)))
        assert written.keys() == read.keys()
        assert len(written) > 40
        assert [path for path in written if not same(written[path], read[path])] == []

    def test_so_do_the_figures(self, result, file):
        assert result_summary(read_result(file)) == result_summary(result)

    def test_and_so_does_a_second_generation(self, result, file, tmp_path):
        again = write_result(read_result(file), tmp_path / "b.h5")
        with h5py.File(file) as one, h5py.File(again) as other:
            ours, theirs = datasets(one), datasets(other)
            assert ours.keys() == theirs.keys()
            for name in ours:
                assert ours[name].dtype == theirs[name].dtype
                assert same(np.asarray(ours[name]), np.asarray(theirs[name]))

    def test_the_stored_experiment_repeats_the_run(self, result, file):
        """Its text alone, in another place, gives every number again, to the last bit."""
        text = read_result(file).specification.yaml
        again = simulate(parse_experiment(text, "a.h5"))
        ours, theirs = dict(leaves(result)), dict(leaves(again))
        compared = [path for path in ours if not path.startswith(OF_THE_RUN)]
        assert [path for path in compared if not same(ours[path], theirs[path])] == []
        assert again.specification.yaml == text

    def test_another_seed_is_another_run(self, result):
        """The comparison above can fail: other chips classify and conduct otherwise, and cost the same."""
        other = simulate(parse_experiment(result.specification.yaml, "a.h5", {"seed": 8}))
        ours, theirs = dict(leaves(result)), dict(leaves(other))
        differing = {path for path in ours if not path.startswith(OF_THE_RUN) and not same(ours[path], theirs[path])}
        differing = {path for path in differing if not path.startswith(("inference.activity.", "reads."))}
        assert "inference.crossbar_class" in differing
        assert differing <= {
            "specification.yaml",
            "inference.crossbar_class",
            "inference.crossbar_accuracy",
            "inference.signal_power",
            "inference.error_power",
            *(f"inference.agreement.crossbar_{kind}" for kind in ("top1", "cosine", "noise")),
        }


class TestFormat:
    def test_every_dataset_has_units(self, file):
        with h5py.File(file) as opened:
            units = {name: data.attrs["units"] for name, data in datasets(opened).items()}
        assert {units[f"cost/{name}"] for name in ("energy", "total_energy", "static_energy")} == {"J"}
        assert (units["timeline/latency"], units["cost/area"], units["cost/power"]) == ("s", "m2", "W")
        assert units["peak/ops_per_s_per_W"] == "op/s/W"
        assert units["inference/label"] == "1"

    def test_every_axis_has_its_scale(self, file):
        """One scale an axis, named by it and as long as it."""
        with h5py.File(file) as opened:
            shaped = {name: data for name, data in datasets(opened).items() if data.ndim}
            assert len(shaped) > 20
            for name, data in shaped.items():
                if data.is_scale:
                    assert data.ndim == 1
                    continue
                for dimension, length in zip(data.dims, data.shape, strict=True):
                    (scale,) = dimension.values()
                    assert scale.parent == data.parent, name
                    assert scale.shape == (length,), name

    def test_it_says_how_it_came_to_be(self, result, file):
        with h5py.File(file) as opened:
            attributes = dict(opened.attrs)
            sources = dict(
                zip(opened["specification/card"].asstr(), opened["specification/source"].asstr(), strict=True)
            )
        assert attributes["format"] == "pimsim-result"
        assert attributes["format_version"] == 1
        for name, value in vars(result.provenance).items():
            assert attributes[name] == value
            assert value
        assert "Hu et al." in sources["chip.core.device"]
        assert "Table I" in sources["chip.core.adc"]

    def test_xarray_opens_it_as_it_is(self, result, file):
        with xarray.open_datatree(file, engine="h5netcdf") as tree:
            energy = tree["cost/energy"]
            assert energy.dims == ("layer", "component")
            assert energy.attrs["units"] == "J"
            assert tree["inference/crossbar_class"].dims == ("trial", "sample")
            assert list(energy.layer.values) == result.cost.layer.tolist()
            adc = energy.sel(component="adc").sum().item()
            assert adc == pytest.approx(result.cost.energy_by_component()["adc"], rel=1e-12)
            total = energy.sum().item() + tree["cost/static_energy"].sum().item()
            assert total == pytest.approx(tree["cost/total_energy"].item(), rel=1e-12)


class TestReading:
    @pytest.mark.parametrize("share", [0, 1e-4, 0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 0.9999])
    def test_a_file_cut_short_is_refused(self, file, share):
        whole = file.read_bytes()
        file.write_bytes(whole[: int(share * len(whole))])
        refused(file, "is not a whole HDF5 result")

    def test_one_byte_less_is_not_whole(self, file):
        file.write_bytes(file.read_bytes()[:-1])
        refused(file, "is not a whole HDF5 result")

    @pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"hello", b"chip: isaac-ce\n", b"PK\x03\x04" + b"x" * 999])
    def test_other_files_are_refused(self, tmp_path, content):
        path = tmp_path / "x.h5"
        path.write_bytes(content)
        refused(path, "is not a whole HDF5 result")

    def test_missing_files_and_folders_are_refused(self, tmp_path):
        (tmp_path / "d.h5").mkdir()
        refused(tmp_path / "d.h5", "is a folder")
        refused(tmp_path / "no.h5", "no such file")
        refused(tmp_path / "no" / "a.h5", "no such file")
        refused(tmp_path / ("x" * 300 + ".h5"), "no such file")

    def test_foreign_hdf5_is_refused(self, tmp_path):
        path = tmp_path / "x.h5"
        with h5py.File(path, "w") as opened:
            opened["temperature"] = [1, 2]
        refused(path, "is HDF5, but not a pimsim result")
        with h5py.File(path, "a") as opened:
            opened.attrs["format"] = [1, 2]
        refused(path, "is HDF5, but not a pimsim result")

    def test_a_newer_format_is_refused_with_its_writer(self, file):
        with h5py.File(file, "a") as opened:
            opened.attrs["format_version"] = 2
            opened.attrs["pimsim"] = "9.9"
        error = refused(file, "format version 2, this pimsim reads up to 1")
        assert "pimsim 9.9" in error.remedy

    @pytest.mark.parametrize("version", ["new", [1, 2], 1.5])
    def test_a_version_that_is_no_number_is_refused(self, file, version):
        with h5py.File(file, "a") as opened:
            opened.attrs["format_version"] = version
        refused(file, "is not a whole HDF5 result")

    @pytest.mark.parametrize("name", ["cost", "inference", "cost/energy", "specification/yaml", "peak/ops_per_s"])
    def test_a_missing_part_is_refused(self, file, name):
        with h5py.File(file, "a") as opened:
            del opened[name]
        assert name.split("/")[-1] in refused(file, "is not a whole HDF5 result").fact

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("timeline/latency", "soon"),
            ("timeline/latency", [1.0, 2.0]),
            ("placement/chips", 1.5),
            ("cost/energy", np.ones(3)),
            ("cost/energy", np.ones((3, 3), int)),
            ("cost/component_area", np.ones(2)),
            ("inference/crossbar_class", np.ones((3, 11), int)),
            ("specification/yaml", 3.0),
            ("cost/power_gating", 1),
            ("cost/layer", 3),
            ("cost", 3.0),
            ("timeline/latency", None),
        ],
    )
    def test_a_value_that_is_not_what_it_should_be_is_refused(self, file, name, value):
        """Kind, number of axes, and one length for each axis."""
        with h5py.File(file, "a") as opened:
            del opened[name]
            if value is None:
                opened.create_group(name)
            else:
                opened[name] = value
        refused(file, "is not a whole HDF5 result")


WHAT_WAS_THERE = "half a pimsim-result"


class TestWriting:
    @pytest.fixture
    def old(self, tmp_path):
        path = tmp_path / "a.h5"
        path.write_text(WHAT_WAS_THERE)
        yield path
        assert path.read_text() == WHAT_WAS_THERE
        assert [each.name for each in tmp_path.iterdir()] == ["a.h5"]

    @pytest.mark.parametrize("step", ["fsync", "fdopen"])
    def test_a_disk_that_fills_leaves_the_old_file(self, result, old, monkeypatch, step):
        def full(*_, **__):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, step, full)
        with pytest.raises(FileError, match="cannot be written: no space left on device") as caught:
            write_result(result, old)
        assert "unchanged" in caught.value.remedy

    def test_so_does_a_real_limit(self, result, old):
        """The kernel itself refuses to let the file grow."""
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
        try:
            with pytest.raises(FileError, match="file too large"):
                write_result(result, old)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    @pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
    @pytest.mark.parametrize("where", [(hdf5, "_write_record"), (hdf5, "replace_file"), (os, "fsync")], ids=str)
    def test_so_does_a_stop_anywhere(self, result, old, monkeypatch, where, stop):
        def stopped(*_, **__):
            raise stop

        monkeypatch.setattr(*where, stopped)
        with pytest.raises(stop):
            write_result(result, old)

    def test_a_whole_file_takes_the_place_of_the_old(self, result, tmp_path):
        path = tmp_path / "a.h5"
        path.write_text(WHAT_WAS_THERE)
        assert write_result(result, str(path)) == path
        assert read_result(path).cost.total_energy == result.cost.total_energy
        assert [each.name for each in tmp_path.iterdir()] == ["a.h5"]

    def test_it_has_the_usual_permissions(self, file):
        mask = os.umask(0)
        os.umask(mask)
        assert file.stat().st_mode & 0o777 == 0o666 & ~mask

    def test_the_longest_name_a_file_can_have(self, result, tmp_path):
        path = tmp_path / ("ä" * 120 + "x" * 12 + ".h5")
        assert read_result(write_result(result, path)).placement.chips == 1

    @pytest.mark.parametrize(
        ("name", "fact"),
        [
            ("", "is a folder"),
            ("d.h5", "is a folder"),
            ("nosuch/a.h5", "there is no folder"),
            ("file/a.h5", "is a file, not a folder"),
            ("x" * 300 + ".h5", "cannot be written: file name too long"),
            ("card.yaml", "does not end in .h5"),
            ("result", "does not end in .h5"),
            pytest.param("/proc/a.h5", "cannot be written", marks=LINUX),
        ],
    )
    def test_a_target_that_cannot_be_is_known_before_the_run(self, result, tmp_path, name, fact):
        (tmp_path / "d.h5").mkdir()
        (tmp_path / "file").write_text("x")
        for refuse in (check_target, lambda path: write_result(result, path)):
            with pytest.raises(FileError, match=fact) as caught:
                refuse(tmp_path / name)
            assert caught.value.remedy
        assert sorted(each.name for each in tmp_path.iterdir()) == ["d.h5", "file"]

    @pytest.mark.parametrize(
        ("suffix", "ours"), [(".h5", "pimsim-result"), (".json", '{"traceEvents"'), (".npz", "fc.bias.npy")]
    )
    def test_only_files_of_its_own_are_replaced(self, suffix, ours, tmp_path):
        """Whole or damaged, by the bytes that each holds somewhere; and empty ones, which a shell may have made."""
        path = tmp_path / f"a{suffix}"
        for content in ("", f"before {ours} behind"):
            path.write_text(content)
            assert check_target(path, suffix) == path
        path.write_text("my own")
        with pytest.raises(FileError, match=f"is there, and is no {suffix} file that pimsim has written"):
            check_target(path, suffix)
        assert path.read_text() == "my own"

    def test_a_protected_file_is_left_alone(self, result, tmp_path, monkeypatch):
        path = write_result(result, tmp_path / "a.h5")
        monkeypatch.setattr(os, "access", lambda path, mode: False)  # the tests may run as one who may do all
        with pytest.raises(FileError, match="is write-protected"):
            check_target(path)

    def test_asking_creates_nothing(self, tmp_path):
        assert check_target(tmp_path / "a.h5") == tmp_path / "a.h5"
        assert list(tmp_path.iterdir()) == []
