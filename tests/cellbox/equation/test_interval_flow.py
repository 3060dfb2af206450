"""Ends of intervals and their derivatives are those of the exact solution."""

import numpy as np
import pytest

from cellbox.equation.interval_flow import Intervals, ends, flow, steps_for, transition
from cellbox.equation.network_responses import responses
from cellbox.networks.network import Network

N = 4


@pytest.fixture(scope="module")
def case():
    random = np.random.default_rng(0)
    return {
        "weights": random.normal(size=(N, N)),
        "amplitudes": random.uniform(0.3, 1.2, N),
        "starts": random.normal(size=(3, N)) * 0.3,
        "perturbations": random.uniform(0, 1, (3, N)),
        "durations": np.array([4.0, 1.0, 0.5]),
    }


def of(function, case):
    intervals = Intervals(case["starts"], case["perturbations"], case["durations"])
    return function(case["weights"], case["amplitudes"], intervals)


def moved(case, name, place, by):
    values = case[name].copy()
    values[place] += by
    return of(ends, {**case, name: values})


def derivative(case, name, place, step=1e-5):
    return (moved(case, name, place, step) - moved(case, name, place, -step)) / (2 * step)


def test_from_rest_it_ends_where_the_exact_response_does(case):
    network = Network(("a", "b", "c", "d"), case["weights"], case["amplitudes"])
    exact = responses(network, case["perturbations"], np.array([4.0]))[:, 0]
    found = of(ends, {**case, "starts": np.zeros((3, N)), "durations": np.full(3, 4.0)})
    np.testing.assert_allclose(found, exact, atol=1e-5)


def test_ends_alone_are_those_with_derivatives_to_the_bit(case):
    assert (of(flow, case).ends == of(ends, case)).all()


def test_a_transition_is_the_flow_without_its_derivatives_by_parameters(case):
    found, expected = of(transition, case), of(flow, case)
    np.testing.assert_array_equal(found.ends, expected.ends)
    np.testing.assert_allclose(found.by_start, expected.by_start, rtol=1e-12)


def test_derivatives_by_the_start_are_those_of_finite_differences(case):
    found = of(flow, case).by_start
    for node in range(N):
        expected = derivative(case, "starts", (slice(None), node))
        np.testing.assert_allclose(found[:, :, node], expected, atol=1e-5)


def test_derivatives_by_w_and_log_amplitude_are_those_of_finite_differences(case):
    found = of(flow, case).by_parameters
    for target in range(N):
        for source in range(N):
            expected = derivative(case, "weights", (target, source))
            np.testing.assert_allclose(found[:, :, target * N + source], expected, atol=3e-4)
        expected = derivative(case, "amplitudes", target) * case["amplitudes"][target]
        np.testing.assert_allclose(found[:, :, N * N + target], expected, atol=3e-4)


def test_an_interval_does_not_depend_on_those_beside_it(case):
    many = {
        name: np.concatenate([case[name]] * 20) if name in ("starts", "perturbations") else value
        for name, value in case.items()
    }
    many["durations"] = np.tile(case["durations"], 20)
    assert (of(flow, many).by_parameters[-3:] == of(flow, case).by_parameters).all()


def test_longer_intervals_get_more_steps():
    assert steps_for(np.array([4.0])) == 32
    assert steps_for(np.array([20.0, 1.0])) == 160
    assert steps_for(np.array([0.01])) == 4
