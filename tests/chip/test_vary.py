"""Thousands of chips at once are the same chips one by one."""

import dataclasses
from dataclasses import replace

import equinox as eqx
import numpy as np
import pytest

from pimsim import load_chip
from pimsim.accounting import Charging, account, reprice
from pimsim.chip import vary
from pimsim.circuits import AbstractCircuit
from pimsim.errors import SpecError
from pimsim.mapping import place
from pimsim.network.graph import build_network
from pimsim.network.layers import Dense, Relu
from pimsim.schedule import schedule, traffic

NETWORK = build_network("small", (300,), [("fc", Dense(20)), ("relu", Relu())])
CHANGES = {
    "core.adc": "adc-isaac-8b", "core.adc.process.supply": "0.9 V",
    "core.adc.ported_to": {"node": "28 nm", "supply": "0.85 V"}, "core.adc.leakage": "1 uW",
    "core.word_line": "word-line-28nm", "core.bit_line": "bit-line-28nm", "tile.buffer": "sram-puma",
    "tile.buffer.capacity": "1 KB",
}  # fmt: skip


@pytest.fixture(scope="module")
def chip():
    """ISAAC with memories, lines and a ported converter, so that every law is in its bill."""
    return load_chip("isaac-ce", CHANGES)


def report(chip, charging=None):
    ops, signed = NETWORK.ops(), dict.fromkeys(NETWORK.matrix_layers, False)
    placement = place(ops, chip, "none")
    edges = traffic(ops, placement, chip, 300)
    timeline = schedule(ops, placement, chip, edges, signed)
    return account(ops, placement, chip, edges, timeline, signed, charging or Charging(power_gating=False))


def numbers(spec, path=""):
    """Every number in a chip's components, by path."""
    for field in dataclasses.fields(spec):
        value, inside = getattr(spec, field.name), f"{path}.{field.name}".lstrip(".")
        if dataclasses.is_dataclass(value):
            yield from numbers(value, inside)
        elif type(value) in (int, float):
            yield inside, value


def fields(chip):
    parts = {f"{name}.{key}".lstrip("."): value for name, part in (("", chip), ("core", chip.core), ("tile", chip.tile))
             for key, value in vars(part).items() if isinstance(value, AbstractCircuit)}  # fmt: skip
    return [(path, value) for name, part in parts.items() for path, value in numbers(part, name)]


def alone(chip, path, value):
    """The chip with one value replaced, checked as if it were loaded."""
    head, _, rest = path.partition(".")
    return replace(chip, **{head: alone(getattr(chip, head), rest, value) if rest else value})


def test_each_parameter_varies_as_one_by_one_or_is_refused(chip):
    """Every number of every component costs, to 1e-12, what scheduling its chip alone says, or is refused."""
    base, varied, refused = report(chip), [], set()
    for path, value in fields(chip):
        other = max(value - 1, 1) if type(value) is int else value * 0.97
        try:
            many = vary(chip, {path: [value, other]})
        except SpecError:
            refused.add(path)
            continue
        prices, one = reprice(base, many), alone(chip, path, other)
        single = report(one)
        found = [each[..., -1] for each in (prices.total_energy, prices.power, prices.area, prices.full_power)]
        assert found == pytest.approx([single.total_energy, single.power, single.area, one.power()], rel=1e-12), path
        by_component = single.energy.sum(axis=0) + single.static_energy
        np.testing.assert_allclose(prices.energy[:, -1], by_component, rtol=1e-12)
        varied.append(path)
    assert refused == {"core.dac.bits", "tile.router.flit_bits", "tile.router.shared_by", "link.bandwidth"}
    assert len(varied) > 80


def test_many_parameters_vary_together(chip):
    """Random values of several components at once: each variant is the chip of its values."""
    rng = np.random.default_rng(0)
    changes = {
        "core.adc.bits": rng.integers(4, 10, 1000), "core.adc.ported_to.node": rng.uniform(8e-9, 28e-9, 1000),
        "tile.buffer.capacity": rng.uniform(2048, 16384, 1000), "tile.router.power": rng.uniform(0.01, 0.05, 1000),
        "link.power": 8.0,
    }  # fmt: skip
    prices = reprice(report(chip), vary(chip, changes))
    assert prices.total_energy.shape == prices.area.shape == (1000,)
    for variant in (0, 123, 999):
        one = chip
        for path, values in changes.items():
            one = alone(one, path, np.broadcast_to(values, 1000)[variant].item())
        single = report(one)
        assert prices.total_energy[variant] == pytest.approx(single.total_energy, rel=1e-12)
        assert prices.area[variant] == pytest.approx(single.area, rel=1e-12)


def test_nothing_varied_is_the_report(chip):
    base = report(chip)
    prices = reprice(base, chip)
    assert (prices.total_energy.item(), prices.area.item()) == pytest.approx((base.total_energy, base.area), rel=1e-15)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"core.adc.bit": [1]}, "'bit' is no field\n  Did you mean bits"),
        ({"core.rows": [64, 128]}, "core.rows: is no number of a component"),
        ({"core.adc.name": ["a"]}, "is no number of a component"),
        ({"core.adc.bits": [7.5]}, "whole numbers"),
        ({"core.adc.power": ["2 mW"]}, "numbers, in SI"),
        ({"core.adc.bits": [8, 17]}, "core.adc.bits: must be 1 to 16, got 17"),
        ({"core.adc.ported_to.node": [28e-9, 5e-9]}, "core.adc.ported_to.node: must be 7 nm to 130 nm"),
        ({"tile.bus.rate": [1e9, 0.0]}, "tile.bus.rate: must be more than 0 Hz"),
        ({"core.adc.bits": [7, 8], "core.adc.power": [1e-3] * 3}, "arrays of 2 lengths"),
        ({"link.bandwidth": [1e9]}, "when vectors arrive"),
        ({"core.adc.rate": [1.28e9, 0.5e9]}, "core.adc: some of its variants change the cycles of a read"),
    ],
)
def test_what_cannot_vary_is_refused(chip, changes, match):
    with pytest.raises(SpecError, match=match):
        vary(chip, changes)


def test_bits_that_a_table_resolves_cannot_vary(chip):
    table = tuple((8,) * 8 for _ in range(16))
    with pytest.raises(SpecError, match="by adc_bits"):
        vary(replace(chip, core=replace(chip.core, adc_bits=table)), {"core.adc.bits": [8, 9]})


def test_a_report_of_other_components_is_refused(isaac, chip):
    with pytest.raises(SpecError, match="has other components"):
        reprice(report(isaac), chip)


def test_a_value_that_is_none_stays_none(isaac):
    assert eqx.tree_equal(vary(isaac, {}), isaac)
