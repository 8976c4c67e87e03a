"""Cells that cannot be meant: each complaint names the file and the field or the line."""

import pytest

from pimsim.show import check_file

GOOD = "target_uS, mean_uS, sigma_uS, time_s\n1,1,0,10\n9,9,0,10\n1,1,0,99\n9,9,0,99\n"
MEASURED = "model: Measured\ndata: my.csv\ng_min: 1 uS\n"
OLD = MEASURED + "g_max: 9 uS\nage: 10 s"
STUCK = "model: StuckAt\ndevice: isaac-cell\n"


@pytest.mark.parametrize(
    ("card", "data", "place"),
    [
        (MEASURED + "g_max: 10 uS\nage: 10 s", GOOD, "g_max"),
        (MEASURED + "g_max: 9 uS\nage: 5 s", GOOD, "age"),
        (OLD, GOOD.replace(" sigma_uS,", "").replace(",0,", ","), "data: my.csv: line 1"),
        (OLD, GOOD.replace("mean_uS", "mean"), "data: my.csv: line 1"),
        (OLD, GOOD.replace("9,9,0,10\n", "9,nine,0,10\n"), "data: my.csv: line 3: mean_uS"),
        (OLD, GOOD.replace("9,9,0,99\n", "9,-9,0,99\n"), "data: my.csv: line 5: mean_uS"),
        ("model: Reram\ng_min: 5 uS\ng_max: 5 uS", "", "g_max"),
        (STUCK + "hrs_rate: -0.1\nlrs_rate: 0", "", "hrs_rate"),
        (STUCK + "hrs_rate: 0.6\nlrs_rate: 0.6", "", "hrs_rate"),
        ("base: pcm-gst\nage: 1 s", "", "age"),
        ("base: reram-2bit\npulse: {energy: 5}", "", "pulse.energy"),
        ("base: reram-2bit\npulse: {parallel: 0}", "", "pulse.parallel"),
        ("base: reram-2bit\nendurance: 0", "", "endurance"),
        ("base: isaac-ce\ncore: {wires: {word_segment: -1 ohm, bit_segment: 1 ohm}}", "", "core.wires.word_segment"),
    ],
)  # fmt: skip
def test_the_complaint_names_its_place(card, data, place, tmp_path):
    (tmp_path / "my.csv").write_text(data)
    file = tmp_path / "mine.yaml"
    file.write_text(card)
    (problem,) = check_file(str(file))
    assert f"{problem}".startswith(f"{file}: {place}: ")
