"""Steering a sweep: what is tried first, when it ends, what is called, what is carried over."""

import time

import pytest

import search
from cellbox.errors import InputError
from search.proposals.journal import Journal
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
    noted = [each["user_attr"].get("origin") for each in entries if "user_attr" in each]
    created = [one["user_attrs"]["origin"] for one in entries if one.get("user_attrs")]
    assert [*filter(None, noted), *created] == [
        "the package's defaults",
        *["named by the user"] * 2,
    ]


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


def test_of_other_data_only_the_best_points_are_tried(first, tmp_path):
    narrow = {"weight_decay": 1e-5, "l1": {"low": 1e-6, "high": 1.5e-5, "log": True}}
    result = steered(
        tmp_path / "study", trials=8, seed=4, space=narrow, earlier=[str(first.folder.path)]
    )
    best = first.best.number
    assert result.records[1].origin == f"among the best of {first.folder.path}, trial {best}"
    assert result.records[1].parameters["peak_rate"] == first.best.record.parameters["peak_rate"]
    assert result.counts.finished == 8


def test_an_earlier_study_that_was_not_named_at_the_beginning_is_refused(first, tmp_path):
    steered(tmp_path / "study", trials=1)
    with pytest.raises(InputError, match="looked at when a study begins"):
        steered(tmp_path / "study", trials=2, earlier=[str(first.folder.path)])
    with pytest.raises(InputError, match="expected the folder of a study"):
        make_spec(values(earlier=["nowhere"]))


def test_a_run_ends_in_its_time_and_the_next_goes_on_the_same(first, tmp_path):
    place = tmp_path / "study"
    # The first training compiles nothing any more, and a few milliseconds are too few for all.
    short = steered(place, enqueue=ENQUEUED, hours=1e-6)
    assert short.stopped == "Stopped after 1e-06 hours, as asked; the same command goes on."
    assert short.counts.finished < 6
    assert search.study_status(place).state.phase == "stopped"
    steered(place, enqueue=ENQUEUED, hours=1.0)
    assert essence(place) == essence(first.folder.path)
    with pytest.raises(InputError, match="hours: expected a number above 0"):
        steered(place, own={"hours": 0})


def test_a_study_without_improvement_proposes_no_more(tmp_path):
    space = {"weight_decay": 1e-5, "schedule": "cosine"}
    result = steered(tmp_path / "study", trials=30, space=space, patience=2)
    assert "2 trials in a row were no better than trial" in result.stopped
    finished = result.counts.finished
    assert finished < 30
    again = steered(tmp_path / "study", trials=30, space=space, patience=2)
    assert again.counts.finished == finished
    more = steered(tmp_path / "study", trials=8, space=space, patience=20)
    assert more.counts.finished > finished


def test_a_study_that_expects_no_gain_proposes_no_more(tmp_path):
    place = tmp_path / "study"
    gain = {"improvement": 0.5, "trials": 1, "confidence": 0.6}
    parts = {"sampler": {"name": "random"}, "expected_gain": gain}
    result = steered(place, trials=30, **parts)
    assert "another 1 would improve the best validation mae, 0." in result.stopped
    finished = result.counts.finished
    assert finished < 30
    status = search.study_status(place)
    assert status.state.outlook == {**status.state.outlook, "trials": 1, "improvement": 0.5}
    assert any("have a chance of at most" in line for line in status.sentences())
    again = steered(place, trials=30, **parts)
    assert (again.counts.finished, again.stopped) == (finished, result.stopped)
    steered(tmp_path / "parts", trials=5, **parts)
    assert steered(tmp_path / "parts", trials=30, **parts).stopped == result.stopped
    assert essence(tmp_path / "parts") == essence(place)
    said = []
    own = {"on_trial": lambda trial: said.append(StudyFolder(place).stopped)}
    more = steered(place, trials=finished + 1, sampler={"name": "random"}, own=own)
    assert (more.counts.finished, more.stopped, said) == (finished + 1, None, [None])
    with pytest.raises(InputError, match="expected_gain, improvement: expected a number"):
        steered(place, trials=30, own={"expected_gain": "much"})


