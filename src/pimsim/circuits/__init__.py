"""What surrounds the cell; each class computes and costs from the same fields."""

from pimsim.circuits.adc import AbstractAdc, FlashAdc, IdealAdc, ImperfectAdc, IntegrateFireAdc, RampAdc, SarAdc
from pimsim.circuits.adc_laws import ClosedFormAdc, LinearAdc, SurveyAdc
from pimsim.circuits.array import BareArray, ReadPulse
from pimsim.circuits.base import AbstractCircuit, AbstractUnit, Circuit, Control, Cost, SharedUnit
from pimsim.circuits.dac import Dac
from pimsim.circuits.digital import AdderTree
from pimsim.circuits.lines import LineDriver
from pimsim.circuits.memory import AbstractBuffer, Buffer, SizedBuffer
from pimsim.circuits.parts import Enlarged, Parts
from pimsim.circuits.process import Factors, Process, factors
from pimsim.circuits.wires.effective import effective_conductance
from pimsim.circuits.wires.nodes import solve_nodes
from pimsim.circuits.wires.spec import Wires
