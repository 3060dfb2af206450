"""How far a refinement is, for whoever waits for it.

A refinement of a large network takes minutes, deep inside a training. Whoever wants to show how it
gets on listens for a block; where nobody does, telling costs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple


class Round(NamedTuple):
    """What one round of a refinement has come to.

    number: rounds so far, of all starts together. residual: root mean square of what is left of
    the measured values (log ratio). n_edges: weights that may differ from zero. seconds: since
    the first round.
    """

    number: int
    residual: float
    n_edges: int
    seconds: float


OnRound = Callable[[Round], None]


class _Listener:
    def __init__(self, on_round: OnRound):
        self.on_round, self.n_rounds = on_round, 0
        self.began = time.perf_counter()


_LISTENER: ContextVar[_Listener | None] = ContextVar("refinement_listener", default=None)


@contextmanager
def listening(on_round: OnRound | None) -> Iterator[None]:
    """For a block, tell `on_round` of each round of refinements in this thread; None for nobody."""
    token = _LISTENER.set(None if on_round is None else _Listener(on_round))
    try:
        yield
    finally:
        _LISTENER.reset(token)


def is_heard() -> bool:
    """Whether anybody listens, where what there is to tell takes work to find out."""
    return _LISTENER.get() is not None


def tell_round(residual: float, n_edges: int) -> None:
    """Tell whoever listens what a round has come to."""
    listener = _LISTENER.get()
    if listener is None:
        return
    listener.n_rounds += 1
    seconds = time.perf_counter() - listener.began
    listener.on_round(Round(listener.n_rounds, float(residual), int(n_edges), seconds))