def test_callbacks_are_called_and_one_that_fails_ends_nothing(tmp_path, capsys):
    seen, better = [], []

    def on_trial(trial):
        seen.append(trial.number)
        raise ZeroDivisionError("mine")

    own = {"on_trial": on_trial, "on_improvement": lambda t: better.append(t.network.n_nodes)}
    result = steered(tmp_path / "study", trials=3, own=own)
    assert sorted(seen) == [0, 1, 2]
    assert 1 <= len(better) <= 3
    assert result.counts.finished == 3
    assert "on_trial failed at trial 0 and the sweep goes on" in capsys.readouterr().err


def test_a_callback_can_end_the_sweep(tmp_path):
    def enough(trial):
        raise search.StopSweep("good enough")

    result = steered(tmp_path / "study", own={"on_trial": enough})
    assert result.stopped == (
        "Stopped: on_trial asked to at trial 0: good enough; the same call goes on."
    )


def smallest_weights(model, metrics):
    return float(abs(model.network.weights).sum())


def test_a_metric_of_ones_own_is_minimised(tmp_path):
    result = steered(tmp_path / "study", trials=4, own={"metric": smallest_weights})
    sums = [abs(result.folder.networks(n).weights[0]).sum() for n in range(4)]
    assert result.objectives == ["smallest_weights"]
    assert result.best.record.objectives["smallest_weights"] == pytest.approx(min(sums))
    with pytest.raises(InputError, match="smallest_weights of one's own"):
        steered(tmp_path / "study", trials=5)
    broken = {"metric": lambda model, metrics: metrics["none"]}
    with pytest.raises(InputError, match="the metric metric: failed at trial 0: KeyError"):
        steered(tmp_path / "other", trials=1, own=broken)


def test_a_sampler_and_a_pruner_of_ones_own_are_asked_and_go_on_the_same(tmp_path):
    optuna = pytest.importorskip("optuna")

    def sampler(seed):
        return optuna.samplers.RandomSampler(seed=seed)

    own = {"sampler": sampler, "pruner": optuna.pruners.PercentilePruner(1.0, n_startup_trials=1)}
    whole = steered(tmp_path / "whole", own=own)
    assert whole.counts.pruned
    pruned = next(record for record in whole.records if record.pruned)
    assert "PercentilePruner" in pruned.message
    steered(tmp_path / "parts", trials=2, own=own)
    steered(tmp_path / "parts", own=own)
    assert essence(tmp_path / "parts") == essence(whole.folder.path)
    with pytest.raises(InputError, match="expected an Optuna sampler"):
        steered(tmp_path / "other", own={"sampler": "tpe"})


def test_the_best_trial_keeps_to_the_constraints(tmp_path):
    result = steered(tmp_path / "study", trials=4, constraints={"edges": 35})
    assert all(record.excess == {"edges": 1.0} for record in result.records)
    with pytest.raises(InputError, match=r"within \[constraints\].*has 1 edges too many"):
        _ = result.best
    entries = (result.folder.path / "optuna.journal").read_text()
    assert '"constraints:edges":1.0' in entries
    wide = steered(tmp_path / "wide", trials=2, constraints={"edges": 36, "cost": 12.0})
    assert wide.best.record.excess == {"edges": 0.0, "cost": 0.0}


@pytest.mark.parametrize("damage", ["gone", "cut", "other network"])
def test_a_damaged_record_is_trained_again_to_the_same_bits(first, tmp_path, damage, capsys):
    import shutil

    place = tmp_path / "study"
    shutil.copytree(first.folder.path, place)
    trial = place / "trials" / "000002"
    if damage == "gone":
        shutil.rmtree(trial)
    elif damage == "cut":
        (trial / "record.json").write_text((trial / "record.json").read_text()[:300])
    else:
        (trial / "network.npz").write_bytes(
            (place / "trials" / "000001" / "network.npz").read_bytes()
        )
    assert steered(place, enqueue=ENQUEUED, trials=7).counts.finished == 7
    found = essence(place)
    assert {number: found[number] for number in range(6)} == essence(first.folder.path)
    aside = [entry.name[:6] for entry in (place / "damaged").glob("*")]
    assert aside == ([] if damage == "gone" else ["000002"])
    assert "trial 2" in capsys.readouterr().err
