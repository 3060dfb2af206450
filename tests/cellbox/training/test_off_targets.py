"""Effects of doses on other nodes: found beside edges, kept and refused; edges are preferred."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.criticism.criticise import criticise
from cellbox.equation.network_responses import responses
from cellbox.errors import InputError
from cellbox.models.saved_models import load_model
from cellbox.networks.form import EQ_1, form_of
from cellbox.networks.network import Network
from cellbox.networks.sbml import write_sbml
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.refine import explain, refine
from cellbox.refinement.regression_start import regression_start
from cellbox.scores.metrics import pearson_correlation
from cellbox.training.fit import fit
from cellbox.training.starts import Starts
from tests.cellbox.formed import NETWORK, experiment, formed

EFFECTS = np.zeros((4, 4))
EFFECTS[1, 3], EFFECTS[3, 0] = 0.8, -0.7


@pytest.fixture(scope="module")
def data():
    return experiment(formed(off_target=EFFECTS))


@pytest.fixture(scope="module")
def model(data):
    return fit(data, form="off_target", descent="where needed")


@pytest.mark.slow
def test_effects_and_edges_are_found_together(model):
    assert pearson_correlation(model.network.weights, NETWORK.weights) > 0.995
    effects = model.form.values["off_target"]
    assert ((effects != 0) == (EFFECTS != 0)).all()
    np.testing.assert_allclose(effects, EFFECTS, atol=0.1)
    assert model.criticism.verdict == "explained"
    assert "off_target (O: d on b 0." in model.training.refinement
    assert "told apart only where that node also moves" in model.training.refinement


@pytest.mark.slow
def test_a_model_keeps_them_predicts_with_them_and_is_no_sbml(model, data, tmp_path):
    again = load_model(model.save(tmp_path / "model"))
    rows = data.split.test
    predicted = again.predict(data.perturbations[rows], data.times)
    assert (predicted == model.predict(data.perturbations[rows], data.times)).all()
    assert np.abs(predicted - data.noise_free[rows]).mean() < 0.02
    with pytest.raises(InputError, match="form off_target"):
        write_sbml(model.network, tmp_path / "model.xml")


@pytest.mark.slow
def test_the_verdict_on_eq_1_names_them(data):
    rows = data.split.training
    found = criticise(NETWORK, data, rows)
    assert found.findings[0].kind == "off_target"
    assert "of d on b" in found.findings[0].sentence
    assert "--form off_target" in found.advice


@pytest.mark.slow
def test_an_effect_costs_what_an_edge_costs(data):
    problem = MultipleShooting.of(data, data.split.training)
    plain, formed_too = (explain(problem, one) for one in (NETWORK, formed(off_target=EFFECTS)))
    more = formed_too.price - plain.price
    assert more == pytest.approx(2 * np.log(plain.n_values))


@pytest.mark.slow
def test_none_are_kept_where_eq_1_made_the_data():
    plain = experiment(NETWORK)
    problem = MultipleShooting.of(plain, plain.split.training)
    start = regression_start(problem, plain.nodes)
    found = refine(problem.with_form(form_of("off_target")), start)
    assert found.network.form is None
    assert pearson_correlation(found.network.weights, NETWORK.weights) > 0.995


def tied(truth: Network) -> MultipleShooting:
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
    assert network.weights[1, 0] == pytest.approx(0.9, abs=0.15)


def test_no_effects_are_fitted_where_none_can_be_told(data):
    problem = MultipleShooting.of(data, data.split.training)
    undosed = replace(problem, perturbations=0 * problem.perturbations)
    told = Starts(problem, data.nodes, None)
    assert told.form_for("off_target", select_edges=True) == form_of("off_target")
    # Only as far as some do nothing.
    assert told.form_for("off_target", select_edges=False) == EQ_1
    untold = Starts(undosed, data.nodes, None)
    assert untold.form_for("off_target,drive", select_edges=True) == form_of("drive")
