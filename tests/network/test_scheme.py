"""Quantization people trust: ranges, precisions, corrections, and the report that names the culprit."""

import jax
import numpy as np
import pytest

from pimsim import load_experiment, simulate
from pimsim.errors import PimsimError, SpecError
from pimsim.network.correction import corrected
from pimsim.network.graph import build_network, random_weights
from pimsim.network.layers import Add, Conv2d, Dense, Flatten, Relu
from pimsim.network.ops import Precision
from pimsim.network.quantize import apply_layer, integer_range, quantize, quantize_matrix, reference
from pimsim.network.ranges import REACHES, best_reach
from pimsim.network.scheme import Bits, Scheme
from pimsim.network.sqnr import decibel, noise, report
from pimsim.results import result_summary


@pytest.fixture(scope="module")
def network():
    topology = build_network(
        "small",
        (6, 6, 1),
        [
            ("conv1", Conv2d(4, 3)),
            ("relu1", Relu()),
            ("conv2", Conv2d(4, 3, padding=1)),
            ("add", Add(), ("conv2", "relu1")),
            ("flatten", Flatten()),
            ("fc", Dense(5)),
        ],
    )
    return topology.with_weights(random_weights(topology, key=jax.random.key(4)))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((64, 6, 6, 1), np.float32)


def error_of(w, bits, **options):
    q, scale = quantize_matrix(w, bits, **options)
    return np.sum((q * scale - w) ** 2)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_a_scale_a_channel_is_never_coarser(bits):
    """Each step is at most the whole matrix's, and on channels of unequal size the error is far below: of channels
    that span 20 dB, ten times smaller or more once steps resolve them."""
    w = np.random.default_rng(bits).normal(size=(200, 9)) * np.logspace(-1, 0, 9)
    for reach in ("max", "mse"):
        channel, tensor = (quantize_matrix(w, bits, per=per, reach=reach)[1] for per in ("channel", "tensor"))
        assert (tensor == tensor[0]).all()
        assert (channel <= tensor[0] * (1 if reach == "max" else 3)).all()
        assert error_of(w, bits, per="channel", reach=reach) <= error_of(w, bits, per="tensor", reach=reach)
    assert error_of(w, 8, per="channel") < error_of(w, 8, per="tensor") / 3


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_the_mse_range_minimises(bits):
    """No share of the largest value that is tried has less error, and the largest itself is one of them."""
    values = np.abs(np.random.default_rng(0).standard_t(3, size=(2000, 3)))
    top, largest = integer_range(bits, signed=True)[1], values.max(axis=0)
    reach = best_reach(values, largest, top)

    def error(reach):
        step = reach / top
        return ((np.minimum(np.rint(values / step), top) * step - values) ** 2).sum(axis=0)

    for share in REACHES:
        assert (error(reach) <= error(share * largest) * (1 + 1e-12)).all()
    if bits <= 4:
        assert (reach < largest).all()  # few steps are better spent where the values are


