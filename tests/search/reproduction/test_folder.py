"""What a reproduction keeps, and when it takes it for its own."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.errors import InputError
from search.reproduction.folder import ReproductionFolder
from tests.search.reproduction.small import TINY, record, task


@pytest.fixture
def folder(tmp_path):
    found = ReproductionFolder(tmp_path / "out")
    with found.opened():
        yield found


def test_a_finished_task_is_found_again(folder):
    folder.write_task(task(), TINY, record(0.5), {"weights": np.eye(2)})
    assert folder.record(task(), TINY)["metrics"]["pearson"] == 0.5
    np.testing.assert_array_equal(folder.arrays(task(), TINY)["weights"], np.eye(2))


def test_a_task_of_an_earlier_version_is_read_under_the_current_names(folder):
    old = {"undetermined_training_conditions": 7, "metrics": {"undetermined_share": 0.4}}
    folder.write_task(task(), TINY, old, {})
    found = folder.record(task(), TINY)
    assert found["rounding_sensitive_training_conditions"] == 7
    assert found["metrics"] == {"rounding_sensitive_share": 0.4}


@pytest.mark.parametrize(
    "other",
    [task(1), task(sigma=0.01), task(system="LI"), task(design="paper")],
    ids=lambda other: f"{other.name} {other.design}",
)
def test_another_task_is_not_finished_by_it(folder, other):
    folder.write_task(task(), TINY, record(), {})
    assert folder.record(other, TINY) is None
    assert not folder.is_outdated(other, TINY)


def test_a_task_that_was_done_with_other_settings_is_outdated(folder):
    folder.write_task(task(), TINY, record(), {})
    changed = replace(TINY, n_refined=2)
    assert folder.record(task(), changed) is None
    assert folder.is_outdated(task(), changed)


def test_a_record_that_was_cut_short_is_refused_with_its_place(folder):
    folder.write_task(task(), TINY, record(), {})
    (file,) = (folder.path / "tasks").glob("*.json")
    file.write_text(file.read_text()[:50])
    with pytest.raises(InputError, match=file.name):
        folder.record(task(), TINY)


def test_two_reproductions_do_not_share_a_folder(folder):
    with pytest.raises(InputError, match="another reproduction is running"), folder.opened():
        pass


@pytest.mark.parametrize("kind", ["file", "other folder"])
def test_what_belongs_to_someone_else_is_refused(tmp_path, kind):
    path = tmp_path / "taken"
    if kind == "file":
        path.write_text("mine")
    else:
        path.mkdir()
        (path / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match="expected"), ReproductionFolder(path).opened():
        pass
