"""Several studies in one MLflow, whose pages then compare them: a database beside their folders."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from mlflow import MlflowClient

from cellbox.errors import refuse
from search.study.budget_folder import BudgetFolder
from search.study.folder import StudyFolder
from search.study.locks import locked
from search.tracking.embedded import has_embedded, prepare_embedded
from search.tracking.experiment import LAYOUT_TAG
from search.tracking.writers import AnyStudy, kept_models, write_all, writer_of

_LOCK = "mlflow.lock"
# Experiments whose trials one page shows.
_MOST_SHOWN = 100


@dataclass(frozen=True)
class StudiesTogether:
    """A folder that holds the folders of studies, and one MLflow for all of them."""

    path: Path

    def exists(self) -> bool:
        """Whether this is a folder of studies, or one that studies were written into."""
        return study_at(self.path) is None and (bool(self.studies) or has_embedded(self))

    @property
    def studies(self) -> list[AnyStudy]:
        """The studies in it, by name."""
        if not self.path.is_dir():
            return []
        found = (study_at(entry) for entry in sorted(self.path.iterdir()) if entry.is_dir())
        return [study for study in found if study is not None]


def study_at(path: Path) -> AnyStudy | None:
    """The study in a folder, of either kind; None where there is none."""
    kinds: tuple[AnyStudy, ...] = (StudyFolder(path), BudgetFolder(path))
    return next((study for study in kinds if study.exists()), None)


def write_together(together: StudiesTogether, only: list[AnyStudy] | None = None) -> int:
    """Write what MLflow beside the studies lacks; returns how many of them lacked something.

    only: some studies, which may lie elsewhere; by default all that are in the folder.

    Raises TrackingUnavailable where it cannot be written, InputError where another process writes.
    """
    together.path.mkdir(parents=True, exist_ok=True)
    lock = locked(
        together.path / _LOCK,
        otherwise="another process writes MLflow's copy of these studies",
        fix="Wait for it",
    )
    written, seen = 0, dict[str, str]()
    with lock:
        prepare_embedded(together)
        for study in together.studies if only is None else only:
            if study.id in seen:
                print(f"note: {study.name} is a copy of {seen[study.id]}, which is shown alone")
                continue
            seen[study.id] = study.name
            writer = writer_of(study, None, together)
            if not writer.runs.has_all():
                print(f"Writing MLflow's copy of {study.name}", flush=True)
                write_all(writer, kept_models(study))
                written += 1
    return written


def page_together(together: StudiesTogether, uri: str) -> str:
    """The path of the table of all their trials in MLflow's interface.

    Raises InputError where there are none.
    """
    found = MlflowClient(tracking_uri=uri).search_experiments(max_results=_MOST_SHOWN)
    numbers = [one.experiment_id for one in found if LAYOUT_TAG in one.tags]
    if not numbers:
        raise refuse(
            str(together.path),
            "expected a study, or a folder that holds studies, found neither",
            "Give the folder that `cellbox sweep` or `cellbox budget` printed, or the one above it",
        )
    # Sorted by a metric that all studies have; MLflow shows trials flat then.
    order = f"orderByKey={quote('metrics.`validation_mae`')}&orderByAsc=true"
    shown = f"experiments={quote(json.dumps(numbers))}"
    return f"#/compare-experiments/s?{shown}&workflowType=machine_learning&{order}"
