"""Figures: they render without a display, and say what they show."""

import io
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

from cellbox.data.dataset import Dataset
from cellbox.errors import InputError
from cellbox.models.plots import (
    plot_loss_history,
    plot_network,
    plot_predicted_against_measured,
    plot_trajectories,
)
from cellbox.networks.network import Network

NAN = float("nan")
DENSE = np.linspace(0, 20, 21)


def network(count, seed=0):
    weights = np.random.default_rng(seed).normal(size=(count, count))
    return Network(tuple(f"gene {node}" for node in range(count)), weights, np.ones(count))


def dataset(n_rows=3, n_times=5, n_nodes=5):
    rng = np.random.default_rng(0)
    measurements = rng.normal(size=(n_rows, n_times, n_nodes))
    measurements[0, 0, 0] = NAN
    perturbations = np.zeros((n_rows, n_nodes))
    perturbations[1:, 0] = 0.5
    return Dataset(
        nodes=tuple(f"gene {node}" for node in range(n_nodes)),
        times=20 * np.arange(1, n_times + 1) / n_times,
        perturbations=perturbations,
        measurements=measurements,
        row_names=tuple(f"row {row}" for row in range(n_rows)),
        activity_nodes=np.zeros(n_nodes, bool),
    )


def curves(data):
    return np.zeros((data.n_rows, len(DENSE), data.n_nodes))


def render(ax):
    """Draw the figure for real; layout and text problems only show then."""
    picture = io.BytesIO()
    ax.figure.savefig(picture, format="png", dpi=40)
    assert picture.getvalue().startswith(b"\x89PNG")


@pytest.mark.parametrize("count", [5, 19, 99])
def test_network_is_a_heat_map_with_names_and_symmetric_colours(count):
    ax = plot_network(network(count))
    render(ax)
    image = ax.images[0]
    assert image.norm.vmin == -image.norm.vmax == -np.abs(network(count).weights).max()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("source", "target")
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == list(network(count).nodes)
    assert any("weight" in other.get_ylabel() for other in ax.figure.axes)


def test_names_of_very_many_nodes_are_thinned():
    ax = plot_network(network(300))
    render(ax)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names[0] == "gene 0"
    assert len(names) <= 150


def test_truth_is_drawn_on_the_same_scale_and_order():
    truth = network(6, seed=1)
    order = [3, 0, 5, 1, 2, 4]
    learned = Network(
        tuple(truth.nodes[index] for index in order),
        3 * truth.weights[np.ix_(order, order)],
        truth.amplitudes,
    )
    axes = plot_network(learned, truth)
    render(axes[0])
    assert [ax.get_title() for ax in axes] == ["learned W", "true W"]
    assert axes[0].images[0].norm.vmax == axes[1].images[0].norm.vmax
    np.testing.assert_allclose(axes[0].images[0].get_array(), 3 * truth.weights)


def test_trajectories_have_a_panel_for_each_row_and_a_line_for_each_node():
    data = dataset()
    axes = plot_trajectories(DENSE, curves(data), data, [2, 0])
    render(axes[0])
    assert [ax.get_title() for ax in axes] == ["row 2\nu: gene 0 0.5", "row 0\nu: none"]
    assert axes[0].get_ylabel() == "response (log ratio)"
    assert axes[0].get_xlabel() == "time (decay times)"
    legend = [text.get_text() for text in axes[-1].get_legend().get_texts()]
    assert legend == [*data.nodes, "predicted", "measured"]


def test_exact_trajectories_are_told_apart():
    data = dataset()
    axes = plot_trajectories(DENSE, curves(data), data, noise_free=curves(data) + 0.1)
    legend = [text.get_text() for text in axes[-1].get_legend().get_texts()]
    assert legend[-3:] == ["predicted", "exact", "measured"]


def test_of_many_nodes_those_that_respond_most_are_drawn_and_said_to_be():
    data = dataset(n_rows=2, n_times=1, n_nodes=99)
    data.measurements[:] = 0
    responding = [3, 10, 20, 40, 50, 77, 98]
    data.measurements[1, 0, responding] = -1
    axes = plot_trajectories(DENSE, curves(data), data)
    render(axes[0])
    legend = axes[-1].get_legend()
    assert legend.get_title().get_text() == "the 7 of 99 nodes\nthat respond most"
    names = [text.get_text() for text in legend.get_texts()][:7]
    assert names == [f"gene {node}" for node in responding]


@pytest.mark.wrong_types
def test_trajectories_of_another_shape_are_refused():
    data = dataset()
    with pytest.raises(InputError, match=r"\(3, 21, 5\)"):
        plot_trajectories(DENSE, curves(data)[:, 1:], data)


def test_scatter_has_r_and_error_in_its_title():
    measured = np.array([[0.0, 1.0], [2.0, NAN]])
    ax = plot_predicted_against_measured(measured + 0.5, measured)
    render(ax)
    assert ax.get_title() == "r = 1.000, MAE = 0.5, 3 values"
    assert ax.get_xlabel() == "measured (log ratio)"
    assert ax.get_xlim() == ax.get_ylim()


def test_scatter_of_nothing_measured_still_renders():
    ax = plot_predicted_against_measured(np.ones(3), np.full(3, NAN))
    render(ax)
    assert ax.get_title() == "r = undefined, MAE = undefined, 0 values"


def test_loss_history_marks_the_best_step_on_a_log_axis():
    history = {
        "step": [0, 100, 200, 300],
        "training_loss": [1.0, 0.5, 0.2, 0.1],
        "validation_mae": [1.0, NAN, 0.25, 0.3],
    }
    ax = plot_loss_history(history)
    render(ax)
    assert ax.get_yscale() == "log"
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["training loss", "validation MAE", "best: 0.25 at step 200"]


def test_loss_history_without_a_column_is_refused():
    with pytest.raises(InputError, match="no training_loss and no validation_mae"):
        plot_loss_history({"step": [1]})


def test_given_axes_are_drawn_into_and_returned():
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert plot_predicted_against_measured(np.ones(2), np.ones(2), ax=left) is left
    axes = plot_network(network(5), network(5), ax=[left, right])
    assert list(axes) == [left, right]
    with pytest.raises(InputError, match="expected 2 axes, found 1"):
        plot_network(network(5), network(5), ax=left)


def test_plots_without_matplotlib_name_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(InputError, match=r'pip install "cellbox\[plots\]"'):
        plot_network(network(5))
