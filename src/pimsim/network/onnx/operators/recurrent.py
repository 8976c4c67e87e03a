"""Recurrent layers, one a direction."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pimsim.errors import NetworkError
from pimsim.network.layers import Concat, Gru, LastToken, Lstm
from pimsim.network.layers.rearrange import Slice
from pimsim.network.onnx.call import Call
from pimsim.network.onnx.layout import Tensor

Direction = Callable[[Call, Tensor, int, str], Tensor]
"""direction(call, x, index, name): the states that one direction leaves at each step."""


def recurrent(run: Direction, call: Call) -> list[Tensor | None]:
    """All states, and the last ones, of one direction or both; batches stand after the steps, or before."""
    _refuse(call)
    x, first = call.tensor(), call.get("layout", 0)
    steps, batch = (1, 0) if first else (0, 1)
    if x.shape[batch] != 1:
        raise NetworkError("", f"{call.op}: axis {batch} of its input is the batch and must be 1, got {x.shape}")
    x = replace(call.builder.laid(call.name, x, ((steps,), (2,))), alone=False)
    ways = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}[call.text("direction", "forward")]
    length, units = x.shape[steps], call.get("hidden_size")
    states, lasts = [], []
    for index, backward in enumerate(ways):
        name = call.name if len(ways) == 1 else f"{call.name}/{'backward' if backward else 'forward'}"
        turned = _turned(call, f"{name}/turned", x, steps, length) if backward else x
        y = run(call, turned, index, f"{name}/states" if backward else name)
        lasts.append(
            call.builder.make(f"{name}/last", LastToken(), (y,), (1, 1, units), ((2,),))
            if call.used[1:2] == [True]
            else None
        )
        states.append(_turned(call, name, y, steps, length) if backward else y)
    return [_together(call, states, 0, steps), _together(call, lasts, 1, None), *[None] * (len(call.shapes) - 2)]


def _turned(call: Call, name: str, x: Tensor, axis: int, length: int) -> Tensor:
    return call.builder.along(name, x, [Slice(axis, length - 1, -1, length)], x.shape)


def _together(call: Call, parts: list[Tensor | None], output: int, steps: int | None) -> Tensor | None:
    """The directions side by side in each vector, as the model's output of shape (steps, directions, 1, units)."""
    if output >= len(call.shapes) or not call.used[output] or any(part is None for part in parts):
        return None
    tensors = [part for part in parts if part is not None]
    shape, layout = call.shapes[output], call.get("layout", 0)
    ways = (2 if layout else 1) if steps is not None else (1 if layout else 0)
    groups = ((ways, len(shape) - 1),) if steps is None else ((steps,), (ways, len(shape) - 1))
    if len(tensors) == 1:
        return replace(tensors[0], shape=shape, groups=groups, alone=False)
    name = call.name if steps is not None else f"{call.name}/last"
    return call.builder.make(name, Concat(), tensors, shape, groups)


def _refuse(call: Call) -> None:
    """What other layers have than ours, all of it named."""
    found = [name for name in ("clip", "input_forget") if call.get(name, 0)]
    usual = ["Sigmoid", "Tanh", "Tanh"] if call.op == "LSTM" else ["Sigmoid", "Tanh"]
    given = [name.decode() for name in call.get("activations", [])]
    if given and given != usual * (len(given) // len(usual)):
        found.append("activations " + ", ".join(given))
    lengths = call.input(4)
    steps = call.tensor().shape[1 if call.get("layout", 0) else 0]
    if lengths is not None and not (isinstance(lengths, np.ndarray) and np.all(lengths == steps)):
        found.append("sequences of several lengths")
    for index in range(5, len(call.inputs)):
        state = call.input(index)
        if state is not None and not (isinstance(state, np.ndarray) and not np.any(state)):
            found.append("peepholes" if index == 7 else "a state at the start other than 0")
    if any(call.used[2:]):
        found.append("the last cell as an output")
    if found:
        raise NetworkError("", f"{call.op}: {', '.join(dict.fromkeys(found))}: not supported")


def lstm(call: Call, x: Tensor, index: int, name: str) -> Tensor:
    """Gates i, o, f, c in ONNX; i, f, g, o in ours, of which one bias stands for two."""
    units = call.get("hidden_size")
    order = np.concatenate([np.arange(gate * units, (gate + 1) * units) for gate in (0, 2, 3, 1)])
    weight, bias = _gathered(call, index, 4 * units)
    arrays = {"weight": weight[:, order], "bias": bias.sum(axis=0)[order]}
    return call.builder.make(name, Lstm(units), (x,), (*x.shape[:2], units), x.groups, arrays)


def gru(call: Call, x: Tensor, index: int, name: str) -> Tensor:
    """Gates z, r, h in both. The bias of the state's own part stands alone where the reset is after it."""
    units, after = call.get("hidden_size"), bool(call.get("linear_before_reset", 0))
    weight, (own, state) = _gathered(call, index, 3 * units)
    late = np.zeros(3 * units)
    if after:
        late[2 * units :] = state[2 * units :]
    arrays = {"weight": np.vstack([weight, late[None]]), "bias": own + state - late}
    return call.builder.make(name, Gru(units, after), (x,), (*x.shape[:2], units), x.groups, arrays)


def _gathered(call: Call, index: int, cols: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows of inputs and of states in one matrix, and the two biases."""
    w, r, b = call.constant(1)[index], call.constant(2)[index], call.optional(3)
    bias = np.zeros((2, cols)) if b is None else b[index].reshape(2, cols).astype(np.float64)
    return np.vstack([w.T, r.T]), bias


OPERATORS = {
    "LSTM": lambda call: recurrent(lstm, call),
    "GRU": lambda call: recurrent(gru, call),
}
