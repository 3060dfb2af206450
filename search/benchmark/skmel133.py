"""SK-MEL-133: what 89 drug conditions tell of others, beside ridge, the additive rule and the mean.

Korkut et al. 2015 (eLife 4:e04640) measured 82 proteins and 5 phenotypes of a melanoma cell line
under 12 drugs, alone and in pairs; the 2020 CellBox (Yuan et al. 2021, Cell Systems 12:128) was
judged on conditions held out of these in four ways (`cellbox.data.split_schemes`), as this one is.

What learns best is another thing where drugs are known than where they are new, and which of the
two is asked is known before anything is predicted. So there are two ways to learn:

- known drugs: weights drawn to zero, as strongly as cross-validation over the training conditions
  says (`cellbox.refinement.shrinkage`), by several networks that differ in what predicts nearly as
  well;
- new drugs: descent with the L1 penalty of deploy/skmel133.toml, and the total dose of a condition
  as an input of its own (`cellbox.data.total_dose`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from cellbox.data.dataset import Dataset
from cellbox.data.readers import read_data
from cellbox.data.readers.cellbox_csv import CELLBOX
from cellbox.data.split_schemes import SCHEMES, HeldOut, held_out
from cellbox.errors import refuse
from cellbox.evaluation.held_out_predictions import (
    RIDGE_WITH_DOSE,
    Entrant,
    ridge_with_total_dose,
)
from cellbox.evaluation.paired_comparison import Predicted, report_scheme
from cellbox.scores.metrics import pearson_correlation
from cellbox.settings import Settings
from search.benchmark.skmel133_result import Skmel133Result
from search.benchmark.skmel133_scheme import GIVEN, KNOWN, NEW, PUBLISHED, SchemeResult
from search.comparison.folder import ComparisonFolder
from search.comparison.running import ComparisonDisplay, predict_splits

# The first 16 digits of SHA-256 of the node names and of the numbers of both published tables.
_PUBLISHED_DATA = "af00e1379d2c4de2"

NEW_DRUGS = "leave-one-out-without-singles"


@dataclass(frozen=True)
class Learning:
    """How the CellBox side learns in a scheme, and in words."""

    name: str
    entrant: Entrant


# Weights that are drawn to zero begin at nothing that descent left, so that one step of it is all.
_KNOWN_DRUGS = Learning(
    KNOWN, Entrant(Settings(steps=1, validate_every=1, refinement="select_edges"), members=4)
)
_NEW_DRUGS = Learning(
    NEW,
    Entrant(
        Settings(
            refinement="none", steps=500, peak_rate=0.01, l1=2e-4, conditions_per_step=16
        ),
        members=6,
        total_dose=True,
    ),
)  # fmt: skip


def learning_of(
    scheme: str,
    *,
    settings: Settings | None = None,
    members: int | None = None,
    total_dose: bool = False,
    seed: int = 0,
) -> Learning:
    """How to learn in a scheme: what suits its question, or as asked.

    settings: instead of those that suit the question; the total dose is then there where it is
    asked for alone. members: networks of an ensemble, None for the number that was measured with.

    Example:
        >>> learning_of("random").entrant.total_dose
        False
        >>> learning_of("leave-one-out-without-singles").entrant.members
        6
    """
    usual = _NEW_DRUGS if scheme == NEW_DRUGS else _KNOWN_DRUGS
    if settings is not None:
        usual = Learning(GIVEN, Entrant(settings))
    entrant = usual.entrant
    chosen = replace(
        entrant,
        members=entrant.members if members is None else members,
        total_dose=entrant.total_dose or total_dose,
        seed=seed,
    )
    return replace(usual, entrant=chosen)


class BenchmarkSplits(ComparisonFolder):
    """The finished splits of a benchmark, which no comparison takes for its own."""

    RUN: ClassVar[str] = "benchmark on SK-MEL-133"
    MARK: ClassVar[str] = "benchmark_splits"


def benchmark_skmel133(
    folder: str | Path,
    *,
    out: str | Path,
    schemes: Sequence[str] = SCHEMES,
    seeds: int = 10,
    members: int | None = None,
    settings: Settings | None = None,
    total_dose: bool = False,
    seed: int = 0,
    progress: ComparisonDisplay | None = None,
) -> Skmel133Result:
    """Hold conditions out, learn from the others, and judge what is predicted.

    folder: pert.csv, expr.csv and node_Index.csv, the published ones or one's own of that form.
    out: a folder that keeps each finished split; those that are there are not done again.
    seeds: random splits. members, settings, total_dose, seed: see `learning_of`.

    Raises InputError for a folder that cannot be used or does not suit a scheme, and where `out`
    holds other results; Interrupted on Ctrl-C.

    Example:
        >>> import search
        >>> result = search.benchmark_skmel133(
        ...     "../shared/data/skmel133", out="studies/benchmark-skmel133"
        ... )  # doctest: +SKIP
        >>> result.to_frame()  # doctest: +SKIP
    """
    data = _read(Path(folder))
    asked: list[tuple[HeldOut, Entrant]] = []
    learnings = {
        scheme: learning_of(
            scheme, settings=settings, members=members, total_dose=total_dose, seed=seed
        )
        for scheme in dict.fromkeys(schemes)
    }
    for scheme, learning in learnings.items():
        asked += [(split, learning.entrant) for split in held_out(data, scheme, seeds=seeds)]
    kept = BenchmarkSplits(Path(out))
    with kept.opened():
        predict_splits(data, asked, kept, progress)
        # As they are kept, rounded, so that a run that went on says the same to the last digit.
        every = [
            (split, _with_ridge_of_dose(data, split, kept.read(data, split, entrant)))
            for split, entrant in asked
        ]
    is_published = data_digest(data) == _PUBLISHED_DATA
    return Skmel133Result(
        data.name,
        tuple(
            _scheme_result(
                data, learning, [each for each in every if each[0].scheme == scheme], is_published
            )
            for scheme, learning in learnings.items()
        ),
    )


def _read(folder: Path) -> Dataset:
    """The data, with the edges forbidden that the 2020 model forbids."""
    if CELLBOX.recognises(folder):
        return read_data(folder, structural_zeros=True)
    near = [folder.parent, *(sorted(folder.iterdir()) if folder.is_dir() else [])]
    better = next((path for path in near if CELLBOX.recognises(path)), None)
    raise refuse(
        str(folder),
        f"expected a folder with {CELLBOX.looks}, found {_what_is_at(folder)}",
        f"Name {better} instead"
        if better is not None
        else "Give the data as they were published with the 2020 CellBox; `cellbox compare` holds "
        "conditions out of data of any form",
    )


def _what_is_at(path: Path) -> str:
    if not path.is_dir():
        return "a file" if path.exists() else "nothing of that name"
    names = sorted(entry.name for entry in path.iterdir())
    most = 6
    return (", ".join(names[:most]) + (", ..." if len(names) > most else "")) or "no files"


def data_digest(data: Dataset) -> str:
    """What tells the published data from others: their names and numbers.

    Numbers to four decimals, of which the published have three.
    """
    digest = hashlib.sha256("\n".join(data.nodes).encode())
    for values in (data.perturbations, data.measurements):
        # A sum, since -0.0 has other bytes than 0.0.
        digest.update((values.round(4) + 0.0).astype("<f8").tobytes())
    return digest.hexdigest()[:16]


def _with_ridge_of_dose(data: Dataset, split: HeldOut, predicted: Predicted | None) -> Predicted:
    """The predictions with those of ridge that knows the total dose, in every scheme.

    So that what the extra input brings is not taken for what the network brings.
    """
    assert predicted is not None, "a split that was finished just now"
    if RIDGE_WITH_DOSE in predicted:
        return predicted
    return {**predicted, RIDGE_WITH_DOSE: ridge_with_total_dose(data, split)}


def _scheme_result(
    data: Dataset,
    learning: Learning,
    every: Sequence[tuple[HeldOut, Predicted]],
    is_published: bool,
) -> SchemeResult:
    splits, predicted = [split for split, _ in every], [values for _, values in every]
    report = report_scheme(data, splits, predicted)
    nodes = data.measured_nodes
    scheme = splits[0].scheme
    return SchemeResult(
        report,
        learning.name,
        learning.entrant,
        PUBLISHED[scheme] if is_published else None,
        {name: _like_published(data, every, name) for name in predicted[0]},
        np.concatenate([data.measurements[split.test][..., nodes].ravel() for split in splits]),
        {
            name: np.concatenate([values[name][..., nodes].ravel() for values in predicted])
            for name in predicted[0]
        },
    )


def _like_published(
    data: Dataset, every: Sequence[tuple[HeldOut, Predicted]], name: str
) -> float | None:
    """r over all nodes, taken as the published one is: see `PUBLISHED`.

    None where it is not defined, as where a prediction is missing.
    """
    pairs = []
    for split, predicted in every:
        values, measured = predicted[name], data.measurements[split.test]
        if not np.isfinite(values[np.isfinite(measured)]).all():
            return None
        pairs.append((values, measured))
    scheme = every[0][0].scheme
    if scheme == "random":
        together = [np.concatenate(each) for each in zip(*pairs, strict=True)]
        return pearson_correlation(*together)
    if scheme == "single-to-combination":
        [(values, measured)] = pairs
        has_drug = data.perturbations[every[0][0].test] != 0
        drugs = np.flatnonzero(has_drug.any(axis=0))
        pairs = [(values[has_drug[:, drug]], measured[has_drug[:, drug]]) for drug in drugs]
    of_each = [pearson_correlation(*pair) for pair in pairs]
    known = [value for value in of_each if value is not None]
    return float(np.mean(known)) if len(known) == len(of_each) else None
