"""Queues in which each waits for the one before it, as running maxima."""

import numpy as np
from jaxtyping import Float, Int, Real

from pimsim.schedule.work import ROUNDING


def paced(ready: Int[np.ndarray, " vector"], copies: int, interval: int) -> Int[np.ndarray, " vector"]:
    """The earliest starts of vectors that become ready at given cycles, on copies that each start one every interval.

    With start[j] = max(ready[j], start[j-1] + I) on one copy, start[j] - j·I is the running maximum of ready[j] - j·I.
    """
    if copies >= len(ready):
        return ready
    waves = -(-len(ready) // copies)
    lag = np.arange(0, waves * interval, interval)[:, None]
    by_copy = np.full(waves * copies, ready[-1])
    by_copy[: len(ready)] = ready
    begin = by_copy.reshape(waves, copies) - lag
    np.maximum.accumulate(begin, axis=0, out=begin)
    begin += lag
    return begin.ravel()[: len(ready)]


def following(ready: Int[np.ndarray, " vector"], each: float) -> Int[np.ndarray, " vector"]:
    """When vectors are done that take `each` cycles, or a part of one, and follow one another."""
    return whole_cycles(in_turn(ready, each))


def in_turn(ready: Real[np.ndarray, " vector"], each: float) -> Float[np.ndarray, " vector"]:
    """The same, to the part of a cycle."""
    spent = each * np.arange(len(ready) + 1)
    return np.maximum.accumulate(ready - spent[:-1]) + spent[1:]


def whole_cycles(times: Float[np.ndarray, " vector"]) -> Int[np.ndarray, " vector"]:
    """The cycles at which something is there that comes at parts of them."""
    return np.ceil(times - ROUNDING).astype(int)
