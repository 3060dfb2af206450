"""A fit with a node that was not measured: what is found, said, kept and refused."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.criticism.criticism import Finding
from cellbox.errors import InputError
from cellbox.identifiability.check import check_result
from cellbox.models.ensemble import ensemble_of
from cellbox.models.saved_models import load_model
from cellbox.networks.form import EQ_1, form_of
from cellbox.networks.hidden_nodes import WARNING
from cellbox.networks.sbml import write_sbml
from cellbox.networks.whole_network import whole
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.refined import Refined
from cellbox.scores.metrics import pearson_correlation, unsteady_share
from cellbox.training.fit import fit
from cellbox.training.form_search import StartedFit, search_form
from cellbox.training.starts import Starts
from tests.cellbox.formed import NETWORK, experiment_with_hidden

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data():
    return experiment_with_hidden()


@pytest.fixture(scope="module")
def model(data):
    return fit(data, form="hidden", descent="where needed")


def test_the_network_is_found_and_explains_the_data(model):
    assert model.form.form == form_of("hidden")
    assert pearson_correlation(model.network.weights, NETWORK.weights) > 0.995
    assert model.criticism.verdict == "explained"
    assert "by Eq. 1 with hidden" in model.criticism.why
    assert "hidden1 acts on a 1.1" in model.training.refinement
    assert WARNING in model.training.refinement


def test_rows_that_nobody_drove_are_predicted(model, data):
    rows = np.array([row for row in data.split.test if row % 3])
    apart = model.predict(data.perturbations[rows], data.times) - data.noise_free[rows]
    assert np.abs(apart).mean() < 0.03
    last = data.perturbations[rows], data.noise_free[rows][:, -1]
    assert 0.0 <= unsteady_share(model.network, *last) <= 1.0


def test_edges_are_determined_with_the_hidden_node_unknown_as_well(model, data):
    report = check_result(
        model.network, data, data.split.training, refined=True, criticism=model.criticism
    )
    sure = [edge for edge in report.edges if edge.determined]
    assert len(sure) >= 8
    for edge in sure:
        target, source = (data.nodes.index(node) for node in (edge.target, edge.source))
        assert abs(edge.weight - NETWORK.weights[target, source]) < 4 * edge.least_error + 0.02


def test_models_and_ensembles_keep_it(model, data, tmp_path):
    asked = data.perturbations[:3]
    again = load_model(model.save(tmp_path / "model"))
    assert (again.predict(asked) == model.predict(asked)).all()
    hidden = model.form.hidden
    mirrored = replace(model.form, hidden=hidden.turned([0], np.array([-1.0])))
    other = replace(model, network=replace(model.network, form=mirrored))
    edges = {"selected": np.ones((2, 4, 4), bool), "allowed_edges": np.ones((4, 4), bool)}
    rest = {"n_diverged": 0, "intervals": None, "bootstrap": True, "seed": 0}
    ensemble = ensemble_of([model, other], **edges, **rest)
    np.testing.assert_allclose(ensemble.network.form.hidden.targets, hidden.targets)
    np.testing.assert_allclose(ensemble.predict(asked), model.predict(asked), atol=1e-9)


def test_what_knows_no_hidden_nodes_refuses_them(model, tmp_path):
    with pytest.raises(InputError, match="form hidden"):
        write_sbml(model.network, tmp_path / "model.xml")


def test_a_search_lets_it_in_where_rows_ask_for_drives_of_their_own(model):
    asked = replace(model.criticism, verdict="not explained", findings=(Finding("rows", "Why."),))
    plain = replace(model.network, form=None)

    def fits(form):
        network, information = (
            (model.network, -900.0) if form.n_hidden == 1 else (plain, -500.0 + 9 * bool(form))
        )
        return [StartedFit(Refined(network, 0.1, 6, 384, 1, information), "a start")]

    def judge(network):
        return asked if network.form is None else model.criticism

    assert search_form(fits, judge, np.eye(4)) == form_of("hidden")
    assert search_form(fits, judge, np.eye(4), hidden=False) == EQ_1


def test_a_search_tries_none_where_another_part_leaves_little(model):
    far = replace(model.criticism, verdict="not explained", findings=(Finding("offset", "Why."),))
    near = replace(model.criticism, verdict="partly", findings=(Finding("held_out", "Why."),))
    plain, shifted = replace(model.network, form=None), replace(model.network, form=None)
    tried = []

    def fits(form):
        tried.append(form)
        found = Refined(shifted if form else plain, 0.1, 6, 384, 1, -900.0 if form else -500.0)
        return [StartedFit(found, "a start")]

    search_form(fits, lambda network: far if network is plain else near, np.eye(4))
    assert form_of("offset") in tried
    assert not any(form.n_hidden for form in tried)


def test_values_of_one_time_have_no_hidden_node(data):
    problem = MultipleShooting.of(data, data.split.training)
    one_time = replace(problem, measurements=problem.measurements[:, -1:], times=problem.times[-1:])
    assert Starts(one_time, data.nodes, None).form_for("hidden", select_edges=True) == EQ_1


def test_the_whole_network_has_it_behind_the_others(model):
    every = whole(model.network)
    assert every.nodes == (*NETWORK.nodes, "hidden1")
    assert every.form is None
    assert (every.weights[:4, :4] == model.network.weights).all()
