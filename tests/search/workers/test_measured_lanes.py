"""A study trains as its devices were measured, also when it goes on; --lanes holds once."""

import pytest

from search.sweeping.display import Silent
from search.sweeping.run import sweep
from tests.search.tiny import spec

MEASURED = {"lanes": None}
# As many under way as the packs of other tests have lanes, whose programs are compiled already.
FEW = {"name": "tpe", "startup_trials": 3, "in_flight": 2}


class Said(Silent):
    def __init__(self):
        self.messages = []

    def say(self, message):
        self.messages.append(message)


def run(folder, trials, workers):
    said = Said()
    result = sweep(spec(workers=workers, sampler=FEW), study=folder, trials=trials, display=said)
    return result.folder, " ".join(said.messages)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return run(tmp_path_factory.mktemp("measured") / "study", 2, MEASURED)


def lanes_of(folder, number):
    return folder.record(number).shape["lanes"]


def test_the_plan_is_said_recorded_and_followed(study):
    folder, said = study
    (plan,) = folder.read_json("devices.json")
    # No more than two trials are under way at once.
    assert plan["lanes"] == lanes_of(folder, 0) == 2
    assert plan["gradients_per_second"]["2"] > 0
    assert "each worker trains 2 models side by side (measured: gradients per second" in said


def test_a_study_goes_on_with_its_own_plan(study):
    folder, _ = study
    measured = folder.read_json("devices.json")
    own = [{**measured[0], "lanes": 3}]
    folder.write_json("devices.json", own)
    run(folder.path, 3, MEASURED)
    assert lanes_of(folder, 2) == 3
    assert folder.read_json("devices.json") == own
    folder.write_json("devices.json", measured)


def test_lanes_that_are_asked_for_are_used_and_not_recorded(study):
    folder, _ = study
    plans = folder.read_json("devices.json")
    _, said = run(folder.path, 4, {"lanes": 3})
    assert plans[0]["lanes"] == 2
    assert lanes_of(folder, 3) == 3
    assert folder.read_json("devices.json") == plans
    assert "each worker trains 3 models side by side (as asked for)" in said
    assert "could train 3 models at once, and at most 2 are under way" in said
