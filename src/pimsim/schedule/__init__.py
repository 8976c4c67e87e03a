"""When things happen. Plain Python and NumPy."""

from pimsim.schedule.pipeline import Timeline, paced, schedule
from pimsim.schedule.traffic import Edge, traffic
