"""The models of a study's best trials, with their pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellbox.errors import InputError, refuse
from cellbox.networks.network import is_same
from cellbox.storage.files import whole_folder
from search.study.folder import StudyFolder
from search.study.result import TrialResult

if TYPE_CHECKING:
    from cellbox.data.dataset import Dataset, Split
    from cellbox.models.model import FittedModel
    from search.study.record import TrialRecord


def save_best_models(
    folder: StudyFolder,
    numbers: Sequence[int],
    stop: Callable[[], bool] = lambda: False,
    on_model: Callable[[int], None] = lambda number: None,
) -> None:
    """Write the models and pictures of the best trials, and drop those no longer among them.

    stop: asked before each; where it says so, the rest is left for another call. on_model: told of
    each trial whose model is there.
    """
    import shutil

    from cellbox.models.model_files import write_network_files, write_pictures
    from search.study.kept_data import kept_data

    wanted = {folder.model(number).name: number for number in numbers}
    if folder.models.is_dir():
        for entry in folder.models.iterdir():
            if entry.name not in wanted:
                shutil.rmtree(entry)
    if not numbers:
        return
    data = kept_data(folder.data)
    if data.split is None:
        raise refuse(
            str(folder.data),
            "expected the split of the study's data, found none",
            "Bring its file split.csv back, or begin a new study",
        )
    drawn: list[tuple[FittedModel, Path]] = []
    # Those that are there first, since another may look the same.
    for number in sorted(wanted.values(), key=lambda number: not folder.model(number).is_dir()):
        target, pictures = folder.model(number), folder.pictures(number)
        if stop():
            return
        record = folder.record(number)
        model = replace(
            TrialResult(folder, record).rebuild_model(data.times),
            provenance=_provenance(folder, record, data, data.split),
        )
        if not (target.is_dir() and _is_usable(target)):
            alike = next((place for other, place in drawn if _look_alike(model, other)), None)
            with whole_folder(target) as new:
                model.save(new)
                write_network_files(model, new)
                write_pictures(model, data, data.split, new / pictures.name, alike=alike)
        drawn.append((model, pictures))
        on_model(number)


def _provenance(
    folder: StudyFolder, record: TrialRecord, data: Dataset, split: Split
) -> dict[str, Any]:
    """As `cellbox.models.provenance`, of when and by what the trial was trained."""
    from cellbox.models.provenance import date_of, numbers_of, split_by_name
    from cellbox.models.trained_range import trained_range

    return {
        "date": date_of(record.finished),
        "versions": dict((record.shape or {}).get("versions", {})),
        "data": {
            **{"name": folder.name, "fingerprint": folder.study.data},
            "trained": trained_range(data, split.training),
        },
        "split": split_by_name(data, split),
        "errors": numbers_of(record.metrics),
    }


def _look_alike(model: FittedModel, other: FittedModel) -> bool:
    """Whether two models are the same in every picture, but for how their training went."""
    return model.settings.solver == other.settings.solver and is_same(model.network, other.network)


def _is_usable(model: Path) -> bool:
    """Whether a model's files are what was written; a damaged one is written again."""
    from cellbox.models.saved_models import load_model

    try:
        load_model(model)
    except InputError:
        return False
    return True
