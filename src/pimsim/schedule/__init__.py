"""When things happen. Plain Python and NumPy."""

from pimsim.schedule.arrange import arrange
from pimsim.schedule.handover import shares_of
from pimsim.schedule.pipeline import paced, schedule
from pimsim.schedule.timeline import SchedulePlan, Timeline
from pimsim.schedule.traffic import Edge, traffic
