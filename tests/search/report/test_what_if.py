"""The sliders of a page answer as the model does."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import search.report
from cellbox.models.network_draws import NetworkDraws
from cellbox.networks.fitted_form import FittedForm
from cellbox.networks.form import EQ_1, form_of
from cellbox.networks.line_differences import Difference, LineDifferences
from search.report.what_if import what_if_model
from tests.cellbox.formed import NETWORK, with_hidden
from tests.search.report.small import small_data, small_model

SOLVER = Path(search.report.__file__).with_name("templates") / "solve.js"
_ASK = """
const cellbox = require(process.argv[1]);
const {model, doses, times} = JSON.parse(require("fs").readFileSync(0, "utf-8"));
const answers = doses.map((u) => cellbox.answer(model, u, times));
process.stdout.write(JSON.stringify(answers));
"""


def answers(model, doses, times):
    """What the page's script says, in Node."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("the page's script is run by Node.js, which is not installed")
    asked = json.dumps({"model": model, "doses": doses.tolist(), "times": list(times)})
    ran = subprocess.run(
        [node, "-e", _ASK, str(SOLVER)], input=asked, capture_output=True, text=True, check=True
    )
    return json.loads(ran.stdout)


def drawn(model):
    """The model with three draws of its weights, as a refined one has 32."""
    network, random = model.network, np.random.default_rng(0)
    edges = np.argwhere(network.weights != 0)
    weights = network.weights[tuple(edges.T)] + random.normal(0, 0.05, (3, len(edges)))
    amplitudes = network.amplitudes * np.exp(random.normal(0, 0.05, (3, network.n_nodes)))
    return replace(model, draws=NetworkDraws(edges, weights, amplitudes))


@pytest.mark.parametrize("kind", ["single", "ensemble", "with draws"])
def test_the_page_solves_the_equations_as_the_model_does(kind):
    data = small_data()
    members = 3 if kind == "ensemble" else 1
    model = small_model(data, members=members)
    model = drawn(model) if kind == "with draws" else model
    doses = np.array([[0.5, 0, 0], [0, 1.3, 0.2], [0, 0, 0]])
    times = [0.3, 2.0, 20.0]
    packed = what_if_model(model, np.ones(3, bool), 1.0)
    found = answers(packed, doses, times)
    predicted = model.predict_with_interval(doses, times)
    assert (predicted.low is None) == (kind == "single") == (packed["quantile"] is None)
    told = {"mean": predicted.value, "low": predicted.low, "high": predicted.high}
    for name, expected in told.items():
        if expected is not None:
            assert np.abs(np.array([each[name] for each in found]) - expected).max() < 1e-3
    assert all(each["solved"] == members for each in found)


@pytest.mark.parametrize(
    "form",
    [
        {
            "drive": [0.2, 0, 0],
            "treated_drive": [0, 0.1, 0],
            "offset": [0, 0, 0.3],
            "start": [0.4, 0, 0],
            "decay": [1, 1.5, 1],
            "dose_scale": [0.5, 1, 1],
            "dose_saturation": [0, 2, 0],
            "off_target": [[0, 0.7, 0], [0, 0, 0], [-0.4, 0, 0]],
        },
        {"time_scale": [2, 2, 2], "polynomial": None},
        {"start": [0, 0.3, 0], "hill": None},
    ],
    ids=("parts", "polynomial", "hill"),
)
def test_the_page_solves_forms_as_the_model_does(form):
    data = small_data()
    plain = small_model(data)
    values = {part: np.array(row, float) for part, row in form.items() if row is not None}
    network = replace(plain.network, form=FittedForm(form_of(form), values))
    model = replace(plain, network=network)
    doses, times = np.array([[0.5, 0, 0], [0, 1.3, 0.2], [0, 0, 0]]), [0.3, 2.0, 20.0]
    found = answers(what_if_model(model, np.ones(3, bool), 1.0), doses, times)
    predicted = model.predict(doses, times)
    assert np.abs(np.array([each["mean"] for each in found]) - predicted).max() < 1e-3
    begun = np.array([each["start"] for each in found])
    np.testing.assert_allclose(begun, model.at_the_start(doses), atol=1e-6)


def several_lines():
    entries = (Difference(1, "amplitude", 0, None, 0.4), Difference(1, "edge", 2, 0, 0.8))
    lines = LineDifferences(("A", "B"), entries)
    return replace(NETWORK, form=FittedForm(replace(EQ_1, lines=True), {}, None, lines))


@pytest.mark.parametrize("network", [with_hidden(), several_lines()], ids=("hidden", "lines"))
def test_the_page_knows_hidden_nodes_and_solves_the_reference_of_several_lines(network):
    model = replace(small_model(small_data()), network=network)
    doses, times = np.array([[0.5, 0, 0, 0], [0, 1.3, 0, 0.2]]), [0.3, 2.0, 20.0]
    found = answers(what_if_model(model, np.ones(4, bool), 1.0), doses, times)
    predicted = model.predict(doses, times)
    assert np.abs(np.array([each["mean"] for each in found]) - predicted).max() < 1e-3


def test_strong_weights_are_solved_to_the_same_accuracy():
    data = small_data()
    model = small_model(data)
    model.network.weights[:] *= 12
    doses, times = np.array([[0.4, 0.0, 0.9]]), [1.0, 5.0, 20.0]
    (found,) = answers(what_if_model(model, np.ones(3, bool), 1.0), doses, times)
    assert np.abs(np.array(found["mean"]) - model.predict(doses, times)[0]).max() < 1e-3
