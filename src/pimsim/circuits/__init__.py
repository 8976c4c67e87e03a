"""What surrounds the cell; each class computes and costs from the same fields."""

from pimsim.circuits.adc import AbstractAdc, FlashAdc, IdealAdc, ImperfectAdc, IntegrateFireAdc, RampAdc, SarAdc
from pimsim.circuits.base import AbstractCircuit, Circuit, Cost
from pimsim.circuits.dac import Dac
from pimsim.circuits.memory import Buffer
from pimsim.circuits.wires import Wires, effective_conductance, solve_nodes
