"""Records of trials and studies: the files on disk, those of earlier versions, and damaged ones."""

import copy
import json
from dataclasses import replace

import pytest

from cellbox.errors import DataWarning, InputError
from search.study.budget import Budget
from search.study.record import read_study, read_trial, study_as_json, trial_as_json
from tests.imports import loaded_after
from tests.search.fake_study import fake_study, make_pruned, make_record

# A trial as the version before typed records wrote it, with most of its history left out.
_SOLVER = {
    "solver": "tsit5",
    "rtol": 0.001,
    "atol": 1e-06,
    "step": None,
    "adjoint": "auto",
    "max_steps": 64,
    "precision": "float32",
}
_METRICS = {
    "test_mae": 0.008330371182079068,
    "test_mae_noise_free": 0.0012186102804813046,
    "test_pearson": 0.9998110731995439,
    "unsteady_share": None,
    "all_nodes": None,
    "pearson": 0.9999887448744763,
}
EARLIER = {
    "number": 12,
    "parameters": {"schedule": "warmup_cosine", "l1": 0.00024384255846226843},
    "settings": {"steps": 3000, "schedule": "warmup_cosine", "patience": None, "solver": _SOLVER},
    "budget": {"conditions": 20, "perturbed_nodes": 2, "time_points": 5},
    "cost": 100.0,
    "status": "completed",
    "message": "Training ran to its last step. Refined by 39 Gauss-Newton steps.",
    "objectives": {"selection_error": 0.011103705221114828},
    "reports": [[300, 0.010107285343110561], [600, 0.009138363413512707]],
    "pruned_at": None,
    "seed": 2968811710,
    "shape": {"lanes": 16, "solver": _SOLVER, "threads": 1, "versions": {"jax": "0.10.2"}},
    "seconds": 7.916600513249975,
    "compile_seconds": 13.037975060999997,
    "started": 1795754514.6244042,
    "finished": 1795754534.4445102,
    "repeats": [
        {
            "seed": 2968811710,
            "status": "completed",
            "message": "Training ran to its last step.",
            "steps": 3000,
            "validation_mae": 0.008402690568891225,
            "selection_error": 0.011103705221114828,
            "refinement": "Refined by 39 Gauss-Newton steps.",
            "noise": 0.01047012323312382,
            "history": {
                "step": [50, 100],
                "training_loss": [0.3810282349586487, None],
                "validation_mae": [0.3857400119304657, 0.1668766289949417],
            },
            "metrics": _METRICS,
        }
    ],
    "best_repeat": 0,
    "metrics": {**_METRICS, "validation_mae": 0.008402690568891225},
    "baselines": {"mean": {"test_mae": 0.3}, "ridge": {"test_mae": 0.08}, "persistence": None},
    "better_than_ridge": True,
    "marks": {"completed_rung_0": 0.009},
}
EARLIER_STUDY = {
    "format": 2,
    "id": "f7bbbf672ed745d3823ccdef7e58b3e3",
    "data": "b4acf5db6b4e632d47e4562ab3b1179c19eea0cdbac0bd5ed497693fe07cf0fa",
    "created": 1795754497.479772,
    "nodes": ["g1", "g2"],
    "objectives": ["selection_error"],
    "own_budget": {"conditions": 20, "perturbed_nodes": None, "time_points": 5},
    "truth": True,
    "penalty": 0.8903909503595644,
    "baselines": {"mean": {"test_mae": 0.3}, "ridge": None, "all_nodes": None},
}


@pytest.fixture
def record_file(tmp_path):
    """Writes a record where a study has it."""
    file = tmp_path / "LI" / "trials" / "000012" / "record.json"
    file.parent.mkdir(parents=True)

    def write(content):
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        return file

    return write


