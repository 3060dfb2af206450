"""Steering a sweep: what is tried first, when it ends, what is called, what is carried over."""

import json
import time

import pytest

import search
from cellbox.errors import InputError
from search.proposals.optuna_storage import Journal
from search.spec.reading import make_spec
from search.study.folder import StudyFolder
from search.study.stopping import ask_to_stop
from search.sweeping.run import sweep
from tests.search.sweeping.test_sweep import essence
from tests.search.tiny import values


@pytest.fixture(autouse=True)
def _without_pictures(monkeypatch):
    """The end of a sweep takes longer than all of its trials here, and is tested elsewhere."""
    monkeypatch.setattr("search.sweeping.keeping.ModelKeeper.finish", lambda *_: None)


def steered(study, *, own=None, **changes):
    spec = make_spec(values(**changes))
    return sweep(spec, study=study, report=False, **(own or {}))


def origins(result):
    return [record.origin for record in result.records]


ENQUEUED = [{"l1": 2e-5}, {"schedule": "constant", "peak_rate": 0.03}]


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """Six trials, of which the user named two."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("search.sweeping.keeping.ModelKeeper.finish", lambda *_: None)
        return steered(tmp_path_factory.mktemp("first") / "study", enqueue=ENQUEUED)


def test_defaults_come_first_and_then_what_the_user_named(first):
    defaults, partial, other = first.records[:3]
    assert defaults.origin == "the package's defaults"
    assert (defaults.parameters["peak_rate"], defaults.parameters["schedule"]) == (0.05, "cosine")
    assert partial.parameters["l1"] == 2e-5
    assert (other.parameters["schedule"], other.parameters["peak_rate"]) == ("constant", 0.03)
    assert "final_share" not in other.parameters
    assert origins(first)[1:] == ["named by the user"] * 2 + [None] * 3


def test_optuna_has_where_a_point_came_from(first):
    entries = list(Journal(first.folder.path / "optuna.journal").read_logs(0))
    noted = [entry["user_attr"]["origin"] for entry in entries if "user_attr" in entry]
    created = [one["user_attrs"]["origin"] for one in entries if one.get("user_attrs")]
    assert noted + created == ["the package's defaults", *["named by the user"] * 2]


def test_a_study_stopped_by_its_owner_goes_on_the_same(first, tmp_path):
    place = tmp_path / "study"

    def stop_at_two(trial):
        if trial.number == 2:
            ask_to_stop(StudyFolder(place))
            time.sleep(0.6)

    stopped = steered(place, enqueue=ENQUEUED, own={"on_trial": stop_at_two})
    assert stopped.stopped.startswith("Stopped by `cellbox stop`")
    assert 3 <= stopped.counts.finished < 6
    assert search.study_status(place).state.phase == "stopped"
    assert not (place / "stop.request").exists()
    resumed = steered(place, enqueue=ENQUEUED)
    assert resumed.stopped is None
    assert essence(place) == essence(first.folder.path)


def test_points_that_are_named_later_are_tried_next(tmp_path):
    steered(tmp_path / "study", trials=3)
    more = steered(tmp_path / "study", trials=5, enqueue=[{"l1": 7e-6}])
    assert more.records[3].parameters["l1"] == 7e-6
    assert origins(more)[3:] == ["named by the user", None]


def test_a_study_of_an_earlier_version_goes_on_without_defaults(tmp_path):
    place = tmp_path / "study"
    steered(place, trials=2)
    (place / "queue.json").unlink()
    assert origins(steered(place, trials=3))[2] is None


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"l2": 1.0}, r"enqueue\[0\]: expected a name that \[space\] has, found 'l2'"),
        ({"l1": 1.0}, r"enqueue\[0\]\.l1: expected a number from 1e-06 to 0.0003, found 1.0"),
        ({"schedule": "step"}, r"enqueue\[0\]\.schedule: expected one of 'cosine'"),
        ({"peak_rate": "fast"}, r"enqueue\[0\]\.peak_rate: expected a number"),
        ({"peak_rate": True}, r"enqueue\[0\]\.peak_rate: expected a number"),
        ({"budget": {"conditions": 5}}, r"found 'budget\.conditions'"),
        ({"schedule": "constant", "final_share": 0.1}, "means nothing beside the schedule"),
        ({}, "at least one value"),
    ],
)
def test_a_point_outside_of_the_space_is_refused(entry, said):
    with pytest.raises(InputError, match=said):
        make_spec(values(enqueue=[entry]))


def test_trials_of_an_earlier_study_are_carried_over_where_space_and_data_agree(first, tmp_path):
    wider = {"weight_decay": 1e-5, "l1": {"low": 1e-7, "high": 1e-3, "log": True}}
    earlier = [str(first.folder.path)]
    sampler = {"name": "random"}
    result = steered(tmp_path / "a", trials=2, space=wider, sampler=sampler, earlier=earlier)
    assert result.counts.finished == 6 + 2
    for here, there in zip(result.records, first.records, strict=False):
        assert here.origin == f"carried over from {first.folder.path}, trial {there.number}"
        assert here.objectives == there.objectives
        kept = [folder.networks(here.number).weights for folder in (result.folder, first.folder)]
        assert (kept[0] == kept[1]).all()
    again = steered(tmp_path / "b", trials=1, space=wider, sampler=sampler, earlier=earlier)
    assert again.counts.finished == 7
    steered(tmp_path / "b", trials=2, space=wider, sampler=sampler, earlier=earlier)
    assert essence(tmp_path / "b") == essence(tmp_path / "a")
