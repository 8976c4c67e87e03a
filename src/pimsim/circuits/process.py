"""Semiconductor processes, and what becomes of a circuit's figures in another one."""

from typing import Any, NamedTuple

import numpy as np

from pimsim.errors import SpecError, require, require_positive
from pimsim.spec import AbstractSpec
from pimsim.units import Length, Voltage

NODES = np.array([130e-9, 90e-9, 65e-9, 45e-9, 32e-9, 20e-9, 16e-9, 14e-9, 10e-9, 7e-9])
"""Of the table of Stillmaker and Baas, Integration 58, 74 (2017); of 45 nm and below its high-performance rows."""
AREA = np.array([
    [1, 0.44, 0.23, 0.16, 0.072, 0.033, 0.03, 0.027, 0.016, 0.0092],
    [2.3, 1, 0.53, 0.35, 0.16, 0.075, 0.067, 0.061, 0.036, 0.021],
    [4.3, 1.9, 1, 0.66, 0.31, 0.14, 0.13, 0.12, 0.068, 0.039],
    [6.4, 2.8, 1.5, 1, 0.46, 0.21, 0.19, 0.17, 0.1, 0.059],
    [14, 6.1, 3.3, 2.2, 1, 0.46, 0.41, 0.38, 0.22, 0.13],
    [30, 13, 7.1, 4.7, 2.2, 1, 0.89, 0.82, 0.48, 0.28],
    [34, 15, 7.9, 5.3, 2.4, 1.1, 1, 0.91, 0.54, 0.31],
    [37, 16, 8.7, 5.8, 2.7, 1.2, 1.1, 1, 0.59, 0.34],
    [63, 28, 15, 9.8, 4.5, 2.1, 1.9, 1.7, 1, 0.58],
    [110, 48, 25, 17, 7.8, 3.6, 3.2, 2.9, 1.7, 1],
])  # fmt: skip
"""Area at a column's node over area at a row's, as printed."""
ENERGY = np.array([
    [7.171, -6.709, 2.904], [4.762, -4.781, 2.092], [3.755, -4.398, 1.975], [1.018, -0.3107, 0.1539],
    [0.8367, -0.4341, 0.1701], [0.373, -0.1582, 0.04104], [0.2958, -0.1241, 0.03024], [0.2363, -0.09675, 0.02239],
    [0.2068, -0.09311, 0.02375], [0.1776, -0.09097, 0.02447],
])  # fmt: skip
"""Energy of a gate at each node, as a polynomial in the supply (V), highest power first."""
REFERENCE = 0.8
"""Volt, at which nodes are compared; other supplies follow from laws."""
LOWEST_SUPPLY, HIGHEST_SUPPLY = 0.6, 1.2
MARGIN = 0.1
"""Volt that a supply lies above the threshold, at least: below, current is no power of the overdrive."""


class Process(AbstractSpec):
    """A node and a supply voltage.

        energy ∝ E(node) V^n         area ∝ A(node)          delay ∝ node · V / (V - V_t)^α

    E and A are the table's, E at 0.8 V, linear between its nodes; the law of delay is Sakurai and Newton, IEEE JSSC 25,
    584 (1990). Within 0.7 to 1.1 V, V² is within 12 % of the table's polynomials.
    """

    node: Length
    supply: Voltage = 0.0
    """0 where it is not stated: figures are then taken to another process at the supply they have."""
    threshold: Voltage = 0.4
    """V_t. With it and α as they are here, the law is within 10 % of what the authors of the table find for delay
    between 0.7 and 1.1 V at 130, 90 and 65 nm."""
    alpha: float = 1.3
    """Exponent of the overdrive: 2 without velocity saturation, 1.3 for a short channel."""
    swing_exponent: float = 2.0
    """n of energy ∝ V^n: 2 where charge is moved over the whole supply. Others are fitted to a measured chip."""

    def __check_init__(self):
        require_positive("node", self.node, "m")
        require("alpha", self.alpha, 1, 2)
        require("swing_exponent", self.swing_exponent, 1, 6)

    def check(self, place: str) -> None:
        """Raise SpecError outside the range of the table and the laws."""
        if np.any((self.node < NODES[-1]) | (self.node > NODES[0])):
            raise SpecError(f"{place}.node", "must be 7 nm to 130 nm", "The table of scaling factors ends there.")
        if np.any(self.supply != 0):
            require(f"{place}.supply", self.supply, LOWEST_SUPPLY, HIGHEST_SUPPLY)
            if np.any(self.supply < self.threshold + MARGIN):
                fact = f"must be {MARGIN} V above the threshold, at least"
                raise SpecError(f"{place}.supply", fact, "The law of delay ends there.")


class Factors(NamedTuple):
    """What figures are multiplied by; each a number, or an array along `variant`."""

    energy: float
    area: float
    delay: float
    leakage: float


def factors(of: Process, to: Process) -> Factors:
    """From one process to another. They compose: A → B → C is A → C.

    Leakage follows the energy of the node and not the supply, as in the libraries that use this table.
    Raises SpecError outside the range of the table, and for a supply that cannot be compared.
    """
    of.check("process")
    to.check("ported_to")
    node = relative(ENERGY_AT, to.node) / relative(ENERGY_AT, of.node)
    area = relative(AREA_AT, to.node) / relative(AREA_AT, of.node)
    delay = to.node / of.node
    if np.all(to.supply == 0):
        return Factors(node, area, delay, node)
    if np.any(of.supply == 0):
        raise SpecError("process.supply", "is missing", "Without it nothing can be said of another supply.")
    return Factors(node * (to.supply / of.supply) ** of.swing_exponent, area, delay * slowness(to) / slowness(of), node)


def slowness(process: Process) -> Any:
    """Delay at the supply over that at the reference."""
    at_supply = process.supply / (process.supply - process.threshold) ** process.alpha
    return at_supply * (REFERENCE - process.threshold) ** process.alpha / REFERENCE


def relative(figure: np.ndarray, node: Any) -> Any:
    """A figure by node, linear between the nodes of the table."""
    value = np.interp(node, NODES[::-1], figure[::-1])
    return value if np.ndim(value) else float(value)


ENERGY_AT = np.array([np.polyval(row, REFERENCE) for row in ENERGY])
AREA_AT = np.exp(np.log(AREA).mean(axis=0))
"""The figures whose ratios are nearest to the printed ones in the mean of squares of logarithms; they compose."""
