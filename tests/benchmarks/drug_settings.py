"""Which settings predict unseen drugs and combinations, asked of training conditions alone.

    python -m tests.benchmarks.drug_settings FOLDER [--out STUDY] [--seed 0]

The rows that the random 70/30 split of this seed keeps for training and validation are split
again: ten random splits, the combinations of each drug in turn, and all its conditions. The 30 %
are not looked at. Every candidate is an ensemble as in `cellbox compare`; what is finished is not
done again.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from cellbox.data.dataset import Dataset, split_rows
from cellbox.data.readers import read_data
from cellbox.data.split_schemes import TEST_SHARE
from cellbox.evaluation.held_out_predictions import ENSEMBLE, RIDGE, Entrant
from cellbox.settings import Settings
from search.cli.text_tables import text_table
from search.comparison.running import Comparison, compare

BASE = {"steps": 500, "conditions_per_step": 16, "peak_rate": 0.01, "l1": 1e-4}


def entrant(*, bootstrap: bool = False, total_dose: bool = True, **changes: Any) -> Entrant:
    """The first candidate with some of its choices changed."""
    settings = Settings(**{**BASE, **changes})
    return Entrant(settings, members=3, bootstrap=bootstrap, total_dose=total_dose)


# Each differs from the first in what its name says.
CANDIDATES: dict[str, Entrant] = {
    "l1 = 1e-4": entrant(),
    "l1 = 1.5e-4": entrant(l1=1.5e-4),
    "l1 = 2e-4": entrant(l1=2e-4),
    "weight decay, faster": entrant(l1=2e-5, weight_decay=0.3, peak_rate=0.02),
    "no total dose": entrant(total_dose=False),
    "bootstrap": entrant(bootstrap=True),
    "steps = 1000": entrant(steps=1000),
    "peak_rate = 0.02": entrant(peak_rate=0.02),
    "l1 = 3e-5": entrant(l1=3e-5),
}

SCHEMES = ("random", "leave-one-out", "leave-one-out-without-singles")


def training_rows(data: Dataset, seed: int) -> Dataset:
    """The data without the test rows of a random split."""
    test = split_rows(data, test=TEST_SHARE, seed=seed).test
    return data.rows(np.setdiff1d(np.arange(data.n_rows), test))


def row(name: str, model: str, comparison: Comparison) -> tuple:
    """How well one model does: pooled r and mean r of each scheme."""
    scores = [scheme.measured_nodes.scores[model] for scheme in comparison.schemes]
    values = [value for each in scores for value in (each.pearson, each.pearson_mean)]
    return (name, *(None if value is None else round(value, 3) for value in values))


def main() -> None:
    """Train every candidate and print how they compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="data in the form of the 2020 CellBox")
    parser.add_argument("--out", default="studies/drug-settings", help="keeps finished splits")
    parser.add_argument("--seed", type=int, default=0, help="of the split that is not looked at")
    parser.add_argument("--only", nargs="+", choices=CANDIDATES, help="these candidates")
    chosen = parser.parse_args()
    data = training_rows(read_data(chosen.folder, structural_zeros=True), chosen.seed)
    rows: list[tuple] = []
    for number, (name, candidate) in enumerate(CANDIDATES.items()):
        if chosen.only and name not in chosen.only:
            continue
        comparison = compare(
            data,
            candidate,
            schemes=SCHEMES,
            seeds=10,
            out=Path(chosen.out) / f"candidate-{number}",
        )
        if not rows:
            rows.append(row(RIDGE, RIDGE, comparison))
        rows.append(row(name, ENSEMBLE, comparison))
        header = ("", "random r", "mean", "known drug r", "mean", "new drug r", "mean")
        print(text_table(header, rows))
        print(flush=True)


if __name__ == "__main__":
    main()
