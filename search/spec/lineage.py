"""Where a trial of population-based training stands among the others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lineage:
    """The generation of a trial, from 0, and the trial from whose end it goes on.

    parent: None where it begins anew, as the first generation does.
    """

    generation: int
    parent: int | None
