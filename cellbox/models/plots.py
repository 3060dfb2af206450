"""Pictures of networks, trajectories, predictions and training.

Each function draws into the axes it is given, or into a new figure, and returns the axes; the
picture is `ax.figure`, which a notebook displays and `ax.figure.savefig(path)` saves. Figures
are matplotlib's objects without pyplot, so neither a display nor global state is involved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int, Shaped

from cellbox.data.dataset import Dataset
from cellbox.errors import refuse
from cellbox.networks.network import Network, in_order_of
from cellbox.scores.metrics import mean_absolute_error, pearson_correlation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cellbox.models.pair_table import PairTable

# Okabe and Ito's colours, distinct in all kinds of colour vision; without their yellow, which
# is too pale for a line on white.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F7F7F")
_DASHED = (0, (4, 2.5))
_POINT: dict[str, Any] = {
    "markersize": 4.5,
    "markeredgecolor": "white",
    "markeredgewidth": 0.5,
    "clip_on": False,
}
_ROWS_SHOWN = 4
_COLUMNS = 4


def plot_network(
    network: Network, truth: Network | None = None, *, ax: Axes | Sequence[Axes] | None = None
) -> Axes | Shaped[np.ndarray, " 2"]:
    """W as a heat map, targets down and sources across; red activates, blue inhibits.

    truth: the true network, drawn beside the learned one on the same colour scale and in its
        order of nodes. Then two axes are taken (where `ax` is given) and an array of two is
        returned.

    Raises InputError where matplotlib is not installed, or where the networks' nodes differ.
    """
    panels = [(network, "W")]
    if truth is not None:
        panels = [(in_order_of(network, truth.nodes), "learned W"), (truth, "true W")]
    # Grows with the nodes until every name of a hundred can stand beside its row.
    size = float(np.clip(3.6 + 0.06 * len(network.nodes), 4.2, 10.0))
    axes = _axes(ax, len(panels), width=size, height=size)
    if ax is None:
        # Panels of equal aspect leave gaps; this layout closes them.
        axes[0].figure.set_layout_engine("compressed")
    limit = max(float(np.abs(shown.weights).max(initial=0.0)) for shown, _ in panels) or 1.0
    for panel, (shown, title) in zip(axes, panels, strict=True):
        image = panel.imshow(shown.weights, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="equal")
        panel.set(title=title, xlabel="source")
        _name_nodes(panel, shown.nodes, down=panel is axes[0])
    axes[0].set_ylabel("target")
    bar = axes[0].figure.colorbar(image, ax=list(axes), shrink=0.8, pad=0.02)
    bar.set_label("weight (dimensionless)")
    bar.outline.set_visible(False)
    return axes[0] if truth is None else axes


def plot_trajectories(
    times_dense: Float[np.ndarray, " n_dense"],
    predicted_dense: Float[np.ndarray, "n_rows n_dense n_nodes"],
    data: Dataset,
    rows: Int[np.ndarray, " n_shown"] | Sequence[int] | None = None,
    *,
    ax: Axes | Sequence[Axes] | None = None,
    noise_free: Float[np.ndarray, "n_rows n_dense n_nodes"] | None = None,
) -> Shaped[np.ndarray, " n_shown"]:
    """Measured points and predicted curves against time, a panel for each row, a colour a node.

    predicted_dense: x (log ratio) of every row of `data` at `times_dense`. noise_free: the exact
    x at the same times, drawn dashed. rows: which rows of `data` to show, by default the first
    few. Where there are more nodes than colours, those that were measured to respond most in the
    rows shown are drawn, and the title says so. Returns an array of axes, one for each row.

    Raises InputError where matplotlib is not installed, or where shapes do not match the data.
    """
    shown = np.arange(min(data.n_rows, _ROWS_SHOWN)) if rows is None else np.asarray(rows)
    expected = (data.n_rows, len(times_dense), data.n_nodes)
    for name, curves in (("predicted_dense", predicted_dense), ("noise_free", noise_free)):
        if curves is not None and curves.shape != expected:
            raise refuse(
                name,
                f"expected (rows, times, nodes) = {expected}, found {curves.shape}",
                "Give one curve for every row and node of the data",
            )
    nodes = _most_responding(data, predicted_dense, shown)
    axes = _axes(ax, len(shown), width=3.0, height=2.9, beside=1.4, share_y=True)
    for number, (panel, row) in enumerate(zip(axes, shown, strict=True)):
        panel.axhline(0, color="#DDDDDD", linewidth=0.8, zorder=0)
        for colour, node in zip(_COLOURS, nodes, strict=False):
            panel.plot(times_dense, predicted_dense[row, :, node], color=colour, linewidth=1.4)
            if noise_free is not None:
                exact = noise_free[row, :, node]
                panel.plot(times_dense, exact, color=colour, linestyle=_DASHED, linewidth=1)
            points = data.measurements[row, :, node]
            panel.plot(data.times, points, "o", color=colour, **_POINT)
            if data.errors is not None:
                bars = data.errors[row, :, node]
                panel.errorbar(data.times, points, bars, fmt="none", ecolor=colour, elinewidth=0.8)
        panel.set_title(_describe(data, int(row)), fontsize="small")
        panel.set_xlabel("time (decay times)")
        if number % _COLUMNS == 0:
            panel.set_ylabel("response (log ratio)")
        _remove_frame(panel)
    beside = axes[min(len(axes), _COLUMNS) - 1]
    _explain_lines(beside, data, nodes, dashed=noise_free is not None)
    return axes


def plot_predicted_against_measured(
    predicted: Float[np.ndarray, "*shape"],
    measured: Float[np.ndarray, "*shape"],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Predicted against measured values (log ratio), with their r and MAE; NaN is left out.

    Raises InputError where matplotlib is not installed, or where the shapes differ.
    """
    r = pearson_correlation(predicted, measured)
    error = mean_absolute_error(predicted, measured)
    (panel,) = _axes(ax, 1, width=4.4, height=4.4)
    both = np.isfinite(predicted) & np.isfinite(measured)
    x, y = measured[both], predicted[both]
    # Thousands of points cover each other: the more there are, the fainter each.
    opacity = float(np.clip(25 / np.sqrt(max(x.size, 1)), 0.15, 0.8))
    panel.axline((0, 0), slope=1, color="#4D4D4D", linewidth=1, linestyle=_DASHED, zorder=1)
    panel.scatter(
        x, y, s=16, color=_COLOURS[0], alpha=opacity, linewidths=0, zorder=2, rasterized=True
    )
    values = np.concatenate([x, y, [0.0]])
    margin = 0.05 * float(np.ptp(values)) or 1.0
    limits = (float(values.min()) - margin, float(values.max()) + margin)
    panel.set(xlim=limits, ylim=limits, aspect="equal")
    panel.set(xlabel="measured (log ratio)", ylabel="predicted (log ratio)")
    r_text = "undefined" if r is None else f"{r:.3f}"
    error_text = "undefined" if error is None else f"{error:.3g}"
    panel.set_title(f"r = {r_text}, MAE = {error_text}, {x.size:,} values", fontsize="medium")
    _remove_frame(panel)
    return panel


