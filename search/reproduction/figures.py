"""A picture for each system: the true network, the learned one, and trajectories of both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cellbox.data.dataset import Dataset
from cellbox.models.plots import plot_network, plot_trajectories
from cellbox.networks.network import Network
from cellbox.storage.files import atomic_write
from search.reproduction.task import Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 120


def task_figure(task: Task, record: dict[str, Any], arrays: dict[str, np.ndarray]) -> Figure:
    """W as it was learned beside the true one, and below curves of some test conditions."""
    from matplotlib.figure import Figure

    nodes = tuple(str(node) for node in arrays["nodes"])
    learned = Network(nodes, arrays["weights"], arrays["amplitudes"])
    truth = Network(nodes, arrays["true_weights"], arrays["true_amplitudes"])
    data = _shown_data(arrays, nodes)
    side = float(np.clip(3.0 + 0.1 * len(nodes), 3.5, 5.5))
    figure = Figure(figsize=(3.0 * data.n_rows + 1.4, side + 3.6), layout="constrained", dpi=_DPI)
    # By its type this might be a single one.
    parts: Any = figure.subfigures(2, 1, height_ratios=(side + 0.5, 3.1))
    above, below = parts
    # Panels of equal aspect would drift apart over the whole width.
    width, middle = float(figure.get_figwidth()), 2 * side + 1.8
    beside = max(0.01, (width - middle) / 2)
    between: Any = above.subfigures(1, 3, width_ratios=(beside, middle, beside))[1]
    plot_network(learned, truth, ax=between.subplots(1, 2))
    plot_trajectories(
        arrays["dense_times"],
        arrays["predicted"],
        data,
        ax=below.subplots(1, data.n_rows, sharey=True, squeeze=False)[0],
        noise_free=arrays["exact"],
    )
    figure.suptitle(_title(task, record["metrics"]), fontsize="medium")
    return figure


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all."""
    with atomic_write(path, "wb") as handle:
        figure.savefig(handle, format="png")


def _title(task: Task, metrics: dict[str, Any]) -> str:
    r, error = metrics["pearson"], metrics["test_mae_noise_free"]
    parts = [f"{task.name}, {task.design} design"]
    parts += [] if r is None else [f"r of W {r:.4f}"]
    parts += [] if error is None else [f"noise-free test MAE {error:.2g}"]
    return "; ".join(parts)


def _shown_data(arrays: dict[str, np.ndarray], nodes: tuple[str, ...]) -> Dataset:
    """The conditions that are drawn."""
    return Dataset(
        nodes=nodes,
        times=arrays["times"],
        perturbations=arrays["perturbations"],
        measurements=arrays["measurements"],
        row_names=tuple(str(name) for name in arrays["row_names"]),
        activity_nodes=np.zeros(len(nodes), bool),
    )
