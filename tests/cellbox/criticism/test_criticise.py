"""The verdict on data that come from Eq. 1, and on data that do not."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.criticism.criticise import criticise
from cellbox.criticism.criticism import Criticism, Finding, criticism_of
from cellbox.data.dataset import Dataset
from cellbox.data.simulation import exact_responses, simulate
from cellbox.networks.network import Network
from tests.cellbox.small import at_last_time, scipy_response

NETWORK = Network(
    ("a", "b", "c", "d"),
    np.array([[0, 0, 0, -0.7], [1.0, 0, 0, 0], [-0.9, 0.6, 0, 0], [0, 0, 1.1, 0]]),
    np.array([1.0, 0.8, 1.0, 0.9]),
)
TRAINING, HELD_OUT = np.arange(24), np.arange(24, 32)
NOISE = 0.02


@pytest.fixture(scope="module")
def data() -> Dataset:
    return simulate(
        NETWORK, n_conditions=24, n_times=4, horizon=8, noise=NOISE, n_held_out=4, seed=5
    )


def judged(data):
    return criticise(NETWORK, data, TRAINING, HELD_OUT)


def changed(data, exact):
    """The same noise on other responses."""
    return replace(data, measurements=exact + data.measurements - data.noise_free)


def kinds(criticism):
    return [finding.kind for finding in criticism.findings]


def test_data_of_the_equation_are_explained(data):
    found = judged(data)
    assert (found.verdict, kinds(found)) == ("explained", [])
    assert found.noise == pytest.approx(NOISE, rel=0.1)
    assert (found.edges_hold, found.widening) == (True, 1.0)
    assert "find nothing but noise" in found.sentences()[0]


def test_a_start_that_is_not_0_is_named(data):
    start = np.array([0.0, 0.5, 0.0, 0.0])
    exact = np.array([scipy_response(NETWORK, u, data.times, start) for u in data.perturbations])
    found = judged(changed(data, exact))
    assert found.verdict != "explained"
    assert kinds(found)[0] == "start"
    assert "x(0) differs from 0 in b" in found.findings[0].sentence


def test_an_offset_of_treated_rows_is_named(data):
    found = judged(changed(data, data.noise_free + np.array([0.0, 0.0, 0.2, 0.0])))
    assert found.verdict != "explained"
    assert "offset of c" in found.findings[0].sentence
    assert not found.edges_hold


def test_an_unmeasured_input_is_named_with_the_nodes_that_it_acts_on(data):
    strength = np.random.default_rng(3).normal(0, 0.4, data.n_rows)
    hidden = strength[:, None] * np.array([1.0, 0.0, 0.0, -1.0])
    exact, _ = exact_responses(NETWORK, data.perturbations + hidden, data.times, noise=0, name="")
    found = judged(changed(data, exact))
    assert found.verdict == "not explained"
    assert kinds(found)[0] == "input"
    assert "in a, d" in found.findings[0].sentence or "in d, a" in found.findings[0].sentence
    assert found.widening == np.inf
    assert found.least_noise < 0.5 * found.noise


def test_values_that_are_far_off_are_named_and_all_else_is_explained(data):
    measured = data.measurements.copy()
    measured[3, 1, 2] += 2.0
    measured[11, 0, 0] -= 3.0
    found = judged(replace(data, measurements=measured))
    assert (found.verdict, kinds(found)) == ("partly", ["outliers"])
    named = {(one.row, one.time, one.node) for one in found.outlying_values}
    assert named == {(data.row_names[3], 4.0, "c"), (data.row_names[11], 2.0, "a")}
    assert (found.edges_hold, found.widening) == (True, 1.0)


def test_another_network_than_the_right_one_is_told_from_another_equation(data):
    other = replace(NETWORK, weights=NETWORK.weights * 0.8)
    found = criticise(other, data, TRAINING, HELD_OUT)
    assert found.verdict == "partly"
    assert kinds(found) == ["network"]
    assert "nothing against Eq. 1" in found.why


def test_too_few_values_are_not_judged(data):
    few = criticise(NETWORK, data.rows(np.arange(1)), np.arange(1))
    assert few.verdict == "not judged"
    assert few.findings == ()


def test_missing_values_and_unequal_noise_are_no_misfit(data):
    random = np.random.default_rng(4)
    noise = np.array([0.01, 0.1, 0.02, 0.03]) * random.normal(size=data.measurements.shape)
    lost = random.random(noise.shape) < 0.2
    found = judged(replace(data, measurements=np.where(lost, np.nan, data.noise_free + noise)))
    assert found.verdict == "explained"


def test_it_comes_back_from_plain_values():
    found = Criticism("partly", "Why.", 0.1, 0.08, findings=(Finding("start", "So.", 1e-9, 0.6),))
    assert criticism_of(found.to_dict()) == found
    assert criticism_of(None) is None
    assert found.widening == pytest.approx(2.5)
    assert "made 2.5 times as wide" in found.sentences()[-1]


def test_one_late_time_asks_neither_for_a_start_nor_for_decays_nor_for_a_form_by_name(data):
    # A hidden input, which one time does not tell from an offset or another curve.
    strength = np.random.default_rng(3).normal(0, 0.4, data.n_rows)
    hidden = strength[:, None] * np.array([1.0, 0.0, 0.0, -1.0])
    exact, _ = exact_responses(NETWORK, data.perturbations + hidden, data.times, noise=0, name="")
    treated = data.noise_free + np.array([0.0, 0.0, 0.3, 0.0])
    for responses in (exact, treated):
        found = judged(at_last_time(changed(data, responses)))
        assert not {"start", "decay"} & set(kinds(found))
    assert kinds(found)[0] == "offset"
    assert "a node that was not measured: measure at several times" in found.advice
    assert "--form offset" not in found.advice
    assert "--form offset" in judged(changed(data, treated)).advice


def test_numbers_that_can_hardly_be_meant_are_to_be_mended_before_the_equation(data):
    found = judged(replace(data, perturbations=10 * data.perturbations))
    assert found.verdict == "not explained"
    assert found.advice.startswith("Mend first what the numbers can hardly mean (doses_saturate")
    assert not any(sentence.endswith("?.") for sentence in found.sentences())
