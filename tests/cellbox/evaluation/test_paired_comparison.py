"""Scores and paired intervals of a comparison, and whether words follow the numbers."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.data.dataset import Dataset
from cellbox.data.split_schemes import held_out
from cellbox.evaluation.held_out_predictions import ADDITIVE, ENSEMBLE, MEAN, RIDGE
from cellbox.evaluation.paired_comparison import report_scheme
from cellbox.scores.metrics import pearson_correlation

N_CONDITIONS, N_NODES = 40, 6


@pytest.fixture(scope="module")
def data() -> Dataset:
    random = np.random.default_rng(0)
    return Dataset(
        nodes=tuple("abcdef"),
        times=np.array([10.0]),
        perturbations=random.random((N_CONDITIONS, N_NODES)),
        measurements=random.normal(0, 0.5, (N_CONDITIONS, 1, N_NODES)),
        row_names=tuple(f"row {number}" for number in range(N_CONDITIONS)),
        activity_nodes=np.arange(N_NODES) == 5,
    )


def predicted(data, splits, **noise):
    """Predictions of each model: the measurement and its own noise."""
    random = np.random.default_rng(1)
    return [
        {
            name: data.measurements[split.test]
            + random.normal(0, size, data.measurements[split.test].shape)
            for name, size in noise.items()
        }
        for split in splits
    ]


def report(data, cellbox: float, ridge: float):
    splits = held_out(data, "random", seeds=3)
    predictions = predicted(data, splits, **{ENSEMBLE: cellbox, MEAN: 1.0, RIDGE: ridge})
    return splits, predictions, report_scheme(data, splits, predictions)


def test_scores_are_those_of_the_values(data):
    splits, predictions, found = report(data, 0.1, 0.2)
    score = found.measured_nodes.scores[RIDGE]
    values = [each[RIDGE][..., :5] for each in predictions]
    measured = [data.measurements[split.test][..., :5] for split in splits]
    assert score.pearson == pytest.approx(
        pearson_correlation(np.concatenate(values), np.concatenate(measured))
    )
    by_split = [pearson_correlation(*pair) for pair in zip(values, measured, strict=True)]
    assert score.pearson_by_split == pytest.approx(by_split)
    assert score.pearson_median == pytest.approx(np.median(by_split))
    errors = [np.abs(x - y).mean() for x, y in zip(values, measured, strict=True)]
    assert score.mae_mean == pytest.approx(np.mean(errors))


def test_activity_nodes_count_only_among_all_nodes(data):
    _, _, found = report(data, 0.1, 0.2)
    assert found.measured_nodes.n_nodes == 5
    assert found.all_nodes is not None
    assert found.all_nodes.n_nodes == 6
    without = replace(data, activity_nodes=np.zeros(N_NODES, bool))
    assert report(without, 0.1, 0.2)[2].all_nodes is None


def test_a_difference_is_that_of_the_scores_and_lies_in_its_interval(data):
    _, _, found = report(data, 0.1, 0.2)
    difference, scores = found.measured_nodes.differences[RIDGE], found.measured_nodes.scores
    assert difference.pearson == pytest.approx(scores[ENSEMBLE].pearson - scores[RIDGE].pearson)
    assert difference.mae == pytest.approx(scores[ENSEMBLE].mae - scores[RIDGE].mae)
    assert difference.pearson_low < difference.pearson < difference.pearson_high
    assert difference.mae_low < difference.mae < difference.mae_high


@pytest.mark.parametrize(
    ("cellbox", "ridge", "words"),
    [
        (0.1, 0.2, "CellBox predicts better than ridge: pooled r"),
        (0.2, 0.1, "CellBox predicts worse than ridge: pooled r"),
        (0.2, 0.2, "CellBox predicts neither clearly better nor clearly worse than ridge"),
    ],
)
def test_the_sentence_says_who_wins_even_if_it_is_ridge(data, cellbox, ridge, words):
    _, _, found = report(data, cellbox, ridge)
    (sentence,) = [text for text in found.sentences() if "ridge" in text]
    assert sentence.startswith(words)


def test_a_prediction_that_is_missing_is_no_win(data):
    splits, predictions, _ = report(data, 0.1, 0.2)
    predictions[0][ENSEMBLE][0, 0, 0] = np.nan
    found = report_scheme(data, splits, predictions)
    assert found.measured_nodes.scores[ENSEMBLE].pearson is None
    assert "cannot be compared" in found.sentences()[0]


def test_values_that_were_not_measured_do_not_count(data):
    holes = data.measurements.copy()
    holes[::2, 0, 1] = np.nan
    splits, predictions, _ = report(data, 0.1, 0.2)
    found = report_scheme(replace(data, measurements=holes), splits, predictions)
    measured = [np.isfinite(holes[split.test][..., :5]).sum() for split in splits]
    assert found.n_values == sum(measured)
    assert found.measured_nodes.differences[RIDGE].pearson is not None


def test_the_additive_rule_is_compared_over_the_rows_that_it_predicts(data):
    splits, _, _ = report(data, 0.1, 0.2)
    predictions = predicted(data, splits, **{ENSEMBLE: 0.1, ADDITIVE: 0.3})
    for each in predictions:
        each[ADDITIVE][0] = np.nan
    found = report_scheme(data, splits, predictions)
    apart = found.measured_nodes.differences[ADDITIVE]
    assert apart.rows == apart.of_rows - len(splits)
    (sentence,) = found.sentences()
    assert f"over the {apart.rows} of {apart.of_rows} held-out series" in sentence
    assert apart.cellbox_mae < apart.other_mae


def test_an_additive_rule_without_any_single_response_says_so(data):
    splits, _, _ = report(data, 0.1, 0.2)
    predictions = predicted(data, splits, **{ENSEMBLE: 0.1, ADDITIVE: 0.3})
    for each in predictions:
        each[ADDITIVE][:] = np.nan
    (sentence,) = report_scheme(data, splits, predictions).sentences()
    assert "applies to none of the" in sentence
