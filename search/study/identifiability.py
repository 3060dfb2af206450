"""What a study's best trial could learn from its data, beside its model.

Only the best trial is judged: the standard errors of a network cost as much as a short training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cellbox.data.dataset import Dataset
from cellbox.identifiability.check import check_result
from cellbox.identifiability.design_report import write_design_report
from cellbox.networks.network import Network
from search.study.data import Budget, StudyData
from search.study.folder import StudyFolder


def save_identifiability(folder: StudyFolder, best: Sequence[int], data: StudyData) -> None:
    """Judge the first of the best trials by the rows that it was trained on.

    best: numbers of the trials whose models are kept, the best first. Writes the files of
    `write_design_report` beside the trial's model; what is there already stays.
    """
    if not best or folder.identifiability(best[0]) is not None:
        return
    record, networks = folder.record(best[0]), folder.networks(best[0])
    target = folder.model(best[0])
    if networks is None or not target.is_dir():
        return
    repeat = record["best_repeat"]
    seen = _training_data(record, data)
    network = Network(seen.nodes, networks.weights[repeat], networks.amplitudes[repeat])
    write_design_report(check_result(network, seen, np.arange(seen.n_rows)), target)


def _training_data(record: Mapping[str, Any], data: StudyData) -> Dataset:
    """What the best repeat of a trial was trained on, and nothing else."""
    rows, times = data.indices(Budget(**record["budget"]), record["best_repeat"])
    sensitive = data.rounding_sensitive
    return replace(
        data.evaluation,
        times=data.times[times],
        perturbations=data.perturbations[rows],
        measurements=data.measurements[rows][:, times],
        row_names=tuple(f"training {row + 1}" for row in rows),
        noise_free=None,
        rounding_sensitive=None if sensitive is None else sensitive[rows],
        split=None,
    )