def test_a_record_of_the_version_before_is_read_and_would_be_written_the_same(record_file):
    record = read_trial(record_file(EARLIER))
    assert record.budget == Budget(20, 2, 5)
    assert record.completed
    assert record.best.training.noise == 0.01047012323312382
    assert record.best.training.seconds == record.seconds
    assert json.dumps(trial_as_json(record)) == json.dumps(EARLIER)


def test_a_study_of_the_version_before_is_read_with_as_many_trials_under_way_as_then(tmp_path):
    file = tmp_path / "study.json"
    file.write_text(json.dumps(EARLIER_STUDY))
    study = read_study(file)
    assert study.nodes == ("g1", "g2")
    written = dict(study_as_json(study))
    assert written.pop("in_flight") == 16
    assert json.dumps(written) == json.dumps(EARLIER_STUDY)


@pytest.mark.parametrize("record", [make_record(12), make_pruned(12)])
def test_a_record_is_read_as_it_was_written(record_file, record):
    assert read_trial(record_file(trial_as_json(record))) == record


def test_keys_that_nobody_knows_may_be_there(record_file):
    assert read_trial(record_file({**EARLIER, "mood": "good"})).number == 12


@pytest.mark.parametrize("key", sorted(EARLIER))
def test_a_record_without_a_key_is_refused_with_its_name_and_a_way_out(record_file, key):
    file = record_file({name: value for name, value in EARLIER.items() if name != key})
    with pytest.raises(InputError) as refused:
        read_trial(file)
    (problem,) = refused.value.problems
    assert problem.where == f"{file}, key {key}"
    assert "found no such key" in problem.found
    assert problem.fix.startswith("Bring the file back; or run the same sweep again")


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("number",), 1.5, "key number: expected a whole number, found 1.5"),
        (("cost",), "much", 'key cost: expected a number, found "much"'),
        (("status",), "fine", "'completed' or 'pruned' or 'diverged', found \"fine\""),
        (("objectives",), {"cost": None}, "expected an object of numbers"),
        (("reports",), [[300]], "expected a list of steps with their values"),
        (("best_repeat",), 1, "expected the place of one of 1 repeats or null, found 1"),
        (("budget", "conditions"), True, "key budget.conditions: expected a whole number"),
        (("repeats",), {}, "key repeats: expected a list of objects"),
        (("repeats", 0, "steps"), None, "key repeats[0].steps: expected a whole number"),
        (("repeats", 0, "status"), "pruned", "key repeats[0].status"),
        (("repeats", 0, "history", "step"), [1], "expected an object of equally long lists"),
    ],
)
def test_a_damaged_record_is_refused_with_what_was_expected_and_found(
    record_file, place, value, words
):
    content = copy.deepcopy(EARLIER)
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with pytest.raises(InputError) as refused:
        read_trial(record_file(content))
    assert words in str(refused.value)


@pytest.mark.parametrize("text", ["", '{"numb', "[1, 2]"])
def test_a_file_that_is_no_record_is_refused(record_file, text):
    with pytest.raises(InputError, match=r"record\.json: expected (JSON|an object), found"):
        read_trial(record_file(text))


def test_a_file_that_is_gone_is_refused(tmp_path):
    folder = fake_study(tmp_path / "LI", 1)
    (folder.path / "trials" / "000000" / "record.json").unlink()
    with pytest.raises(InputError, match="expected this file, found none"):
        folder.record(0)
    (folder.path / "study.json").unlink()
    with pytest.raises(InputError, match="Bring the file back, or begin a new study"):
        _ = folder.study


def test_records_are_read_without_jax_whose_device_is_settled_later():
    loaded = loaded_after("import search.study.folder")
    assert not loaded & {"jax", "pydantic"}


def test_what_speaks_against_a_studys_data_is_read_back(tmp_path):
    folder = fake_study(tmp_path / "study", n_trials=0)
    assert folder.study.warnings == ()
    warned = replace(folder.study, warnings=(DataWarning("wild_values", "1 value", "Mend it"),))
    folder.write_study(warned)
    assert folder.study == warned
