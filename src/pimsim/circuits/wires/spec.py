"""The wires of an array, as numbers: the resistance of each segment, and how the lines are fed."""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

from pimsim.errors import SpecError, require
from pimsim.spec import AbstractSpec
from pimsim.units import LARGEST, Resistance, Voltage


class Wires(AbstractSpec):
    """Word and bit lines whose every segment, from one cell to the next, has a resistance.

    A line that feeds cells starts with a driver and a segment; a bit line ends, after its last row, with a segment and
    a sense amplifier that holds it at 0 V. The other ends are open.

    feed = "input":     word lines run along rows and carry the inputs as voltages;
    feed = "separate":  supply lines run along columns, beside the bit lines, and carry a constant voltage, from the
                        first row on; a cell conducts where its row's input, at the gate of a transistor, is not 0;
    interleaved:        positive and negative cells of a weight, on lines of opposite voltage, share a bit line and the
                        piece of wire between two rows: rows 2k and 2k + 1 belong to one input.

    They are the four parasitic circuits of Sandia's CrossSim 3 (interleaved or not, input or separate source).
    """

    word_segment: Resistance
    """Of the lines that feed the cells: word lines, or supply lines where the feed is separate."""
    bit_segment: Resistance
    driver: Resistance = 0.0
    """Between the source and the first segment of a line that feeds cells."""
    sense: Resistance = 0.0
    """Between the last segment of a bit line and 0 V."""
    feed: Literal["input", "separate"] = "input"
    interleaved: bool = False
    double_sided: bool = False
    """Whether the lines that feed cells end with a segment and a driver as they start."""
    supply: Voltage = 0.0
    """Of the supply lines, where the feed is separate; negative cells of an interleaved array get minus that."""

    def __check_init__(self):
        for field in ("word_segment", "bit_segment", "driver", "sense"):
            require(field, getattr(self, field), 0, LARGEST)
        if self.feed == "separate" and not self.supply > 0:
            raise SpecError("supply", f"must be more than 0 V for supply lines, got {self.supply!r}")

    def feed_pieces(self, cells: int) -> Float[Array, " cell"]:
        """Resistance of the piece of wire before each cell of a line that feeds cells, the driver in the first."""
        return jnp.full(cells, self.word_segment, float).at[0].add(self.driver)

    def bit_pieces(self, rows: int) -> Float[Array, " row"]:
        """Resistance of the piece of a bit line after each row, the sense amplifier in the last."""
        pieces = jnp.full(rows, self.bit_segment, float)
        if self.interleaved:
            pieces = pieces.at[::2].set(0.0)
        return pieces.at[-1].add(self.sense)

    def far_end(self) -> Float[Array, ""] | None:
        """Resistance from the last cell of a line that feeds cells to a second source, if there is one."""
        return jnp.asarray(self.word_segment + self.driver, float) if self.double_sided else None
