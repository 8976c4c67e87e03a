"""What surrounds the cell; each class computes and costs from the same fields."""

from pimsim.circuits.adc import AbstractAdc, FlashAdc, IdealAdc, ImperfectAdc, IntegrateFireAdc, RampAdc, SarAdc
from pimsim.circuits.base import AbstractCircuit, Circuit, Cost
from pimsim.circuits.dac import Dac
from pimsim.circuits.memory import Buffer
from pimsim.circuits.wires.effective import effective_conductance
from pimsim.circuits.wires.nodes import solve_nodes
from pimsim.circuits.wires.spec import Wires
