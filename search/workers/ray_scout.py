"""What a Ray cluster has at the moment, asked for beside the sweep's loop, which never waits."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import ray

_EVERY = 1.0  # seconds


@dataclass(frozen=True)
class Sight:
    """What a cluster has. nodes: Ray's names of those that are alive."""

    cpus: float
    gpus: float
    nodes: frozenset[str]


def look() -> Sight:
    """Ask Ray what its nodes have, whoever uses it."""
    alive = [node for node in ray.nodes() if node["Alive"]]
    return Sight(
        cpus=sum(node["Resources"].get("CPU", 0.0) for node in alive),
        gpus=sum(node["Resources"].get("GPU", 0.0) for node in alive),
        nodes=frozenset(node["NodeID"] for node in alive),
    )


class Scout:
    """Looks at a cluster once a second. Ray's answers may take long, or for ever."""

    def __init__(self) -> None:
        self.sight = look()
        # Why Ray has not answered since, if it said.
        self.trouble: str | None = None
        self._seen = time.monotonic()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True, name="scout")
        self._thread.start()

    @property
    def silent_for(self) -> float:
        """Seconds since Ray answered last."""
        return time.monotonic() - self._seen

    def close(self) -> None:
        """Look no more."""
        self._closed.set()
        self._thread.join(_EVERY)

    def _go_on(self) -> None:
        while not self._closed.wait(_EVERY):
            try:
                self.sight = look()
            except Exception as error:
                # Whatever it is, no answer has come, which is what `silent_for` tells.
                self.trouble = type(error).__name__
                continue
            self.trouble, self._seen = None, time.monotonic()
