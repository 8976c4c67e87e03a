"""When things happen. Plain Python and NumPy."""

from pimsim.schedule.arrange import arrange
from pimsim.schedule.handover import shares_of
from pimsim.schedule.pipeline import schedule
from pimsim.schedule.recurrence import paced
from pimsim.schedule.replay import Replay, replay
from pimsim.schedule.streaming import stream_weights
from pimsim.schedule.timeline import SchedulePlan, Timeline
from pimsim.schedule.traffic import Edge, traffic
