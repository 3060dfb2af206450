"""The additive rule: sums of single responses, between doses, and what it does not know."""

import numpy as np
import pytest

from cellbox.scores.additive import additive_responses, predictable

NAN = float("nan")


def test_a_combination_is_the_sum_of_its_parts_and_replicates_are_averaged():
    singles = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0], [1.0, 2.0]])
    responses = np.array([[0.1, 0.2], [0.3, 0.4], [1.0, -1.0], [9.0, 9.0]])
    asked = np.array([[1.0, 2.0], [1.0, 0.0], [0.0, 0.0]])
    predicted = additive_responses(singles, responses, asked)
    np.testing.assert_allclose(predicted, [[1.2, -0.7], [0.2, 0.3], [0.0, 0.0]])


@pytest.mark.parametrize(
    ("dose", "expected"), [(0.5, 0.1), (1.0, 0.2), (2.0, 0.5), (3.0, 0.8), (6.0, 1.6)]
)
def test_between_doses_the_response_is_linear_and_beyond_them_it_grows_like_the_dose(
    dose, expected
):
    predicted = additive_responses(
        np.array([[3.0], [1.0]]), np.array([[0.8], [0.2]]), np.array([[dose]])
    )
    assert predicted == pytest.approx(np.array([[expected]]))


def test_without_a_single_response_of_the_same_sign_there_is_no_prediction():
    singles, responses = np.array([[1.0, 0.0], [1.0, 1.0]]), np.ones((2, 1))
    asked = np.array([[1.0, 1.0], [-1.0, 0.0], [1.0, 0.0]])
    predicted = additive_responses(singles, responses, asked)
    np.testing.assert_array_equal(np.isnan(predicted[:, 0]), [True, True, False])


def test_each_output_uses_the_doses_at_which_it_was_measured():
    singles = np.array([[1.0], [2.0]])
    responses = np.array([[0.3, NAN, NAN], [0.4, 0.4, NAN]])
    predicted = additive_responses(singles, responses, np.array([[1.0]]))
    np.testing.assert_allclose(predicted, [[0.3, 0.2, NAN]])


def test_a_row_is_predictable_if_all_that_was_measured_of_it_is_predicted():
    predicted = np.array([[[1.0, NAN]], [[1.0, NAN]], [[NAN, NAN]]])
    measured = np.array([[[1.0, NAN]], [[1.0, 1.0]], [[NAN, NAN]]])
    np.testing.assert_array_equal(predictable(predicted, measured), [True, False, True])
