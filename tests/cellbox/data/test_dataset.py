"""Datasets know their conditions and combinations, and their splits cannot leak."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellbox.data.checked_numbers import check_numbers
from cellbox.data.dataset import Dataset, Split, split_rows, validation_rows
from cellbox.data.readers import read_data
from cellbox.errors import InputError


def dataset(perturbations) -> Dataset:
    perturbations = np.asarray(perturbations, dtype=float)
    n_rows, n_nodes = perturbations.shape
    return Dataset(
        nodes=tuple(f"g{number}" for number in range(n_nodes)),
        times=np.array([1.0, 2.0]),
        perturbations=perturbations,
        measurements=np.arange(n_rows * 2.0 * n_nodes).reshape(n_rows, 2, n_nodes),
        row_names=tuple(f"row {number}" for number in range(1, n_rows + 1)),
        activity_nodes=np.zeros(n_nodes, dtype=bool),
    )


# Few nodes and few doses, so that replicates and dose series are common; -0.0 is a 0 too.
DATASETS = (
    st.integers(1, 3)
    .flatmap(
        lambda n_nodes: st.lists(
            st.lists(st.sampled_from([0.0, -0.0, 0.5, 1.0]), min_size=n_nodes, max_size=n_nodes),
            min_size=1,
            max_size=30,
        )
    )
    .map(dataset)
)


@settings(max_examples=150, deadline=None)
@given(
    data=DATASETS,
    test=st.floats(0.0, 0.9),
    validation=st.floats(0.0, 0.9),
    seed=st.integers(0, 9),
    by=st.sampled_from(["condition", "combination"]),
)
def test_a_split_never_divides_a_group_and_never_loses_a_row(data, test, validation, seed, by):
    try:
        split = split_rows(data, test=test, validation=validation, seed=seed, by=by)
    except InputError:
        return  # A part would be empty; which shares do that is tested below.
    parts = [split.training, split.validation, split.test]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(data.n_rows))
    assert all(len(part) for part in parts)
    keys = data.perturbations if by == "condition" else data.perturbations != 0
    seen = [{tuple(key) for key in keys[part].tolist()} for part in parts]
    assert sum(map(len, seen)) == len(set.union(*seen))


@settings(max_examples=50, deadline=None)
@given(data=DATASETS)
def test_rows_share_a_condition_exactly_if_their_perturbations_are_equal(data):
    u, condition = data.perturbations, data.condition_of_row
    for row in range(data.n_rows):
        np.testing.assert_array_equal(condition == condition[row], (u == u[row]).all(axis=1))
    first = np.unique(condition, return_index=True)[1]
    assert (np.diff(first) > 0).all()
    assert data.n_conditions == len(first)


def test_the_same_seed_gives_the_same_split_and_another_seed_another():
    data = dataset(np.arange(1.0, 41.0)[:, None])
    first, again, other = (split_rows(data, seed=seed).test for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_shares_are_of_the_groups_and_validation_is_of_what_is_left():
    split = split_rows(dataset(np.arange(1.0, 101.0)[:, None]), test=0.3, validation=0.2)
    assert (len(split.test), len(split.validation), len(split.training)) == (30, 14, 56)


@pytest.mark.parametrize(
    ("test", "validation", "part"),
    [(1.0, 0.2, "training"), (0.3, 0.0, "validation"), (0.0, 0.2, "test"), (-0.5, 0.2, "test")],
)
def test_a_split_with_an_empty_part_is_refused_by_name(test, validation, part):
    data = dataset(np.arange(1.0, 11.0)[:, None])
    with pytest.raises(InputError, match=part):
        split_rows(data, test=test, validation=validation)


def test_a_choice_of_rows_keeps_their_order_and_drops_the_split():
    data = dataset([[1.0], [2.0], [3.0]])
    chosen = data.rows(np.array([2, 0]))
    assert chosen.row_names == ("row 3", "row 1")
    np.testing.assert_array_equal(chosen.perturbations, [[3.0], [1.0]])
    np.testing.assert_array_equal(chosen.measurements, data.measurements[[2, 0]])
    assert chosen.split is None


def test_a_choice_of_rows_keeps_which_are_rounding_sensitive():
    data = replace(
        dataset([[1.0], [2.0], [3.0]]), rounding_sensitive=np.array([True, False, False])
    )
    assert data.rows(np.array([2, 0])).rounding_sensitive.tolist() == [False, True]
    assert data.judged.tolist() == [False, True, True]


def test_where_nothing_is_known_every_row_is_determined():
    data = dataset([[1.0], [2.0], [3.0]])
    assert data.rows(np.array([2, 0])).rounding_sensitive is None
    assert data.judged.tolist() == [True, True, True]


@pytest.mark.parametrize(
    ("rounding_sensitive", "chosen"),
    [
        (None, [1, 2, 3]),
        ([True, False, False, False, True], [1, 2, 3]),
        ([False, True, False, True, False], [2]),
        ([False, True, True, True, False], [1, 2, 3]),
    ],
    ids=["unknown", "none of them", "some of them", "all of them"],
)
def test_rounding_sensitive_rows_are_left_out_of_validation_unless_all_are(
    rounding_sensitive, chosen
):
    data = dataset(np.arange(5.0)[:, None])
    if rounding_sensitive is not None:
        data = replace(data, rounding_sensitive=np.array(rounding_sensitive))
    split = Split(training=np.array([0]), validation=np.array([1, 2, 3]), test=np.array([4]))
    assert validation_rows(data, split).tolist() == chosen


def test_skmel133_has_88_conditions_of_78_combinations_in_89_rows(skmel133):
    data = read_data(skmel133)
    assert data.n_rows == 89
    assert data.n_conditions == 88
    assert data.combination_of_row.max() + 1 == 78


@pytest.mark.wrong_types
def test_arrays_of_other_shapes_are_refused_with_both():
    data = dataset(np.eye(3)[[0, 1, 2, 0]])
    with pytest.raises(InputError) as refused:
        replace(
            data,
            measurements=data.measurements.transpose(0, 2, 1),
            perturbations=data.perturbations.T,
            errors=np.ones((2, 2)),
        )
    said = [str(problem) for problem in refused.value.problems]
    assert (
        "perturbations: expected shape (4, 3) (rows, nodes), found (3, 4). Transpose it" in said[0]
    )
    assert "expected shape (4, 2, 3) (rows, times, nodes), found (4, 3, 2). Transpose" in said[1]
    assert "found (2, 2). Give one value for each of its rows and times and nodes" in said[2]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"times": np.array([2.0, 1.0])}, "ascending times above 0, found"),
        ({"errors": np.zeros((3, 2, 3))}, "errors above 0 of all measured values, found 18"),
        ({"measurements": np.full((3, 2, 3), np.inf)}, "numbers or NaN, found 18 others"),
        ({"perturbations": np.full((3, 3), np.nan)}, "expected finite doses"),
    ],
)
def test_numbers_that_no_reader_gives_are_refused(changed, said):
    check_numbers(dataset(np.eye(3)))
    with pytest.raises(InputError, match=said):
        check_numbers(replace(dataset(np.eye(3)), **changed))
