"""Amplitudes are drawn together as far as their errors allow, and no further."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellbox.refinement.amplitude_pooling import pool_amplitudes


def estimates(spread, error, n_nodes=10, seed=0):
    random = np.random.default_rng(seed)
    true = np.log(0.2) + spread * random.standard_normal(n_nodes)
    return true + error * random.standard_normal(n_nodes), error**2 * np.eye(n_nodes)


def test_equal_amplitudes_known_badly_become_nearly_one_parameter():
    pool = pool_amplitudes(*estimates(spread=0.0, error=0.3))
    assert pool.centre == pytest.approx(np.log(0.2), abs=0.3)
    assert pool.width < 0.2
    assert pool.n_effective < 4


def test_different_amplitudes_known_well_stay_as_they_are():
    values, covariance = estimates(spread=0.5, error=0.01)
    pool = pool_amplitudes(values, covariance)
    assert pool.width == pytest.approx(values.std(ddof=1), rel=0.15)
    assert pool.n_effective == pytest.approx(10, abs=0.1)


def test_a_node_that_the_data_do_not_tell_has_no_say():
    values, covariance = estimates(spread=0.0, error=0.02)
    values[3], covariance[3, 3] = 7.0, 1e9
    pool = pool_amplitudes(values, covariance)
    assert pool.centre == pytest.approx(np.delete(values, 3).mean(), abs=1e-4)
    assert pool.width < 0.1


def test_one_node_keeps_its_own():
    pool = pool_amplitudes(np.array([0.3]), np.array([[0.01]]))
    assert pool.centre == pytest.approx(0.3)
    assert pool.n_effective == pytest.approx(1.0)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 12), st.floats(0, 2), st.floats(1e-6, 10), st.integers(0, 1000))
def test_amplitudes_count_for_one_parameter_at_least_and_one_each_at_most(n, spread, error, seed):
    random = np.random.default_rng(seed)
    mix = random.standard_normal((n, n))
    covariance = error**2 * (mix @ mix.T + np.eye(n))
    pool = pool_amplitudes(spread * random.standard_normal(n), covariance)
    assert 1 - 1e-6 <= pool.n_effective <= n + 1e-6
    assert 0.02 <= pool.width <= 1.0 + 1e-12
