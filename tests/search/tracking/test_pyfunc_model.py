"""The best model as MLflow opens it."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys

import mlflow
import numpy as np
import pandas
import pytest
from mlflow.models import Model
from mlflow.pyfunc.scoring_server import invocations

import cellbox
from cellbox.storage import compilation
from search.study.folder import StudyFolder
from search.tracking.best_models import PyfuncFolders, save_pyfunc
from tests.search.cli_helpers import no_constants
from tests.search.fake_study import add_model

COLUMNS = ["condition", "time", "node", "value", "low", "high", "note"]
PERTURBATIONS = pandas.DataFrame({"g3": [0.5, 0.0], "g1": [0.25, 1.0]}, index=["low", "high"])


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A fitted model, and the folder of its MLflow form."""
    place = tmp_path_factory.mktemp("pyfunc")
    fitted = add_model(StudyFolder(place / "LI"), 0, pictures=False)
    before = set(os.listdir())
    trained = {"doses": {"g1": [0.0, 0.5], "g3": [0.0, 1.0]}, "last_time": 20.0}
    source = place / "LI" / "models" / "trial-000000"
    save_pyfunc(source, place / "written", trained=trained)
    # MLflow's default store is a file in the working folder.
    assert set(os.listdir()) == before
    return fitted, place / "written"


@pytest.fixture(scope="module")
def loaded(saved):
    return mlflow.pyfunc.load_model(str(saved[1]))


def expected(fitted: cellbox.FittedModel, times=None) -> np.ndarray:
    full = PERTURBATIONS.reindex(columns=list(fitted.network.nodes), fill_value=0.0)
    return fitted.predict(full.to_numpy(), times)


def test_predicts_what_the_fitted_model_does(saved, loaded):
    fitted, _ = saved
    table = loaded.predict(PERTURBATIONS)
    assert list(table.columns) == COLUMNS
    np.testing.assert_array_equal(table["value"], expected(fitted).reshape(-1))
    row = table[(table.condition == "high") & (table.time == 8.0) & (table.node == "g2")]
    assert row["value"].item() == expected(fitted)[1, 1, 1]


def test_models_that_are_written_one_after_another_are_each_their_own(saved, tmp_path):
    folder = StudyFolder(tmp_path / "LI")
    folders, written = PyfuncFolders(), []
    for number in (0, 1):
        fitted = add_model(folder, number, pictures=False)
        about = Model(run_id=f"run {number}", model_uuid=f"uuid {number}")
        folders.write(folder.model(number), tmp_path / str(number), about)
        written.append(Model.load(str(tmp_path / str(number))))
        with np.load(tmp_path / str(number) / "artifacts" / "model" / "model.npz") as arrays:
            np.testing.assert_array_equal(arrays["weights"], fitted.network.weights)
    assert [model.run_id for model in written] == ["run 0", "run 1"]
    assert [model.model_uuid for model in written] == ["uuid 0", "uuid 1"]


def test_times_can_be_chosen(saved, loaded):
    table = loaded.predict(PERTURBATIONS, params={"times": [1.0, 2.5]})
    wanted = expected(saved[0], np.array([1.0, 2.5]))
    np.testing.assert_array_equal(table["value"], wanted.reshape(-1))


def test_a_server_that_has_compiled_too_much_drops_it_and_answers_alike(
    loaded, tmp_path, monkeypatch, caplog
):
    before = loaded.predict(PERTURBATIONS)
    bound = tmp_path / "max_map_count"
    bound.write_text("0")
    monkeypatch.setattr(compilation, "_MOST_MAPPINGS", bound)
    with caplog.at_level(logging.INFO, compilation.logger.name):
        pandas.testing.assert_frame_equal(loaded.predict(PERTURBATIONS), before)
    assert "dropped compiled programs" in caplog.text


def test_a_server_answers_in_json_that_every_program_reads(loaded):
    request = {"inputs": {"g1": [0.5]}, "params": {"times": [20.0]}}
    answer = invocations(json.dumps(request), "application/json", loaded, None)
    assert answer.status == 200
    rows = json.loads(answer.response, parse_constant=no_constants)["predictions"]
    assert set(rows[0]) == set(COLUMNS)
    assert rows[0]["low"] is None


def test_notes_say_what_goes_beyond_the_training_data(loaded):
    asked = pandas.DataFrame({"g1": [0.5, 1.0, 0.0], "g2": [0.0, 0.0, 0.3]})
    table = loaded.predict(asked, params={"times": [20.0, 30.0]})
    notes = table.groupby(["condition", "time"])["note"].first()
    assert notes[0, 20.0] == ""
    assert "time 30 is after the last measurement (20)" in notes[0, 30.0]
    assert "g1 = 1 is beyond the doses of training (0 to 0.5)" in notes[1, 20.0]
    assert "g2 was never perturbed in training" in notes[2, 20.0]
    assert table["low"].isna().all()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pandas.DataFrame({"g1": [0.1], "G2": [0.2]}), "G2"),
        (pandas.DataFrame({"g1": ["much"]}), "expected numbers"),
        (pandas.DataFrame([[0.1, 0.2]], columns=["g1", "g1"]), "once"),
    ],
)
def test_unusable_input_is_refused(loaded, table, message):
    with pytest.raises(cellbox.InputError, match=message):
        loaded.predict(table)


def test_no_pickle_and_exact_requirements(saved):
    _, folder = saved
    names = {file.suffix for file in folder.rglob("*") if file.is_file()}
    assert not names & {".pkl", ".pickle", ".joblib"}
    requirements = (folder / "requirements.txt").read_text().splitlines()
    assert all("==" in line for line in requirements)
    assert {"jax", "diffrax", "mlflow"} <= {line.split("==")[0] for line in requirements}


@pytest.mark.slow
def test_loads_where_the_package_is_not_installed(saved, tmp_path):
    fitted, folder = saved
    script = (
        "import sys, importlib.util, mlflow, pandas, numpy\n"
        "assert importlib.util.find_spec('cellbox') is None\n"
        f"model = mlflow.pyfunc.load_model({str(folder)!r})\n"
        "import cellbox\n"
        f"assert cellbox.__file__.startswith({str(folder)!r})\n"
        "table = pandas.DataFrame({'g3': [0.5, 0.0], 'g1': [0.25, 1.0]})\n"
        "numpy.save('values.npy', model.predict(table)['value'].to_numpy())\n"
    )
    search = f"import sys; sys.path[:] = {[p for p in sys.path if _without_package(p)]!r}\n"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    # Isolated and without site's .pth files, by which an editable install would be found.
    subprocess.run(
        [sys.executable, "-I", "-S", "-c", search + script],
        cwd=tmp_path,
        env=environment,
        check=True,
        timeout=120,
    )
    values = np.load(tmp_path / "values.npy", allow_pickle=False)
    np.testing.assert_array_equal(values, expected(fitted).reshape(-1))


def _without_package(entry: str) -> bool:
    return bool(entry) and not os.path.isdir(os.path.join(entry, "cellbox"))
