"""How parts make a machine."""

from pimsim.chip.chip import Chip, Peak
from pimsim.chip.core import AbstractCore, CrossbarCore, Cuts, Latency, Line, Programmed
from pimsim.chip.encoding import AbstractEncoding, Offset
from pimsim.chip.interconnect import Link, Router
from pimsim.chip.tile import Tile
