"""A sweep whose trials differ in what the equation may have beside Eq. 1."""

import numpy as np
import pytest

from cellbox.data.readers import write_tidy
from cellbox.models.saved_models import load_model
from cellbox.networks.form import form_of
from search.cli.main import main
from search.sweeping.verifying import verify_study
from search.tracking.trial_content import trial_content
from tests.cellbox.formed import experiment, formed
from tests.search.tiny import run


@pytest.mark.slow
def test_optuna_chooses_among_forms_and_the_best_is_kept_with_its_own(tmp_path, capsys):
    data = experiment(formed(offset=[0, 0, 0.3, 0]), n_conditions=16)
    write_tidy(data, tmp_path / "data")
    result = run(
        tmp_path / "study",
        trials=2,
        data={"folder": str(tmp_path / "data"), "system": None, "conditions": None}
        | {"time_points": None, "held_out": None},
        training={"refinement": None, "steps": 25},
        space={"form": ["none", "offset"], "refinement": "select_edges"},
        enqueue=[{"form": "offset"}],
        objective={"minimise": ["selection_error"]},
    )
    best = result.best
    assert best.record.settings["form"] == "offset"
    assert best.network.form.form == form_of("offset")
    errors = {one.settings["form"]: one.objectives["selection_error"] for one in result.records}
    assert errors["offset"] < errors["none"]
    model = load_model(best.model_path)
    np.testing.assert_allclose(model.form.values["offset"], [0, 0, 0.3, 0], atol=0.05)
    content = trial_content(best.record)
    assert content.tags["cellbox.form"] == content.parameters["form"] == "offset"
    assert "Form beside Eq. 1: offset (" in best.record.refinement
    capsys.readouterr()
    assert main(["best", str(tmp_path / "study")]) == 0
    assert best.record.refinement in capsys.readouterr().out
    assert verify_study(tmp_path / "study").sound
