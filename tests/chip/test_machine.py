"""Machines without arrays: figures of merit, and how passes, supplies and parts decide them."""

import pytest

from pimsim.chip import Clocked, IntegratedPulses, RippleColumns
from pimsim.circuits import Circuit, Control, Parts, SharedUnit
from pimsim.errors import SpecError
from pimsim.experiment import load_any_chip, load_chip
from pimsim.spec import from_data, sources, to_data


def test_wider_operands_take_passes_and_multipliers():
    """Inputs of 8 bits, 2 at a time: four passes; weights of 8 bits on multipliers of 4: half as many."""
    timing = Clocked(macs=64, time=1e-9, input_bits=2, weight_bits=4)
    assert timing.of(2, 4) == (64, 1e-9)
    assert timing.of(8, 8) == (32, pytest.approx(4e-9))
    assert timing.of(7, 4).time == timing.of(8, 4).time


def test_sums_ripple_to_the_next_register():
    """(8 + 7 + 8 + 2) adders of 0.4 ns for each of 8 input bits; 128 columns hold eight weights of 15."""
    timing = RippleColumns(rows=128, columns=128, rows_per_register=8, adder_time=0.4e-9, guard_bits=7)
    assert timing.of(8, 8) == (128 * 8, pytest.approx(8 * 25 * 0.4e-9))


@pytest.mark.parametrize(
    ("bits", "pulses", "converted", "phases"),
    [(1, 1, 10, 1), (2, 1, 10, 1), (4, 7, 10, 1), (5, 3 + 3, 10 + 8, 2), (8, 15 + 7, 10 + 6, 2)],
)
def test_pulses_are_integrated_in_one_phase_or_two(bits, pulses, converted, phases):
    timing = IntegratedPulses(macs=1, output_bits=10, integrate_time=1.0, convert_time=100.0, phase_time=1e4)
    assert timing.of(bits, 4).time == pulses + 100 * converted + 1e4 * phases


def test_a_supply_moves_energy_with_its_square_and_not_the_area():
    """Half more of the supply: 2.25 times the energy of a pass, the same product per pass, faster."""
    low, high = (load_any_chip("jia-2020", {"supply": supply}) for supply in ("0.8 V", "1.2 V"))
    assert high.pass_energy() == pytest.approx(2.25 * low.pass_energy(), rel=1e-12)
    assert high.area() == low.area()
    assert high.one_pass().macs == low.one_pass().macs
    assert high.one_pass().time < low.one_pass().time
    assert high.power() * high.one_pass().time == pytest.approx(high.pass_energy(), rel=1e-12)
    same = load_any_chip("jia-2020", {"supply": "0.85 V"})
    assert same.peak() == load_any_chip("jia-2020").peak()


def test_what_acts_every_pass_draws_its_energy_times_the_rate():
    """Power at full rate is energy of a pass over its time, wherever a card states rates as passes."""
    for name in ("jia-2020", "sinangil-2021", "colonnade-2021", "neurram"):
        machine = load_any_chip(name)
        assert machine.power() == pytest.approx(machine.pass_energy() / machine.one_pass().time, rel=1e-9), name


def test_another_exponent_of_the_supply():
    """Energy ∝ V^n with the n of the process in which the figures hold."""
    low, high = (
        load_any_chip("jia-2020", {"supply": supply, "process.swing_exponent": 3}) for supply in ("0.8 V", "1.2 V")
    )
    assert high.pass_energy() == pytest.approx(1.5**3 * low.pass_energy(), rel=1e-12)


def test_units_are_charged_for_the_events_they_name():
    """Of 8 input bits NeuRRAM integrates 22 pulses and converts 16 bits, in 7 bits of magnitude; area stays."""
    machine = load_any_chip("neurram")
    assert machine.events() == {"pass": 1, "input_bit": 7, "pulse": 22, "converted_bit": 16, "phase": 2}
    energy = machine.energy_by_unit()
    assert energy["integrators"] == pytest.approx(12288 * 22 * 0.25e-12)
    assert energy["converters"] == pytest.approx(12288 * 16 * 0.4e-12 * 2.09)
    power = {line.component: line.number * line.cost.power for line in machine.bill()}
    assert power["integrators"] == pytest.approx(energy["integrators"] / machine.one_pass().time)
    with pytest.raises(SpecError, match=r"units\.integrators\.event: 'puls' does not happen here"):
        load_any_chip("neurram", {"units.integrators.event": "puls"})


