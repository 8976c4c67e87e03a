"""A tile: cores around a buffer, with the digital units their results pass through."""

import equinox as eqx

from pimsim.chip.core import AbstractCore, Line, charge
from pimsim.chip.interconnect import Router
from pimsim.chip.products import AbstractProducts, Pace, Product
from pimsim.circuits import AbstractBuffer, AbstractUnit
from pimsim.errors import inside, require
from pimsim.spec import AbstractSpec
from pimsim.units import Time


class Tile(AbstractSpec):
    """Cores that share a buffer, a bus, a vector unit and a corner of a router."""

    cores: int
    buffer: AbstractBuffer
    bus: AbstractUnit
    """Between buffer and cores; its event is one bit."""
    activation: AbstractUnit
    """Functions of a value and products of two; its event is one value."""
    pool: AbstractUnit
    """Its event is one value taken into a window."""
    adder: AbstractUnit
    """Adds the partial sums of a matrix cut over several arrays, and residual branches; its event is one addition."""
    output_register: AbstractUnit
    """Its event is one finished result."""
    router: Router
    others: dict[str, AbstractUnit] = eqx.field(default_factory=dict)
    """What else there is, by name: control, instruction memories; no event makes it act."""
    products: AbstractProducts | None = None
    """What multiplies two results of the network; None where nothing can."""
    issue: Time = 0.0
    """From one matrix-vector operation that the tile starts to the next, where its arrays take turns; 0 where they need
    not."""

    def __check_init__(self):
        require("cores", self.cores, 1, 4096)

    def matrix_events(self, rows: int, cols: int, partial_sums: int, bits: int) -> dict[str, float]:
        """What happens around the cores for one vector of a [rows, cols] matrix whose arrays make `partial_sums`."""
        return {
            "buffer_bit": float(bits * rows),
            "bus_bit": float(bits * (rows + cols)),
            "addition": float(partial_sums - cols),
            "result": float(cols),
        }

    def vector_events(self, kind: str, values: int, operands: int) -> dict[str, float]:
        """What a layer without a matrix asks of the digital units, on values passing by on their way to the buffer.

        A normalisation is two functions a value, into the sum over its neighbours and out of it, and the additions of
        that sum; ISAAC names no unit for it.
        """
        return {
            "activation": {"activation": float(values)},
            "multiply": {"activation": float(values)},
            "add": {"addition": float(operands - values)},
            "normalize": {"activation": float(2 * values), "addition": float(operands - values)},
            "pool": {"pool": float(operands)},
            "reshape": {},
        }[kind]

    def product_events(self, product: Product, bits: int) -> dict[str, float]:
        """What a product of two results takes, in the units and around them. The tile has `products`."""
        assert self.products is not None
        results, reads = product.heads * product.m * product.n, self.products.reads(product)
        around = {"buffer_bit": bits * reads, "bus_bit": bits * (reads + results), "result": results}
        return self.products.events(product, bits) | {name: float(count) for name, count in around.items()}

    def product_pace(self, product: Product, tiles: float, bits: int) -> Pace:
        """The time of a product on so many tiles, or parts of them: of the units, or of the buffers that feed them."""
        assert self.products is not None
        pace, buffer = self.products.pace(product, tiles), self.buffer.cost()
        bit_time = float(buffer.energy / buffer.power) if buffer.power else 0.0
        feeding = bits * self.products.reads(product) / product.m * bit_time / tiles
        return pace._replace(each=max(pace.each, feeding))

    def arrival_events(self, values: float, bits: int) -> dict[str, float]:
        """What it takes to put `values` that come over the mesh into the buffer."""
        return {"buffer_bit": float(values * bits)}

    def bill(self, core: AbstractCore) -> list[Line]:
        """The components of one tile; a shared router counts by its share."""
        with inside("core"):
            lines = [line._replace(number=line.number * self.cores) for line in core.bill()]
        with inside("tile"):
            lines += [
                charge("buffer", "buffer_bit", 1, self.buffer),
                charge("bus", "bus_bit", self.bus.number, self.bus),
                charge("activation", "activation", self.activation.number, self.activation),
                charge("pool", "pool", self.pool.number, self.pool),
                charge("adder", "addition", self.adder.number, self.adder),
                charge("result_register", "result", self.output_register.number, self.output_register),
                charge("router", "flit_hop", 1 / self.router.shared_by, self.router),
                *(charge(name, "", unit.number, unit) for name, unit in self.others.items()),
            ]
        return lines if self.products is None else lines + self.products.bill()
