"""Energy, power and area against sums by hand, and the laws that any bill obeys."""

from dataclasses import dataclass

import numpy as np
import pytest

from pimsim import load_chip
from pimsim.accounting import Charging, CostReport, account
from pimsim.chip import Chip
from pimsim.errors import SpecError
from pimsim.events import events_by_layer
from pimsim.mapping import Placement, place
from pimsim.network.graph import build_network
from pimsim.network.layers import Add, Conv2d, Dense, Flatten, MaxPool, Relu
from pimsim.network.zoo import load_topology
from pimsim.schedule import Edge, Timeline, schedule, traffic

PICO, MICRO = 1e-12, 1e-6


@dataclass
class Run:
    """A network on a chip, up to its bill."""

    chip: Chip
    ops: list
    placement: Placement
    edges: list[Edge]
    signed: dict[str, bool]
    timeline: Timeline
    cost: CostReport

    def energy(self, layer):
        """By component, in pJ."""
        row = self.cost.energy[self.cost.layer.tolist().index(layer)]
        return {name: e / PICO for name, e in zip(self.cost.component.tolist(), row.tolist(), strict=True) if e}

    def static(self, component):
        """Of leakage and constant power, in J."""
        return self.cost.static_energy[self.cost.component.tolist().index(component)]


def run(network, chip, replicate="none", charging=None, signed=False):
    ops = network.ops()
    placement = place(ops, chip, replicate)
    edges = traffic(ops, placement, chip, int(np.prod(network.input_shape)))
    polarity = dict.fromkeys(network.matrix_layers, signed)
    timeline = schedule(ops, placement, chip, edges, polarity)
    cost = account(ops, placement, chip, edges, timeline, polarity, charging or Charging())
    return Run(chip, ops, placement, edges, polarity, timeline, cost)


RESIDUAL = build_network(
    "residual",
    (8, 8, 16),
    [
        ("conv1", Conv2d(16, 3, padding=1)),
        ("relu1", Relu()),
        ("conv2", Conv2d(32, 3, padding=1, groups=4)),
        ("conv3", Conv2d(32, 1), "relu1"),
        ("add", Add(), ("conv2", "conv3")),
        ("pool", MaxPool(2)),
        ("flatten", Flatten()),
        ("fc", Dense(10)),
    ],
)


def test_one_full_array_by_hand(isaac):
    """128 → 16 is one array of ISAAC, and one vector passes it: 16 reads of 129 columns.

    Energies per event from Table I, which gives mW of groups:

        ADC conversion   16 mW / 8 / 1.28 GHz            = 1.5625 pJ          × 16 · 129       = 2064    3225      pJ
        DAC drive        4 mW / 1024 / 10 MHz            = 0.390625 pJ        × 16 · 128       = 2048     800      pJ
        sample           10 µW / 1024 / 10 MHz           = 0.0009765625 pJ    × 2064                        2.015625 pJ
        cell read        2.4 mW / 8 / 163.84 GHz         = 0.0018310546875 pJ × 16 · 128 · 129 = 264,192  483.75   pJ
        shift-and-add    0.2 mW / 4 / 2.56 GHz           = 0.01953125 pJ      × 2064                       40.3125 pJ
        input register   1.24 mW / 10.24 GHz             = 0.12109375 pJ      × 16 bits · 128  = 2048     248      pJ
        output register  0.23 mW / 10.24 GHz             = 0.0224609375 pJ    × 2064                       46.359375 pJ
        eDRAM            20.7 mW / 81.92 Gbit/s          = 0.252685546875 pJ  × 2048 in, 2048 out         1035     pJ
        bus              7 mW / 81.92 Gbit/s             = 0.08544921875 pJ   × 16 · (128 + 16) = 2304    196.875  pJ
        result register  1.68 mW / 0.96 GHz              = 1.75 pJ            × 16                         28      pJ

    One block makes no partial sums to add; the image enters at the tile that needs it and passes no router. Latency is
    22 cycles of 100 ns, and an image can follow every 16, in which the links draw 10.4 W · 1.6 µs = 16.64 µJ.
    """
    one = run(build_network("one", (128,), [("fc", Dense(16))]), isaac)
    assert one.placement.arrays_used == 1
    assert one.energy("fc") == pytest.approx({
        "adc": 3225, "dac": 800, "sample_hold": 2.015625, "array": 483.75, "shift_add": 40.3125,
        "input_register": 248, "output_register": 46.359375, "buffer": 1035, "bus": 196.875, "result_register": 28,
    }, rel=1e-12)  # fmt: skip
    assert one.timeline.latency == pytest.approx(2.2 * MICRO, rel=1e-12)
    assert one.timeline.interval == pytest.approx(1.6 * MICRO, rel=1e-12)
    assert one.cost.static_energy.sum() == pytest.approx(16.64 * MICRO, rel=1e-12)
    assert one.cost.total_energy == pytest.approx(6105.3125 * PICO + 16.64 * MICRO, rel=1e-12)
    assert one.cost.power == pytest.approx(one.cost.total_energy / (1.6 * MICRO), rel=1e-12)
    assert one.cost.area == pytest.approx(85.42 * 1e-6, rel=1e-3)


