"""How a search got on, as a picture; and the look that pictures of a study have in common."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import XAxis, YAxis

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
    scale(ax.yaxis, values)
    ax.set(xlabel="trial", ylabel=label(objective))
    add_legend(ax)
    remove_frame(ax)
    return ax


def plot_setting(ax: Axes, name: str, choices: Sequence[Any], values: Sequence[float]) -> Axes:
    """An objective against one setting, a point a trial, the best marked.

    choices: of each trial; those that are no numbers stand side by side.
    """
    if all(is_plain_number(choice) for choice in choices):
        places = np.array(choices, float)
        scale(ax.xaxis, places)
    else:
        names = sorted({str(choice) for choice in choices})
        places = np.array([names.index(str(choice)) for choice in choices], float)
        ax.set_xticks(range(len(names)), names, fontsize="small")
        ax.set_xlim(-0.5, len(names) - 0.5)
    ax.plot(places, values, "o", color=POINTS, markersize=4, alpha=0.7)
    best = int(np.argmin(values))
    ax.plot(places[best], values[best], "o", color=BEST, markersize=6)
    scale(ax.yaxis, np.array(values, float))
    ax.set_xlabel(name)
    remove_frame(ax)
    return ax


def plot_front(ax: Axes, across: str, up: str, points: np.ndarray) -> Axes:
    """Two objectives against each other, a point a trial, with the Pareto front.

    points: (n_trials, 2), the objective `across` first.
    """
    front = pareto_front(points)
    ax.plot(points[:, 0], points[:, 1], "o", color=OTHER, markersize=4, alpha=0.6, label="trial")
    ax.plot(
        points[front, 0],
        points[front, 1],
        "o-",
        color=BEST,
        markersize=5,
        linewidth=1.2,
        drawstyle="steps-post",
        label="Pareto front",
    )
    scale(ax.xaxis, points[:, 0])
    scale(ax.yaxis, points[:, 1])
    ax.set(xlabel=label(across), ylabel=label(up))
    add_legend(ax)
    remove_frame(ax)
    return ax


def pareto_front(points: np.ndarray) -> list[int]:
    """Places of the points that no other beats in both columns, by the first column."""
    front: list[int] = []
    lowest = math.inf
    for place in np.lexsort((points[:, 1], points[:, 0])):
        if points[place, 1] < lowest:
            lowest = points[place, 1]
            front.append(int(place))
    return front


def is_plain_number(value: Any) -> bool:
    """Whether a setting's value has a place on a number line."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def scale(axis: XAxis | YAxis, values: np.ndarray) -> None:
    """A logarithmic axis where positive values span more than an order of magnitude."""
    if len(values) and values.min() > 0 and values.max() > 10 * values.min():
        from matplotlib.ticker import NullLocator

        axis.axes.set(**{f"{axis.axis_name}scale": "log"})
        # Placing minor ticks costs as much as all the rest of a small picture.
        axis.set_minor_locator(NullLocator())


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
