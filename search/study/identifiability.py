"""What a study's best trial could learn from its data, and whether it explains them.

Only the best trial is judged: the standard errors of a network cost as much as a short training.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cellbox.identifiability.check import check_result
from cellbox.identifiability.design_report import write_design_report
from cellbox.models.network_draws import DRAWS, draws_of
from cellbox.models.saved_models import load_model
from cellbox.networks.network import is_same
from cellbox.storage.files import atomic_write
from cellbox.training.fit import criticise_fit
from search.study.data import StudyData
from search.study.folder import StudyFolder


def save_identifiability(folder: StudyFolder, best: Sequence[int], data: StudyData) -> None:
    """Judge the first of the best trials by the rows that it was trained on.

    best: numbers of the trials whose models are kept, the best first. Writes the files of
    `write_design_report` beside the trial's model; what is there already stays.
    """
    if best and folder.identifiability(best[0]) is None:
        _judge(folder, best, data)
    for number in best[1:]:
        # It may have been the best before.
        for file in _files(folder, number):
            file.unlink(missing_ok=True)


def _judge(folder: StudyFolder, best: Sequence[int], data: StudyData) -> None:
    record, target = folder.record(best[0]), folder.model(best[0])
    network, repeat = folder.best_network(record), record.best_repeat
    if network is None or repeat is None or not target.is_dir():
        return
    for number in best[1:]:
        if folder.identifiability(number) is not None and _found_the_same(folder, number, best[0]):
            draws = load_model(folder.model(number)).draws
            if draws is not None:
                draws.write(target, load_model(target).network)
            pairs = (folder.identifiability_files(one) for one in (number, best[0]))
            # The first of them last: where it is, all are.
            for known, file in reversed(list(zip(*pairs, strict=True))):
                if known.is_file():
                    with atomic_write(file, "wb") as handle:
                        handle.write(known.read_bytes())
            return
    seen = data.trained_on(*data.indices(record.budget, repeat))
    model, rows = load_model(target), np.arange(seen.n_rows)
    criticism = criticise_fit(network, *data.training_set(*data.indices(record.budget, repeat)))
    report = check_result(network, seen, rows, refined=model.training.refined, criticism=criticism)
    draws = draws_of(model.network, model.training, criticism.widening, seen, rows, model.seed)
    if draws is not None:
        draws.write(target, model.network)
    write_design_report(report, target, sealed=True)


def _files(folder: StudyFolder, number: int) -> list[Path]:
    """What a judged trial has beside its model."""
    return [*folder.identifiability_files(number), folder.model(number) / DRAWS]


def _found_the_same(folder: StudyFolder, number: int, other: int) -> bool:
    """Whether two trials learned the same network from the same data."""
    records = folder.record(number), folder.record(other)
    networks = [folder.best_network(record) for record in records]
    learned = [
        (
            record.budget,
            record.best_repeat,
            load_model(folder.model(record.number)).training.refined,
        )
        for record in records
    ]
    one, another = networks
    return (
        learned[0] == learned[1]
        and one is not None
        and another is not None
        and is_same(one, another)
    )
