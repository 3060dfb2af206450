"""What one lane does: it samples its budget, descends, keeps its best, and knows when to end."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cellbox.data.simulation import simulate
from cellbox.equation.solver_settings import SolverSettings
from cellbox.settings import Settings
from cellbox.training.fit import pool_of
from cellbox.training.lane import Status, _sample
from cellbox.training.pack import Harvest, Pack, hyperparameters_of, shape_of
from tests.cellbox.small import LOOP

N_ROWS, N_TIMES = 6, 2
SETTINGS = Settings(steps=20, validate_every=5)
FORBIDDEN = (0, 2)


@pytest.fixture(scope="module")
def pool():
    data = simulate(LOOP, n_conditions=N_ROWS, n_times=N_TIMES, n_held_out=2, horizon=4.0)
    allowed = np.ones((3, 3), bool)
    allowed[FORBIDDEN] = False
    return pool_of(replace(data, allowed_edges=allowed), data.split, Settings())


@pytest.fixture(scope="module")
def pack(pool) -> Pack:
    return Pack(pool, shape_of(SETTINGS, N_ROWS, N_TIMES), n_lanes=1)


def train(pack: Pack, pool, settings: Settings = SETTINGS, seed=0) -> tuple[Harvest, list]:
    """A whole training in the first lane, and what it reported on its way."""
    pack.insert(0, seed, hyperparameters_of(settings, np.arange(6), np.arange(2), pool))
    reports = []
    while not reports or reports[-1].status[0] == Status.RUNNING:
        reports.append(pack.advance())
        assert len(reports) < 1000
    return pack.harvest(0), reports


def test_training_completes_its_steps_and_reports_each_validation(pack, pool):
    harvest, reports = train(pack, pool)
    assert harvest.status == Status.COMPLETED
    assert harvest.step == 20
    assert [int(report.step[0]) for report in reports] == [5, 10, 15, 20]
    errors = [float(report.validation_error[0]) for report in reports]
    assert harvest.validation_mae == min(errors) < errors[0]


def test_steps_are_rounded_up_to_whole_validation_intervals(pack, pool):
    harvest, _ = train(pack, pool, replace(SETTINGS, steps=11))
    assert harvest.step == replace(SETTINGS, steps=11).total_steps == 15


def test_patience_ends_training_early_and_the_best_parameters_are_kept(pack, pool):
    # So large a rate leaves the valley that the first steps found.
    restless = replace(SETTINGS, steps=500, peak_rate=1.0, schedule="constant", patience=3)
    harvest, reports = train(pack, pool, restless)
    assert harvest.status == Status.STOPPED_EARLY
    assert not harvest.status.diverged
    errors = [float(report.validation_error[0]) for report in reports]
    best = int(np.argmin(errors))
    assert len(errors) == best + 1 + 3
    assert harvest.validation_mae == errors[best]
    short = replace(restless, steps=500, patience=None)
    pack.insert(0, 0, hyperparameters_of(short, np.arange(6), np.arange(2), pool))
    for _ in range(best + 1):
        pack.advance()
    np.testing.assert_array_equal(pack.harvest(0).weights, harvest.weights)


def test_a_huge_learning_rate_is_reported_as_not_finite_with_the_last_good_parameters(pack, pool):
    wild = replace(SETTINGS, peak_rate=100.0, schedule="constant", gradient_clip=1e6)
    harvest, reports = train(pack, pool, wild)
    assert harvest.status == Status.NOT_FINITE
    assert harvest.status.diverged
    assert "finite" in harvest.status.sentence
    assert harvest.step < 20
    assert np.isfinite(harvest.weights).all()
    assert np.isfinite(harvest.amplitudes).all()
    # What was not computed is not reported as a small error.
    assert np.isnan(reports[-1].training_error[0])
    assert np.isnan(reports[-1].validation_error[0])


def test_divergence_late_in_training_keeps_the_best_that_validation_saw(pack, pool):
    # Weights grow sevenfold and change sign with each step until float32 overflows.
    growing = replace(SETTINGS, steps=200, peak_rate=0.08, schedule="constant", weight_decay=1e2)
    harvest, reports = train(pack, pool, growing)
    assert harvest.status.diverged
    validated = [float(report.validation_error[0]) for report in reports[:-1]]
    assert harvest.validation_mae == np.min(validated)
    assert np.isfinite(harvest.weights).all()


def test_a_lane_that_needs_too_many_steps_is_reported_as_too_stiff(pool):
    solver = SolverSettings(max_steps=2)
    settings = replace(SETTINGS, solver=solver)
    hurried = Pack(pool, shape_of(settings, N_ROWS, N_TIMES), n_lanes=1)
    harvest, _ = train(hurried, pool, settings)
    assert harvest.status == Status.STEP_LIMIT
    assert "step limit" in harvest.status.sentence
    assert harvest.step == 0
    assert harvest.validation_mae == np.inf
    assert (harvest.weights >= 0).all()
    assert (harvest.weights < 0.01).all()


def test_weight_decay_shrinks_w_and_leaves_the_amplitudes_alone(pack, pool):
    one_step = replace(SETTINGS, steps=5, peak_rate=1e-3, schedule="constant")
    plain, _ = train(pack, pool, one_step)
    decayed, _ = train(pack, pool, replace(one_step, weight_decay=20.0))
    # The decays of five steps add up to about rate * decay * W each, in optax's convention.
    start, _ = train(pack, pool, replace(one_step, peak_rate=1e-12))
    expected = plain.weights - start.weights * (1 - (1 - 1e-3 * 20.0) ** 5)
    np.testing.assert_allclose(decayed.weights, expected, atol=3e-4)
    assert np.abs(decayed.weights - plain.weights).max() > 5e-4
    np.testing.assert_allclose(decayed.amplitudes, plain.amplitudes, atol=1e-5)


def test_edges_that_may_not_be_stay_exactly_zero(pack, pool):
    harvest, _ = train(pack, pool, replace(SETTINGS, weight_decay=0.1))
    assert harvest.weights[FORBIDDEN] == 0
    assert np.count_nonzero(harvest.weights) == 8


def test_l1_makes_the_network_smaller(pack, pool):
    free, _ = train(pack, pool, replace(SETTINGS, steps=100, l1=0.0))
    sparse, _ = train(pack, pool, replace(SETTINGS, steps=100, l1=0.1))
    assert np.abs(sparse.weights).sum() < 0.5 * np.abs(free.weights).sum()


def test_the_share_of_interval_shooting_changes_what_is_learned(pack, pool):
    results = [
        train(pack, pool, replace(SETTINGS, interval_share=share))[0].weights
        for share in (0.0, 0.5, 1.0)
    ]
    assert not np.array_equal(results[0], results[1])
    assert not np.array_equal(results[1], results[2])


def test_training_on_missing_values_stays_finite(pack, pool):
    holes = np.array(pool.measurements)
    holes[::2, 0, 1] = np.nan
    holes[1] = np.nan
    patchy = eqx.tree_at(lambda pool: pool.measurements, pool, jnp.asarray(holes))
    patchy_pack = Pack(patchy, pack.shape, n_lanes=1)
    harvest, _ = train(patchy_pack, patchy)
    assert harvest.status == Status.COMPLETED
    assert np.isfinite(harvest.weights).all()


def sample(seed: int, candidates, n_candidates: int, wanted: int, places: int):
    rows, used = _sample(
        jax.random.key(seed), jnp.asarray(candidates), n_candidates, wanted, places
    )
    return np.asarray(rows), np.asarray(used)


def test_a_minibatch_has_no_repeats_and_keeps_the_order_of_the_budget():
    for seed in range(20):
        rows, used = sample(seed, [2, 3, 5, 7, 11, 13, 0, 0], 6, 4, 5)
        np.testing.assert_array_equal(used, [True] * 4 + [False])
        assert (np.diff(rows[used]) > 0).all()
        assert set(rows[used]) <= {2, 3, 5, 7, 11, 13}


def test_minibatches_cover_the_whole_budget_evenly_and_nothing_beyond_it():
    counts = np.zeros(8)
    for seed in range(300):
        rows, used = sample(seed, np.arange(8), 6, 2, 2)
        counts[rows[used]] += 1
    assert (counts[6:] == 0).all()
    assert (np.abs(counts[:6] - 100) < 40).all()


def test_a_full_batch_is_the_whole_budget_in_order():
    rows, used = sample(0, [4, 1, 3, 0], 3, 99, 6)
    np.testing.assert_array_equal(rows[used], [4, 1, 3])
    assert used.sum() == 3
