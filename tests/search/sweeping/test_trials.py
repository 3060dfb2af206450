"""From a proposed point to a plan, and from trainings to a record."""

from types import SimpleNamespace

import numpy as np
import pytest

from cellbox.models.training_record import Training
from search.spec.tables import PricesTable
from search.study.budget import Budget
from search.study.record import RepeatRecord
from search.sweeping.terms import StudyTerms, cost_of
from search.sweeping.trials import (
    RunningTrial,
    finished_record,
    make_plan,
    objectives_of,
    pruned_record,
    repeat_seed,
    told_trial,
)
from search.tracking.trial_content import final_values, trial_metrics
from search.workers.job import Finished, Report
from tests.search.tiny import TWO_OBJECTIVES, spec

PENALTY = 2.0
TERMS = StudyTerms(n_trials=6, report_every=25, penalty=PENALTY, most_cost=12.0)
# All of a study's data that a plan needs.
DATA = SimpleNamespace(
    own=Budget(6, 2, 2), pool_rows={(0, 2): tuple(np.arange(8)[:, None]), (0, 1): tuple("abc")}
)
METRICS = {"test_mae": 0.2, "all_nodes": None, "pearson": 0.5}
BASELINES = {
    "mean": {"test_mae": 0.4},
    "ridge": {"test_mae": 0.3},
    "persistence": None,
    "all_nodes": None,
}


def plan(number=0, spec_=None, **parameters):
    return make_plan(number, parameters, spec_ or spec(), DATA)


def finished(repeat=0, error=0.1, status="completed", metrics=METRICS):
    return Finished(
        trial=0,
        repeat=repeat,
        weights=np.full((2, 2), float(repeat)),
        amplitudes=np.ones(2),
        record=RepeatRecord(
            10 + repeat,
            Training(
                status=status,
                message=f"{status} {repeat}",
                steps=100,
                validation_mae=error,
                history={},
                seconds=1.5,
                compile_seconds=0.5,
                selection_error=error,
                refinement="Not refined.",
            ),
            metrics,
        ),
        baselines=BASELINES,
        shape={"lanes": 2},
        started=5.0,
    )


def record_of(*repeats):
    trial = RunningTrial(plan(), len(repeats))
    for one in repeats:
        trial.take_finished(one)
    return finished_record(trial, spec(), TERMS, {})


def test_a_plan_joins_fixed_training_settings_with_the_point():
    found = plan(schedule="cosine", peak_rate=0.03, l1=1e-6)
    assert (found.settings.steps, found.settings.peak_rate, found.settings.l1) == (100, 0.03, 1e-6)
    assert found.budget == Budget(6, 2, 2)
    assert found.cost == 12


def test_a_budget_of_the_point_replaces_the_studys_own():
    found = plan(**{"budget.conditions": 4, "budget.time_points": 1})
    assert found.budget == Budget(4, 2, 1)
    assert found.cost == 4


def test_a_budget_takes_no_more_conditions_than_there_are():
    assert plan(**{"budget.perturbed_nodes": 1}).budget == Budget(3, 1, 2)


def test_cost_counts_conditions_measurements_and_perturbations():
    prices = PricesTable(condition=10.0, measurement=2.0, perturbation=1.0)
    assert cost_of(Budget(5, 3, 4), prices) == 5 * (10 + 8 + 3)
    assert cost_of(Budget(5, None, 4), prices) == 5 * (10 + 8)


def test_shares_are_means_over_repeats_and_none_where_they_are_not_known():
    metrics = {**METRICS, "rounding_sensitive_share": 0.4, "wrong_basin_share": 0.5}
    first, second = finished(metrics=metrics), {**metrics, "wrong_basin_share": 1.0}
    record, _ = record_of(first, finished(1, metrics=second))
    assert record.metrics["rounding_sensitive_share"] == pytest.approx(0.4)
    assert record.metrics["wrong_basin_share"] == pytest.approx(0.75)
    record, _ = record_of(first, finished(1, metrics={**second, "wrong_basin_share": None}))
    assert record.metrics["wrong_basin_share"] is None
    shown = {value.key for value in final_values(trial_metrics(record))}
    assert "rounding_sensitive_share" in shown
    assert "wrong_basin_share" not in shown


def test_seeds_of_repeats_differ_and_are_the_same_for_all_trials():
    seeds = [repeat_seed(3, repeat) for repeat in range(50)]
    assert len(set(seeds)) == 50
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert repeat_seed(4, 0) != repeat_seed(3, 0)


def test_a_report_is_judged_once_all_repeats_have_come_to_its_step():
    trial = RunningTrial(plan(), 2)
    assert trial.take_report(Report(0, 1, 25, 0.4), PENALTY) is None
    assert trial.take_report(Report(0, 0, 50, 0.1), PENALTY) is None
    assert trial.take_report(Report(0, 0, 25, 0.2), PENALTY) == (25, pytest.approx(0.3))


