"""What is beside Eq. 1 is fitted with W and α, and left out where the data do not ask for it."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.networks.form import form_of
from cellbox.refinement.edge_intervals import edge_intervals
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.refine import refine, residuals_of
from cellbox.refinement.regression_start import regression_start
from cellbox.scores.metrics import pearson_correlation
from tests.cellbox.formed import NETWORK, NOISE, experiment, formed


def refined(network, names):
    data = experiment(network)
    problem = MultipleShooting.of(data, data.split.training)
    start = regression_start(problem, data.nodes)
    return replace(problem, form=form_of(names)), refine(
        replace(problem, form=form_of(names)), start
    )


@pytest.mark.slow
def test_a_start_and_an_offset_are_found_beside_the_network():
    network = formed(start=[0, 0.5, 0, 0], offset=[0, 0, 0.2, 0])
    problem, found = refined(network, "start,offset,drive")
    assert pearson_correlation(found.network.weights, NETWORK.weights) > 0.995
    form = found.network.form
    assert form.form == form_of("start,offset")
    np.testing.assert_allclose(form.values["start"], [0, 0.5, 0, 0], atol=0.05)
    np.testing.assert_allclose(form.values["offset"], [0, 0, 0.2, 0], atol=0.03)
    assert found.noise == pytest.approx(NOISE, rel=0.15)
    assert residuals_of(problem, found.network).std() < 1.2 * NOISE
    intervals = edge_intervals(problem, found.network)
    held = (intervals.low <= NETWORK.weights) & (NETWORK.weights <= intervals.high)
    assert held.mean() >= 0.75


def test_nothing_is_kept_where_eq_1_made_the_data():
    _, found = refined(NETWORK, "start,offset,decay")
    assert found.network.form is None
    assert pearson_correlation(found.network.weights, NETWORK.weights) > 0.995


@pytest.mark.slow
def test_hill_kinetics_are_fitted_without_amplitudes():
    network = formed("hill")
    _, found = refined(network, "hill")
    assert found.network.form.form == form_of("hill")
    assert (found.network.amplitudes == 1).all()
    assert pearson_correlation(found.network.weights, NETWORK.weights) > 0.99
