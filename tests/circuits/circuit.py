"""Kirchhoff's laws for any circuit of resistors and voltage sources, by loops over its branches and a dense solve."""

import numpy as np


class Circuit:
    """Nodes have names; a branch of no resistance makes one node of its two."""

    def __init__(self):
        self.branches, self.same, self.fixed = [], {}, {"ground": 0.0}

    def node(self, name):
        while name in self.same:
            name = self.same[name]
        return name

    def connect(self, a, b, resistance):
        if resistance == 0:
            a, b = self.node(a), self.node(b)
            if a != b:  # keep the name that a source holds
                self.same.update({b: a} if a in self.fixed else {a: b})
        elif np.isfinite(resistance):
            self.branches.append((a, b, resistance))

    def solve(self):
        """Voltage of every node, by name; nodes that nothing connects to a source are at 0 V."""
        ends = [(self.node(a), self.node(b), 1 / resistance) for a, b, resistance in self.branches]
        free = sorted({node for a, b, _ in ends for node in (a, b)} - self.fixed.keys(), key=str)
        place = {node: at for at, node in enumerate(free)}
        matrix, rhs = np.zeros((len(free), len(free))), np.zeros(len(free))
        for one, other, g in [*ends, *((b, a, g) for a, b, g in ends)]:
            if one in place:
                matrix[place[one], place[one]] += g
                if other in place:
                    matrix[place[one], place[other]] -= g
                else:
                    rhs[place[one]] += g * self.fixed[other]
        found = np.linalg.solve(matrix, rhs) if free else []
        return self.fixed | dict(zip(free, found, strict=True))


def play(wires, cells, drive):
    """Currents into the sense amplifiers [vector col], and node voltages [vector row col] of both ends of the cells."""
    results = [_play_one(wires, cells, volts) for volts in drive]
    return tuple(np.array(each) for each in zip(*results, strict=True))


def _play_one(wires, cells, volts):
    rows, cols = cells.shape
    circuit, places = Circuit(), list(np.ndindex(rows, cols))
    for row, col in places:
        if wires.feed == "input":
            _feed(circuit, wires, ("w", row, col), ("w", row, col - 1), col, cols, volts[row], ("source", row))
        else:
            step = 2 if wires.interleaved else 1
            sign = -1 if wires.interleaved and row % 2 else 1
            previous, at, count = ("w", row - step, col), row // step, rows // step
            _feed(circuit, wires, ("w", row, col), previous, at, count, sign * wires.supply, ("supply", sign))
        below = ("b", row + 1, col) if row < rows - 1 else ("sense", col)
        paired = wires.interleaved and row % 2 == 0
        circuit.connect(("b", row, col), below, 0.0 if paired else wires.bit_segment)
    for col in range(cols):
        circuit.connect("ground", ("sense", col), wires.sense)
    for row, col in places:
        conducts = wires.feed == "input" or volts[row] != 0
        if cells[row, col] > 0 and conducts:
            circuit.connect(("w", row, col), ("b", row, col), 1 / cells[row, col])
    found = circuit.solve()
    feed = np.array([_voltage(circuit, found, ("w", *place)) for place in places]).reshape(rows, cols)
    bit = np.array([_voltage(circuit, found, ("b", *place)) for place in places]).reshape(rows, cols)
    gate = np.ones(rows) if wires.feed == "input" else (np.asarray(volts) != 0)
    return (cells * gate[:, None] * (feed - bit)).sum(axis=0), feed, bit


def _feed(circuit, wires, node, previous, at, count, volts, source):
    """One node of a line that feeds cells: the piece of wire before it, and, at an end, its driver."""
    circuit.fixed[source] = float(volts)
    if at == 0:
        circuit.connect(source, node, wires.word_segment + wires.driver)
    else:
        circuit.connect(previous, node, wires.word_segment)
    if wires.double_sided and at == count - 1:
        circuit.connect(source, node, wires.word_segment + wires.driver)


def _voltage(circuit, found, name):
    return found[circuit.node(name)]
