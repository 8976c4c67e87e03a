"""The layer types: one file a family, and one export line here, which is the registration."""

from pimsim.network.layers.activation import Relu
from pimsim.network.layers.base import AbstractLayer, AbstractMatrixLayer, AbstractVectorLayer
from pimsim.network.layers.conv import Conv2d
from pimsim.network.layers.dense import Dense
from pimsim.network.layers.merge import Add
from pimsim.network.layers.pool import AvgPool, MaxPool
from pimsim.network.layers.shape import Flatten
