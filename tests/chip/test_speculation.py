"""Reads of several bits that come first: what they cost, and that they change no result."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from cores import make_core

from pimsim.chip import Offset, Speculation
from pimsim.circuits import BareArray, ReadPulse
from pimsim.errors import SpecError

CORE = make_core(rows=512, columns=512, cell_bits=4, slice_bits=(4, 2, 2), encoding=Offset(unit_column=False))


def speculating(failing):
    return replace(CORE, speculation=Speculation(bits=(4, 2, 2), failing=failing))


@pytest.mark.parametrize("failing", [0.0, 0.025, 1.0])
def test_what_is_read_and_converted(failing):
    """Rows are driven 3 + 8 times instead of 8, columns converted 3 + 8·failing times; 3 slices a weight."""
    plain, ours = (core.events(512, 170, signed=False) for core in (CORE, speculating(failing)))
    assert ours["row_drive"] / plain["row_drive"] == pytest.approx(11 / 8, rel=1e-12)
    assert ours["cell_read"] / plain["cell_read"] == pytest.approx(11 / 8, rel=1e-12)
    assert ours["conversion"] == pytest.approx(3 * 170 * (3 + 8 * failing), rel=1e-12)
    assert speculating(failing).latency(signed=False).interval == 11
    assert speculating(failing).conversions_per_mac() == pytest.approx(3 * (3 + 8 * failing) / 512, rel=1e-12)


def test_results_are_those_of_the_usual_reads(key):
    rng = np.random.default_rng(1)
    weights, x = rng.integers(-128, 128, (40, 3)), rng.integers(0, 256, (5, 40))
    core = speculating(0.5)
    y = core.matmul(core.program(jnp.asarray(weights), key=key), jnp.asarray(x))
    np.testing.assert_array_equal(y, x @ weights)


def test_skipped_conversions_do_not_count():
    """Of four partial products, one resolved to 0 bits: three conversions a weight."""
    core = make_core(rows=256, columns=256, cell_bits=4, dac_bits=4, encoding=Offset(unit_column=False))
    some = replace(core, adc_bits=((0, 2), (3, 6), (3, 6)))
    assert core.conversions_per_mac() == 6 / 256
    assert some.conversions_per_mac() == pytest.approx(5 / 256, rel=1e-12)


@pytest.mark.parametrize(
    ("bits", "failing", "fact"),
    [
        ((4, 2), 0.1, "must add up to 8"),
        ((4, 4, 0), 0.1, "must be 1 or more"),
        ((4, 4), 1.5, "failing: must be 0 to 1"),
    ],
)
def test_what_is_refused(bits, failing, fact):
    with pytest.raises(SpecError, match=fact):
        replace(CORE, speculation=Speculation(bits=bits, failing=failing))
    with pytest.raises(SpecError, match="cannot fail one by one"):
        replace(CORE, speculation=Speculation(bits=(8,), failing=0.1), accumulate="analog")


def test_first_reads_are_not_charged_by_data():
    """They are not played, so cells and rows that cost what data make of them are refused."""
    charged = replace(CORE, array=BareArray(area=1e-9), read_pulse=ReadPulse(voltage=0.2, width=1e-9))
    toggled = replace(CORE, dac=replace(CORE.dac, event="row_toggle"))
    for core in (charged, toggled):
        with pytest.raises(SpecError, match="speculation: the first reads are not played"):
            replace(core, speculation=Speculation(bits=(8,), failing=0.1))
