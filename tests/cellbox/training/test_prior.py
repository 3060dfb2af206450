"""A prior of edges in a training: weighed by the data, and nothing where it says nothing."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.data.readers import read_tidy, write_tidy
from cellbox.data.simulation import simulate
from cellbox.errors import InputError
from cellbox.models.saved_models import load_model
from cellbox.networks.form import EQ_1
from cellbox.networks.prior import AUTO, EdgePrior
from cellbox.networks.random_networks import random_network
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.scores.metrics import recovery
from cellbox.settings import Settings, settings_from_dict
from cellbox.training.fit import fit
from cellbox.training.starts import Starts

NETWORK = random_network(6, density=0.25, seed=3)


def wrong(truth, seed=0):
    """As many edges as the truth has, none of them true."""
    random = np.random.default_rng(seed)
    free = np.argwhere((truth.weights == 0) & ~np.eye(truth.n_nodes, dtype=bool))
    targets, sources = random.permutation(free)[: int((truth.weights != 0).sum())].T
    confidence = np.zeros(truth.weights.shape)
    confidence[targets, sources] = 1.0
    return EdgePrior(truth.nodes, confidence, np.zeros(confidence.shape, int))


@pytest.fixture(scope="module")
def data():
    return simulate(
        NETWORK, n_conditions=4, n_times=3, noise=0.05, n_held_out=2, design="balanced", seed=1
    )


@pytest.fixture(scope="module")
def problem(data):
    return MultipleShooting.of(data, data.split.training)


def best(problem, prior, strength=AUTO):
    found = Starts(problem, NETWORK.nodes, None, prior=prior).regression(True, EQ_1, strength)
    return min((one.found for one in found), key=lambda one: one.information)


@pytest.fixture(scope="module")
def without(problem):
    return best(problem, None)


def test_a_true_prior_finds_more_in_few_data(problem, without):
    found = best(problem, EdgePrior.of(NETWORK))
    assert found.prior_strength > 1.0
    assert found.information < without.information
    after, before = recovery(found.network, NETWORK), recovery(without.network, NETWORK)
    assert after.pearson > before.pearson + 0.02
    assert after.auprc > before.auprc + 0.02


def test_a_prior_that_the_data_do_not_confirm_changes_nothing_to_the_bit(problem, without):
    found = best(problem, wrong(NETWORK))
    assert found.prior_strength is None
    np.testing.assert_array_equal(found.network.weights, without.network.weights)
    assert found.information == without.information


def test_a_strength_of_0_changes_nothing_to_the_bit(problem, without):
    found = best(problem, EdgePrior.of(NETWORK), 0.0)
    np.testing.assert_array_equal(found.network.weights, without.network.weights)


def test_data_that_tell_the_network_find_it_against_the_strongest_wrong_prior():
    data = simulate(
        NETWORK, n_conditions=24, n_times=3, noise=0.01, n_held_out=2, design="balanced", seed=1
    )
    problem = MultipleShooting.of(data, data.split.training)
    found = best(problem, wrong(NETWORK), 14.0)
    assert recovery(found.network, NETWORK).pearson > 0.99


def test_fit_tells_what_a_prior_counted_and_that_it_was_not_used(data, tmp_path):
    quick = Settings(steps=25, validate_every=25)
    model = fit(data, quick, prior=EdgePrior.of(NETWORK))
    assert model.training.prior_strength > 1.0
    assert "An edge of the prior counts as" in model.training.refinement
    model.save(tmp_path / "model")
    assert load_model(tmp_path / "model").training == model.training
    off = fit(data, replace(quick, prior_strength=0), prior=EdgePrior.of(NETWORK))
    plain = fit(data, quick)
    assert "The prior plays no part: its strength is 0." in off.training.refinement
    assert "prior" not in plain.training.refinement
    np.testing.assert_array_equal(off.network.weights, plain.network.weights)
    assert plain.training.selection_error == off.training.selection_error


def test_a_prior_travels_with_its_data(data, tmp_path):
    with_prior = replace(data, prior=EdgePrior.of(NETWORK))
    write_tidy(with_prior, tmp_path / "data")
    again = read_tidy(tmp_path / "data")
    assert again.prior.fingerprint == with_prior.prior.fingerprint
    assert again.rows(np.arange(2)).prior is again.prior
    with pytest.raises(InputError, match="expected the nodes of the data"):
        replace(data, prior=EdgePrior.of(random_network(3, density=0.5, seed=0)))


@pytest.mark.parametrize("strength", ["much", -1, 15, True])
def test_strengths_that_cannot_be_are_refused(strength):
    with pytest.raises(InputError, match="setting prior_strength: expected auto or a number"):
        settings_from_dict({"prior_strength": strength})
