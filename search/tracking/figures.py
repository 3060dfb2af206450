"""Figures of a study as files: what the search found, and what mattered for it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cellbox.data.readers import read_tidy
from cellbox.errors import InputError
from cellbox.models.plots import plot_network
from cellbox.networks.network import Network
from search.study.folder import StudyFolder
from search.tracking.trial_table import TrialTable

# Of the same palette (Okabe and Ito's) as the figures of models.
_POINTS, _BEST, _OTHER = "#0072B2", "#D55E00", "#7F7F7F"
_COLUMNS = 3
_DPI = 120


def write_figures(
    folder: StudyFolder,
    study: Mapping[str, Any],
    table: TrialTable,
    best: Mapping[str, Any] | None,
    target: Path,
) -> None:
    """Write the figures that the study's trials allow, as PNG files."""
    completed = [row for row in table.rows if row["status"] == "completed"]
    if completed:
        _save(optimisation_figure(table), target / "optimisation.png")
        _save(pareto_figure(table, completed), target / "pareto_front.png")
        _save(parameter_figure(table, completed), target / "parameters.png")
    if best is not None:
        _save(_network_figure(folder, study, best), target / "best_network.png")


def _save(figure: Figure | None, path: Path) -> None:
    if figure is not None:
        figure.savefig(path, dpi=_DPI)


def optimisation_figure(table: TrialTable) -> Figure:
    """Each objective against the number of the trial, with the best so far."""
    figure = Figure(figsize=(6.4, 3.4 * len(table.objectives)), layout="constrained")
    panels = figure.subplots(len(table.objectives), 1, squeeze=False)[:, 0]
    for panel, objective in zip(panels, table.objectives, strict=True):
        points = _known(table.rows, "trial", objective)
        numbers, values = points[:, 0], points[:, 1]
        panel.plot(numbers, values, "o", color=_POINTS, markersize=4, label="trial", alpha=0.7)
        panel.step(
            numbers,
            np.minimum.accumulate(values),
            where="post",
            color=_BEST,
            linewidth=1.4,
            label="best so far",
        )
        without = [row["trial"] for row in table.rows if row["status"] != "completed"]
        if without:
            panel.plot(
                without,
                np.zeros(len(without)),
                "|",
                color=_OTHER,
                markersize=7,
                transform=panel.get_xaxis_transform(),
                label="pruned or diverged",
            )
        _scale(panel.set_yscale, values)
        panel.set(xlabel="trial", ylabel=_label(objective))
        _legend(panel)
        _remove_frame(panel)
    return figure


def parameter_figure(table: TrialTable, completed: Sequence[Mapping[str, Any]]) -> Figure | None:
    """The first objective against each searched parameter; None where nothing was searched."""
    objective = table.objectives[0]
    varied = [
        name
        for name in table.parameters
        if len({row[name] for row in completed if row.get(name) is not None}) > 1
    ]
    if not varied:
        return None
    columns = min(len(varied), _COLUMNS)
    lines = math.ceil(len(varied) / columns)
    figure = Figure(figsize=(3.2 * columns, 2.8 * lines), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False, sharey=True).reshape(-1)
    for panel in panels[len(varied) :]:
        panel.remove()
    for place, (panel, name) in enumerate(zip(panels, varied, strict=False)):
        rows = [row for row in completed if row.get(name) is not None and row.get(objective)]
        _scatter(panel, [row[name] for row in rows], [row[objective] for row in rows])
        panel.set_xlabel(name)
        if place % columns == 0:
            panel.set_ylabel(_label(objective))
    return figure


