"""More unknowns than data: what cross-validation chooses predicts, and nothing leaks."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from cellbox.data.dataset import Dataset
from cellbox.equation.network_responses import responses
from cellbox.equation.solver_settings import SolverSettings
from cellbox.networks.network import Network
from cellbox.networks.prior import EdgePrior
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.shrinkage import Known, shrink

pytestmark = pytest.mark.usefixtures("own_cache")

N_DRUGS, N_NODES = 4, 12


def drug_data(seed=0):
    """Four drugs act through activity nodes on eight others, which act on one another."""
    random = np.random.default_rng(seed)
    is_drug = np.arange(N_NODES) < N_DRUGS
    allowed = ~np.eye(N_NODES, dtype=bool)
    allowed[is_drug] = False
    weights = np.where(allowed & (random.random((N_NODES, N_NODES)) < 0.3), 1.0, 0.0)
    weights *= random.uniform(-1, 1, weights.shape)
    nodes = tuple(f"g{node}" for node in range(N_NODES))
    network = Network(nodes, weights, np.ones(N_NODES))
    pairs = [(i, j) for i in range(N_DRUGS) for j in range(i, N_DRUGS)]
    perturbations = np.zeros((2 * len(pairs), N_NODES))
    for row, (i, j) in enumerate(pairs * 2):
        perturbations[row, [i, j]] = random.uniform(0.4, 1.5, 2)
    exact = responses(network, perturbations, np.array([10.0]), SolverSettings())
    return Dataset(
        nodes=nodes,
        times=np.array([10.0]),
        perturbations=perturbations,
        measurements=exact + 0.05 * random.normal(size=exact.shape) * ~is_drug,
        row_names=tuple(map(str, range(len(perturbations)))),
        activity_nodes=is_drug,
        allowed_edges=allowed,
    )


@pytest.fixture(scope="module")
def data():
    return drug_data()


@pytest.fixture(scope="module")
def problem(data):
    """Ten of twenty conditions, with a few values that were not measured."""
    problem = MultipleShooting.of(data, np.arange(0, 20, 2))
    measurements = problem.measurements.copy()
    measurements[[1, 4], 0, [6, 9]] = np.nan
    return replace(problem, measurements=measurements)


@pytest.fixture(scope="module")
def found(data, problem):
    return shrink(problem, data.nodes, allowed_edges=data.allowed_edges, scored=data.measured_nodes)


def test_held_out_conditions_are_predicted_far_better_than_by_the_mean(data, found):
    predicted = responses(found.network, data.perturbations[1::2], data.times, SolverSettings())
    apart = np.abs(predicted - data.measurements[1::2])[..., data.measured_nodes]
    of_mean = np.abs(data.measurements[0::2].mean(axis=0) - data.measurements[1::2])[
        ..., data.measured_nodes
    ]
    assert apart.mean() < 0.5 * of_mean.mean()
    # What cross-validation promised, with a third fewer conditions to learn from.
    assert found.choice.error == pytest.approx(apart.mean(), rel=0.6)


def test_forbidden_edges_are_not_there_and_inputs_keep_their_amplitude(data, found):
    assert (found.network.weights[~data.allowed_edges] == 0).all()
    np.testing.assert_allclose(found.network.amplitudes[:N_DRUGS], 1.0, atol=0.05)


def test_what_was_done_is_said(found):
    assert "chosen by cross-validation over 10 conditions" in found.sentence
    assert found.choice.strength > 0
    assert found.noise > 0


def test_the_same_data_give_the_same_network_and_nothing_warns(data, problem, found):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        again = shrink(
            problem, data.nodes, allowed_edges=data.allowed_edges, scored=data.measured_nodes
        )
    np.testing.assert_array_equal(again.network.weights, found.network.weights)


def test_what_was_chosen_before_is_taken_over(data, problem, found):
    followed = shrink(problem, data.nodes, allowed_edges=data.allowed_edges, like=found.choice)
    assert followed.choice == found.choice == found.choices[0]
    assert followed.n_steps < found.n_steps / 4
    apart = np.abs(followed.network.weights - found.network.weights)
    assert apart.max() < 0.1 * np.abs(found.network.weights).max()


def test_other_choices_predict_nearly_as_well_and_none_is_there_twice(found):
    assert len(set(found.choices)) == len(found.choices)
    assert {choice.prior.robust for choice in found.choices} == {found.choice.prior.robust}
    assert len({choice.prior.headroom for choice in found.choices}) == len(found.choices)
    least = min(choice.error for choice in found.choices)
    assert all(choice.error < 1.05 * least for choice in found.choices)


def test_one_condition_cannot_be_cross_validated(data):
    one = MultipleShooting.of(data, np.array([3, 3]))
    assert shrink(one, data.nodes) is None


def test_edges_of_a_prior_are_drawn_to_zero_less_as_asked_and_said(data, problem, found):
    listed = np.zeros((N_NODES, N_NODES))
    target, source = np.argwhere(data.allowed_edges & (np.abs(found.network.weights) > 0.05))[0]
    listed[target, source] = 1.0
    prior = EdgePrior(data.nodes, listed, np.zeros(listed.shape, int))
    like = replace(found.choice, prior=replace(found.choice.prior, known=3.0))
    drawn = shrink(
        problem, data.nodes, allowed_edges=data.allowed_edges, like=like, known=Known.of(prior, 3.0)
    )
    assert abs(drawn.network.weights[target, source]) > abs(found.network.weights[target, source])
    assert "edges of the prior 20 times less" in drawn.sentence
    assert Known.of(prior, 0) is None
    assert Known.of(None, "auto") is None
