"""Several studies in one MLflow."""

import json
import shutil
from urllib.parse import unquote

import pytest
from mlflow import MlflowClient

from cellbox.errors import InputError
from search.tracking.embedded import embedded_uri
from search.tracking.together import StudiesTogether, page_together, write_together
from tests.search.cli_helpers import refused
from tests.search.fake_study import add_trial, fake_study


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """Two studies and a copy of one, written."""
    path = tmp_path_factory.mktemp("studies")
    fake_study(path / "a", 2)
    fake_study(path / "b", 3)
    shutil.copytree(path / "a", path / "copy-of-a")
    found = StudiesTogether(path)
    assert write_together(found) == 2
    return found


def runs_of(together):
    """Names of all runs, by experiment."""
    client = MlflowClient(embedded_uri(together))
    return {
        experiment.name: sorted(
            run.info.run_name for run in client.search_runs([experiment.experiment_id])
        )
        for experiment in client.search_experiments(filter_string="name != 'Default'")
    }


def test_each_study_is_an_experiment_and_a_copy_none(together):
    assert runs_of(together) == {
        "a": ["a", "trial 0", "trial 1"],
        "b": ["b", "trial 0", "trial 1", "trial 2"],
    }


def test_the_page_shows_all_their_trials(together):
    page = unquote(page_together(together, embedded_uri(together)))
    client = MlflowClient(embedded_uri(together))
    numbers = {client.get_experiment_by_name(name).experiment_id for name in ("a", "b")}
    assert set(json.loads(page.partition("experiments=")[2].partition("&")[0])) == numbers


def test_what_is_there_is_not_written_again_and_new_trials_are(together):
    assert write_together(together) == 0
    add_trial(next(study for study in together.studies if study.name == "a"), 2)
    assert write_together(together) == 1
    assert "trial 2" in runs_of(together)["a"]
    assert write_together(together) == 0


def test_a_study_from_elsewhere_can_be_written_into_it(together, tmp_path):
    study = fake_study(tmp_path / "elsewhere", 2)
    assert write_together(together, [study]) == 1
    assert "elsewhere" in runs_of(together)
    assert not (study.path / "mlflow.db").exists()


def test_a_folder_without_studies_is_refused(tmp_path, capsys):
    assert not StudiesTogether(tmp_path).exists()
    assert "cellbox sweep" in refused(capsys, "ui", tmp_path)
    empty = StudiesTogether(tmp_path)
    write_together(empty)
    with pytest.raises(InputError, match="holds studies"):
        page_together(empty, embedded_uri(empty))


def test_a_study_is_no_folder_of_studies(tmp_path):
    assert not StudiesTogether(fake_study(tmp_path / "study", 1).path).exists()
