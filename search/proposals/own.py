"""A sampler and a pruner of the user's own, which Python can give and a TOML file cannot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from cellbox.errors import Problem


@dataclass(frozen=True)
class OwnChoice:
    """What a user gives instead of what a spec names; None for the spec's.

    sampler: an Optuna sampler, or a function that makes one from a seed, which differs for each
        trial and is the same whenever it is proposed. pruner: an Optuna pruner.
    """

    sampler: BaseSampler | Callable[[int], BaseSampler] | None = None
    pruner: BasePruner | None = None

    def sampler_of(self, seed: int) -> BaseSampler:
        """The sampler for a trial with this seed."""
        assert self.sampler is not None
        return self.sampler if isinstance(self.sampler, BaseSampler) else self.sampler(seed)

    def problems(self) -> list[Problem]:
        """What cannot be used of it."""
        found = []
        if not (self.sampler is None or isinstance(self.sampler, BaseSampler)):
            made: Any = self.sampler(0) if callable(self.sampler) else None
            if not isinstance(made, BaseSampler):
                found.append(
                    Problem(
                        "sampler",
                        f"expected an Optuna sampler or a function that makes one from a seed, "
                        f"found {self.sampler!r}",
                        "Give for example optuna.samplers.RandomSampler(seed=0)",
                    )
                )
        if not (self.pruner is None or isinstance(self.pruner, BasePruner)):
            found.append(
                Problem(
                    "pruner",
                    f"expected an Optuna pruner, found {self.pruner!r}",
                    "Give for example optuna.pruners.PercentilePruner(25.0)",
                )
            )
        return found
