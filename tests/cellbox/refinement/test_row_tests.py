import numpy as np
import pytest

from cellbox.refinement.row_tests import Rows

SURE = 1e4


@pytest.fixture
def stood_in_for():
    """Row 0 is driven by source 3, for which 0, 1 and 2 stand in; row 1 by nothing."""
    random = np.random.default_rng(0)
    sources = random.normal(size=(40, 5))
    sources[:, 3] = sources[:, :3].sum(axis=1) + 0.01 * random.normal(size=40)
    by_amplitude = random.normal(size=(40, 1))
    design = np.concatenate([sources, by_amplitude], axis=1)
    curvature = np.zeros((5, 6, 6))
    curvature[:] = SURE * design.T @ design
    weights = np.zeros((5, 5))
    weights[0, :3] = 1.0
    left = np.zeros((5, 40))
    left[0] = sources[:, :3].sum(axis=1) - sources[:, 3]
    return Rows(
        weights=weights,
        log_amplitudes=np.zeros(5),
        slope=SURE * left @ design,
        curvature=curvature,
        free=weights != 0,
        allowed=np.ones((5, 5), bool),
        price=5.0,
    )


def test_a_row_that_begins_anew_chooses_first_what_others_stood_in_for(stood_in_for):
    anew = stood_in_for.begun_anew()
    assert anew[0][0] == 3
    assert [len(sources) for sources in anew] == [4, 1, 1, 1, 1]


def test_only_what_may_be_an_edge_is_chosen(stood_in_for):
    stood_in_for.allowed[0, 3] = False
    assert 3 not in stood_in_for.begun_anew()[0]
    assert not stood_in_for.candidates(5)[0, 3]


def test_candidates_are_the_best_that_are_not_there(stood_in_for):
    found = stood_in_for.candidates(1)
    assert found.sum(axis=1).tolist() == [1, 1, 1, 1, 1]
    assert found[0, 3]
    assert not (found & stood_in_for.free).any()