def test_a_report_that_is_not_finite_counts_with_the_penalty():
    trial = RunningTrial(plan(), 1)
    assert trial.take_report(Report(0, 0, 25, np.inf), PENALTY) == (25, PENALTY)


def test_a_report_that_comes_again_from_a_new_worker_is_not_judged_again():
    trial = RunningTrial(plan(), 1)
    assert trial.take_report(Report(0, 0, 25, 0.2), PENALTY) is not None
    assert trial.take_report(Report(0, 0, 25, 0.2), PENALTY) is None


def test_a_completed_record_has_means_over_repeats_and_the_best_of_them():
    record, networks = record_of(finished(0, 0.3), finished(1, 0.1))
    assert record.status == "completed"
    assert record.objectives == {"validation_mae": pytest.approx(0.2)}
    assert (record.best_repeat, record.seed, record.message) == (
        1,
        11,
        "completed 1 Not refined.",
    )
    assert record.metrics["test_mae"] == pytest.approx(0.2)
    assert record.better_than_ridge is True
    assert set(record.baselines) == {"mean", "ridge", "persistence"}
    assert (record.seconds, record.compile_seconds) == (3.0, 1.0)
    assert networks.weights.shape == (2, 2, 2)


def test_repeats_may_finish_in_any_order():
    forward, backward = (
        record_of(finished(0, 0.3), finished(1, 0.1)),
        record_of(finished(1, 0.1), finished(0, 0.3)),
    )
    assert forward[0].repeats == backward[0].repeats
    assert forward[0].objectives == backward[0].objectives


@pytest.mark.parametrize("error", [None, 0.05])
def test_a_diverged_trial_counts_with_the_penalty_whatever_it_had_before(error):
    record, _ = record_of(finished(0, error, "diverged"))
    assert record.status == "diverged"
    assert record.objectives == {"validation_mae": PENALTY}
    assert told_trial(record).values == (PENALTY,)


def test_one_diverged_repeat_makes_the_trial_diverged_and_spoils_its_mean():
    record, _ = record_of(finished(0, 0.2), finished(1, None, "diverged"))
    assert record.status == "diverged"
    assert record.message == "diverged 1"
    assert record.best_repeat == 0
    assert record.objectives["validation_mae"] == pytest.approx((0.2 + PENALTY) / 2)


def test_a_metric_that_one_repeat_lacks_is_null():
    record, _ = record_of(finished(0), finished(1, metrics={**METRICS, "pearson": None}))
    assert record.metrics["pearson"] is None


def test_a_pruned_record_tells_when_and_why_and_the_sampler_hears_its_reports():
    trial = RunningTrial(plan(), 1)
    trial.reports += [(25, 0.5), (50, 0.6)]
    record = pruned_record(trial, 50, "too far behind", {"rung": 1})
    assert (record.status, record.pruned_at, record.message) == (
        "pruned", 50, "too far behind",
    )  # fmt: skip
    told = told_trial(record)
    assert told.pruned
    assert told.values == ()
    assert told.reports == ((25, 0.5), (50, 0.6))
    assert told.marks == {"rung": 1}


def test_the_times_of_a_repeat_are_those_of_all_together_as_they_are_read_again():
    record, _ = record_of(finished(0), finished(1))
    assert [repeat.training.seconds for repeat in record.repeats] == [3.0, 3.0]
    assert [repeat.training.compile_seconds for repeat in record.repeats] == [1.0, 1.0]


def test_a_budget_that_meets_the_target_is_better_than_any_that_misses_it():
    target = spec(**{**TWO_OBJECTIVES, "objective": {"error_target": 0.1}})

    def value(error, cost):
        (only,) = objectives_of(target, error, 1.0, cost, most_cost=12.0).values()
        return only

    assert value(0.1, 12.0) == 12.0
    assert value(0.01, 8.0) < value(0.1, 12.0) < value(0.11, 1.0) < value(0.5, 1.0)


def test_two_objectives_are_the_error_and_the_cost():
    found = objectives_of(spec(**TWO_OBJECTIVES), 0.2, 0.3, 7.0, 12.0)
    assert found == {"validation_mae": 0.2, "cost": 7.0}


def test_the_selection_error_is_what_a_sweep_minimises_by_default():
    default = spec(objective=None)
    assert objectives_of(default, 0.2, 0.3, 7.0, 12.0) == {"selection_error": 0.3}


def test_the_shape_of_a_pruned_trial_is_that_of_repeats_that_ended_one_by_one():
    trial = RunningTrial(plan(), 2)
    trial.take_finished(finished(1))
    # Which of two repeats that train together has ended hangs on the workers.
    assert pruned_record(trial, 50, "too far behind", {}).shape is None
    assert pruned_record(trial, 50, "too far behind", {}, {"lanes": 2}).shape == {"lanes": 2}
