"""What Optuna is told of a trial."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ToldTrial:
    """What the sampler is told of a finished trial.

    values: one for each objective; empty for a pruned trial.
    reports: (step, value) pairs in order.
    marks: what the pruner noted on the trial; kept so that it survives a restart.
    excess: by how much it exceeds each limit of the spec; up to 0 where it keeps to it.
    shown: what Optuna's own pages show of it beside that, by name; nothing of it is searched by.
    """

    number: int
    pruned: bool
    values: tuple[float, ...]
    reports: tuple[tuple[int, float], ...]
    marks: dict[str, Any]
    excess: dict[str, float] = field(default_factory=dict)
    shown: dict[str, Any] = field(default_factory=dict)
