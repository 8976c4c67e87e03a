"""pimsim: neural networks on processing-in-memory crossbars: what the chip computes, and what it costs."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pimsim.experiment import Experiment as Experiment
    from pimsim.experiment import load_chip as load_chip
    from pimsim.experiment import load_component as load_component
    from pimsim.experiment import load_device as load_device
    from pimsim.experiment import load_experiment as load_experiment
    from pimsim.network.quantize import quantize as quantize
    from pimsim.network.zoo import load_network as load_network
    from pimsim.results import Result as Result
    from pimsim.results import read_result as read_result
    from pimsim.results import write_result as write_result
    from pimsim.simulation import simulate as simulate
    from pimsim.training import train as train

_PUBLIC = {
    "Experiment": "pimsim.experiment",
    "Result": "pimsim.results",
    "load_chip": "pimsim.experiment",
    "load_component": "pimsim.experiment",
    "load_device": "pimsim.experiment",
    "load_experiment": "pimsim.experiment",
    "load_network": "pimsim.network.zoo",
    "quantize": "pimsim.network.quantize",
    "read_result": "pimsim.results",
    "simulate": "pimsim.simulation",
    "train": "pimsim.training",
    "write_result": "pimsim.results",
}
__all__ = sorted(_PUBLIC)  # imported on first use: `pimsim --help` must not wait for JAX


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'pimsim' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return __all__
