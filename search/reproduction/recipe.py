"""How the networks of a reproduction are trained: a small fixed search, the same for all."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from cellbox.errors import refuse
from cellbox.settings import Settings, settings_from_dict

# Refining one of these costs less than a second, so nothing is saved by leaving lanes out.
_SMALL_NETWORK = 12


@dataclass(frozen=True)
class Recipe:
    """What is tried on every simulated experiment.

    settings: of the models that are trained side by side, each from a start of its own.
    n_refined: how many of them, the best by validation, are refined; in networks of up to 12
        nodes all are.
    """

    name: str
    settings: tuple[Settings, ...]
    n_refined: int

    def refined_of(self, n_nodes: int) -> int:
        """How many models are refined in a network of this size."""
        return len(self.settings) if n_nodes <= _SMALL_NETWORK else self.n_refined

    def as_dict(self) -> dict[str, Any]:
        """The recipe as plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """The recipe that `as_dict` described."""
        settings = tuple(settings_from_dict(each) for each in values["settings"])
        return cls(values["name"], settings, values["n_refined"])


def _table(steps: int, *choices: tuple[float, float, float]) -> tuple[Settings, ...]:
    """Settings from choices of the L1 penalty, the share of interval shooting, the peak rate."""
    return tuple(
        Settings(steps=steps, l1=l1, interval_share=share, peak_rate=rate)
        for l1, share, rate in choices
    )


FULL = Recipe(
    "full",
    _table(
        1500,
        *((l1, share, 0.05) for l1 in (1e-5, 1e-4, 1e-6) for share in (0.7, 1.0)),
        *((1e-5, share, 0.02) for share in (0.7, 1.0)),
    ),
    n_refined=3,
)

QUICK = Recipe(
    "quick",
    _table(800, *((l1, share, 0.05) for l1 in (1e-5, 1e-4) for share in (0.7, 1.0))),
    n_refined=2,
)

RECIPES = {recipe.name: recipe for recipe in (FULL, QUICK)}


def recipe_of(name: str) -> Recipe:
    """A recipe by its name. Raises InputError for an unknown one."""
    if name not in RECIPES:
        known = ", ".join(RECIPES)
        raise refuse("recipe", f"expected one of {known}, found {name!r}", "Choose one of these")
    return RECIPES[name]
