"""A fit that may have more than Eq. 1: what is chosen, said, kept and refused."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.data.readers import write_petab
from cellbox.errors import InputError
from cellbox.identifiability.check import check_result
from cellbox.models.ensemble import ensemble_of
from cellbox.models.saved_ensembles import load_ensemble
from cellbox.models.saved_models import load_model
from cellbox.networks.form import EQ_1, form_of
from cellbox.networks.sbml import write_sbml
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.scores.metrics import pearson_correlation
from cellbox.settings import Settings, settings_from_dict
from cellbox.training.fit import fit
from cellbox.training.form_search import judge_of
from cellbox.training.starts import Starts
from tests.cellbox.formed import NETWORK, experiment, formed

pytestmark = pytest.mark.slow

TRUTH = {"start": [0, 0.5, 0, 0], "offset": [0, 0, 0.2, 0]}


@pytest.fixture(scope="module")
def data():
    return experiment(formed(**TRUTH))


@pytest.fixture(scope="module")
def model(data):
    return fit(data, form="search", descent="where needed")


def test_a_search_lets_in_what_the_residuals_ask_for(model):
    assert model.form.form == form_of("start,offset")
    assert model.settings.form == "search"
    assert pearson_correlation(model.network.weights, NETWORK.weights) > 0.995
    assert model.criticism.verdict == "explained"
    assert "by Eq. 1 with offset,start" in model.criticism.why
    assert "Form beside Eq. 1: offset (o: c" in model.training.refinement


def test_its_predictions_are_as_near_as_the_noise(model, data):
    rows = data.split.test
    apart = model.predict(data.perturbations[rows], data.times) - data.noise_free[rows]
    assert np.abs(apart).mean() < 0.02
    np.testing.assert_allclose(model.at_the_start(np.eye(4))[0], [0, 0.5, 0.2, 0], atol=0.05)


def test_edges_are_determined_with_the_form_unknown_as_well(model, data):
    report = check_result(
        model.network, data, data.split.training, refined=True, criticism=model.criticism
    )
    plain = check_result(replace(model.network, form=None), data, data.split.training, refined=True)
    errors = [edge.least_error for edge in report.edges]
    assert all(edge.determined for edge in report.edges)
    # More is unknown, and what is left is noise alone.
    assert 0.001 < np.median(errors) < np.median([edge.least_error for edge in plain.edges])


def test_a_model_keeps_its_form_without_pickle(model, data, tmp_path):
    again = load_model(model.save(tmp_path / "model"))
    assert again.form.form == model.form.form
    asked = data.perturbations[:3]
    assert (again.predict(asked) == model.predict(asked)).all()


def test_an_ensemble_keeps_the_forms_of_its_members(model, tmp_path):
    plain = replace(model, network=replace(model.network, form=None))
    edges = {"selected": np.ones((2, 4, 4), bool), "allowed_edges": np.ones((4, 4), bool)}
    rest = {"n_diverged": 0, "intervals": None, "bootstrap": True, "seed": 0}
    ensemble = ensemble_of([model, plain], **edges, **rest)
    half = ensemble.network.form.values["offset"]
    np.testing.assert_allclose(half, model.form.values["offset"] / 2)
    again = load_ensemble(ensemble.save(tmp_path / "ensemble"))
    assert [member.form is None for member in again.members] == [False, True]
    asked = np.array([[0.5, 0, 0, 0]])
    assert (again.predict(asked) == ensemble.predict(asked)).all()


def test_what_knows_only_eq_1_refuses_it(model, data, tmp_path):
    with pytest.raises(InputError, match="form offset,start"):
        write_sbml(model.network, tmp_path / "model.xml")
    with pytest.raises(InputError, match="form offset,start"):
        write_petab(model.network, data, tmp_path / "problem")


def test_the_verdict_on_eq_1_says_which_form_to_try(data):
    training = data.split.training
    starts = Starts(MultipleShooting.of(data, training), data.nodes, None)
    found = judge_of(data, training)(starts.regression(True)[0].found.network)
    assert not found.edges_hold
    assert "--form start" in found.advice or "--form offset" in found.advice
    assert found.advice in found.sentences()


def test_nothing_is_chosen_where_eq_1_explains_the_data():
    plain = experiment(NETWORK)
    rows = plain.split.training
    starts = Starts(MultipleShooting.of(plain, rows), plain.nodes, None, judge_of(plain, rows))
    assert starts.form_for("search", select_edges=True) == EQ_1
    assert starts.form_for("drive", select_edges=True) == form_of("drive")


def test_too_few_data_have_no_form(data):
    few = MultipleShooting.of(data, np.arange(1)).rows(np.array([0]))
    few = replace(few, measurements=few.measurements[:, :1], times=few.times[:1])
    assert Starts(few, data.nodes, None).form_for("drive", select_edges=True) == EQ_1


def test_a_form_is_a_setting_by_names_or_a_list():
    assert settings_from_dict({"form": ["start", "drive"]}).form == "start,drive"
    with pytest.raises(InputError, match="The nearest is drive"):
        Settings(form="dirve")


def test_a_form_without_least_squares_is_refused(data):
    with pytest.raises(InputError, match="refinement is none"):
        fit(data, Settings(refinement="none"), form="drive")
