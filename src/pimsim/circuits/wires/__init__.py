"""Wire resistance: what an array with IR drop computes."""

from pimsim.circuits.wires.effective import effective_conductance, with_wires
from pimsim.circuits.wires.nodes import Nodes, solve_nodes
from pimsim.circuits.wires.spec import Wires
