"""How full the packs of a run were."""

from __future__ import annotations


class Filling:
    """How full the packs were."""

    def __init__(self) -> None:
        self._advanced = self._filled = 0

    def add(self, before: tuple[int, int], after: tuple[int, int]) -> None:
        """Count the lanes that were advanced, and those of them with a training, in between."""
        # A worker that died counts anew.
        self._advanced += max(0, after[0] - before[0])
        self._filled += max(0, after[1] - before[1])

    @property
    def share(self) -> float | None:
        """The share of lanes with a training; None before any was advanced."""
        return self._filled / self._advanced if self._advanced else None
