"""Histories of studies in a world that goes wrong; `python -m tests.simulation` plays thousands."""

import json
import shutil
from contextlib import contextmanager
from pathlib import Path

import jaxtyping
import numpy as np
import pytest

from search.study.access import DiskFailed
from search.study.folder import StudyFolder
from search.study.good_trials import save_ensemble
from search.study.ranking import best_numbers
from tests.simulation import disk as disks
from tests.simulation.essence import essence
from tests.simulation.history import failures, place_of, play, reference, run
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.server import Client
from tests.simulation.world import World

_HISTORIES, _AT_ONCE = 30, 15


@pytest.fixture(autouse=True)
def _without_checks_of_shapes():
    """They take ten times as long as all the rest."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.parametrize("first", range(0, _HISTORIES, _AT_ONCE))
def test_every_history_ends_as_the_undisturbed_study(first):
    told = [
        f"python -m tests.simulation --seed {seed}: {wrong}"
        for seed, wrong in failures(range(first, first + _AT_ONCE))
    ]
    assert told == []


def test_the_same_seed_is_the_same_history():
    lines = [[], []]
    for said in lines:
        play(11, said.append)
    assert lines[0] == lines[1]


def _plain_write(folder, name, content):
    (folder.path / name).write_text(json.dumps(content))


@contextmanager
def _folder_in_place(folder):
    Path(folder).mkdir()
    yield Path(folder)


@pytest.mark.parametrize(
    ("name", "defect"),
    [
        ("search.study.folder.whole_folder", _folder_in_place),
        ("search.study.resumable.ResumableFolder.write_json", _plain_write),
        ("search.study.resumable.clear_leftovers", lambda folder: None),
        ("search.study.summaries.TrialSummaries.damaged", lambda summaries: {}),
        ("search.study.folder.StudyFolder.clear", lambda folder: None),
    ],
)
def test_a_defect_that_is_put_in_is_found(monkeypatch, name, defect):
    for scenario in range(len(SCENARIOS)):
        reference(scenario)
    monkeypatch.setattr(name, defect)
    assert any(failures(range(seed, seed + 1)) for seed in range(100))


@pytest.fixture
def place(tmp_path):
    return place_of(tmp_path, 0)


def _go_on(place, *, trouble=0.0, hours=None, server=None):
    random = np.random.default_rng(0)
    world = World(random, trouble, place.tied)
    disk = disks.Disk(str(place.study), None, random)
    run(place, world, Client(server or place.server, None), disk, hours)
    return disk


def test_a_run_that_is_short_of_time_leaves_the_later_proposals_as_they_were(place, monkeypatch):
    begun = []

    def short(steering):
        begun.append(None)
        return len(begun) > 4

    with monkeypatch.context() as patch:
        patch.setattr("search.sweeping.steering.Steering.short_of_time", property(short))
        _go_on(place, hours=100.0)
    assert 0 < len(StudyFolder(place.study).finished_numbers()) < 5
    _go_on(place)
    assert essence(place)["journal"] == reference(0).essence["journal"]


def test_a_finished_study_whose_network_is_damaged_is_trained_again(place):
    _go_on(place)
    before = essence(place)
    file = place.study / "trials" / "000002" / "network.npz"
    file.write_bytes(file.read_bytes()[:-1])
    _go_on(place)
    assert essence(place) == before
    assert len(list((place.study / "damaged").iterdir())) == 1


def test_a_finished_study_says_so_also_where_its_last_run_was_killed_at_its_end(place):
    _go_on(place)
    folder = StudyFolder(place.study)
    folder.write_json("state.json", {**folder.read_json("state.json"), "phase": "finishing"})
    folder.write_json("stopped.json", {"stopped": "Stopped by somebody"})
    _go_on(place)
    assert folder.read_json("state.json")["phase"] == "finished"
    assert folder.stopped is None


def test_the_first_of_repeated_points_is_trained_again_where_its_record_is_gone(tmp_path):
    place = place_of(tmp_path, 1)
    _go_on(place)
    before = essence(place)["records"]
    shutil.rmtree(place.study / "trials" / "000000")
    _go_on(place)
    assert essence(place)["records"] == before


def test_an_ensemble_is_there_until_another_takes_its_place(place):
    _go_on(place)
    folder = StudyFolder(place.study)
    disk = disks.Disk(str(place.study), None, np.random.default_rng(0))
    with disks.on(disk):
        save_ensemble(folder, best_numbers(folder))
    made = next(number for number, line in enumerate(disk.log) if " mkdir " in line)
    removed = next(number for number, line in enumerate(disk.log) if " rmdir " in line)
    assert made < removed


def test_a_full_disk_names_the_study_and_how_to_go_on(place):
    fault = disks.Fault(150, "full")
    disk = disks.Disk(str(place.study), fault, np.random.default_rng(0))
    world = World(np.random.default_rng(0), 0.0, place.tied)
    with pytest.raises(DiskFailed) as failed:
        run(place, world, Client(place.server, None), disk)
    (problem,) = failed.value.problems
    assert problem.where == str(place.study)
    assert "No space left on device" in problem.found
    kept = len(StudyFolder(place.study).finished_numbers())
    assert f"{kept} trials that ended are kept, and the same command goes on" in problem.fix
    _go_on(place)
    assert essence(place) == reference(0).essence
