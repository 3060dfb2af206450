"""Predicted against measured values, as a figure of a benchmark's page."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from search.report.blocks import Figure
from search.report.drawing import drawn
from search.study.plots import OTHER

_POINTS_SHOWN = 4_000


def scatter_figure(
    measured: Float[np.ndarray, " n_values"],
    predicted: Float[np.ndarray, " n_values"],
    *,
    ends: tuple[float, float],
    colour: str,
    rule: str,
    unit: str,
    title: str,
    told: str,
    file: str,
) -> Figure:
    """One point a value, beside the line of equality.

    ends: the least and the largest value of both axes. rule: what predicts. unit: of the values,
    "" for none. told: the picture in words. file: name of the CSV with the points.
    """
    # Every so-manieth, so that a picture stays small; what is told is over all.
    step = max(1, -(-len(measured) // _POINTS_SHOWN))
    shown = slice(None, None, step)

    def paint(ax: Axes) -> None:
        ax.plot(ends, ends, color=OTHER, linestyle="--", linewidth=1)
        ax.plot(measured[shown], predicted[shown], ".", color=colour, markersize=2, alpha=0.4)
        room = 0.05 * (ends[1] - ends[0])
        limits = (ends[0] - room, ends[1] + room)
        measured_in = f"measured ({unit})" if unit else "measured"
        ax.set(xlabel=measured_in, ylabel=f"predicted, {rule}", xlim=limits, ylim=limits)

    return Figure(
        title,
        told,
        drawn(paint),
        file,
        ("measured", "predicted"),
        tuple(zip(measured[shown].tolist(), predicted[shown].tolist(), strict=True)),
        f"Every {step}. value of {len(measured):,}." if step > 1 else "",
    )
