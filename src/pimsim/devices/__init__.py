"""The cell: physics of one conductance. A class exported here is a `model` that YAML can name."""

from pimsim.devices.base import AbstractDevice, AbstractWrapper, endurance_of, pulse_of
from pimsim.devices.clipping import NonNegative, WithinRange
from pimsim.devices.compensation import DriftCompensated
from pimsim.devices.conduction import SinhConduction
from pimsim.devices.faults import AbstractFault, BrokenLines, StuckAnywhere, StuckAt, StuckClusters
from pimsim.devices.fefet import Fefet
from pimsim.devices.ideal import Ideal
from pimsim.devices.measured import CellData, Measured
from pimsim.devices.mram import SttMram
from pimsim.devices.pcm import Pcm
from pimsim.devices.reading import AbstractReadNoise, FlickerNoise, ShotNoise, TelegraphNoise, ThermalNoise
from pimsim.devices.relaxation import CmoReram, RelaxingReram
from pimsim.devices.reprogrammed import Reprogrammed, reprogrammed
from pimsim.devices.reram import LognormalReram, Reram
from pimsim.devices.sram import SramCharge, SramCurrent
from pimsim.devices.temperature import AtTemperature, Retention
from pimsim.devices.verify import WriteVerify, report_programming
from pimsim.devices.writing import Pulse, Verified, Written
