"""The equation with optional parts: one solution however it is solved, and its derivatives."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from cellbox.data.hill_kinetics import hill_responses
from cellbox.equation.forms import velocities
from cellbox.equation.network_responses import responses
from cellbox.networks.form import form_of
from cellbox.refinement.multiple_shooting import MultipleShooting
from tests.cellbox.formed import NETWORK, formed

TIMES = np.array([0.5, 1.5, 4.0])
DOSES = np.array([[0.0, 0, 0, 0], [0.8, 0, -0.4, 0], [0, 0.5, 0, 1.1]])
EVERY_PART = "drive,treated_drive,offset,start,decay,dose_scale,dose_saturation,off_target"


def test_every_part_does_what_the_equation_says():
    b, c, o, x0 = [0.1, 0, 0, 0], [0, 0.2, 0, 0], [0, 0, 0.3, 0], [0.4, 0, 0, 0]
    decay, scale, kappa = np.array([1, 1, 1, 1.5]), np.array([1, 1, 0.5, 1]), np.array([0, 2, 0, 1])
    others = np.zeros((4, 4))
    others[1, 0], others[0, 3] = 0.6, -0.9
    network = formed(
        drive=b, treated_drive=c, offset=o, start=x0, off_target=others,
        decay=decay, dose_scale=scale, dose_saturation=kappa,
    )  # fmt: skip
    found = responses(network, DOSES, TIMES)
    for row, u in enumerate(DOSES):
        treated = float((u != 0).any())

        def rate(_, x, u=u, treated=treated):
            u = u + others @ u
            dose = scale * u / (1 + kappa * np.abs(u))
            z = NETWORK.weights @ x - dose + np.array(b) + treated * np.array(c)
            return NETWORK.amplitudes * np.tanh(z) - decay * x

        solved = solve_ivp(rate, (0, 4), x0, t_eval=TIMES, rtol=1e-9, atol=1e-11).y.T
        np.testing.assert_allclose(found[row], solved + treated * np.array(o), atol=1e-6)


def test_a_time_scale_is_time_that_runs_faster():
    fast = formed(time_scale=[2.0] * 4)
    expected = responses(NETWORK, DOSES, 2 * TIMES)
    np.testing.assert_allclose(responses(fast, DOSES, TIMES), expected, atol=1e-7)


def test_hill_is_the_kinetics_of_simulated_genes():
    expected = hill_responses(NETWORK, DOSES, TIMES)
    np.testing.assert_allclose(responses(formed("hill"), DOSES, TIMES), expected, atol=1e-6)


@pytest.mark.parametrize(
    "names", [EVERY_PART, "time_scale", "hill,start,offset,off_target", "linear", "polynomial"]
)
def test_derivatives_are_those_of_small_changes(names):
    random = np.random.default_rng(0)
    measured = 0.3 * random.normal(size=(3, 3, 4))
    problem = MultipleShooting(DOSES, measured, TIMES, form=form_of(names))
    point = problem.point(NETWORK)
    moved = point.parameters + 0.1 * random.normal(size=problem.n_parameters)
    point = point._replace(parameters=moved)
    there, _, _ = problem.ties(point)
    for place in range(problem.n_parameters):
        change = np.zeros(problem.n_parameters)
        change[place] = 1e-5
        ends = [
            problem.ties(point._replace(parameters=moved + sign * change))[0].ends
            for sign in (1, -1)
        ]
        numeric = (ends[0] - ends[1]) / 2e-5
        np.testing.assert_allclose(there.by_parameters[..., place], numeric, atol=5e-3)


def test_multiple_shooting_and_diffrax_lead_to_the_same_states():
    network = formed(start=[0.1, 0, 0, 0], offset=[0, 0, 0.2, 0], decay=[1, 2, 1, 1])
    expected = responses(network, DOSES, TIMES)
    nothing = np.full(expected.shape, np.nan)
    problem = MultipleShooting(DOSES, nothing, TIMES).of_form(network)
    np.testing.assert_allclose(problem.point(network).states, expected, atol=1e-4)


def test_a_network_with_a_form_comes_to_rest_where_its_own_velocity_is_0():
    network = formed(drive=[0.2, 0, 0, 0], offset=[0, 0.3, 0, 0])
    rest = responses(network, DOSES, np.array([60.0]))[:, 0]
    assert np.abs(velocities(network, DOSES, rest)).max() < 1e-6
    assert np.abs(velocities(NETWORK, DOSES, rest)).max() > 0.01


def test_what_is_off_costs_nothing_to_the_bit():
    plain = MultipleShooting(DOSES, 0.3 * np.ones((3, 3, 4)), TIMES)
    point = plain.point(NETWORK)
    off = replace(plain, form=form_of("none"))
    assert off.point(NETWORK).parameters.tobytes() == point.parameters.tobytes()
    assert off.linearise(point).curvature.tobytes() == plain.linearise(point).curvature.tobytes()
