"""How a search got on, as a picture; and the look that pictures of a study have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Of the same palette (Okabe and Ito's) as the figures of models.
POINTS, BEST, OTHER = "#0072B2", "#D55E00", "#7F7F7F"

_LABELS = {
    "validation_mae": "validation MAE (log ratio)",
    "selection_error": "selection error (log ratio)",
}


def plot_optimisation(
    ax: Axes, objective: str, completed: Sequence[tuple[int, float]], others: Sequence[int]
) -> Axes:
    """An objective against the number of the trial, with the best so far.

    completed: numbers, ascending, and values of the objective. others: numbers of trials that were
    pruned or diverged.
    """
    numbers, values = np.array(completed, float).reshape(-1, 2).T
    ax.plot(numbers, values, "o", color=POINTS, markersize=4, label="trial", alpha=0.7)
    best = np.minimum.accumulate(values)
    ax.step(numbers, best, where="post", color=BEST, linewidth=1.4, label="best so far")
    if others:
        ax.plot(
            others,
            np.zeros(len(others)),
            "|",
            color=OTHER,
            markersize=7,
            transform=ax.get_xaxis_transform(),
            label="pruned or diverged",
        )
    scale(ax.set_yscale, values)
    ax.set(xlabel="trial", ylabel=label(objective))
    add_legend(ax)
    remove_frame(ax)
    return ax


def scale(set_scale: Any, values: np.ndarray) -> None:
    """A logarithmic axis where positive values span more than an order of magnitude."""
    if len(values) and values.min() > 0 and values.max() > 10 * values.min():
        set_scale("log")


def label(objective: str) -> str:
    """An objective with its unit."""
    return _LABELS.get(objective, objective.replace("_", " "))


def remove_frame(ax: Axes) -> None:
    """Leave the axes alone at the left and below."""
    ax.spines[["top", "right"]].set_visible(False)


def add_legend(ax: Axes) -> None:
    """A legend above the panel, where no point can be."""
    ax.legend(
        frameon=False,
        fontsize="small",
        ncols=3,
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        borderaxespad=0.2,
    )
