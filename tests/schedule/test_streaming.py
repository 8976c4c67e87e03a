"""Networks on machines that stream weights from memory: passes counted by hand, memory shared, energy conserved."""

from dataclasses import replace
from math import ceil

import numpy as np
import pytest

from pimsim import read_result, simulate, write_result
from pimsim.accounting import Charging, account_streamed
from pimsim.chip import Clocked, Link, Machine, Matrices, WeightStreaming
from pimsim.circuits import Circuit
from pimsim.errors import CapacityError, PimsimError, SpecError
from pimsim.experiment import load_experiment, network_on_chip
from pimsim.mapping import Budget, distribute
from pimsim.network.ops import MatrixOp, VectorOp, all_of
from pimsim.results import result_summary
from pimsim.schedule import stream_weights

STREAMING = WeightStreaming(inputs=4, outputs=8, bandwidth=1e12)
LINK = Link(bandwidth=1e3, power=1.0, area=1e-6)


def machine(streaming=STREAMING, storage=16384.0, link=LINK):
    unit = Circuit(power=2.0, rate=1.0, area=1e-6)
    timing = Clocked(macs=32, time=1.0, input_bits=8, weight_bits=8)
    return Machine(
        name="m", input_bits=8, weight_bits=8, storage=storage, timing=timing, units={"all": unit}, link=link,
        streaming=streaming,
    )  # fmt: skip


def layer(name, producer, rows, cols, vectors=1, **fields):
    return MatrixOp(name, (producer,), rows, cols, vectors, 1, (all_of(1, vectors),), **fields)


CONV = layer("conv", "input", 10, 8, vectors=12)
FC = layer("fc", "conv", 96, 10)


def test_passes_of_a_layer_are_those_counted_by_hand():
    """12 vectors of 10 values, 4 at a time: 3 passes each; 10 columns, 8 at a time: 2."""
    assert STREAMING.share(Matrices(1, 10, 8, 12), 1, 1).passes == 36
    assert STREAMING.share(Matrices(1, 10, 10, 12), 1, 1).passes == 72
    assert STREAMING.share(Matrices(1, 10, 10, 12), 1, 2).passes == 36
    assert STREAMING.share(Matrices(5, 10, 10, 12), 4, 1).passes == 3 * 5 * 3 * 2
    assert STREAMING.passes(Matrices(1, 10, 10, 12)) == 12 * 3 * 10 / 8
    assert replace(STREAMING, reuse=5).share(Matrices(1, 10, 8, 12), 1, 1).weights == 3 * 80


def test_layers_follow_one_another_each_as_long_as_its_slowest_resource():
    ops = [CONV, FC]
    quick = stream_weights(ops, distribute(ops, machine()), machine())
    assert quick.finish.tolist() == [36, 36 + ceil(96 / 4) * 2]
    assert quick.latency == quick.interval == quick.finish[-1]
    slow = machine(replace(STREAMING, bandwidth=80.0))
    starved = stream_weights(ops, distribute(ops, slow), slow)
    assert starved.occupied.tolist() == [84, (12 * 80 + 960) * 8 / 80, 0]
    assert starved.finish.tolist() == [96, 192]


def test_copies_share_vectors_and_the_chips_of_one_its_columns():
    """Three chips: a third of the vectors each where memory holds the matrix thrice, otherwise of the columns."""
    roomy, tight = machine(), machine(storage=960 * 8 / 3 + 80 * 8)
    ops = [CONV, FC]
    for chip, copies in ((roomy, [3, 1]), (tight, [3, 1])):
        spread = distribute(ops, chip, budget=Budget(chips=3))
        assert spread.copies.tolist() == copies
        assert spread.stored <= chip.storage
        finish = stream_weights(ops, spread, chip).finish
        assert finish[0] == 12
    crowded = distribute(ops, machine(storage=1040 * 8 / 3 + 1), budget=Budget(chips=3))
    assert crowded.copies.tolist() == [1, 1]
    assert distribute(ops, roomy, "none", budget=Budget(chips=3)).copies.tolist() == [1, 1]


def test_what_chips_receive_from_each_other():
    """A copy of the first layer in each of 3 chips: the second needs 96 values in each, of which it has a third."""
    ops, chip = [CONV, FC], machine()
    spread = distribute(ops, chip, budget=Budget(chips=3))
    assert stream_weights(ops, spread, chip).occupied[2] == pytest.approx(96 * 8 * (1 - 1 / 3) / 1e3)
    ops = [CONV, layer("next", "conv", 8, 8, vectors=12)]
    assert stream_weights(ops, distribute(ops, chip, budget=Budget(chips=3)), chip).occupied[2] == 0
    add = VectorOp("add", ("fc", "conv"), "add", 96, 192, 12, 8, (all_of(1), all_of(1)))
    assert (
        stream_weights([CONV, FC, add], spread, chip).finish[2]
        > stream_weights([CONV, FC, add], spread, chip).finish[1]
    )


