"""Figures of a study as files: what the search found, and what mattered for it."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from cellbox.errors import InputError
from cellbox.models.plots import plot_network
from cellbox.networks.network import Network
from search.study.folder import StudyFolder
from search.study.kept_data import kept_data
from search.study.plots import label, plot_front, plot_optimisation, plot_setting
from search.study.record import StudyRecord, TrialRecord
from search.tracking.trial_table import TrialTable

_COLUMNS = 3
_DPI = 120


def write_figures(
    folder: StudyFolder,
    study: StudyRecord,
    table: TrialTable,
    best: TrialRecord | None,
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


def find_fonts() -> None:
    """Let matplotlib find its fonts, and load what writes pictures."""
    figure = Figure(figsize=(1, 1), dpi=20)
    figure.subplots().set_title("1")
    figure.savefig(io.BytesIO(), format="png")


def _save(figure: Figure | None, path: Path) -> None:
    if figure is not None:
        figure.savefig(path, dpi=_DPI)


def optimisation_figure(table: TrialTable) -> Figure:
    """Each objective against the number of the trial, with the best so far."""
    figure = Figure(figsize=(6.4, 3.4 * len(table.objectives)), layout="constrained")
    panels = figure.subplots(len(table.objectives), 1, squeeze=False)[:, 0]
    others = [row["trial"] for row in table.rows if row["status"] != "completed"]
    for panel, objective in zip(panels, table.objectives, strict=True):
        known = [(int(number), value) for number, value in _known(table.rows, "trial", objective)]
        plot_optimisation(panel, objective, known, others)
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
        plot_setting(panel, name, [row[name] for row in rows], [row[objective] for row in rows])
        if place % columns == 0:
            panel.set_ylabel(label(objective))
    return figure


def pareto_figure(table: TrialTable, completed: Sequence[Mapping[str, Any]]) -> Figure | None:
    """The second objective across, the first up, the Pareto front in colour; None for one."""
    if len(table.objectives) != 2:
        return None
    up, across = table.objectives
    points = _known(completed, across, up)
    figure = Figure(figsize=(5.4, 4.0), layout="constrained")
    plot_front(figure.subplots(), across, up, points)
    return figure


def _network_figure(folder: StudyFolder, study: StudyRecord, best: TrialRecord) -> Figure | None:
    """The best trial's network, beside the true one where it is known."""
    network = folder.best_network(best)
    if network is None:
        return None
    axes = plot_network(network, _truth(folder, study))
    return np.atleast_1d(np.array(axes, dtype=object))[0].figure


def _truth(folder: StudyFolder, study: StudyRecord) -> Network | None:
    if not study.truth or not folder.data.is_dir():
        return None
    try:
        return kept_data(folder.data).truth
    except InputError:
        # Someone edited the tables; the learned network is shown alone then.
        return None


def _known(rows: Iterable[Mapping[str, Any]], *names: str) -> np.ndarray:
    """These columns of the rows that have a number in each of them."""
    values = [[row.get(name) for name in names] for row in rows if row["status"] == "completed"]
    kept = [line for line in values if all(isinstance(value, int | float) for value in line)]
    return np.array(kept, float).reshape(-1, len(names))
