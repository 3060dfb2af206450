"""A folder of studies says once where MLflow is."""

import pytest

from cellbox.errors import InputError
from search.spec.reading import make_spec
from search.study.shared_settings import with_shared_settings


def spec(**changes):
    return make_spec({"name": "x", "data": {"system": "LI"}, **changes})


def test_a_study_takes_what_its_folder_says_unless_it_says_so_itself(tmp_path):
    plain, own = spec(), spec(tracking={"uri": "http://own:5000"})
    assert with_shared_settings(plain, tmp_path / "x") == plain
    (tmp_path / "cellbox.toml").write_text('[tracking]\nuri = "http://lab:5000"\n')
    assert with_shared_settings(plain, tmp_path / "x").tracking.uri == "http://lab:5000"
    assert with_shared_settings(own, tmp_path / "x").tracking.uri == "http://own:5000"
    assert with_shared_settings(plain, tmp_path / "deeper" / "x") == plain


def test_all_that_is_wrong_with_the_file_is_told(tmp_path):
    (tmp_path / "cellbox.toml").write_text('[tracking]\nurl = "x"\n[storage]\nurl = "y"\n')
    with pytest.raises(InputError) as refused:
        with_shared_settings(spec(), tmp_path / "x")
    assert [problem.where.rpartition(", ")[2] for problem in refused.value.problems] == [
        "tracking.url",
        "storage",
    ]
