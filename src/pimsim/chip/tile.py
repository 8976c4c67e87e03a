"""A tile: cores around a buffer, with the digital units their results pass through."""

from collections import Counter

from pimsim.chip.core import AbstractCore, Line
from pimsim.chip.interconnect import Router
from pimsim.circuits import Buffer, Circuit
from pimsim.errors import require
from pimsim.spec import AbstractSpec


class Tile(AbstractSpec):
    """Cores that share a buffer, a bus, a vector unit and a corner of a router."""

    cores: int
    buffer: Buffer
    bus: Circuit
    """Between buffer and cores; its event is one bit."""
    activation: Circuit
    """Element-wise functions; its event is one value."""
    pool: Circuit
    """Its event is one value taken into a window."""
    adder: Circuit
    """Adds the partial sums of a matrix cut over several arrays, and residual branches; its event is one addition."""
    output_register: Circuit
    """Its event is one finished result."""
    router: Router

    def __check_init__(self):
        require("cores", self.cores, 1, 4096)

    def matrix_events(self, rows: int, cols: int, blocks: int, bits: int) -> Counter[str]:
        """What happens around the cores for one vector of a [rows, cols] matrix cut into `blocks` rows of arrays."""
        moved = float(bits * (rows + cols))
        return Counter(
            buffer_bit=float(bits * rows), bus_bit=moved, addition=float((blocks - 1) * cols), result=float(cols)
        )

    def vector_events(self, kind: str, values: float, operands: float) -> Counter[str]:
        """What a layer without a matrix asks of the digital units, on values passing by on their way to the buffer."""
        events = {"activation": ("activation", values), "pool": ("pool", operands), "add": ("addition", values)}
        return Counter(dict([events[kind]])) if kind in events else Counter()

    def arrival_events(self, values: float, bits: int) -> Counter[str]:
        """What it takes to put `values` that come over the mesh into the buffer."""
        return Counter(buffer_bit=values * bits)

    def bill(self, core: AbstractCore) -> list[Line]:
        """The components of one tile; a shared router counts by its share."""
        return [line._replace(number=line.number * self.cores) for line in core.bill()] + [
            Line("buffer", "buffer_bit", 1, self.buffer.cost()),
            Line("bus", "bus_bit", self.bus.number, self.bus.cost()),
            Line("activation", "activation", self.activation.number, self.activation.cost()),
            Line("pool", "pool", self.pool.number, self.pool.cost()),
            Line("adder", "addition", self.adder.number, self.adder.cost()),
            Line("result_register", "result", self.output_register.number, self.output_register.cost()),
            Line("router", "flit_hop", 1 / self.router.shared_by, self.router.cost()),
        ]
