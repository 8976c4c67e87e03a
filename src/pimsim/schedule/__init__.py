"""When things happen. Plain Python and NumPy."""

from pimsim.schedule.handover import shares_of
from pimsim.schedule.pipeline import paced, schedule
from pimsim.schedule.streaming import stream_weights
from pimsim.schedule.timeline import SchedulePlan, Timeline
from pimsim.schedule.traffic import Edge, traffic
