"""How much data a trial may see."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Budget:
    """How much data a trial may train on; None for perturbed nodes means whatever there is."""

    conditions: int
    perturbed_nodes: int | None
    time_points: int

    def as_dict(self) -> dict[str, int | None]:
        """The budget as plain values."""
        return asdict(self)
