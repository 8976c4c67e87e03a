"""A network fine-tuned for its chip."""

from pimsim.training.tune import train
