"""Each scheme holds out what its name says, and nothing of a condition on both sides."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.data.dataset import Dataset
from cellbox.data.split_schemes import SCHEMES, held_out
from cellbox.errors import InputError

# Two drugs alone and together, another drug alone, and a replicate of the pair.
DOSES = np.array([[1.0, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1], [1, 1, 0], [0.5, 0, 0]])


def dataset(doses=DOSES) -> Dataset:
    n_rows, n_nodes = doses.shape
    return Dataset(
        nodes=("MEK", "AKT", "STAT3")[:n_nodes],
        times=np.array([10.0]),
        perturbations=doses,
        measurements=np.zeros((n_rows, 1, n_nodes)),
        row_names=tuple(f"row {number}" for number in range(n_rows)),
        activity_nodes=np.zeros(n_nodes, bool),
    )


def test_leaving_a_drug_out_holds_out_its_combinations_alone():
    splits = {split.name: split for split in held_out(dataset(), "leave-one-out")}
    assert splits["MEK"].test.tolist() == [2, 4]
    assert splits["MEK"].training.tolist() == [0, 1, 3, 5]
    # A drug without combinations has nothing to be tested on.
    assert set(splits) == {"MEK", "AKT"}


def test_without_singles_every_condition_of_the_drug_is_held_out():
    splits = {split.name: split for split in held_out(dataset(), "leave-one-out-without-singles")}
    assert splits["MEK"].test.tolist() == [0, 2, 4, 5]
    assert splits["STAT3"].test.tolist() == [3]


def test_single_to_combination_holds_out_all_combinations():
    (split,) = held_out(dataset(), "single-to-combination")
    assert split.test.tolist() == [2, 4]
    assert split.training.tolist() == [0, 1, 3, 5]


def test_random_splits_follow_from_their_seed_and_keep_conditions_together():
    splits = held_out(dataset(), "random", seeds=8)
    assert [split.name for split in splits] == [str(seed) for seed in range(8)]
    assert len({tuple(split.test) for split in splits}) > 1
    for split in splits:
        assert len({2, 4} & set(split.test)) in (0, 2)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_row_is_on_one_side(scheme):
    for split in held_out(dataset(), scheme, seeds=2):
        assert sorted([*split.training, *split.test]) == list(range(6))
        assert len(split.split.validation) == 0


def test_data_that_do_not_suit_a_scheme_are_refused_with_what_they_have():
    singles = replace(dataset(np.eye(3)), name="mine")
    with pytest.raises(InputError, match="3 rows with one perturbed node and 0 with several"):
        held_out(singles, "single-to-combination")
    pairs = dataset(np.array([[1.0, 1.0], [1.0, 2.0]]))
    with pytest.raises(InputError, match="others to train on"):
        held_out(pairs, "single-to-combination")


def test_an_unknown_scheme_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="leave-one-out-without-singles"):
        held_out(dataset(), "leave-two-out")
