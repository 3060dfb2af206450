"""Everything about a fitted model that people look at, as files in a folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cellbox.arrays import Perturbations, Responses
from cellbox.data.dataset import Dataset, Split
from cellbox.equation.network_responses import responses
from cellbox.models import plots
from cellbox.models.model import FittedModel
from cellbox.networks.export import write_edges_csv, write_graphml, write_sif
from cellbox.networks.line_tables import LINE_DIFFERENCES, write_line_differences
from cellbox.networks.network import in_order_of
from cellbox.storage.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURES = (
    "network.png",
    "trajectories.png",
    "predicted_against_measured.png",
    "loss_history.png",
)
NETWORK_FILES = ("network.csv", "network.graphml", "network.sif")

_ROWS_DRAWN = 4
_TIMES_DRAWN = 101


def write_pictures(
    model: FittedModel,
    data: Dataset,
    split: Split,
    folder: str | os.PathLike[str],
    *,
    alike: str | os.PathLike[str] | None = None,
) -> list[Path]:
    """Draw the model beside its data, as PNG files; returns their paths.

    network.png: W as a heat map, beside the true one where it is known.
    trajectories.png: curves and measurements of a few test rows.
    predicted_against_measured.png: every measured value of the test rows, without activity nodes.
    loss_history.png: how the training went.

    alike: a folder with the pictures of the same network beside the same data, which are copied
        rather than drawn; only how the training went is the model's own.

    The folder is made where needed; files of these names in it are replaced.

    Raises InputError where matplotlib is not installed.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    painters: tuple[Callable[[FittedModel, Dataset, Split], Axes], ...] = (
        _network,
        _trajectories,
        _predicted_against_measured,
        _loss_history,
    )
    paths = []
    for name, paint in zip(PICTURES, painters, strict=True):
        paths.append(folder / name)
        drawn = None if alike is None or paint is _loss_history else Path(alike) / name
        if drawn is not None and drawn.is_file():
            shutil.copyfile(drawn, folder / name)
            continue
        # By its type the figure of axes might be a part of another, which has no `savefig`.
        figure: Any = paint(model, data, split).figure
        with atomic_write(folder / name, "wb") as handle:
            figure.savefig(handle, format="png")
    return paths


def write_network_files(model: FittedModel, folder: str | os.PathLike[str]) -> list[Path]:
    """Write the learned network as CSV, GraphML and SIF; returns their paths.

    Every non-zero entry of W is an edge in them: the network is given raw, without a threshold.
    The folder is made where needed. Where the data have several cell lines it is the network of the
    reference, and line_differences.csv has what differs from it.

    Raises InputError where a node's name cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in NETWORK_FILES]
    for write, path in zip((write_edges_csv, write_graphml, write_sif), paths, strict=True):
        write(model.network, path)
    if model.lines:
        paths.append(folder / LINE_DIFFERENCES)
        write_line_differences(model.network, paths[-1])
    return paths


def _network(model: FittedModel, data: Dataset, split: Split) -> Axes:
    panels = plots.plot_network(model.network, data.truth)
    return np.atleast_1d(np.array(panels, dtype=object))[0]


def _trajectories(model: FittedModel, data: Dataset, split: Split) -> Axes:
    # Spread over the test rows: neighbours in a file are often doses of one drug.
    n_shown = min(len(split.test), _ROWS_DRAWN)
    spread = np.linspace(0, len(split.test) - 1, n_shown).round().astype(int)
    shown = data.rows(split.test[spread])
    dense = np.linspace(0, data.times[-1], _TIMES_DRAWN)[1:]
    exact = None
    if data.truth is not None:
        truth = in_order_of(data.truth, data.nodes)
        done = shown.interventions
        curves = responses(truth, shown.perturbations, dense, lines=shown.lines, interventions=done)
        rest = np.zeros(shown.perturbations.shape)
        exact = from_the_start(curves, None if done is None else done.with_levels(rest))
    return plots.plot_trajectories(
        np.concatenate([[0.0], dense]),
        from_the_start(
            model.predict_rows(data, split.test[spread], dense),
            model.at_the_start(shown.perturbations, shown.interventions),
        ),
        shown,
        noise_free=exact,
    )[0]


def from_the_start(states: Responses, start: Perturbations | None = None) -> np.ndarray:
    """The states with those at time 0 before them, by default 0."""
    begun = np.zeros_like(states[:, :1]) if start is None else start[:, None]
    return np.concatenate([begun, states], axis=1)


def _predicted_against_measured(model: FittedModel, data: Dataset, split: Split) -> Axes:
    predicted = model.predict_rows(data, split.test)
    panel = plots.plot_predicted_against_measured(
        predicted[..., data.measured_nodes],
        data.measurements[split.test][..., data.measured_nodes],
    )
    panel.set_title(f"held-out conditions\n{panel.get_title()}", fontsize="medium")
    return panel


def _loss_history(model: FittedModel, data: Dataset, split: Split) -> Axes:
    return plots.plot_loss_history(model.training.history)
