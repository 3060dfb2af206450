"""Rows that are copies of others are told; measured ones and simulations are not."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.data.dataset import Dataset
from cellbox.data.plausibility import data_warnings


def measured(n_rows=6):
    """Two nodes, each perturbed in every second row, at three times, with noise."""
    random = np.random.default_rng(0)
    u = np.where(np.arange(n_rows)[:, None] % 2 == np.arange(2), 0.5, 0.0)
    response = -0.6 * u[:, None, :] * np.array([0.6, 0.9, 1.0])[:, None]
    return Dataset(
        nodes=("a", "b"),
        times=np.array([1.0, 2.0, 4.0]),
        perturbations=u,
        measurements=response + 0.01 * random.normal(size=response.shape),
        activity_nodes=np.zeros(2, bool),
        row_names=tuple(f"c{row % 2 + 1}, replicate {row // 2 + 1}" for row in range(n_rows)),
    )


def kinds(data):
    return [warning.kind for warning in data_warnings(data)]


def with_copy(data, row, source):
    values = data.measurements.copy()
    values[row] = values[source]
    return replace(data, measurements=values)


def test_replicates_that_were_measured_are_not_called_copies():
    assert kinds(measured()) == []


def test_replicates_that_are_the_same_to_the_last_digit_are_called_copies():
    [said] = data_warnings(with_copy(measured(), 2, 0))
    assert said.kind == "copied_replicates"
    assert "in 1 of 2 conditions" in said.found
    assert "(c1, replicate 1 = c1, replicate 2)" in said.found


def test_rows_of_different_perturbations_with_the_same_values_are_called_copies():
    said = data_warnings(with_copy(measured(), 3, 0))
    assert [warning.kind for warning in said].count("copied_rows") == 1
    assert "c1, replicate 1 = c2, replicate 2" in said[-1].found


def test_copies_with_the_same_missing_values_are_seen():
    data = measured()
    data.measurements[:, 0, 1] = np.nan
    assert kinds(with_copy(data, 2, 0)) == ["copied_replicates"]


@pytest.mark.parametrize("level", [0.0, 0.3])
def test_rows_of_few_levels_are_no_copies(level):
    data = measured()
    values = data.measurements.copy()
    values[[1, 3]] = level
    assert not {"copied_replicates", "copied_rows"} & set(kinds(replace(data, measurements=values)))


def test_simulations_without_noise_are_no_copies():
    data = with_copy(measured(), 2, 0)
    assert kinds(replace(data, noise_free=data.measurements)) == []


def test_a_number_that_was_filled_down_over_nodes_is_told():
    data = measured(12)
    values = data.measurements.copy()
    values[8:] = 0.3141
    [said] = [
        warning
        for warning in data_warnings(replace(data, measurements=values))
        if warning.kind == "repeated_values"
    ]
    assert "0.3141 stands in 24 of 72 places, of 2 nodes (a, b)" in said.found


def test_values_that_were_rounded_are_not_called_filled_down():
    data = measured(12)
    assert "repeated_values" not in kinds(replace(data, measurements=data.measurements.round(1)))


@pytest.mark.parametrize(("error", "told"), [(0.02, False), (5.0, True)])
def test_errors_larger_than_the_responses_are_told(error, told):
    data = measured()
    data = replace(data, errors=np.full(data.measurements.shape, error))
    assert ("noise_exceeds_responses" in kinds(data)) is told