def test_ranges_of_what_needs_no_choice():
    """Values on a grid of the largest lose nothing, so it is kept; a column of zeros has no range."""
    values = np.array([[0.0, 0.0], [3.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    np.testing.assert_array_equal(best_reach(values, values.max(axis=0), 3), [3, 0])


def test_the_input_range_of_least_error(network, images):
    """Of the calibration inputs of the first layer, rounded: mse is no worse than any percentile."""

    def rounded(**options):
        layer = quantize(network, images, weight_bits=8, input_bits=3, **options).layers["conv1"]
        x = np.minimum(np.rint(images / layer.input_scale), integer_range(3, signed=False)[1]) * layer.input_scale
        return np.sum((x - images) ** 2)

    best = rounded(method="mse")
    assert all(best <= rounded(percentile=p) * (1 + 1e-3) for p in (100.0, 99.0, 90.0, 80.0))


def test_precision_by_layer(network, images):
    """Names win over ends, ends over the core; a number means both widths; what equals the core's is no exception."""
    layers, usual = network.matrix_layers, Precision(8, 8)
    scheme = Scheme(precision={"conv2": Bits(weights=3), "fc": 8}, first_last=12)
    assert scheme.precisions(layers, usual) == {"conv1": Precision(12, 12), "conv2": Precision(3, 8)}
    quantized = quantize(network, images, weight_bits=8, input_bits=8, scheme=scheme)
    assert [layer.precision for layer in quantized.layers.values()] == [(12, 12), (3, 8), (8, 8)]
    assert [np.abs(layer.matrix).max() for layer in quantized.layers.values()] == [2047, 3, 127]


@pytest.mark.parametrize(
    ("scheme", "place"),
    [
        ({"precision": {"conv9": 4}}, "precision.conv9"),
        ({"precision": {"conv1": 17}}, "precision.conv1"),
        ({"first_last": 0}, "first_last"),
    ],
)
def test_precisions_that_cannot_be(scheme, place, network):
    with pytest.raises(SpecError) as caught:
        Scheme(**scheme).precisions(network.matrix_layers, Precision(8, 8))
    assert caught.value.place == place


@pytest.mark.parametrize("kind", ["bias", "batch_norm"])
def test_corrected_layers_have_the_float_networks_statistics(network, images, kind):
    """On the calibration images, each channel's mean output, and spread if asked; and the whole error is smaller."""
    rough = quantize(network, images, weight_bits=2, input_bits=2)
    mended = corrected(rough, images, kind)
    wanted = {}

    def record(name, layer, x):
        wanted[name] = layer.forward(*network.parameters(name), x)
        return wanted[name]

    network.walk(images, record)
    shapes = network.shapes
    reads = {node.name: node.inputs[0] for node in network.nodes}

    def check(name, layer, x):
        y = apply_layer(mended.layers[name], layer, x, shapes[reads[name]])
        own, target = (np.asarray(each).reshape(-1, each.shape[-1]) for each in (y, wanted[name]))
        np.testing.assert_allclose(own.mean(axis=0), target.mean(axis=0), atol=1e-5)
        gain = mended.layers[name].weight_scale / rough.layers[name].weight_scale
        if kind == "bias":
            np.testing.assert_array_equal(gain, 1)
        else:
            assert ((gain >= 0.5) & (gain <= 2)).all()
            free = (gain > 0.5) & (gain < 2)
            assert free.any()
            np.testing.assert_allclose(own.std(axis=0)[free], target.std(axis=0)[free], rtol=1e-4)
        return y

    mended.network.walk(images, check)
    logits = network.forward(images)
    assert noise(reference(mended, images), logits) < noise(reference(rough, images), logits)
    for name in rough.layers:
        np.testing.assert_array_equal(mended.layers[name].matrix, rough.layers[name].matrix)


def test_the_report_names_the_culprit(network, images):
    """One layer of 3 bits among 12: it alone adds much, it is where the outputs' error jumps, and bits are told."""
    scheme = Scheme(precision={"conv2": 3})
    found = report(quantize(network, images, weight_bits=12, input_bits=12, scheme=scheme), images)
    assert found.layer.tolist() == ["conv1", "conv2", "fc"]
    assert found.weight_bits.tolist() == found.input_bits.tolist() == [12, 3, 12]
    others = found.added[[0, 2]].max()
    assert found.added[1] > 1000 * others
    assert found.outputs[1] == pytest.approx(found.added[1], rel=0.1)
    assert found.outputs[0] == found.added[0]  # nothing came before
    assert found.outputs[2] > 100 * found.added[2]


def test_six_decibels_a_bit(network, images):
    """Rounding errors fall by a factor of four with each bit, within a factor of two a step and 10 % over all."""
    reports = [report(quantize(network, images, weight_bits=b, input_bits=b), images) for b in (6, 8, 10)]
    for kind in ("weights", "inputs", "added"):
        powers = np.array([getattr(each, kind) for each in reports])
        slope = np.log2(powers[0] / powers[-1]) / 4
        np.testing.assert_allclose(slope, 2, rtol=0.2)
    assert decibel(1e-3) == pytest.approx(30)


CHIP = {"samples": 12, "calibration.images": 20, "chip.core.weight_bits": 8, "chip.core.input_bits": 8}


def run(**changes):
    return simulate(load_experiment("isaac-mlp", CHIP | changes))


def test_each_layer_is_played_and_charged_in_its_own_precision():
    """To the bit the integer reference, every conversion played; a layer of half the bits takes half the columns of
    cells and half the reads, one of twice the bits twice, and the others cost what they did."""
    usual = run(dataset="none")
    mixed = run(engine="bit_true", **{"quantization.precision": {"fc2": 4, "fc3": {"weights": 16}}})
    assert mixed.inference.engine == "bit_true"
    assert (mixed.inference.crossbar_class == mixed.inference.quantized_class).all()
    assert (mixed.inference.error_power == 0).all()
    assert mixed.placement.weight_bits.tolist() == [8, 4, 16]
    assert mixed.placement.input_bits.tolist() == [8, 4, 8]
    arrays = [np.bincount(each.placement.block_matrix).tolist() for each in (usual, mixed)]
    assert arrays == [[7 * 8, 2 * 4, 1], [7 * 8, 2 * 2, 1]]
    cost, other = (
        {layer: dict(zip(each.cost.event.tolist(), row, strict=True)) for layer, row in
         zip(each.cost.layer.tolist(), each.cost.event_count.tolist(), strict=True)}
        for each in (usual, mixed)
    )  # fmt: skip
    assert other["fc1"] == cost["fc1"]
    assert other["fc2"]["row_drive"] == cost["fc2"]["row_drive"] / 2 / 2  # half the reads, half the arrays across
    assert other["fc2"]["conversion"] == pytest.approx(cost["fc2"]["conversion"] / 4, rel=0.05)  # and unit columns
    assert other["fc2"]["input_bit_read"] == cost["fc2"]["input_bit_read"] / 2 / 2
    assert other["fc3"]["row_drive"] == cost["fc3"]["row_drive"]
    assert other["fc3"]["conversion"] == pytest.approx(2 * cost["fc3"]["conversion"], rel=0.05)
    assert mixed.timeline.latency == pytest.approx(usual.timeline.latency - 4 * 100e-9)
    summary = result_summary(mixed)["quantization"]
    assert min(summary, key=lambda layer: summary[layer]["added_dB"]) == "fc2"
    assert summary["fc2"]["weight_bits"] == summary["fc2"]["input_bits"] == 4


def test_a_core_in_its_own_precision_is_itself(small):
    """And in another it differs in the slices and the reads alone."""
    core = small.core
    assert core.at(None) is core.at((8, 6)) is core
    other = core.at((4, 3))
    assert (len(other.widths), len(other.streams(signed=False))) == (len(core.widths) / 2, 3)
    assert other.at((8, 6)) == core


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"quantization.precision": {"fc9": 8}}, "quantization.precision.fc9: is not a matrix layer"),
        ({"quantization.precision": {"fc1": 40}}, "quantization.precision.fc1: must be 1 to 16, got 40"),
        ({"quantization.precision": {"fc1": "8"}}, "quantization.precision.fc1"),
        ({"quantization.per": "layer"}, "quantization.per"),
        (
            {"quantization.precision": {"fc1": 4}, "chip.core.slice_bits": [2, 2, 2, 2]},
            "quantization.precision.fc1: slice_bits: must add up to 4",
        ),
    ],
)
def test_what_an_experiment_cannot_ask(changes, said):
    with pytest.raises(PimsimError) as caught:
        run(**changes)
    assert said in str(caught.value)