def test_parts_are_so_many_of_a_circuit():
    """Energy counts uses and its factor, area its own, the circuit's latency stays; factors of 1 change nothing."""
    circuit = Circuit(power=2e-3, rate=1e9, area=1e-9, leakage=1e-6, latency=1e-9)
    cost = Parts(circuit=circuit, number=4, uses=3.0, energy=0.5, area=2.0).cost()
    assert (cost.energy, cost.area, cost.leakage, cost.latency) == pytest.approx((3e-12, 2e-9, 0.5e-6, 1e-9))
    plain = Parts(circuit=circuit).cost()
    assert (plain.energy, plain.area) == (circuit.cost().energy, circuit.cost().area)
    with pytest.raises(SpecError, match="energy: must be at least 0"):
        Parts(circuit=circuit, energy=-1.0)


def test_a_cycle_is_as_long_as_its_path():
    """DIMC1's: a gate, a tree and the upper bits of an accumulator, and four of them for 8 bits, 2 at a time."""
    machine = load_any_chip("dimc1-2022")
    path = [machine.units[name].cost().latency for name in ("multipliers", "tree", "sum_high")]
    assert machine.one_pass().time == pytest.approx(4 * sum(path), rel=1e-12)
    assert load_any_chip("dimc1-2022", {"input_bits": 2}).one_pass().time == pytest.approx(sum(path), rel=1e-12)
    with pytest.raises(SpecError, match="no unit 'trees'"):
        load_any_chip("dimc1-2022", {"timing.path": ["trees"]})
    for empty in ([], ["cells"]):
        with pytest.raises(SpecError, match="takes no time"):
            load_any_chip("dimc1-2022", {"timing.path": empty})


def test_columns_without_weights_are_idle():
    """15 columns a weight of 8 bits: eight in 128 columns, 8 of them left, for each of 8 input bits."""
    timing = RippleColumns(rows=128, columns=128, rows_per_register=8, adder_time=0.4e-9, guard_bits=7)
    assert timing.events(8, 8) == {"pass": 1, "cycle": 8, "used_column": 960, "idle_column": 64}


def test_a_supply_needs_a_process():
    with pytest.raises(SpecError, match="process: is missing"):
        load_any_chip("dadiannao", {"supply": "1 V"})
    with pytest.raises(SpecError, match="have no power"):
        load_any_chip("dadiannao", {"units": {}, "link.power": "0 W"})


def test_a_card_survives_its_own_data():
    for name in ("puma", "neurram"):
        chip = load_any_chip(name)
        assert from_data(to_data(chip), type(chip)) == chip
    assert "Table 3" in sources(load_any_chip("puma"))["tile.others.instruction_memory"]


def test_standing_units_leak_and_shared_units_only_act():
    control = Control(power=2e-3, area=1e-9).cost()
    assert (control.energy, control.power, control.leakage, control.area) == (0, 2e-3, 2e-3, 1e-9)
    own = Circuit(power=2e-3, rate=1e9, area=1e-9).cost()
    shared = SharedUnit(power=2e-3, rate=1e9).cost()
    assert (shared.energy, shared.power, shared.area) == (own.energy, 0, 0)


def test_other_units_count_in_the_tile():
    """PUMA's instruction memories: 8 a tile of 1.52 mW, once more when doubled, and leakage of what is on."""
    chip, more = (load_chip("puma", {"tile.others.instruction_memory.number": n}) for n in (8, 16))
    assert more.power() - chip.power() == pytest.approx(138 * 8 * 1.52e-3, rel=1e-9)
    lines = {line.component: line for line in chip.bill()}
    assert lines["instruction_memory"].event == ""
    assert lines["instruction_memory"].cost.leakage == 1.52e-3
