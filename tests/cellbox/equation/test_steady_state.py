"""Steady states: the gradient of what rests, the exact answer for what does not, and refusals."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cellbox.data.simulation import simulate
from cellbox.equation import gradient_check
from cellbox.equation.dynamics import Parameters
from cellbox.equation.gradient_check import check_gradient
from cellbox.equation.integrate import integrate
from cellbox.equation.shooting import shoot
from cellbox.equation.solver_settings import SolverSettings, precision_context
from cellbox.equation.steady_state import check_times, settle
from cellbox.errors import InputError
from cellbox.networks.network import Network
from cellbox.settings import Settings
from cellbox.training.lane import Status
from cellbox.training.pack import Harvest, Pack, hyperparameters_of, make_pool, shape_of
from tests.cellbox.small import LOOP, parameters_of, scipy_response

STEADY = SolverSettings(adjoint="steady_state")
EXACT = SolverSettings(rtol=1e-9, atol=1e-11, max_steps=4096, precision="float64")
PERTURBATIONS = np.random.default_rng(0).uniform(-1, 1, (3, 4))
# Two nodes that chase each other for ever, once something moves them, and one that rests.
OSCILLATOR = Network(
    ("a", "b", "c"),
    np.array([[2.0, -2.0, 0.0], [2.0, 2.0, 0.0], [0.0, 0.0, 0.0]]),
    np.ones(3),
)
CHASING, RESTING = 0, 1
BOTH = np.array([[0.3, 0.0], [0.0, 0.0], [0.0, 0.5]])


def settled(network: Network, perturbations, time: float, settings: SolverSettings = STEADY):
    """States, which conditions rest, and whether the solver arrived."""
    with precision_context(settings.precision):
        number = lambda values: jnp.asarray(values, settings.dtype)  # noqa: E731
        parameters = parameters_of(network, settings.precision)
        run = jax.jit(lambda p, u, t: settle(p, u, t, settings))
        return jax.tree.map(np.asarray, run(parameters, number(perturbations), number(time)))


def gradient(network: Network, perturbations, time: float, settings: SolverSettings) -> np.ndarray:
    """Of Σ x², by W and log α, as training computes it."""
    with precision_context(settings.precision):
        u = jnp.asarray(perturbations, settings.dtype)
        clock, nothing = jnp.asarray([time], settings.dtype), jnp.full((1, *u.shape), jnp.nan)

        def total(parameters: Parameters):
            states, _ = shoot(parameters, u, clock, nothing, jnp.asarray(False), settings)
            return jnp.sum(states**2)

        found = jax.jit(jax.grad(total))(parameters_of(network, settings.precision))
        return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(found)])


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.fixture(scope="module")
def exact_gradient() -> np.ndarray:
    return gradient(LOOP, PERTURBATIONS, 80.0, EXACT)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize(("solver", "step"), [("tsit5", None), ("heun", 0.2)])
def test_the_gradient_of_what_rests_is_that_of_a_long_exact_integration(
    precision, solver, step, exact_gradient
):
    settings = replace(STEADY, precision=precision, solver=solver, step=step, max_steps=512)
    assert difference(gradient(LOOP, PERTURBATIONS, 80.0, settings), exact_gradient) < 2e-4


def test_a_response_that_rests_is_the_steady_state_more_exactly_than_its_steps():
    states, rests, reached = settled(LOOP, PERTURBATIONS, 80.0)
    assert rests.all()
    assert reached
    exact = [scipy_response(LOOP, row, np.array([80.0]))[0] for row in PERTURBATIONS.T]
    np.testing.assert_allclose(states.T, exact, atol=1e-6)


def test_the_integration_ends_once_all_rest_however_late_the_measured_time():
    _, rests, reached = settled(LOOP, PERTURBATIONS, 1e4)
    assert rests.all()
    assert reached
    with precision_context("float32"):
        u = jnp.asarray(PERTURBATIONS, jnp.float32)
        _, to_the_end = integrate(
            parameters_of(LOOP), u, jnp.zeros_like(u), jnp.asarray([1e4]), STEADY
        )
    # What validates a training goes to the measured time, whatever it is trained with.
    assert not to_the_end


def test_before_a_response_rests_the_answer_is_that_of_the_measured_time():
    states, rests, _ = settled(LOOP, PERTURBATIONS, 2.0)
    assert not rests.any()
    exact = [scipy_response(LOOP, row, np.array([2.0]))[0] for row in PERTURBATIONS.T]
    np.testing.assert_allclose(states.T, exact, atol=2e-3)
    replayed = gradient(LOOP, PERTURBATIONS, 2.0, SolverSettings())
    # In single precision, sums in another order differ by a few units in the last place.
    found = gradient(LOOP, PERTURBATIONS, 2.0, STEADY)
    np.testing.assert_allclose(found, replayed, rtol=1e-5, atol=1e-6)


def test_an_oscillating_condition_is_told_from_a_resting_one_and_differentiated_at_its_time():
    states, rests, reached = settled(OSCILLATOR, BOTH, 20.0)
    assert reached
    assert (rests[CHASING], rests[RESTING]) == (False, True)
    exact = scipy_response(OSCILLATOR, BOTH[:, CHASING], np.array([20.0]))[0]
    np.testing.assert_allclose(states[:, CHASING], exact, atol=2e-2)
    found = gradient(OSCILLATOR, BOTH, 20.0, replace(STEADY, precision="float64"))
    expected = gradient(OSCILLATOR, BOTH, 20.0, SolverSettings(precision="float64"))
    assert difference(found, expected) < 1e-6


def test_a_network_that_is_slow_is_not_taken_for_one_that_rests():
    # It moves by less than what ends an integration, and would go on to 5e-3.
    slow = Network(("a",), np.array([[0.98]]), np.ones(1))
    states, rests, reached = settled(slow, np.array([[-9e-5]]), 5.0)
    assert reached
    assert not rests.any()
    assert abs(states[0, 0]) < 1e-3


def test_a_solver_that_does_not_arrive_says_so():
    *_, reached = settled(LOOP, PERTURBATIONS, 80.0, replace(STEADY, max_steps=3))
    assert not reached


@pytest.fixture(scope="module")
def pool():
    data = simulate(LOOP, n_conditions=6, n_times=1, n_held_out=2)
    return make_pool(data.rows(data.split.training), data.rows(data.split.validation), "float32")


SETTINGS = Settings(steps=100, validate_every=25, solver=STEADY)


def trained(pool, *neighbours: Settings, settings: Settings = SETTINGS) -> Harvest:
    """A training in the first lane of three, with these beside it; other lanes are empty."""
    pack = Pack(pool, shape_of(settings, 6, 1), n_lanes=3)
    for slot, each in enumerate((settings, *neighbours)):
        pack.insert(slot, slot, hyperparameters_of(each, np.arange(6), np.arange(1), pool))
    while pack.advance().status[0] == Status.RUNNING:
        pass
    return pack.harvest(0)


def test_a_lane_trains_on_steady_states_as_on_exact_gradients(pool):
    harvest = trained(pool)
    assert harvest.status == Status.COMPLETED
    usual = trained(pool, settings=replace(SETTINGS, solver=SolverSettings()))
    assert harvest.validation_mae == pytest.approx(usual.validation_mae, rel=0.05)


def test_a_lane_is_the_same_to_the_bit_beside_one_that_diverges(pool):
    wild = replace(SETTINGS, peak_rate=100.0, schedule="constant")
    one, other = trained(pool), trained(pool, wild, replace(SETTINGS, steps=25))
    np.testing.assert_array_equal(one.weights, other.weights)
    assert one.validation_mae == other.validation_mae


def test_a_lane_that_diverges_says_so_and_keeps_the_parameters_of_its_last_good_step(pool):
    harvest = trained(pool, settings=replace(SETTINGS, peak_rate=100.0, schedule="constant"))
    assert harvest.status.diverged
    assert "the best parameters before that are kept" in harvest.status.sentence
    assert np.isfinite(harvest.weights).all()
    assert np.isfinite(harvest.amplitudes).all()


@pytest.mark.parametrize("n_nodes", [3, 99])
def test_its_gradients_pass_the_check_in_the_layouts_of_small_and_large_networks(
    n_nodes, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    gradient_check._known_error.cache_clear()
    assert check_gradient(STEADY, np.array([10.0]), n_nodes) < 2e-4


@pytest.mark.parametrize("check", [check_times, lambda *given: check_gradient(*given, 3)])
def test_several_time_points_are_refused(check):
    with pytest.raises(InputError, match=r"one time point.*these have 3 from 4 to 12"):
        check(STEADY, np.array([4.0, 8.0, 12.0]))
    check_times(STEADY, np.array([20.0]))
    check_times(SolverSettings(), np.array([4.0, 8.0, 12.0]))


def test_times_in_seconds_are_refused_with_their_unit_and_a_way_out():
    with pytest.raises(InputError, match=r"at most 384 apart.*found 18000.*--time-unit"):
        check_times(SolverSettings(), np.array([18_000.0, 36_000.0]))
    check_times(SolverSettings(solver="kvaerno5"), np.array([18_000.0]))
    check_times(SolverSettings(max_steps=10_000), np.array([18_000.0]))


@pytest.mark.parametrize("solver", ["kvaerno3", "kvaerno5"])
def test_implicit_solvers_are_refused_since_their_steps_cannot_be_replayed(solver):
    with pytest.raises(InputError, match=f"another adjoint beside {solver}"):
        replace(STEADY, solver=solver)
