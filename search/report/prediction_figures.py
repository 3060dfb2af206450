"""Pictures of what a model predicts beside what was measured."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes

from cellbox.arrays import RowNumbers
from cellbox.data.dataset import Dataset
from cellbox.models.plots import plot_predicted_against_measured
from search.report.blocks import Figure
from search.report.cells import shown_number
from search.report.conditions import Condition
from search.report.drawing import drawn
from search.study.plots import BEST, OTHER, POINTS

_COLOURS = (POINTS, BEST, "#009E73", "#CC79A7", "#56B4E9", "#E69F00", OTHER)
_DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 2)),
    (0, (1, 1.5)),
    (0, (6, 2, 1, 2)),
    "-",
    (0, (5, 2)),
    "-",
)
_LINES_SHOWN = 6
_NODES_SHOWN = 12


def agreement_figure(
    data: Dataset, rows: RowNumbers, predicted: Float[np.ndarray, "n_rows n_times n"]
) -> Figure:
    """Every measured value of the held-out rows against its prediction; activity nodes left out."""
    nodes = np.flatnonzero(data.measured_nodes)
    measured, guessed = data.measurements[rows][..., nodes], predicted[..., nodes]
    table = [
        (data.row_names[row], float(time), data.nodes[node], float(values), float(guess))
        for place, row in enumerate(rows)
        for slot, time in enumerate(data.times)
        for column, node in enumerate(nodes)
        if np.isfinite(values := measured[place, slot, column])
        and np.isfinite(guess := guessed[place, slot, column])
    ]
    return Figure(
        "Predicted against measured, held-out conditions",
        f"Scatter plot of {len(table):,} predicted against measured log ratios of conditions that "
        "the model has not seen; points on the dashed diagonal are predicted exactly.",
        drawn(lambda ax: plot_predicted_against_measured(guessed, measured, ax=ax), 4.4, 4.4),
        "predicted_against_measured.csv",
        ("condition", "time", "node", "measured", "predicted"),
        tuple(table),
        "Each point is one node in one condition at one time.",
    )


def course_figure(
    condition: Condition,
    data: Dataset,
    dense_times: Float[np.ndarray, " n_dense"],
    dense: Float[np.ndarray, "n_dense n_nodes"],
    number: int,
) -> Figure:
    """Predicted curves and measured points of the nodes that respond most."""
    nodes = _strongest(condition, _LINES_SHOWN)

    def paint(ax: Axes) -> None:
        ax.axhline(0, color="#DDDDDD", linewidth=0.8, zorder=0)
        for node, colour, dash in zip(nodes, _COLOURS, _DASHES, strict=False):
            mark = " ▼" if condition.perturbation[node] > 0 else ""
            mark = " ▲" if condition.perturbation[node] < 0 else mark
            ax.plot(
                dense_times, dense[:, node], color=colour, linestyle=dash, linewidth=1.6,
                label=f"{data.nodes[node]}{mark}",
            )  # fmt: skip
            spread = condition.spread[:, node]
            ax.errorbar(
                data.times, condition.mean[:, node], color=colour, fmt="o", markersize=4.5,
                yerr=None if np.isnan(spread).all() else np.nan_to_num(spread), capsize=2.5,
                markeredgecolor="white", markeredgewidth=0.5, elinewidth=1.2,
            )  # fmt: skip
        ax.set(xlabel="time (in decay times of a node)", ylabel="response (log ratio)")
        ax.legend(
            frameon=False, fontsize=8.5, ncols=3, loc="lower left",
            bbox_to_anchor=(-0.02, 1.0), borderaxespad=0.1, handlelength=1.8, columnspacing=1.0,
        )  # fmt: skip

    replicates = (
        f"Points are means of {condition.n_replicates} replicates with their standard deviation. "
        if condition.n_replicates > 1
        else "Bars are the errors that the data tell. "
        if data.errors is not None
        else ""
    )
    error = shown_number(condition.error)
    return _figure_of(
        condition, data, number, drawn(paint, 4.4, 3.4),
        alt=f"Time courses of {', '.join(data.nodes[node] for node in nodes)}: predicted as lines, "
        f"measured as points, mean absolute error {error}.",
        caption=f"{replicates}Mean absolute error {error}; ▼ marks what is pushed down.",
    )  # fmt: skip


def state_figure(condition: Condition, data: Dataset, number: int) -> Figure:
    """Measured and predicted response of the nodes that respond most, at the only time."""
    nodes = _strongest(condition, _NODES_SHOWN, data)[::-1]
    measured, predicted = condition.mean[-1, nodes], condition.predicted[-1, nodes]
    spread = condition.spread[-1, nodes]

    def paint(ax: Axes) -> None:
        rows = np.arange(len(nodes))
        ax.axvline(0, color="#BBBBBB", linewidth=0.8, zorder=0)
        ax.hlines(rows, measured, predicted, color="#C9CED6", linewidth=2.4, zorder=1)
        ax.errorbar(
            measured, rows, xerr=None if np.isnan(spread).all() else np.nan_to_num(spread),
            fmt="o", color="#1d2430", markersize=5.5, capsize=2.5, label="measured",
        )  # fmt: skip
        ax.plot(predicted, rows, "D", color=BEST, markersize=5.5, label="predicted")
        ax.set_yticks(rows, [data.nodes[node] for node in nodes], fontsize=8.5)
        ax.set_xlabel("response (log ratio)")
        ax.legend(
            frameon=False, fontsize=8.5, ncols=2, loc="lower left", bbox_to_anchor=(0, 1.0),
            borderaxespad=0.1,
        )  # fmt: skip

    error = f"mean absolute error over all measured nodes {shown_number(condition.error)}."
    return _figure_of(
        condition, data, number, drawn(paint, 4.4, 3.9),
        alt=f"Measured and predicted responses of the {len(nodes)} strongest nodes; {error}",
        caption=error.capitalize(),
    )  # fmt: skip


def _figure_of(
    condition: Condition, data: Dataset, number: int, source: str, *, alt: str, caption: str
) -> Figure:
    """A picture of one condition, with everything that was measured and predicted of it."""
    return Figure(
        f"{condition.name}: {condition.words}",
        alt,
        source,
        f"condition_{number}.csv",
        ("time", "node", "measured", "standard deviation", "predicted"),
        _with_spread(condition, data),
        caption,
    )


def _with_spread(condition: Condition, data: Dataset) -> tuple[tuple[Any, ...], ...]:
    return tuple(
        (float(time), name, *map(float, values))
        for slot, time in enumerate(data.times)
        for name, *values in zip(
            data.nodes,
            condition.mean[slot],
            condition.spread[slot],
            condition.predicted[slot],
            strict=True,
        )
    )


def _strongest(
    condition: Condition, most: int, data: Dataset | None = None
) -> Int[np.ndarray, " n_shown"]:
    """The nodes that were measured farthest from 0; with `data` without its activity nodes."""
    height = np.nanmax(np.abs(np.nan_to_num(condition.mean)), axis=0)
    if data is not None:
        height = np.where(data.measured_nodes & np.isfinite(condition.mean).any(axis=0), height, -1)
    order = np.argsort(-height, kind="stable")[:most]
    return np.array([node for node in order if height[node] >= 0], int)
