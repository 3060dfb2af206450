"""Population-based training: parts of trainings that go on from the best of them."""

import optuna
import pytest

from cellbox.errors import InputError
from search.proposals.optuna_storage import OptunaStorage
from search.proposals.proposer import study_name
from search.spec.lineage import Lineage
from search.study.folder import StudyFolder
from search.study.result import SweepResult
from search.sweeping.display import Silent
from search.sweeping.rerun import rerun_trial
from search.sweeping.run import sweep
from search.sweeping.verifying import verify_study
from search.tracking.trial_content import trial_content
from search.workers.inline import InlineExecutor
from tests.search.sweeping.test_checkpoints import killed, records
from tests.search.tiny import spec

MEMBERS, GENERATIONS = 4, 4
CHANGES = {
    "trials": MEMBERS * GENERATIONS,
    "space": {"schedule": ["cosine", "warmup_cosine", "constant"]},
    "sampler": {
        "name": "pbt", "population": MEMBERS, "generations": GENERATIONS,
        "startup_trials": None, "in_flight": None,
    },
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _without_models():
    """They have tests of their own, and take longer than all the rest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("search.sweeping.keeping.ModelKeeper.finish", lambda *_: None)
        yield


def run(folder, **changes):
    made = spec(**{**CHANGES, **changes})
    return sweep(made, study=folder, display=Silent(), report=False)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("population") / "study"
    run(folder)
    return StudyFolder(folder)


@pytest.fixture(scope="module")
def trials(study):
    return list(study.records())


def test_each_generation_trains_one_part_of_the_steps(trials):
    assert [trial.lineage.generation for trial in trials] == [n // MEMBERS for n in range(16)]
    for trial in trials:
        generation = trial.lineage.generation
        assert trial.best.training.steps == 25 * (generation + 1)
        assert trial.settings["steps"] == 100
        # The history is that of the whole line.
        assert trial.best.training.history["step"] == list(range(25, 25 * generation + 26, 25))


def test_the_first_generation_has_no_parents_and_others_go_on_from_the_one_before(trials):
    for trial in trials:
        generation, parent = trial.lineage.generation, trial.lineage.parent
        if generation == 0:
            assert parent is None
        else:
            assert parent // MEMBERS == generation - 1
            before = trials[parent].best.training.history["validation_mae"]
            assert trial.best.training.history["validation_mae"][:-1] == before


def test_the_worst_takes_the_place_of_the_best_with_other_settings(trials):
    n_cloned = 0
    for generation in range(1, GENERATIONS):
        before = trials[(generation - 1) * MEMBERS : generation * MEMBERS]
        ranked = sorted(before, key=lambda one: one.objectives["validation_mae"])
        for trial in trials[generation * MEMBERS : (generation + 1) * MEMBERS]:
            parent = trials[trial.lineage.parent]
            if trial.number - MEMBERS == ranked[-1].number:
                n_cloned += 1
                assert parent.number == ranked[0].number
                factor = trial.parameters["peak_rate"] / parent.parameters["peak_rate"]
                ends = {0.02, 0.2}
                assert factor == pytest.approx(0.8) or factor == pytest.approx(1.25) or (
                    trial.parameters["peak_rate"] in ends
                )  # fmt: skip
                assert trial.parameters["schedule"] == parent.parameters["schedule"]
            else:
                assert parent.number == trial.number - MEMBERS
                assert trial.parameters == parent.parameters
    assert n_cloned == GENERATIONS - 1


def test_optuna_and_mlflow_show_generation_and_parent(study, trials):
    storage = OptunaStorage(spec(**CHANGES), study.path).optuna
    name = study_name(spec(**CHANGES), study.id)
    shown = optuna.load_study(study_name=name, storage=storage).trials
    tags = trial_content(trials[9]).tags
    assert shown[9].user_attrs["generation"] == 2
    assert shown[9].user_attrs["parent"] == trials[9].lineage.parent
    assert tags["cellbox.generation"] == "2"
    assert tags["cellbox.parent"] == str(trials[9].lineage.parent)
    assert "cellbox.parent" not in trial_content(trials[0]).tags


@pytest.mark.parametrize("poll", [3, 7])
def test_a_killed_study_goes_on_to_the_same_bits(poll, tmp_path, study, monkeypatch):
    real, polls = InlineExecutor.poll, []

    def dying(executor):
        polls.append(None)
        return killed() if len(polls) == poll else real(executor)

    with monkeypatch.context() as patch:
        patch.setattr(InlineExecutor, "poll", dying)
        with pytest.raises(MemoryError):
            run(tmp_path / "study")
    run(tmp_path / "study")
    assert records(tmp_path / "study") == records(study.path)


def test_other_trials_under_way_change_nothing(tmp_path, study):
    run(tmp_path / "study", workers={"count": 1})
    assert records(tmp_path / "study") == records(study.path)


def test_a_trial_is_trained_again_from_where_its_parent_stopped(study):
    assert rerun_trial(study.path, 9).identical


def test_a_damaged_end_is_found_and_its_trial_trained_once_more(tmp_path):
    run(tmp_path / "study")
    folder = StudyFolder(tmp_path / "study")
    before = records(folder.path)
    assert verify_study(folder.path).sound
    file = folder.path / "trials" / "000005" / "descent.state"
    file.write_bytes(file.read_bytes()[:-1])
    (damage,) = verify_study(folder.path).damages
    assert (damage.part, damage.what) == ("records", 5)
    with pytest.raises(InputError, match="another digest"):
        folder.state(5)
    run(tmp_path / "study")
    assert records(folder.path) == before
    assert folder.state(5) is not None


def test_no_optimum_is_shared_by_trials_that_go_on_and_find_nothing_better(study):
    assert [trial.number for trial in SweepResult(study).tied] == [SweepResult(study).best.number]


def test_parts_of_trainings_are_not_carried_over_as_whole_ones(study, tmp_path):
    said = []

    class Telling(Silent):
        def say(self, line):
            said.append(line)

    made = spec(trials=2, earlier=[str(study.path)], space=CHANGES["space"])
    result = sweep(made, study=tmp_path / "next", display=Telling(), report=False)
    assert any("0 of 16 trials carried over; 5 of its best points" in line for line in said)
    assert result.counts.finished == 2


def test_the_last_generation_ends_and_leaves_no_state(study):
    assert [study.state(number) is None for number in (0, 11, 12, 15)] == [False, False, True, True]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"trials": 12}, "trials: .*is 16 trials, found 12"),
        ({"training": {"refinement": "select_edges"}}, "a refinement would hide"),
        ({"space": {"budget": {"conditions": [4, 6]}}}, "its data cannot change"),
        ({"pruner": {"name": "median"}}, "median ends trials early"),
        ({"repeats": 2}, "goes on from one training, found 2"),
        ({"sampler": {"in_flight": 3}}, "sampler.in_flight"),
        ({"sampler": {"stop_when_tied": 5}}, "sampler.stop_when_tied"),
        ({"enqueue": [{"l1": 1e-5}]}, "enqueue"),
        ({"patience": 5}, "patience"),
        ({"training": {"validate_every": 50}}, "do not make 4 parts"),
    ],
)
def test_what_makes_no_sense_with_it_is_refused(changes, found):
    merged = {**CHANGES, **{
        key: {**CHANGES[key], **value} if isinstance(CHANGES.get(key), dict) else value
        for key, value in changes.items()
    }}  # fmt: skip
    with pytest.raises(InputError, match=found):
        spec(**merged)


@pytest.mark.parametrize("part", ["sampler", "pruner"])
def test_parts_of_ones_own_are_refused(part, tmp_path):
    own = {"sampler": optuna.samplers.RandomSampler(), "pruner": optuna.pruners.NopPruner()}[part]
    with pytest.raises(InputError, match=f"expected no {part} of one's own beside pbt"):
        sweep(spec(**CHANGES), study=tmp_path / "own", **{part: own})


def test_generations_of_another_sampler_are_refused():
    with pytest.raises(InputError, match="tpe has no generations"):
        spec(sampler={"population": 8})


def test_a_population_that_diverged_begins_anew():
    from types import SimpleNamespace

    from optuna.trial import TrialState

    from search.proposals.population import _line

    dead = [
        SimpleNamespace(
            number=n, state=TrialState.COMPLETE, values=[9.0], user_attrs={"status": "diverged"}
        )
        for n in range(MEMBERS)
    ]
    line = _line(spec(**CHANGES), dead, 5)
    assert line.lineage == Lineage(1, None)
    alive = SimpleNamespace(
        number=2, state=TrialState.COMPLETE, values=[0.1], user_attrs={"status": "completed"}
    )
    lines = [_line(spec(**CHANGES), [*dead[:2], alive, dead[3]], n) for n in range(4, 8)]
    assert [line.lineage.parent for line in lines] == [2] * 4
    assert [line.cloned for line in lines] == [True, True, False, True]