def test_a_matrix_over_several_arrays_by_hand(isaac):
    """300 → 20 is cut into 3 × 2 arrays of 100 rows by 16 and by 4 weights; one vector, 16 reads.

    conversions   16 · 3 · (16·8 + 1 + 4·8 + 1) = 16 · 3 · 162      =    7776  × 1.5625 pJ           = 12,150 pJ
    drives        16 · 100 · 6                                      =    9600  × 0.390625 pJ         =   3750 pJ
    cell reads    16 · 100 · 3 · 162                                = 777,600  × 0.0018310546875 pJ  =   1423.828125 pJ
    additions     three partial sums of each of 20 results: 2 · 20  =      40  × 0.05 mW / 0.96 GHz  =      2.083333 pJ
    bus           16 · (300 + 20)                                   =    5120  × 0.08544921875 pJ    =    437.5 pJ
    """
    energy = run(build_network("cut", (300,), [("fc", Dense(20))]), isaac).energy("fc")
    assert energy["adc"] == pytest.approx(12_150, rel=1e-12)
    assert energy["dac"] == pytest.approx(3750, rel=1e-12)
    assert energy["array"] == pytest.approx(1423.828125, rel=1e-12)
    assert energy["adder"] == pytest.approx(40 * 0.05e-3 / 0.96e9 / PICO, rel=1e-12)
    assert energy["bus"] == pytest.approx(437.5, rel=1e-12)


def test_lenets_first_layer_by_hand(isaac):
    """conv1 of LeNet-5: a 25 × 6 matrix in one array of 49 columns, which 784 vectors pass; then ReLU and pooling.

    conversions   784 · 16 · (6·8 + 1)          =    614,656   × 1.5625 pJ           = 960,400 pJ
    drives        784 · 16 · 25                 =    313,600   × 0.390625 pJ         = 122,500 pJ
    cell reads    784 · 16 · 25 · 49            = 15,366,400   × 0.0018310546875 pJ  =  28,136.71875 pJ
    eDRAM         784·16 in, 784 · 16 · 25 out  =    326,144   × 0.252685546875 pJ   =  82,411.875 pJ
    results       784 · 6                       =      4,704   × 1.75 pJ             =   8,232 pJ
    relu1         4,704 values                  × 0.52 mW / 0.96 GHz                 =   2,548 pJ
    pool1         4,704 values into windows     × 0.4 mW / 0.96 GHz                  =   1,960 pJ
    """
    lenet = run(load_topology("lenet5"), isaac)
    energy = lenet.energy("conv1")
    assert len(lenet.placement.blocks("conv1")) == 1
    assert energy["adc"] == pytest.approx(960_400, rel=1e-12)
    assert energy["dac"] == pytest.approx(122_500, rel=1e-12)
    assert energy["array"] == pytest.approx(28_136.71875, rel=1e-12)
    assert energy["buffer"] == pytest.approx(82_411.875, rel=1e-12)
    assert energy["result_register"] == pytest.approx(8232, rel=1e-12)
    assert lenet.energy("relu1") == pytest.approx({"activation": 2548}, rel=1e-12)
    assert lenet.energy("pool1") == pytest.approx({"pool": 1960}, rel=1e-12)


