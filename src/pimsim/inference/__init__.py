"""What the chip answers."""

from pimsim.inference.arrays import Arrays
from pimsim.inference.run import Inference, Progress, infer
