"""Fits of several cell lines: what is said, predicted, kept and refused."""

import numpy as np
import pytest

from cellbox.data.dataset import with_reference_line
from cellbox.data.simulation import simulate
from cellbox.errors import InputError
from cellbox.models.ensemble import ensemble_of
from cellbox.models.model_export import export_network
from cellbox.models.model_files import write_network_files
from cellbox.models.saved_ensembles import load_ensemble
from cellbox.models.saved_models import load_model
from cellbox.networks.line_networks import of_line, shown_differences
from cellbox.networks.network import is_same
from cellbox.networks.random_lines import with_lines
from cellbox.training.fit import fit
from tests.cellbox.formed import NETWORK

pytestmark = pytest.mark.slow

TRUTH = with_lines(NETWORK, 2, 4, seed=2)


@pytest.fixture(scope="module")
def data():
    return simulate(TRUTH, n_conditions=10, n_times=4, n_held_out=2, design="balanced", seed=3)


@pytest.fixture(scope="module")
def model(data):
    return fit(data, form="search")


def test_a_search_lets_lines_differ(model):
    assert model.lines == ("line1", "line2")
    assert str(model.form.form) == "lines"
    assert model.criticism.verdict == "explained"
    assert "lines (beside line1, line2: " in model.training.refinement


def test_predictions_are_those_of_the_line(model, data):
    rows = data.split.test
    doses, exact = data.perturbations[rows], data.noise_free[rows]
    predicted = model.predict(doses, data.times, line=data.lines_of(rows))
    assert np.abs(predicted - exact).mean() < 0.01
    second = np.array([line == "line2" for line in data.lines_of(rows)])
    of_reference = model.predict(doses, data.times)
    assert (of_reference[~second] == predicted[~second]).all()
    assert np.abs(of_reference[second] - exact[second]).max() > 0.05
    np.testing.assert_array_equal(
        model.predict(doses[second], data.times, line="line2"), predicted[second]
    )
    np.testing.assert_allclose(
        model.network_of("line2").weights, of_line(TRUTH, 1).weights, atol=0.1
    )
    with pytest.raises(InputError, match="expected a line among line1, line2, found 'lin2'"):
        model.predict(doses, line="lin2")
    with pytest.raises(InputError, match="a line for each of 4 rows, found 1"):
        model.predict(doses, line=["line1"])


def test_a_saved_model_knows_its_lines(model, tmp_path):
    again = load_model(model.save(tmp_path / "model"))
    assert again.lines == model.lines
    assert is_same(again.network, model.network)
    assert shown_differences(again.network) == shown_differences(model.network)
    written = [path.name for path in write_network_files(model, tmp_path)]
    assert "line_differences.csv" in written
    header = (tmp_path / "line_differences.csv").read_text().splitlines()
    assert header[0].startswith("line,kind,node,source,value_in_reference,value_in_line")
    assert len(header) == 5


def test_an_ensemble_of_lines_has_the_mean_of_what_differs(model, tmp_path):
    ensemble = ensemble_of(
        [model, model],
        n_diverged=0,
        selected=np.ones((2, 4, 4), bool),
        allowed_edges=np.ones((4, 4), bool),
        intervals=None,
        bootstrap=False,
        seed=0,
    )
    again = load_ensemble(ensemble.save(tmp_path / "ensemble"))
    assert again.lines == model.lines
    doses = np.eye(4)
    np.testing.assert_allclose(
        again.predict(doses, line="line2"), model.predict(doses, line="line2"), atol=1e-9
    )
    assert [one[:4] for one in shown_differences(again.network)] == [
        one[:4] for one in shown_differences(model.network)
    ]


def test_sbml_takes_one_line(model, tmp_path):
    with pytest.raises(InputError, match="whose cell lines differ"):
        export_network(model, tmp_path / "model.xml")
    export_network(model, tmp_path / "line.csv", line="line2")
    assert (tmp_path / "line.csv").is_file()


def test_another_reference_turns_differences_round(data):
    # The offset of line2 is a drive in all of its rows, which a reference has by a form alone.
    turned = fit(with_reference_line(data, "line2"), form="lines,drive")
    assert turned.lines == ("line2", "line1")
    rows = data.split.test
    predicted = turned.predict(data.perturbations[rows], data.times, line=data.lines_of(rows))
    assert np.abs(predicted - data.noise_free[rows]).mean() < 0.01
    assert {one.kind for one in shown_differences(turned.network)} == {
        "amplitude",
        "edge",
        "offset",
    }


def test_lines_that_are_taken_as_one_unasked_are_said():
    data = simulate(
        with_lines(NETWORK, 2, 0), n_conditions=10, n_times=4, n_held_out=2, design="balanced"
    )
    plain = fit(data)
    assert "of 2 cell lines or batches (line1, line2)" in plain.training.refinement
    assert "differ in nothing that the data ask for" in fit(data, form="lines").training.refinement
