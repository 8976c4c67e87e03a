"""Kernels side by side: the same results and the same useful work, in fewer reads."""

import jax
import numpy as np
import pytest

from pimsim.errors import PimsimError
from pimsim.mapping import apply_windows
from pimsim.mapping.overlap import fewest_reads
from pimsim.network.graph import build_network
from pimsim.network.layers import Conv2d
from pimsim.network.ops import MatrixOp
from pimsim.network.overlap import overlapped
from pimsim.network.quantize import quantize, reference
from pimsim.network.zoo import load_topology

RNG = np.random.default_rng(2018)


def network(**conv):
    """A convolution of 4 input channels over 9 × 7 pixels."""
    first = Conv2d(6, (3, 2), **conv)
    weights = {"weight": RNG.normal(size=first.weight_shape((9, 7, 4))), "bias": RNG.normal(size=6)}
    return build_network("small", (9, 7, 4), [("conv", first)], {"conv": weights})


@pytest.mark.parametrize(
    ("conv", "copies"),
    [
        ({}, (2, 3)),
        ({"stride": 2, "padding": 1}, (2, 2)),
        ({"groups": 2, "padding": (1, 0)}, (4, 1)),
        ({"stride": (3, 2), "padding": ((0, 1), (1, 0))}, (2, 4)),
    ],
)
def test_results_are_the_same_to_the_bit(conv, copies):
    """On integers every place gets what it got before, whatever is left over at the edges; useful work is unchanged."""
    plain = network(**conv)
    shifted = overlapped(plain, {"conv": copies})
    images = RNG.normal(size=(4, 9, 7, 4)).astype(np.float32)
    before, after = (quantize(each, images, weight_bits=8, input_bits=8) for each in (plain, shifted))
    np.testing.assert_array_equal(np.asarray(reference(before, images)), np.asarray(reference(after, images)))
    old, new = (next(op for op in each.ops() if isinstance(op, MatrixOp)) for each in (plain, shifted))
    assert new.macs == old.macs
    assert new.weights == old.weights * copies[0] * copies[1]
    places = plain.shapes["conv"]
    assert new.vectors == -(-places[0] // copies[0]) * -(-places[1] // copies[1])


def test_float_results_are_the_same():
    plain = network(stride=2, padding=1)
    images = RNG.normal(size=(2, 9, 7, 4)).astype(np.float32)
    with jax.default_matmul_precision("highest"):
        ours, theirs = (each.forward(images) for each in (overlapped(plain, {"conv": (2, 3)}), plain))
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=1e-5, atol=1e-5)


def test_auto_needs_the_fewest_reads(isaac):
    """LeNet-5's first kernels, 25 rows by 6 columns, fill little of an array; 2 × 4 of them take 48 rows of three."""
    lenet = load_topology("lenet5")
    chosen = fewest_reads(lenet, isaac.core)
    assert set(chosen) == {"conv1"}
    op = next(op for op in apply_windows(lenet, "auto", isaac.core).ops() if op.layer == "conv1")
    cuts = isaac.core.cuts(op.rows, op.cols)
    assert op.vectors * cuts.blocks * cuts.arrays == 14 * 7 * 3


@pytest.mark.parametrize(("windows", "place"), [({"conv9": (2, 2)}, "conv9"), ({"conv1": (0, 2)}, "conv1")])
def test_windows_that_cannot_be_are_refused(isaac, windows, place):
    with pytest.raises(PimsimError, match=place):
        apply_windows(load_topology("lenet5"), windows, isaac.core)
