"""Long histories: opened from an index, seen in part, judged at the same cost: the same to all."""

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from search.proposals import journal as journals
from search.proposals.journal import LongStorage
from search.proposals.median import MedianJury
from search.proposals.pruning import Jury
from search.proposals.seen import GOOD_TRIALS, LATEST_TRIALS, abridged
from search.proposals.told import ToldTrial
from tests.search.tiny import spec

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


@pytest.fixture(autouse=True)
def _few_trials_are_many(monkeypatch):
    monkeypatch.setattr(journals, "_FEW", 20)
    monkeypatch.setattr(journals, "_BEHIND", 5)


class Long:
    """A study with some trials under way."""

    def __init__(self, folder, n_finished=0, n_running=3):
        self.folder = folder
        self.open()
        for _ in range(n_running):
            self.ask()
        for _ in range(n_finished):
            self.tell()
            self.ask()

    def open(self):
        self.storage = LongStorage(self.folder / "optuna.journal", self.folder / "optuna.index")
        sampler = optuna.samplers.RandomSampler(seed=0)
        self.study = optuna.create_study(
            study_name="s", storage=self.storage, sampler=sampler, load_if_exists=True
        )

    def ask(self):
        trial = self.study.ask()
        trial.suggest_float("x", 0, 1)
        trial.suggest_categorical("kind", ["a", "b", None])

    def tell(self):
        number = self.storage.first_finished()
        self.storage.set_trial_intermediate_value(number, 5, 0.1 * number)
        self.storage.set_trial_user_attr(number, "shown", {"of": number})
        if number % 4 == 3:
            self.study.tell(number, state=TrialState.PRUNED)
        else:
            # Ties, and the best in the middle.
            self.study.tell(number, abs(number - 200) // 3)
        self.storage.keep_index(whole=False)

    def as_optuna_reads_it(self):
        storage = JournalStorage(JournalFileBackend(str(self.folder / "optuna.journal")))
        return optuna.load_study(study_name="s", storage=storage)


def replayed_entries(storage) -> int:
    return storage.journal.length[0] - storage.journal.start[0]


def test_a_history_opened_from_its_index_is_that_of_the_journal(tmp_path):
    long = Long(tmp_path, 60)
    for round_ in range(3):
        if round_:
            long.open()
            assert 0 < replayed_entries(long.storage) < 0.2 * long.storage.journal.length[0]
        for _ in range(7):
            long.tell()
            long.ask()
        assert long.study.trials == long.as_optuna_reads_it().trials


def test_short_histories_have_no_index(tmp_path):
    Long(tmp_path, 15).storage.keep_index(whole=True)
    assert not (tmp_path / "optuna.index").exists()


def test_the_whole_index_leaves_nothing_to_replay(tmp_path):
    long = Long(tmp_path, 42)
    long.storage.keep_index(whole=True)
    long.open()
    # Optuna notes that the study is opened.
    assert replayed_entries(long.storage) == 1


def damages(index):
    whole = index.read_bytes()
    middle = len(whole) // 2
    yield "cut", whole[:middle]
    yield "a byte changed", whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    yield "empty", b""
    yield "other text", b"{}\n[1]\n{\n"
    yield "not UTF-8", b"\xff\xfe" * 100
    yield "half a block more", whole + whole[-100:-1]
    yield "nested", b"[" * 5000 + b"\n{\n"


def test_a_damaged_index_changes_nothing(tmp_path):
    long = Long(tmp_path, 60)
    long.storage.keep_index(whole=True)
    index = tmp_path / "optuna.index"
    wanted = long.study.trials
    for what, content in [*damages(index)]:
        index.write_bytes(content)
        long.open()
        assert long.study.trials == wanted, what
        long.tell()
        long.ask()
        long.storage.keep_index(whole=True)
        wanted = long.study.trials
        long.open()
        assert long.study.trials == wanted, what


def test_an_index_of_another_journal_does_not_count(tmp_path):
    for name in ("one", "another"):
        (tmp_path / name).mkdir()
        Long(tmp_path / name, 60).storage.keep_index(whole=True)
    (tmp_path / "one" / "optuna.index").replace(tmp_path / "another" / "optuna.index")
    long = Long.__new__(Long)
    long.folder = tmp_path / "another"
    long.open()
    assert long.storage.journal.start == (0, 0)
    assert long.study.trials == long.as_optuna_reads_it().trials


def test_an_index_ahead_of_its_journal_does_not_count(tmp_path):
    """As after the power was cut."""
    long = Long(tmp_path, 60)
    long.storage.keep_index(whole=True)
    journal = tmp_path / "optuna.journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-30]))
    long.open()
    assert long.study.trials == long.as_optuna_reads_it().trials


@pytest.mark.parametrize("states", [FINISHED, (*FINISHED, TrialState.RUNNING)])
def test_what_a_sampler_sees_is_what_a_search_finds(tmp_path, states):
    long = Long(tmp_path, 0, n_running=4)
    enough = GOOD_TRIALS + LATEST_TRIALS
    for told in range(enough + 60):
        long.tell()
        long.ask()
        if told < 3 or told > enough - 10:
            found = abridged(long.study.get_trials(deepcopy=False, states=states))
            assert long.storage.seen(states) == found
        if told in (enough + 20, enough + 40):
            long.storage.keep_index(whole=True)
            long.open()


def test_trials_that_ended_out_of_turn_are_searched_for(tmp_path):
    long = Long(tmp_path, 20, n_running=5)
    long.study.tell(long.storage.first_finished() + 2, 1.0)
    assert long.storage.first_finished() is None
    assert long.storage.seen(FINISHED) is None
    long.storage.keep_index(whole=True)
    assert long.study.trials == long.as_optuna_reads_it().trials


def test_waiting_trials_are_found_among_those_that_have_not_finished(tmp_path):
    long = Long(tmp_path, 25)
    long.study.enqueue_trial({"x": 0.25})
    waiting = long.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    assert [trial.number for trial in waiting] == [28]
    assert long.study.ask().suggest_float("x", 0, 1) == 0.25


@pytest.mark.parametrize("seed", range(4))
def test_the_median_pruner_judges_as_optunas(seed):
    random = np.random.default_rng(seed)
    given = spec(pruner={"name": "median", "startup_trials": 5})

    def seen_by(number):
        return max(0, number - 6)

    ours = MedianJury(5, 20, seen_by)
    optunas = Jury(given, optuna.pruners.MedianPruner(5, 20), seen_by)
    judged, reports = [], {number: [] for number in range(100)}
    for number in range(80):
        # Between the first reports of a trial and the others some trials are told.
        for under_way, steps in ((number + 3, (10, 20)), (number, (30, 40, 50))):
            for step in steps:
                value = float(random.integers(20)) / 7
                reports[under_way].append((step, value))
                answers = [jury.prune(under_way, step, value) for jury in (ours, optunas)]
                assert answers[0] == answers[1]
                judged.append(answers[0])
        pruned = number % 3 == 0
        values = () if pruned else (1.0,)
        for jury in (ours, optunas):
            jury.learn(ToldTrial(number, pruned, values, tuple(reports[number]), {}))
    assert 5 < sum(judged) < len(judged) - 5


def test_medians_are_numpys_to_the_bit():
    from search.proposals.median import _SortedReports

    random = np.random.default_rng(0)
    values = [*random.lognormal(size=150), *random.integers(3, size=50).astype(float)]
    reports = _SortedReports()
    for number, value in enumerate(values):
        reports.add(number, value)
    assert reports.median(0) is None
    for visible in range(1, len(values) + 1):
        wanted = float(np.nanpercentile(np.array(values[:visible]), 50.0))
        found = reports.median(visible)
        assert found is not None
        assert found == wanted