def _scatter(panel: Axes, choices: Sequence[Any], values: Sequence[float]) -> None:
    """Points of one parameter, the best marked; choices that are no numbers stand side by side."""
    if all(isinstance(c, int | float) and not isinstance(c, bool) for c in choices):
        places = np.array(choices, float)
        _scale(panel.set_xscale, places)
    else:
        names = sorted({str(choice) for choice in choices})
        places = np.array([names.index(str(choice)) for choice in choices], float)
        panel.set_xticks(range(len(names)), names, fontsize="small")
        panel.set_xlim(-0.5, len(names) - 0.5)
    panel.plot(places, values, "o", color=_POINTS, markersize=4, alpha=0.7)
    best = int(np.argmin(values))
    panel.plot(places[best], values[best], "o", color=_BEST, markersize=6)
    _scale(panel.set_yscale, np.array(values, float))
    _remove_frame(panel)


def pareto_figure(table: TrialTable, completed: Sequence[Mapping[str, Any]]) -> Figure | None:
    """The second objective across, the first up, the Pareto front in colour; None for one."""
    if len(table.objectives) != 2:
        return None
    up, across = table.objectives
    points = _known(completed, across, up)
    front = pareto_front(points)
    figure = Figure(figsize=(5.4, 4.0), layout="constrained")
    panel = figure.subplots()
    panel.plot(
        points[:, 0], points[:, 1], "o", color=_OTHER, markersize=4, alpha=0.6, label="trial"
    )
    panel.plot(
        points[front, 0],
        points[front, 1],
        "o-",
        color=_BEST,
        markersize=5,
        linewidth=1.2,
        drawstyle="steps-post",
        label="Pareto front",
    )
    _scale(panel.set_xscale, points[:, 0])
    _scale(panel.set_yscale, points[:, 1])
    panel.set(xlabel=_label(across), ylabel=_label(up))
    _legend(panel)
    _remove_frame(panel)
    return figure


def pareto_front(points: np.ndarray) -> list[int]:
    """Places of the points that no other beats in both columns, by the first column."""
    front: list[int] = []
    lowest = math.inf
    for place in np.lexsort((points[:, 1], points[:, 0])):
        if points[place, 1] < lowest:
            lowest = points[place, 1]
            front.append(int(place))
    return front


def _network_figure(
    folder: StudyFolder, study: Mapping[str, Any], best: Mapping[str, Any]
) -> Figure | None:
    """The best trial's network, beside the true one where it is known."""
    networks = folder.networks(best["number"])
    if networks is None:
        return None
    repeat = best["best_repeat"] or 0
    network = Network(tuple(study["nodes"]), networks.weights[repeat], networks.amplitudes[repeat])
    axes = plot_network(network, _truth(folder, study))
    return np.atleast_1d(np.array(axes, dtype=object))[0].figure


def _truth(folder: StudyFolder, study: Mapping[str, Any]) -> Network | None:
    if not study.get("truth") or not folder.data.is_dir():
        return None
    try:
        return read_tidy(folder.data).truth
    except InputError:
        # Someone edited the tables; the learned network is shown alone then.
        return None


def _known(rows: Iterable[Mapping[str, Any]], *names: str) -> np.ndarray:
    """These columns of the rows that have a number in each of them."""
    values = [[row.get(name) for name in names] for row in rows if row["status"] == "completed"]
    kept = [line for line in values if all(isinstance(value, int | float) for value in line)]
    return np.array(kept, float).reshape(-1, len(names))


def _scale(set_scale: Any, values: np.ndarray) -> None:
    """A logarithmic axis where positive values span more than an order of magnitude."""
    if len(values) and values.min() > 0 and values.max() > 10 * values.min():
        set_scale("log")


def _label(objective: str) -> str:
    named = {
        "validation_mae": "validation MAE (log ratio)",
        "selection_error": "selection error (log ratio)",
    }
    return named.get(objective, objective)


def _remove_frame(panel: Axes) -> None:
    panel.spines[["top", "right"]].set_visible(False)


def _legend(panel: Axes) -> None:
    """Above the panel, where no point can be."""
    panel.legend(
        frameon=False,
        fontsize="small",
        ncols=3,
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        borderaxespad=0.2,
    )
