"""Effects of doses on other nodes are found beside edges, and edges are preferred to them."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.criticism.criticise import criticise
from cellbox.equation.network_responses import responses
from cellbox.networks.form import EQ_1, form_of
from cellbox.networks.network import Network
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.refine import refine
from cellbox.refinement.regression_start import regression_start
from cellbox.scores.metrics import pearson_correlation
from cellbox.training.starts import Starts
from tests.cellbox.formed import NETWORK, experiment, formed

EFFECTS = np.zeros((4, 4))
EFFECTS[1, 3], EFFECTS[3, 0] = 0.8, -0.7


@pytest.fixture(scope="module")
def data():
    return experiment(formed(off_target=EFFECTS))


def refined(data, form="off_target", **settings):
    problem = MultipleShooting.of(data, data.split.training)
    start = regression_start(problem, data.nodes)
    return refine(problem.with_form(form_of(form)), start, **settings)


@pytest.fixture(scope="module")
def found(data):
    return refined(data)


@pytest.mark.slow
def test_effects_and_edges_are_found_together(found):
    assert pearson_correlation(found.network.weights, NETWORK.weights) > 0.995
    effects = found.network.form.values["off_target"]
    assert ((effects != 0) == (EFFECTS != 0)).all()
    np.testing.assert_allclose(effects, EFFECTS, atol=0.1)


@pytest.mark.slow
def test_an_effect_costs_what_an_edge_costs_and_a_little_more(found):
    n_numbers = np.count_nonzero(found.network.weights) + np.count_nonzero(EFFECTS)
    price = np.log(found.n_values)
    # Amplitudes cost as far as they differ, which is at most one each.
    least = price * n_numbers + 2 * 1.0
    assert least <= found.price <= least + 4 * price


@pytest.mark.slow
def test_the_verdict_on_eq_1_names_them_and_is_explained_with_them(data, found):
    rows = data.split.training
    plain = criticise(refined(data, "none").network, data, rows)
    assert plain.findings[0].kind == "off_target"
    assert "of d on b" in plain.findings[0].sentence
    assert "--form off_target" in plain.advice
    assert criticise(found.network, data, rows).verdict == "explained"


@pytest.mark.slow
def test_none_are_kept_where_eq_1_made_the_data():
    plain = refined(experiment(NETWORK))
    assert plain.network.form is None
    assert pearson_correlation(plain.network.weights, NETWORK.weights) > 0.995


def tied(truth: Network):
    """Steady states in which a moves by its own dose alone, and that has one level."""
    random = np.random.default_rng(3)
    doses = np.where(random.random((24, 3)) < 0.4, [0.8, 0.6, 0.9], 0.0)
    times = np.array([10.0])
    exact = responses(truth, doses, times)
    return MultipleShooting(doses, exact + 0.01 * random.normal(size=exact.shape), times)


@pytest.mark.slow
def test_an_edge_is_taken_where_nothing_tells_it_from_an_effect():
    chain = Network(("a", "b", "c"), np.array([[0, 0, 0], [0.9, 0, 0], [0, -1.1, 0]]), np.ones(3))
    problem = tied(chain)
    start = regression_start(problem, chain.nodes)
    network = refine(problem.with_form(form_of("off_target")), start).network
    assert network.form is None
    assert ((network.weights != 0) == (chain.weights != 0)).all()


def test_no_effects_are_fitted_where_none_can_be_told(data):
    problem = MultipleShooting.of(data, data.split.training)
    undosed = replace(problem, perturbations=0 * problem.perturbations)
    of_form = {"named": "off_target", "select_edges": True}
    assert Starts(undosed, data.nodes, None).form_for(**of_form) == EQ_1
    assert Starts(problem, data.nodes, None).form_for(**of_form) == form_of("off_target")
    assert Starts(problem, data.nodes, None).form_for("off_target", False) == EQ_1
