"""The bound is what the inverse Fisher information says, and is absent where that is none."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cellbox.data.design import draw_design
from cellbox.data.simulation import equal_times
from cellbox.equation.forward_sensitivity import sensitivities
from cellbox.errors import InputError
from cellbox.identifiability.fisher import covariance, information, parameter_names
from cellbox.identifiability.recovery_bound import recovery_bound, recovery_bounds
from cellbox.networks.known_systems import system
from cellbox.networks.network import Network
from tests.cellbox.small import LOOP

TIMES = equal_times(4, 8.0)
PERTURBATIONS = draw_design(8, 3, np.random.default_rng(0)).perturbations(2)
NOISE = 0.01


def bounds(network=LOOP, perturbations=PERTURBATIONS, times=TIMES, noise=NOISE, measured=None):
    return recovery_bounds(network, perturbations, times, noise, measured)


def test_the_bound_is_the_inverse_of_the_information_of_w_and_alpha_together():
    _, jacobian = sensitivities(LOOP, PERTURBATIONS, TIMES)
    flat = jacobian.reshape(-1, 12)
    variances = np.diag(np.linalg.inv(flat.T @ flat)) * NOISE**2
    found = bounds()
    assert found["rmse"] == pytest.approx(np.sqrt(variances[:9].mean()), rel=1e-4)
    spread = np.var(LOOP.weights)
    assert found["r"] == pytest.approx(np.sqrt(spread / (spread + variances[:9].mean())), rel=1e-6)


def test_with_the_zeros_known_only_edges_and_amplitudes_are_estimated():
    _, jacobian = sensitivities(LOOP, PERTURBATIONS, TIMES)
    edges = np.append(LOOP.weights.ravel() != 0, [True] * 3)
    flat = jacobian.reshape(-1, 12)[:, edges]
    variances = np.diag(np.linalg.inv(flat.T @ flat)) * NOISE**2
    # The two known zeros count among the nine entries, and have no variance.
    expected = np.sqrt(variances[:-3].sum() / 9)
    found = bounds()
    assert found["rmse_known_support"] == pytest.approx(expected, rel=1e-4)
    assert found["rmse_known_support"] < found["rmse"]
    assert found["r_known_support"] > found["r"]


def test_least_squares_reaches_the_bound():
    """Maximum likelihood is unbiased and efficient where noise is small: so is Gauss–Newton."""
    truth = np.concatenate([LOOP.weights.ravel(), LOOP.amplitudes])
    exact, _ = sensitivities(LOOP, PERTURBATIONS, TIMES)
    random = np.random.default_rng(1)
    noise, n_draws, errors = 1e-3, 60, []
    for _ in range(n_draws):
        measured = exact + noise * random.standard_normal(exact.shape)
        found = truth
        for _ in range(3):
            network = Network(LOOP.nodes, found[:9].reshape(3, 3), found[9:])
            states, jacobian = sensitivities(network, PERTURBATIONS, TIMES)
            step, *_ = np.linalg.lstsq(
                jacobian.reshape(-1, 12), (measured - states).ravel(), rcond=None
            )
            found = found + step
        errors.append((found - truth)[:9])
    reached = np.sqrt(np.mean(np.square(errors)))
    bound = recovery_bound(LOOP, PERTURBATIONS, TIMES, noise, known_support=False)
    assert reached == pytest.approx(bound.rmse, rel=0.15)


def test_the_bound_is_proportional_to_noise_and_shrinks_with_replicates():
    once, twice = bounds(), bounds(noise=2 * NOISE)
    assert twice["rmse"] == pytest.approx(2 * once["rmse"])
    replicated = bounds(perturbations=np.repeat(PERTURBATIONS, 2, axis=0))
    assert replicated["rmse"] == pytest.approx(once["rmse"] / np.sqrt(2))


def test_values_that_were_not_measured_tell_nothing():
    measured = np.ones((8, 4, 3), bool)
    measured[5:] = False
    without = bounds(measured=measured)
    assert without["rmse"] == pytest.approx(bounds(perturbations=PERTURBATIONS[:5])["rmse"])
    measured[:] = True
    measured[4:, :, 2] = False
    assert bounds(measured=measured)["rmse"] > bounds()["rmse"]


def test_a_node_that_is_never_measured_leaves_no_bound():
    measured = np.ones((8, 4, 3), bool)
    measured[:, :, 2] = False
    assert bounds(measured=measured)["rmse"] is None


def test_a_node_that_never_moves_leaves_a_singular_matrix_and_a_reason_that_names_it():
    silent = replace(LOOP, weights=np.array([[0.0, 0.0, 0.0], [1.2, 0.5, 0.3], [0.1, 0.8, 0.0]]))
    perturbations = PERTURBATIONS * [0.0, 1.0, 1.0]
    found = bounds(silent, perturbations)
    assert found["rmse"] is None
    assert found["r"] is None
    assert found["condition_number"] is None
    assert "W[b, a]" in found["reason"]
    json.dumps(found, allow_nan=False)


def test_a_condition_number_above_the_limit_gives_the_number_as_the_reason():
    nearly = np.diag([1.0, 1e-13])
    found = covariance(nearly, ["W[a, b]", "α[b]"])
    assert found.variances is None
    assert "1.0e+13" in found.reason
    assert "α[b]" in found.reason
    fine = covariance(np.diag([1.0, 1e-11]), ["W[a, b]", "α[b]"])
    np.testing.assert_allclose(fine.variances, [1.0, 1e11])


def test_equations_that_cannot_be_solved_give_no_bound():
    stiff = replace(LOOP, weights=-1e6 * np.eye(3))
    found = bounds(stiff, PERTURBATIONS[:1])
    assert found["rmse"] is None
    assert "could not be solved" in found["reason"]


def test_parameters_are_named_in_the_order_of_the_information():
    names = parameter_names(LOOP.nodes)
    matrix = information(LOOP, PERTURBATIONS, TIMES)
    assert matrix.shape == (12, 12)
    assert names[3] == "W[b, a]"
    assert names[-1] == "α[c]"


def test_the_abstract_network_is_bound_as_the_paper_recovers_it():
    li = system("LI")
    design = draw_design(20, 7, np.random.default_rng(0), kind="balanced").perturbations(2)
    found = recovery_bounds(li.network, design, equal_times(5, 20.0), 0.01)
    assert 0.99 < found["r"] < found["r_known_support"] < 1
    assert found["rmse"] < 0.05


@pytest.mark.wrong_types
def test_a_noise_of_nothing_and_arrays_that_do_not_fit_are_refused_together():
    with pytest.raises(InputError) as refused:
        bounds(noise=0.0, perturbations=np.ones((2, 5)), measured=np.ones((2, 4, 2), bool))
    assert [problem.where for problem in refused.value.problems] == [
        *("noise", "perturbations", "measured")
    ]
