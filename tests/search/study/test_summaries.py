"""Summaries of trials: what records say, from lines that hold only as long as the files do."""

import os

import pytest

from search.study import summaries as module
from search.study.damage import damaged_trials, set_damaged_aside
from search.study.folder import StudyFolder
from search.study.ranking import TrialCounts, best_numbers
from search.study.summaries import SUMMARIES, TrialSummaries
from search.study.summary_lines import summary_of
from tests.search.fake_study import fake_study, make_pruned, make_record


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_FEW", 10)
    folder = fake_study(tmp_path / "study", 24, points=3)
    kept = TrialSummaries(folder)
    assert kept.damaged() == {}
    kept.keep(whole=True)
    return folder


def reads_of(folder, monkeypatch, do):
    """What `do` gives, and which records are read for it."""
    read = []
    real = StudyFolder.record

    def record(self, number):
        read.append(number)
        return real(self, number)

    with monkeypatch.context() as patch:
        patch.setattr(StudyFolder, "record", record)
        return do(), read


def test_summaries_say_what_records_say(folder):
    found = list(TrialSummaries(folder))
    assert found == [summary_of(record) for record in folder.records()]
    for summary, record in zip(found, folder.records(), strict=True):
        assert summary.parameters == record.parameters
        for error in ("validation_mae", "selection_error"):
            assert summary.by_repeat(error) == record.by_repeat(error)


def test_no_record_is_read_whose_line_holds(folder, monkeypatch):
    counts, read = reads_of(folder, monkeypatch, lambda: TrialCounts.of(folder))
    assert counts.finished == 24
    assert read == []


@pytest.mark.parametrize("name", ["record.json", "network.npz"])
def test_a_changed_file_is_noticed(folder, name):
    file = folder.path / "trials" / "000006" / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    kept = TrialSummaries(folder)
    assert set(kept.damaged()) == {6} == set(damaged_trials(folder))
    assert set(set_damaged_aside(folder, TrialSummaries(folder))) == {6}
    assert [one.number for one in TrialSummaries(folder)] == [n for n in range(24) if n != 6]


def test_a_file_that_was_only_touched_is_read_and_found_sound(folder, monkeypatch):
    os.utime(folder.path / "trials" / "000006" / "record.json")
    kept = TrialSummaries(folder)
    damaged, read = reads_of(folder, monkeypatch, kept.damaged)
    assert (damaged, read) == ({}, [6])
    kept.keep(whole=True)
    _, read = reads_of(folder, monkeypatch, TrialSummaries(folder).damaged)
    assert read == []


def test_damage_that_left_no_trace_is_found_where_everything_is_read(folder):
    file = folder.path / "trials" / "000006" / "network.npz"
    times = os.stat(file)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert TrialSummaries(folder).damaged() == {}
    assert set(damaged_trials(folder)) == {6}


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole.replace(b"completed", b"diverged!"),
        lambda whole: b"\xff" * 300,
        lambda whole: b"",
        lambda whole: whole[:40] + whole,
    ],
)
def test_damaged_lines_change_nothing(folder, damage):
    file, wanted = folder.path / SUMMARIES, list(TrialSummaries(folder))
    file.write_bytes(damage(file.read_bytes()))
    kept = TrialSummaries(folder)
    assert list(kept) == wanted
    assert kept.damaged() == {}
    kept.keep(whole=True)
    assert list(TrialSummaries(folder)) == wanted


def test_the_lines_of_a_trial_that_is_gone_do_not_count(folder):
    folder.set_aside(int(best_numbers(folder)[0]))
    assert TrialCounts.of(folder).finished == 23


def test_a_short_study_has_no_lines(tmp_path):
    folder = fake_study(tmp_path / "study", 5, points=3)
    kept = TrialSummaries(folder)
    kept.damaged()
    kept.keep(whole=True)
    assert not (folder.path / SUMMARIES).exists()


def test_pruned_trials_and_points_are_told_apart():
    completed, pruned = summary_of(make_record(0)), summary_of(make_pruned(1))
    assert (completed.eligible, pruned.eligible, pruned.pruned) == (True, False, True)
    assert completed.point == summary_of(make_record(5)).point
    assert completed.point != summary_of(make_record(5, settings={"steps": 1})).point