def plot_pairs(table: PairTable, *, ax: Axes | None = None) -> Axes:
    """The response to every pair as a heat map; on the diagonal each perturbation alone.

    Raises InputError where matplotlib is not installed.
    """
    size = float(np.clip(3.4 + 0.16 * len(table.partners), 4.2, 10.0))
    (panel,) = _axes(ax, 1, width=size, height=0.86 * size)
    limit = float(np.nanmax(np.abs(table.matrix), initial=0.0)) or 1.0
    image = panel.imshow(table.matrix, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="equal")
    panel.set_title(
        f"{table.node} at time {table.time:g}, dose {table.dose:g} of each\ndiagonal: one alone",
        fontsize="medium",
    )
    _name_nodes(panel, table.partners, down=True)
    bar = panel.figure.colorbar(image, ax=panel, shrink=0.8, pad=0.02)
    bar.set_label(f"response of {table.node} (log ratio)")
    bar.outline.set_visible(False)
    return panel


def plot_loss_history(
    history: Mapping[str, Sequence[float] | np.ndarray], *, ax: Axes | None = None
) -> Axes:
    """Training loss and validation MAE against training step, with the best step marked.

    history: arrays of one length under `step`, `training_loss` and `validation_mae` (both log
        ratio); NaN where one was not computed. The best step has the least validation MAE.

    Raises InputError where matplotlib is not installed, or where a key is absent.
    """
    keys = ("step", "training_loss", "validation_mae")
    missing = [key for key in keys if key not in history]
    if missing:
        raise refuse(
            "loss history",
            f"expected {', '.join(keys)}, found no {' and no '.join(missing)}",
            "Give the history of a fitted model",
        )
    step, training, validation = (np.asarray(history[key], dtype=float) for key in keys)
    (panel,) = _axes(ax, 1, width=5.4, height=3.6)
    for values, colour, label in (
        (training, _COLOURS[6], "training loss"),
        (validation, _COLOURS[0], "validation MAE"),
    ):
        known = np.isfinite(values)
        panel.plot(step[known], values[known], color=colour, linewidth=1.4, label=label)
    if np.isfinite(validation).any():
        best = int(np.nanargmin(np.where(np.isfinite(validation), validation, np.nan)))
        panel.axvline(step[best], color="#CCCCCC", linewidth=1, zorder=0)
        label = f"best: {validation[best]:.3g} at step {int(step[best]):,}"
        panel.plot(step[best], validation[best], "o", color=_COLOURS[1], zorder=3, label=label)
    panel.set(yscale="log", xlabel="training step", ylabel="error (log ratio)")
    if len(step):
        panel.legend(frameon=False, fontsize="small")
    else:
        panel.text(0.5, 0.5, "no descent", ha="center", transform=panel.transAxes)
    _remove_frame(panel)
    return panel


