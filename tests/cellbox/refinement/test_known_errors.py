"""Least squares of values whose errors are known."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.data.plausibility import data_warnings
from cellbox.data.simulation import simulate_system
from cellbox.networks.known_systems import system
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.refine import refine
from cellbox.refinement.regression_start import regression_start
from cellbox.refinement.unexplained import replicate_variance
from cellbox.scores.metrics import recovery


@pytest.fixture(scope="module")
def uneven():
    """VSC, half of whose values are ten times as noisy as the others, with these errors."""
    data = simulate_system(system("VSC"), seed=3, design="balanced")
    random = np.random.default_rng(3)
    errors = np.where(random.random(data.measurements.shape) < 0.5, 0.1, 0.01)
    noisy = data.noise_free + errors * random.standard_normal(errors.shape)
    return replace(data, measurements=noisy, errors=errors)


def _refined(data):
    problem = MultipleShooting.of(data, data.split.training)
    return refine(problem, regression_start(problem, data.nodes))


def test_values_count_by_their_errors(uneven):
    weighted = _refined(uneven)
    alike = _refined(replace(uneven, errors=None))
    of_weighted = recovery(weighted.network, uneven.truth).pearson
    assert of_weighted > 0.95
    assert of_weighted > 0.2 + (recovery(alike.network, uneven.truth).pearson or 0.0)
    # The noise of a value with the typical error.
    assert weighted.noise == pytest.approx(uneven.typical_error, rel=0.15)


def test_equal_errors_of_any_size_change_nothing(uneven):
    problem = MultipleShooting.of(replace(uneven, errors=None), uneven.split.training)
    equal = replace(uneven, errors=np.full(uneven.errors.shape, 7.0))
    weighted = MultipleShooting.of(equal, uneven.split.training)
    assert weighted.root_precision == pytest.approx(1.0)
    assert weighted.mean_square == pytest.approx(problem.mean_square)


def test_replicates_are_compared_by_their_errors():
    u = np.array([[1.0], [1.0]])
    errors = np.array([[[0.1]], [[0.4]]])
    problem = MultipleShooting(
        u, np.array([[[1.0]], [[1.5]]]), np.array([1.0]), errors=errors, typical_error=0.2
    )
    # By hand: weights 4 and 1/4, mean 1.0294, squares 4 · 0.0294² + 0.4706² / 4.
    assert replicate_variance(problem) == pytest.approx(0.058824, rel=1e-4)


def test_errors_that_leave_a_few_values_to_decide_are_warned_of(uneven):
    assert not [one for one in data_warnings(uneven) if one.kind == "errors_decide"]
    errors = uneven.errors.copy()
    errors[0, 0, 0] = 1e-9
    [warning] = [
        one for one in data_warnings(replace(uneven, errors=errors)) if one.kind == "errors_decide"
    ]
    assert "about 1 decide" in warning.found
    assert f"that of {uneven.nodes[0]} in {uneven.row_names[0]}" in warning.found
