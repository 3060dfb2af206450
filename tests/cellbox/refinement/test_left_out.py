"""Which conditions are left out together, and when errors there are as good as the least."""

import numpy as np

from cellbox.refinement.left_out import is_as_good, left_out_together


def test_errors_are_as_good_within_one_standard_error_over_conditions():
    least, rows = np.full(6, 0.2), np.arange(6)
    uneven = np.array([0.1, -0.1, 0.1, -0.1, 0.1, 0.0])
    assert is_as_good(least, least, rows)
    assert is_as_good(least + uneven, least, rows)
    assert not is_as_good(least + uneven + 0.1, least, rows)
    # Replicates tell no more than their condition does.
    alike, pairs = np.repeat([0.1, 0.0, -0.02], 2), np.repeat(np.arange(3), 2)
    assert is_as_good(least + alike, least, pairs)
    assert not is_as_good(least + alike + 0.01, least, rows)
    assert not is_as_good(np.full(6, np.inf), least, rows)


def test_replicates_of_a_condition_are_left_out_together():
    perturbations = np.array([[1.0], [2.0], [1.0], [3.0], [2.0], [4.0], [1.0]])
    parts = left_out_together(perturbations)
    assert sorted(np.concatenate(parts).tolist()) == list(range(7))
    for part in parts:
        inside = set(perturbations[part, 0])
        assert not inside & set(np.delete(perturbations[:, 0], part))
