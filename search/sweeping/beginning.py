"""Where a study begins, or goes on: what it is, settled once and checked by every later run."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Callable, Mapping

from cellbox.data.readers import write_tidy
from cellbox.errors import refuse
from cellbox.evaluation.report import evaluate_baselines
from cellbox.refinement.refine import is_large
from cellbox.storage.seals import digest_of
from search.spec.tables import Spec
from search.study.damage import damaged_data
from search.study.data import StudyData
from search.study.folder import StudyFolder
from search.study.record import StudyRecord
from search.sweeping.first_points import settle_queue
from search.sweeping.own_parts import OwnParts
from search.sweeping.terms import StudyTerms
from search.sweeping.trials import objective_names
from search.tracking.credentials import without_credentials_inside

# Rises when trials are trained in another way, so that no study mixes the two. Large networks came
# to be refined when small ones already were.
_FORMAT, _FORMAT_OF_LARGE = 2, 4


def begin_study(
    folder: StudyFolder,
    spec: Spec,
    data: StudyData,
    terms: StudyTerms,
    *,
    lanes: int,
    own: OwnParts,
    say: Callable[[str], None],
) -> StudyRecord:
    """Write what the study is, or check that it is still the same.

    lanes: trainings that all workers can have side by side, which a new study follows. own: what
    the user gave in Python instead of the spec's. say: tells what is taken from earlier studies.

    Raises InputError where its trials were trained in another way, or on other data.
    """
    # First of all, since a folder with files but without a spec is taken for someone else's.
    folder.write_json("spec.json", without_credentials_inside(spec.model_dump(mode="json")))
    whole, split = data.training_set(*data.indices(data.own, repeat=0))
    if folder.has("study.json"):
        study = _checked(folder, data, own)
        for name, found in damaged_data(folder).items():
            say(f"data/{name} is written anew: expected what was written, found {found}")
            # Whatever stands in its place, no name of ours is in the way.
            shutil.rmtree(folder.data, ignore_errors=True)
        if not folder.data.exists():
            write_tidy(whole, folder.data)
        return study
    write_tidy(whole, folder.data, overwrite=True)
    study = StudyRecord(
        format=_format(data),
        id=uuid.uuid4().hex,
        data=data.fingerprint(),
        created=time.time(),
        nodes=whole.nodes,
        objectives=own.objectives or tuple(objective_names(spec)),
        own_budget=data.own,
        truth=whole.truth is not None,
        penalty=terms.penalty,
        in_flight=spec.sampler.first_in_flight(
            max(1, lanes // spec.repeats_at_once), terms.n_trials
        ),
        baselines=evaluate_baselines(whole, split),
        warnings=data.warnings,
        own=own.names,
        data_files={
            file.name: digest_of(file.read_bytes()) for file in sorted(folder.data.iterdir())
        },
    )
    settle_queue(folder, spec, data, study, say)
    folder.write_study(study)
    return study


def _format(data: StudyData) -> int:
    return _FORMAT_OF_LARGE if is_large(data.evaluation.n_nodes) else _FORMAT


def _checked(folder: StudyFolder, data: StudyData, own: OwnParts) -> StudyRecord:
    """The study that was begun before."""
    study = folder.study
    if study.format != _format(data):
        raise refuse(
            str(folder.path),
            "the study was started by a version of this program that trains in another way",
            "Go on with that version, or begin a new study",
        )
    if study.data != data.fingerprint():
        raise refuse(
            str(folder.path),
            "the data are not those the study was started with",
            "Choose another folder with --study, or bring the earlier data back",
        )
    if study.own != own.names:
        raise refuse(
            str(folder.path),
            f"the study was started with {_listed(study.own)}, found {_listed(own.names)}",
            "Give search.sweep what the study was started with, or begin a new one",
        )
    return study


def _listed(own: Mapping[str, str]) -> str:
    shown = [f"the {part} {name} of one's own" for part, name in own.items()]
    return " and ".join(shown) or "no sampler, pruner or metric of one's own"