def test_vectors_that_wait_for_each_other_are_not_shared():
    lstm = layer("lstm", "input", 8, 8, vectors=12, recurrent=4)
    spread = distribute([lstm], machine(), budget=Budget(chips=3))
    assert spread.copies.tolist() == [1]
    assert stream_weights([lstm], spread, machine()).latency == 12 * 2


@pytest.mark.parametrize(
    ("asked", "kind", "fact"),
    [
        ({"budget": Budget(chips=1)}, CapacityError, "mapping.budget: the weights need the memory of 2 chips"),
        ({"budget": Budget(arrays=9)}, SpecError, "m has no arrays"),
        ({"overflow": "refuse"}, CapacityError, "mapping.overflow: the weights need the memory of 2 chips"),
        ({"overflow": "reload"}, SpecError, "nothing to reload weights from"),
        ({"replicate": {"con": 2}}, SpecError, "Did you mean conv"),
        ({"replicate": {"conv": 3}}, SpecError, "must divide the number of chips, 2, got 3"),
        ({"replicate": {"fc": 2}}, CapacityError, "lacks 480 B"),
    ],
)
def test_what_a_machine_cannot_be_asked_for(asked, kind, fact):
    with pytest.raises(kind, match=fact):
        distribute([CONV, FC], machine(storage=6080.0), **asked)


def test_units_are_charged_for_their_events():
    """Inputs of 8 bits, 2 at a time: a unit that acts in each cycle takes four times what it does once a pass."""
    ops, timing = [CONV, FC], Clocked(macs=32, time=1.0, input_bits=2, weight_bits=8)
    once = replace(machine(), timing=timing)
    always = replace(once, units={"all": replace(once.units["all"], event="cycle")})
    distribution = distribute(ops, once)
    timeline = stream_weights(ops, distribution, once)
    cost = [account_streamed(ops, distribution, chip, timeline, Charging()) for chip in (once, always)]
    assert [report.events() for report in cost] == [{"pass": 36 + 24 * 10 / 8}, {"cycle": 4 * (36 + 24 * 10 / 8)}]
    assert cost[1].energy.sum() == pytest.approx(4 * cost[0].energy.sum(), rel=1e-12)


def test_more_chips_than_anyone_would_build():
    with pytest.raises(CapacityError, match="the weights need the memory of 800,000 chips"):
        distribute([layer("fc", "input", 100, 1000)], machine(storage=0.1))
    with pytest.raises(SpecError, match="chips: must be 1 to 65536"):
        Budget(chips=2**17)


def test_a_budget_in_square_millimetres_buys_whole_machines():
    assert machine().area() == pytest.approx(2e-6)
    assert distribute([CONV, FC], machine(), budget=Budget(area=7e-6)).chips == 3
    assert distribute([CONV, FC], machine(), budget=Budget(power=9.0)).chips == 3


def test_a_run_is_conserved_written_and_read(tmp_path):
    """Energy of passes and of links make the whole; the file gives the same figures again."""
    result = simulate(network_on_chip("dadiannao", "lenet5", {"mapping.budget": {"chips": 2}}))
    cost, summary = result.cost, result_summary(result)
    assert sum(cost.energy_by_component().values()) == pytest.approx(cost.total_energy, rel=1e-12)
    assert sum(cost.energy_by_layer().values()) == pytest.approx(cost.total_energy, rel=1e-12)
    assert cost.energy_by_component()["link"] == pytest.approx(2 * 10.4 * result.timeline.interval, rel=1e-12)
    passes = cost.events()["pass"]
    assert cost.energy_by_component()["nfu"] == pytest.approx(passes * 4.9 / 606e6, rel=1e-9)
    assert (summary["chips"], summary["arrays_used"], summary["programming"]) == (2, None, None)
    assert summary["activity"] is None
    again = result_summary(read_result(write_result(result, tmp_path / "a.h5")))
    assert again == summary
    assert np.diff(result.timeline.finish).min() >= 0


@pytest.mark.parametrize(
    ("make", "fact"),
    [
        (lambda: simulate(network_on_chip("jia-2020", "mlp")), "no network can run on jia-2020"),
        (lambda: load_experiment("isaac-mlp", {"chip": "dadiannao"}), "dataset: dadiannao has no arrays"),
        (
            lambda: network_on_chip("dadiannao", "mlp", {"schedule.replay": 2}),
            "schedule: dadiannao takes one layer after the other",
        ),
        (
            lambda: simulate(network_on_chip("dadiannao", "mlp", {"quantization.first_last": 8})),
            "quantization: dadiannao has operands of one width",
        ),
        (lambda: machine(replace(STREAMING, outputs=9)), "must be at most the 32 products of a pass"),
    ],
)
def test_what_cannot_run(make, fact):
    with pytest.raises(PimsimError, match=fact):
        make()
