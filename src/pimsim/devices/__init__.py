"""The cell: physics of one conductance. A class exported here is a `model` that YAML can name."""

from pimsim.devices.base import AbstractDevice
from pimsim.devices.clipping import NonNegative, WithinRange
from pimsim.devices.compensation import DriftCompensated
from pimsim.devices.faults import StuckAt
from pimsim.devices.ideal import Ideal
from pimsim.devices.measured import CellData, Measured
from pimsim.devices.pcm import Pcm
from pimsim.devices.relaxation import CmoReram, RelaxingReram
from pimsim.devices.reram import LognormalReram, Reram
