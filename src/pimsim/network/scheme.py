"""How a network becomes integers: which scales, how many bits each layer has, what is corrected afterwards."""

from collections.abc import Sequence
from typing import Literal

import equinox as eqx

from pimsim.errors import SpecError, nearest, require
from pimsim.network.ops import Precision
from pimsim.spec import AbstractSpec


class Bits(AbstractSpec):
    """The widths of a layer; one that is not given is the core's."""

    weights: int | None = None
    inputs: int | None = None

    def __check_init__(self):
        for field in ("weights", "inputs"):
            if (value := getattr(self, field)) is not None:
                require(field, value, 1, 16)


Correction = Literal["none", "bias", "batch_norm"]


class Scheme(AbstractSpec):
    """How weights are rounded, and to how many bits each layer's weights and inputs."""

    per: Literal["channel", "tensor"] = "channel"
    """What has a scale of its own, which is digital, after the conversion: each output channel, or the whole matrix."""
    weight_range: Literal["max", "mse"] = "max"
    """Whether a scale reaches to the largest weight, or as far as makes the mean square error least."""
    precision: dict[str, int | Bits] = eqx.field(default_factory=dict)
    """Bits of single layers by name, as one number for weights and inputs or as two; of all others, the core's."""
    first_last: int | Bits | None = None
    """Bits of the first and of the last matrix, if they differ and `precision` does not name them."""
    correction: Correction = "none"
    """What is put right on the calibration images, channel by channel: each layer's mean output (bias), or mean and
    spread (batch_norm: what estimating a batch norm anew does, after which its scale is part of the layer's)."""

    def __check_init__(self):
        given = {f"precision.{layer}": bits for layer, bits in self.precision.items()} | {"first_last": self.first_last}
        for place, bits in given.items():
            if isinstance(bits, int):
                require(place, bits, 1, 16)

    def precisions(self, layers: Sequence[str], usual: Precision) -> dict[str, Precision]:
        """The widths of those layers that have others than the usual ones. Raises SpecError for a layer unknown."""
        for name in self.precision:
            if name not in layers:
                fact = "is not a matrix layer of the network"
                raise SpecError(f"precision.{name}", fact, nearest(name, layers))
        ends = {} if self.first_last is None or not layers else dict.fromkeys((layers[0], layers[-1]), self.first_last)
        found = {name: _resolved(bits, usual) for name, bits in (ends | self.precision).items()}
        return {name: found[name] for name in layers if found.get(name, usual) != usual}


def _resolved(bits: int | Bits, usual: Precision) -> Precision:
    if isinstance(bits, int):
        return Precision(bits, bits)
    weights, inputs = usual
    return Precision(weights if bits.weights is None else bits.weights, inputs if bits.inputs is None else bits.inputs)
