"""The total dose is one more node, which is known before anything is measured."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.data.total_dose import LARGEST, TOTAL_DOSE, with_total_dose
from cellbox.errors import InputError
from tests.cellbox.data.test_split_schemes import DOSES, dataset


def test_every_condition_perturbs_the_node_by_the_sum_of_its_doses():
    data = with_total_dose(dataset())
    assert data.nodes[-1] == TOTAL_DOSE
    np.testing.assert_allclose(data.perturbations[:, -1], DOSES.sum(axis=1) / 2 * LARGEST)
    np.testing.assert_array_equal(data.perturbations[:, :-1], DOSES)


def test_the_sum_counts_pushes_up_and_down_alike():
    data = with_total_dose(dataset(np.array([[1.0, -1.0], [2.0, 0.0]])))
    np.testing.assert_allclose(data.perturbations[:, -1], LARGEST)


def test_the_node_was_not_measured_and_counts_in_no_score():
    data = with_total_dose(dataset())
    assert np.isnan(data.measurements[..., -1]).all()
    assert not data.measured_nodes[-1]


def test_it_acts_on_all_but_activity_nodes_and_nothing_acts_on_it():
    activity = np.array([False, True, False])
    data = with_total_dose(replace(dataset(), activity_nodes=activity))
    assert data.allowed_edges[:, -1].tolist() == [True, False, True, False]
    assert not data.allowed_edges[-1].any()
    assert data.allowed_edges[:3, :3].all()


def test_edges_that_were_forbidden_stay_so():
    allowed = ~np.eye(3, dtype=bool)
    data = with_total_dose(replace(dataset(), allowed_edges=allowed))
    np.testing.assert_array_equal(data.allowed_edges[:3, :3], allowed)


def test_data_without_doses_or_with_such_a_node_are_refused():
    with pytest.raises(InputError, match="no perturbation"):
        with_total_dose(dataset(0 * DOSES))
    with pytest.raises(InputError, match="a node of that name"):
        with_total_dose(with_total_dose(dataset()))
