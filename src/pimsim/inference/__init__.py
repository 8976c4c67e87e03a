"""What the chip answers."""

from pimsim.inference.activity import Activity
from pimsim.inference.arrays import Arrays, unseen_arrays
from pimsim.inference.run import Inference, Progress, infer
