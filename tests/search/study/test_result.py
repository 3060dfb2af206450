"""What a finished study says."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from cellbox.errors import InputError
from cellbox.models.saved_models import load_model
from search.study.kept_models import save_best_models
from search.study.ranking import TrialCounts, best_numbers, front_of, ranked
from search.study.result import SweepResult
from search.study.state import STATE, RunState
from tests.search.fake_study import fake_study, make_record


def record(number, *objectives, status="completed"):
    names = ("validation_mae", "cost")
    values = dict(zip(names, objectives, strict=False))
    return make_record(number, status=status, objectives=values)


def test_the_front_leaves_out_what_another_trial_beats_or_equals():
    records = [
        record(0, 0.3, 5.0),
        record(1, 0.1, 20.0),
        record(2, 0.2, 10.0),
        record(3, 0.2, 10.0),
        record(4, 0.2, 12.0),
        record(5, 0.3, 10.0),
        record(6, 0.01, 1.0, status="diverged"),
        record(7, status="pruned"),
    ]
    assert [entry.number for entry in front_of(records)] == [1, 2, 0]
    assert front_of([]) == []


def test_trials_rank_by_error_then_cost_then_number():
    records = [record(2, 0.2, 1.0), record(1, 0.1, 9.0), record(0, 0.1, 9.0), record(3, 0.1, 3.0)]
    assert [entry.number for entry in ranked(records)] == [3, 0, 1, 2]


def test_counts_and_the_best_leave_out_what_did_not_complete():
    counts = TrialCounts()
    for entry in (
        record(0, 0.5),
        record(1, 0.001, status="diverged"),
        record(2, status="pruned"),
        record(3, 0.4),
    ):
        counts.add(entry)
    assert counts.as_dict() == {"complete": 2, "pruned": 1, "diverged": 1}
    assert counts.finished == 4
    assert counts.best.number == 3


def test_the_best_of_two_objectives_are_the_front(tmp_path):
    folder = fake_study(tmp_path / "two", 30, objectives=2)
    front = [entry.number for entry in front_of(folder.records())]
    assert best_numbers(folder) == front[:5]
    one = fake_study(tmp_path / "one", 12)
    assert best_numbers(one) == [entry.number for entry in ranked(one.records())[:5]]


def test_a_study_without_completed_trials_has_no_best(tmp_path):
    result = SweepResult(fake_study(tmp_path / "empty", 0))
    assert result.counts.finished == 0
    assert best_numbers(result.folder) == []
    report = result.as_dict()
    assert report["best"] is None
    assert report["trials_per_minute"] is None
    json.dumps(report, allow_nan=False)
    with pytest.raises(InputError, match="expected a completed trial"):
        _ = result.best


def test_the_search_can_be_plotted_also_into_axes_that_are_given(tmp_path):
    result = SweepResult(fake_study(tmp_path / "study", 12))
    [axes] = result.plot_optimisation().axes
    assert result.plot_optimisation(axes) is axes
    best = axes.lines[1].get_ydata()
    assert (best[1:] <= best[:-1]).all()


def test_a_study_whose_data_lost_their_split_is_refused_with_a_way_out(tmp_path):
    folder = fake_study(tmp_path / "study", 1)
    (folder.data / "split.csv").unlink()
    with pytest.raises(InputError, match=r"expected the split .*Bring its file split\.csv back"):
        save_best_models(folder, [0])


def test_the_best_models_know_what_they_were_trained_on(tmp_path):
    folder = fake_study(tmp_path / "study", 1)
    save_best_models(folder, [0])
    model = load_model(folder.model(0))
    beyond = np.full((1, len(model.network.nodes)), 500.0)
    assert model.beyond_training(beyond, model.times)


def test_the_time_of_a_run_that_is_not_over_counts_as_far_as_it_is_known(tmp_path):
    folder = fake_study(tmp_path / "study", 0)
    folder.write_json("runs.json", [{"started": 1000.0, "seconds": 60.0}])
    assert SweepResult(folder).seconds == 60
    state = asdict(RunState("finishing", "here", 1, started=2000.0, updated=2030.0))
    folder.write_json(STATE, state)
    assert SweepResult(folder).seconds == 90
    # When it is over it is noted, as begun a little before it could say so.
    runs = [*folder.runs(), {"started": 1999.9, "seconds": 40.0}]
    folder.write_json("runs.json", runs)
    assert SweepResult(folder).seconds == 100
