"""What a fit leaves is noise, or more than that."""

import numpy as np
import pytest

from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.unexplained import (
    is_explained,
    needs_other_starts,
    replicate_variance,
)


def measured(noise, n_replicates, n_conditions=30):
    random = np.random.default_rng(0)
    rows = np.repeat(np.arange(n_conditions), n_replicates)
    doses = random.uniform(size=(n_conditions, 2))[rows]
    values = random.normal(size=(n_conditions, 3, 2))[rows]
    values = values + noise * random.normal(size=values.shape)
    return MultipleShooting(doses, values, np.array([1.0, 2.0, 3.0]))


def test_replicates_tell_the_noise():
    assert replicate_variance(measured(0.2, 3)) == pytest.approx(0.04, rel=0.15)
    assert replicate_variance(measured(0.2, 1)) is None


def test_a_row_that_is_given_twice_and_values_that_were_not_measured_are_no_replicates():
    once = measured(0.2, 1)
    twice = [np.concatenate([values] * 2) for values in (once.perturbations, once.measurements)]
    assert replicate_variance(MultipleShooting(*twice, once.times)) is None
    values = measured(0.2, 2).measurements.copy()
    values[::2, 1:] = np.nan
    part = MultipleShooting(measured(0.2, 2).perturbations, values, once.times)
    assert replicate_variance(part) == pytest.approx(0.04, rel=0.4)


def test_where_replicates_differ_as_much_a_fit_that_leaves_much_explains_all():
    assert is_explained(measured(0.5, 3), 0.5)
    assert not is_explained(measured(0.5, 1), 0.5)
    assert not is_explained(measured(0.05, 3), 0.25)
    assert is_explained(measured(0.05, 1), 0.25)


@pytest.mark.parametrize(
    ("best", "all_fits", "needed"),
    [
        (0.05, [0.05, 0.5], False),  # next to nothing is left
        (0.2, [0.2, 0.2], False),  # little, and both agree
        (0.2, [0.2, 0.3], True),  # little, but starts led to different fits
        (0.6, [0.6, 0.6], True),  # much
        (None, [], True),
    ],
)
def test_other_starts_are_needed_where_much_is_left_or_starts_disagree(best, all_fits, needed):
    assert needs_other_starts(measured(0.0, 1), best, all_fits) is needed
