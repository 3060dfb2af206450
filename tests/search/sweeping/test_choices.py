"""What a sweep makes of objectives, pruning, repeats and divergence, from beginning to end."""

import numpy as np
import pytest

import search
from cellbox.errors import InputError
from search.study.ranking import best_numbers
from search.tracking.writers import synchronise
from tests.search.tiny import TWO_OBJECTIVES, run

# The random sampler begins with good ones.
GOOD_OR_BAD = {"peak_rate": [1e-9, 0.05], "schedule": "constant", "l1": 1e-6, "interval_share": 0.5}


def test_by_default_trainings_end_refined_and_the_selection_error_chooses(tmp_path):
    refined = {"objective": None, "training": {"refinement": None}}
    result = run(tmp_path / "study", trials=4, **refined)
    assert result.objectives == ["selection_error"]
    errors = [record.objectives["selection_error"] for record in result.records]
    assert result.best.record.objectives["selection_error"] == min(errors)
    kinds = {record.settings["refinement"] for record in result.records}
    assert kinds <= {"select_edges", "none"}
    told = [record.message for record in result.records]
    assert all("efined" in message or "Refinement" in message for message in told)
    again = search.rerun_trial(tmp_path / "study", result.best.number)
    assert again.identical


def test_two_objectives_give_a_front(tmp_path):
    result = run(tmp_path / "study", **TWO_OBJECTIVES)
    assert result.objectives == ["validation_mae", "cost"]
    numbers = [trial.number for trial in result.front]
    assert numbers[0] == result.best.number
    costs = [trial.record.objectives["cost"] for trial in result.front]
    assert costs == sorted(costs, reverse=True)
    assert {record.budget.conditions for record in result.records} == {4, 6}
    assert len(result.as_dict()["front"]) == len(numbers)


def test_an_error_target_chooses_the_cheapest_that_meets_it(tmp_path):
    changes = {**TWO_OBJECTIVES, "objective": {"error_target": 10.0}}
    result = run(tmp_path / "easy", **changes)
    assert result.best.record.objectives == {"cost_at_target": 8.0}
    assert result.best.record.budget.conditions == 4
    changes = {**TWO_OBJECTIVES, "objective": {"error_target": 1e-6}}
    missed = run(tmp_path / "hard", trials=3, **changes)
    errors = [record.metrics["validation_mae"] for record in missed.records]
    assert missed.best.number == int(np.argmin(errors))


def test_diverged_trials_are_counted_told_with_the_penalty_and_never_best(tmp_path):
    wild = {
        "space": {**GOOD_OR_BAD, "peak_rate": [0.05, 100.0], "l1": [1e-6, 1e-5]},
        "sampler": {"name": "grid"},
    }
    result = run(tmp_path / "study", **wild)
    counts = result.counts
    assert counts.as_dict() == {"complete": 2, "pruned": 0, "diverged": 2}
    penalty = result.folder.study.penalty
    for record in result.records:
        if record.status == "diverged":
            assert record.objectives == {"validation_mae": penalty}
            assert record.parameters["peak_rate"] == 100.0
            assert "diverged" in record.message
            assert search.rerun_trial(result.folder.path, record.number).identical
    assert result.best.record.parameters["peak_rate"] == 0.05
    assert run(tmp_path / "study", **wild).counts.as_dict() == counts.as_dict()
    assert synchronise(result.folder, None, best_numbers(result.folder)) == 4


def test_a_plainly_bad_trial_is_pruned_and_says_why(tmp_path):
    result = run(
        tmp_path / "study",
        trials=10,
        space=GOOD_OR_BAD,
        sampler={"name": "random", "in_flight": 2},
        pruner={"name": "median", "startup_trials": 2, "reports": 3},
    )
    pruned = [record for record in result.records if record.status == "pruned"]
    assert pruned
    for record in pruned:
        assert record.parameters["peak_rate"] == 1e-9
        assert record.pruned_at < 100
        assert "median" in record.message
    with pytest.raises(InputError, match="pruned"):
        search.rerun_trial(result.folder.path, pruned[0].number)
    report = search.TrialResult(result.folder, pruned[0]).as_dict()
    assert report["validation_mae"] is None
    assert synchronise(result.folder, None, best_numbers(result.folder)) == 10


@pytest.mark.slow
def test_wilcoxon_prunes_after_some_repeats_and_keeps_what_ran_to_its_end(tmp_path):
    result = run(
        tmp_path / "study",
        trials=9,
        repeats=3,
        space=GOOD_OR_BAD,
        sampler={"name": "random", "in_flight": 2},
        pruner={"name": "wilcoxon", "p_threshold": 0.3},
    )
    statuses = {record.status for record in result.records}
    assert statuses == {"completed", "pruned"}
    for record in result.records:
        if record.status == "pruned":
            assert record.pruned_at == 1
            assert len(record.reports) == 2
        else:
            assert [step for step, _ in record.reports] == [0, 1, 2]
            assert len(record.repeats) == 3


def test_a_grid_ends_the_study(tmp_path):
    result = run(
        tmp_path / "study",
        trials=50,
        sampler={"name": "grid"},
        space={**GOOD_OR_BAD, "peak_rate": [0.05, 0.1], "l1": [1e-6, 1e-5]},
    )
    points = {
        (record.parameters["peak_rate"], record.parameters["l1"]) for record in result.records
    }
    assert len(points) == result.counts.finished == 4


def test_repeats_train_on_other_data_and_their_mean_counts(tmp_path):
    result = run(tmp_path / "study", trials=1, repeats=2)
    (record,) = result.records
    errors = [repeat.training.validation_mae for repeat in record.repeats]
    assert errors[0] != errors[1]
    assert record.objectives["validation_mae"] == pytest.approx(np.mean(errors))
    assert search.rerun_trial(result.folder.path, 0).identical