def _axes(
    ax: Axes | Sequence[Axes] | np.ndarray | None,
    count: int,
    *,
    width: float,
    height: float,
    beside: float = 0.0,
    share_y: bool = False,
) -> Shaped[np.ndarray, " count"]:
    """The axes given, if there are `count` of them, or those of a new figure.

    width, height: inches for each panel; beside: inches for a legend.
    """
    try:
        import matplotlib.figure  # noqa: F401

        from cellbox.models.shown_figure import ShownFigure
    except ImportError as absent:
        raise refuse(
            "plot",
            "expected matplotlib to be installed, found none",
            'Install it with: pip install "cellbox[plots]"',
        ) from absent
    if ax is not None:
        given = np.atleast_1d(np.array(ax, dtype=object)).reshape(-1)
        if len(given) != count:
            raise refuse(
                "ax", f"expected {count} axes, found {len(given)}", "Give one for each panel"
            )
        return given
    if count < 1:
        raise refuse("rows", "expected at least one row to show, found none", "Name a row")
    columns = min(count, _COLUMNS)
    lines = -(-count // columns)
    size = (width * columns + beside, height * lines)
    figure = ShownFigure(figsize=size)
    grid = figure.subplots(lines, columns, squeeze=False, sharey=share_y).reshape(-1)
    for unused in grid[count:]:
        unused.remove()
    return grid[:count]


def _name_nodes(panel: Axes, nodes: tuple[str, ...], *, down: bool) -> None:
    """Write node names across, and down if asked: smaller where many, only some where crowded."""
    inches = panel.get_window_extent().height / panel.figure.dpi
    points_for_each = 72 * inches / len(nodes)
    size = float(np.clip(0.9 * points_for_each, 4.5, 9))
    every = max(1, int(np.ceil(size / points_for_each)))
    ticks = range(0, len(nodes), every)
    names = [nodes[tick] for tick in ticks]
    panel.set_xticks(ticks, names, rotation=90, fontsize=size)
    panel.set_yticks(ticks, names if down else [""] * len(names), fontsize=size)
    panel.tick_params(length=0 if every == 1 else 2)
    panel.spines[:].set_color("#CCCCCC")


def _most_responding(
    data: Dataset, predicted: Float[np.ndarray, "n_rows n_dense n_nodes"], rows: np.ndarray
) -> Int[np.ndarray, " n_drawn"]:
    """Nodes that were measured farthest from 0 in these rows, as many as there are colours."""
    if data.n_nodes <= len(_COLOURS):
        return np.arange(data.n_nodes)
    measured = np.abs(np.nan_to_num(data.measurements[rows])).max(axis=(0, 1))
    expected = np.abs(np.nan_to_num(predicted[rows])).max(axis=(0, 1))
    # What was measured decides; predictions only rank nodes that no row measured.
    order = np.lexsort((-expected, -measured))
    return np.sort(order[: len(_COLOURS)])


def _describe(data: Dataset, row: int) -> str:
    """A row's name and what was perturbed in it, with its dose."""
    dose = data.perturbations[row]
    strongest = np.argsort(-np.abs(dose), kind="stable")[: np.count_nonzero(dose)]
    named = [f"{data.nodes[node]} {dose[node]:.2g}" for node in strongest[:2]]
    more = len(strongest) - len(named)
    treatment = ", ".join(named) + (f" and {more} more" if more else "")
    done = "" if data.interventions is None else data.interventions.words(row, data.nodes)
    treatment = "; ".join(part for part in (treatment, done) if part)
    return f"{data.row_names[row]}\nu: {treatment or 'none'}"


def _explain_lines(
    panel: Axes, data: Dataset, nodes: Int[np.ndarray, " n_drawn"], *, dashed: bool
) -> None:
    """A legend to the right of the panel: colours are nodes, line styles are kinds of value."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colour, linewidth=3, label=data.nodes[node])
        for colour, node in zip(_COLOURS, nodes, strict=False)
    ]
    handles.append(Line2D([], [], color="black", linewidth=1.4, label="predicted"))
    if dashed:
        handles.append(Line2D([], [], color="black", linewidth=1, linestyle=_DASHED, label="exact"))
    handles.append(
        Line2D([], [], color="black", linestyle="", marker="o", label="measured", **_POINT)
    )
    some = len(nodes) < data.n_nodes
    panel.legend(
        handles=handles,
        title=f"the {len(nodes)} of {data.n_nodes} nodes\nthat respond most" if some else "node",
        loc="upper left",
        bbox_to_anchor=(1.02, 1.0),
        frameon=False,
        fontsize="small",
        title_fontsize="small",
        alignment="left",
    )


def _remove_frame(panel: Axes) -> None:
    """Leave only the two axes that carry numbers."""
    panel.spines[["top", "right"]].set_visible(False)
