"""What the chip answers."""

from pimsim.inference.run import Inference, Progress, infer
