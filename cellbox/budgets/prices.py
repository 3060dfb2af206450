"""What an experiment costs, in the user's money or days, and what cannot be had at any price."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Prices:
    """Prices of the parts of an experiment; see `cost`.

    fixed: once. condition: each condition of each replicate. perturbed_node: each perturbed node
    of these. sample: each of these at each time point. time_point, replicate: each, once for the
    whole experiment. plate: each plate of so many `wells`, a sample a well. noise: what measuring a
    sample costs at a noise (its standard deviation), where better measurements cost more.
    unit: what all of that is counted in.
    """

    fixed: float = 0.0
    condition: float = 0.0
    perturbed_node: float = 0.0
    sample: float = 0.0
    time_point: float = 0.0
    replicate: float = 0.0
    plate: float = 0.0
    wells: int = 96
    noise: Mapping[float, float] = field(default_factory=dict)
    unit: str = ""

    def cost(self, cell: Mapping[str, Any]) -> float:
        """What an experiment of this budget costs; axes that it does not have count once.

        Example:
            >>> from cellbox.budgets.prices import Prices
            >>> prices = Prices(fixed=100, condition=5, perturbed_node=2, sample=1)
            >>> prices.cost({"conditions": 10, "perturbed_nodes": 2, "time_points": 3})
            220.0
        """
        replicates, times = cell.get("replicates", 1), cell.get("time_points", 1)
        series = cell["conditions"] * replicates
        samples = series * times
        each_sample = self.sample + self.noise.get(cell.get("noise", math.nan), 0.0)
        return float(
            self.fixed
            + series * (self.condition + cell.get("perturbed_nodes", 0) * self.perturbed_node)
            + samples * each_sample
            + times * self.time_point
            + replicates * self.replicate
            + self.plates(cell) * self.plate
        )

    def plates(self, cell: Mapping[str, Any]) -> int:
        """How many plates an experiment of this budget fills, the last one maybe in part."""
        return math.ceil(samples_of(cell) / self.wells)


@dataclass(frozen=True)
class Limits:
    """At most so much of each; None where there is no limit."""

    conditions: int | None = None
    samples: int | None = None
    plates: int | None = None
    cost: float | None = None

    def allow(self, cell: Mapping[str, Any], prices: Prices) -> bool:
        """Whether an experiment of this budget can be had."""
        asked = {
            "conditions": cell["conditions"],
            "samples": samples_of(cell),
            "plates": prices.plates(cell),
            "cost": prices.cost(cell),
        }
        return all(
            most is None or asked[name] <= most
            for name, most in ((name, getattr(self, name)) for name in asked)
        )


def samples_of(cell: Mapping[str, Any]) -> int:
    """Samples of an experiment: each condition, in each replicate, at each time point."""
    return int(cell["conditions"] * cell.get("replicates", 1) * cell.get("time_points", 1))
