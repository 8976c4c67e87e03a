"""How parts make a machine."""

from pimsim.chip.chip import AbstractChip, Chip, Peak, kind_of, on_mesh, router_of
from pimsim.chip.core import AbstractCore, Cuts, Latency, Line, Programmed, Ranges
from pimsim.chip.crossbar import CrossbarCore
from pimsim.chip.encoding import AbstractEncoding, Differential, Offset, TwosComplement
from pimsim.chip.full_scale import AbstractFullScale, Calibrated, Fixed, Lossless, Maximum
from pimsim.chip.inputs import AbstractInputs, OffsetInputs, SignMagnitudeInputs, TwosComplementInputs
from pimsim.chip.interconnect import Link, Router
from pimsim.chip.kinds import STANDARD, Kind, Part
from pimsim.chip.layout import Layout
from pimsim.chip.machine import Machine
from pimsim.chip.mitigation import DigitalCorrection, Mitigation, RowAssignment
from pimsim.chip.products import AbstractProducts, DigitalProducts, Pace, Product, RewrittenArrays
from pimsim.chip.speculation import Speculation
from pimsim.chip.steps import Share, StoreAndForward
from pimsim.chip.streaming import Matrices, WeightStreaming
from pimsim.chip.tile import Tile
from pimsim.chip.timing import AbstractTiming, BitSerial, Clocked, CriticalPath, IntegratedPulses, Pass, RippleColumns
from pimsim.chip.vary import vary
