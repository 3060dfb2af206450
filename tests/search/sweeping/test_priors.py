"""A sweep that searches how much a prior of edges counts."""

from dataclasses import replace

import pytest

from cellbox.data.readers import write_tidy
from cellbox.errors import InputError
from cellbox.networks.prior import EdgePrior
from cellbox.networks.prior_files import write_prior
from search.spec.reading import make_spec
from search.study.data_loading import load_study_data
from search.study.kept_data import kept_data
from search.sweeping.verifying import verify_study
from search.tracking.trial_content import trial_content
from tests.cellbox.formed import experiment, formed
from tests.search.tiny import run

NOT_OF_FILES = {"system": None, "conditions": None, "time_points": None, "held_out": None}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder of data, and a file of edges that are all true."""
    folder, data = tmp_path_factory.mktemp("prior"), experiment(formed(), n_conditions=16)
    write_tidy(data, folder / "data")
    write_prior(EdgePrior.of(data.truth), folder / "prior.csv")
    return folder


@pytest.mark.slow
def test_optuna_chooses_the_strength_and_the_study_keeps_the_prior(files, tmp_path):
    result = run(
        tmp_path / "study",
        trials=3,
        data={"folder": str(files / "data"), "prior": str(files / "prior.csv")} | NOT_OF_FILES,
        training={"refinement": None, "steps": 25},
        space={"prior_strength": [0, "auto"], "refinement": "select_edges"},
        enqueue=[{"prior_strength": "auto"}, {"prior_strength": 0}],
        objective={"minimise": ["selection_error"]},
    )
    strengths = {one.settings["prior_strength"]: one.best.training for one in result.records}
    assert strengths["auto"].prior_strength > 0
    assert strengths[0].prior_strength is None
    errors = {k: one.selection_error for k, one in strengths.items()}
    assert errors["auto"] < errors[0]
    tags = trial_content(result.best.record).tags
    assert float(tags["cellbox.prior_strength"]) > 0
    assert kept_data(tmp_path / "study" / "data").prior.listed.any()
    assert verify_study(tmp_path / "study").sound


def spec_of(files, **changes):
    return make_spec({"name": "x", "data": {"folder": str(files / "data")}, **changes})


def test_another_prior_is_other_data(files, tmp_path):
    plain = load_study_data(spec_of(files))
    data = {"folder": str(files / "data"), "prior": str(files / "prior.csv")}
    known = load_study_data(spec_of(files, data=data))
    assert plain.validation.prior is None
    assert known.validation.prior is not None
    assert plain.fingerprint() != known.fingerprint()
    other = replace(known.validation.prior, signs=-known.validation.prior.signs)
    write_prior(other, tmp_path / "prior.csv")
    data["prior"] = str(tmp_path / "prior.csv")
    assert load_study_data(spec_of(files, data=data)).fingerprint() != known.fingerprint()


def test_a_strength_without_a_prior_and_an_absent_file_are_refused(files):
    with pytest.raises(InputError, match="a prior of edges is to be weighed, and there is none"):
        spec_of(files, space={"prior_strength": ["auto", 0]})
    data = {"folder": str(files / "data"), "prior": str(files / "absent.csv")}
    with pytest.raises(InputError, match="nothing is at"):
        spec_of(files, data=data)
    with pytest.raises(InputError, match="expected auto or a number"):
        spec_of(files, data=data | {"prior": str(files / "prior.csv")},
                space={"prior_strength": ["auto", "much"]})  # fmt: skip
