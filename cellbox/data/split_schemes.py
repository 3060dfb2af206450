"""Which conditions are held out to compare models: at random, drug by drug, or all combinations.

A *drug* is a perturbed node, a *single* a condition that perturbs one, and a *combination* one
that perturbs several. The schemes are those of the 2020 CellBox (Yuan et al., Cell Systems 2021):

- random: 30 % of the conditions, once for each seed;
- leave-one-out: of each drug in turn its combinations; its singles train;
- leave-one-out-without-singles: of each drug in turn all conditions, singles included;
- single-to-combination: all combinations; singles (and controls) train.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from cellbox.arrays import RowMask
from cellbox.data.dataset import Dataset, Split, split_rows
from cellbox.errors import refuse

SCHEMES = (
    "random",
    "leave-one-out",
    "leave-one-out-without-singles",
    "single-to-combination",
)

TEST_SHARE = 0.3


@dataclass(frozen=True, eq=False)
class HeldOut:
    """One split of a scheme: rows that train, and rows that are predicted.

    name: the seed, the drug, or "combinations".
    """

    scheme: str
    name: str
    training: Int[np.ndarray, " n_training_rows"]
    test: Int[np.ndarray, " n_test_rows"]

    @property
    def split(self) -> Split:
        """The same as a split that keeps nothing back for validation."""
        return Split(self.training, self.training[:0], self.test)


def held_out(data: Dataset, scheme: str, *, seeds: int = 10) -> list[HeldOut]:
    """The splits of a scheme, in order.

    seeds: random splits, of the seeds from 0 up.

    Raises InputError for an unknown scheme, and where the data have nothing to hold out in it or
    nothing that is left to train on.
    """
    if scheme not in SCHEMES:
        fix = f"Choose one of {', '.join(SCHEMES)}"
        raise refuse("scheme", f"expected the name of a scheme, found {scheme!r}", fix)
    if scheme == "random":
        tests = [
            (str(seed), split_rows(data, test=TEST_SHARE, seed=seed).test) for seed in range(seeds)
        ]
    else:
        tests = [(name, np.flatnonzero(rows)) for name, rows in _tests(data, scheme)]
    every_row = np.arange(data.n_rows)
    splits = [HeldOut(scheme, name, np.setdiff1d(every_row, test), test) for name, test in tests]
    splits = [split for split in splits if len(split.test)]
    if not splits or not all(len(split.training) for split in splits):
        n_drugs = data.touched.sum(axis=1)
        raise refuse(
            f"{data.name}, scheme {scheme}",
            "expected conditions to hold out and others to train on, found "
            f"{int((n_drugs == 1).sum())} rows with one perturbed node and "
            f"{int((n_drugs > 1).sum())} with several",
            "Choose another scheme, such as random",
        )
    return splits


def _tests(data: Dataset, scheme: str) -> Iterator[tuple[str, RowMask]]:
    """The name of each split, and which rows it holds out."""
    perturbed = data.touched
    is_combination = perturbed.sum(axis=1) > 1
    if scheme == "single-to-combination":
        yield "combinations", is_combination
        return
    for drug in np.flatnonzero(perturbed.any(axis=0)):
        has_it = perturbed[:, drug]
        yield data.nodes[drug], has_it & is_combination if scheme == "leave-one-out" else has_it