@pytest.mark.parametrize("network", [load_topology("lenet5"), load_topology("mlp"), RESIDUAL], ids=lambda n: n.name)
@pytest.mark.parametrize("charging", [Charging(), Charging(power_gating=False, constant_power="latency")])
def test_the_parts_sum_to_the_total(network, charging):
    """Energy by layer and component, by layer, and by component: each sums to the total, to 1e-12."""
    cost = run(network, load_chip("isaac-ce", {"core.adc.leakage": "3 uW"}), "balance", charging).cost
    total = cost.total_energy
    assert cost.energy.sum() + cost.static_energy.sum() == pytest.approx(total, rel=1e-12)
    assert sum(cost.energy_by_layer().values()) == pytest.approx(total, rel=1e-12)
    assert sum(cost.energy_by_component().values()) == pytest.approx(total, rel=1e-12)
    assert sum(cost.area_by_component().values()) == pytest.approx(cost.area, rel=1e-12)
    assert (cost.energy >= 0).all()


@pytest.mark.parametrize("network", [load_topology("lenet5"), RESIDUAL], ids=lambda n: n.name)
def test_energy_is_events_times_the_energy_of_one(isaac, network):
    """For every layer and component, and for the network's events in sum."""
    done = run(network, isaac)
    lines = [line for line in isaac.bill() if line.event]
    unit = np.array([line.cost.energy for line in lines])
    np.testing.assert_allclose(done.cost.event_count * unit, done.cost.energy[:, : len(lines)], rtol=1e-12)
    by_event = done.cost.events()
    assert list(by_event.values()) == pytest.approx(done.cost.event_count.sum(axis=0).tolist(), rel=1e-12)


def test_a_networks_events_are_its_layers(isaac):
    """Events are additive: each layer alone, on the same placement, has what the report counts for it."""
    done = run(RESIDUAL, isaac)
    for index, op in enumerate(done.ops):
        alone = events_by_layer([op], done.placement, isaac, done.edges, done.signed)[0]
        counted = dict(zip(done.cost.event.tolist(), done.cost.event_count[index].tolist(), strict=True))
        assert {name: n for name, n in counted.items() if n} == {name: n for name, n in alone.items() if n}


@pytest.mark.parametrize("layer", ["conv1", "conv2"])
def test_conversions_count_every_column_of_every_array_in_every_cycle(isaac, layer):
    """vectors × cycles × Σ over arrays (slices × weights + unit column), grouped or dense, as the placement has it."""
    done = run(RESIDUAL, isaac)
    op = next(op for op in done.ops if op.layer == layer)
    columns = sum(8 * cols + 1 for *_, cols in done.placement.blocks(layer))
    events = events_by_layer([op], done.placement, isaac, done.edges, done.signed)[0]
    assert events["conversion"] == 64 * 16 * columns
    assert events["row_drive"] == 64 * 16 * sum(rows for _, rows, *_ in done.placement.blocks(layer))


def test_partial_sums_are_added_where_a_column_has_several():
    """Four groups of 36 × 8 in arrays of 72 rows and 16 weights: each column lies in one block and nothing is added.

    The dense matrix of 144 × 32 has two blocks for each column, and adds once for each of 32 results; the residual
    sum of the two adds 32 values more, at 64 places.
    """
    chip = load_chip("isaac-ce", {"core.rows": 72})
    done = run(RESIDUAL, chip)
    assert "adder" not in done.energy("conv2")
    dense = [(n.name, Conv2d(32, 3, padding=1) if n.name == "conv2" else n.layer, n.inputs) for n in RESIDUAL.nodes]
    other = run(build_network("dense", (8, 8, 16), dense), chip)
    events = events_by_layer(other.ops, other.placement, chip, other.edges, other.signed)
    counts = {op.layer: counts.get("addition", 0) for op, counts in zip(other.ops, events, strict=True)}
    assert counts["conv2"] == 64 * 32
    assert counts["add"] == 64 * 32


def test_a_sum_of_three_tensors_takes_two_additions_a_value(isaac):
    nodes = [("a", Relu(), "input"), ("b", Dense(4), "a"), ("c", Dense(4), "a"), ("d", Dense(4), "a")]
    done = run(build_network("three", (4,), [*nodes, ("sum", Add(), ("b", "c", "d"))]), isaac)
    assert done.cost.events()["addition"] == 2 * 4


