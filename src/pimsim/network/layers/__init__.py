"""The layer types: one file a family, and one export line here, which is the registration."""

from pimsim.network.layers.activation import Function, Gelu, LeakyRelu, Relu, Relu6, Sigmoid, Tanh
from pimsim.network.layers.arithmetic import Affine, Arithmetic
from pimsim.network.layers.attention import Attention
from pimsim.network.layers.base import (
    AbstractLayer,
    AbstractMatrixLayer,
    AbstractProductLayer,
    AbstractRecurrentLayer,
    AbstractVectorLayer,
    AbstractWeightedLayer,
)
from pimsim.network.layers.conv import Conv2d, LocallyConnected
from pimsim.network.layers.dense import Dense
from pimsim.network.layers.merge import Add, Concat, Join, Multiply
from pimsim.network.layers.normalize import LayerNorm, LocalResponseNorm, Softmax
from pimsim.network.layers.pool import AvgPool, GlobalAvgPool, MaxPool
from pimsim.network.layers.product import MatrixProduct
from pimsim.network.layers.rearrange import Rearrange
from pimsim.network.layers.recurrent import Gru, Lstm
from pimsim.network.layers.reduce import Reduce
from pimsim.network.layers.resample import OverlapAdd, Resample
from pimsim.network.layers.shape import Flatten, Input, LastToken, Lookup, Tokens