def test_signed_inputs_cost_what_unsigned_ones_do(isaac):
    """16 bits are 16 cycles either way: 15 and the sign's."""
    once, other = (run(RESIDUAL, isaac, signed=signed).cost for signed in (False, True))
    np.testing.assert_allclose(once.energy, other.energy, rtol=1e-12)


def test_copies_change_no_event_of_the_arrays(isaac):
    """Each vector passes one copy, whichever: conversions are those of one; only the way to more tiles is longer."""
    lone, many = (run(load_topology("lenet5"), isaac, replicate) for replicate in ("none", "balance"))
    one, all_ = lone.cost.events(), many.cost.events()
    for event in ("conversion", "row_drive", "cell_read", "sample", "shift_add", "result", "activation", "bus_bit"):
        assert all_[event] == one[event]
    assert all_["flit_hop"] > one["flit_hop"]
    assert many.cost.tiles_on > lone.cost.tiles_on


@pytest.mark.parametrize("component", ["core.adc", "core.dac", "core.array", "tile.buffer", "tile.router"])
def test_gated_tiles_do_not_leak(isaac, component):
    """Leakage is what the tiles that are on hold, over the time charged; without gating, every tile of the chip.

    An instance that leaks 1 µW, n of them in a tile: n · tiles · 1 µW · interval.
    """
    chip = load_chip("isaac-ce", {f"{component}.leakage": "1 uW"})
    name = component.split(".")[1]
    number = next(line.number for line in chip.tile_bill() if line.component == name)
    gated, all_on = (run(RESIDUAL, chip, charging=Charging(power_gating=gating)) for gating in (True, False))
    tiles = gated.placement.tiles_on()
    assert (gated.cost.tiles_on, all_on.cost.tiles_on) == (tiles, 168)
    assert gated.static(name) == pytest.approx(number * tiles * 1e-6 * gated.timeline.interval, rel=1e-12)
    assert all_on.static(name) / gated.static(name) == pytest.approx(168 / tiles, rel=1e-12)
    assert all_on.cost.total_energy - gated.cost.total_energy == pytest.approx(
        all_on.static(name) - gated.static(name), rel=1e-6
    )
    quiet = run(RESIDUAL, isaac, charging=Charging(power_gating=False))
    assert quiet.cost.total_energy == run(RESIDUAL, isaac).cost.total_energy


def test_constant_power_is_charged_for_the_chosen_time(isaac):
    """The links draw 10.4 W whatever happens: for the interval of a full pipeline, or for the latency of one image."""
    by_time = {t: run(RESIDUAL, isaac, charging=Charging(constant_power=t)) for t in ("interval", "latency")}
    for name, done in by_time.items():
        time = getattr(done.timeline, name)
        assert done.cost.static_energy.sum() == pytest.approx(10.4 * time, rel=1e-12)
        assert done.cost.power == pytest.approx(done.cost.total_energy / time, rel=1e-12)
        assert done.cost.constant_power == name
    np.testing.assert_array_equal(by_time["interval"].cost.energy, by_time["latency"].cost.energy)


def test_more_chips_are_more_links_and_more_area():
    """39 and 5 arrays take 11 chips of 4: eleven times one chip's area, link power and leakage."""
    chip = load_chip("isaac-ce", {"mesh_rows": 1, "mesh_cols": 1, "tile.router.shared_by": 1, "tile.cores": 1,
                                  "core.arrays": 4, "core.adc.leakage": "1 uW"})  # fmt: skip
    done = run(build_network("wide", (128,), [("a", Dense(16 * 39)), ("b", Dense(1))]), chip)
    assert done.placement.chips == 11
    assert done.cost.area == pytest.approx(11 * chip.area(), rel=1e-12)
    assert done.static("link") == pytest.approx(11 * 10.4 * done.timeline.interval, rel=1e-12)
    assert done.static("adc") == pytest.approx(11 * 4 * 1e-6 * done.timeline.interval, rel=1e-12)


def test_an_event_that_nobody_is_charged_for_is_an_error(isaac, monkeypatch):
    """Energy cannot get lost: a core that counts what the bill does not know is refused."""
    events = type(isaac.core).events
    extra = lambda self, *args, **kwargs: events(self, *args, **kwargs) | {"teleport": 1.0}  # noqa: E731
    monkeypatch.setattr(type(isaac.core), "events", extra)
    with pytest.raises(SpecError, match="no component is charged for teleport"):
        run(RESIDUAL, isaac)
