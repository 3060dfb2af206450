"""Writing a study of either kind into MLflow, and what is said where MLflow does not answer."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from search.study.budget_folder import BudgetFolder
from search.study.folder import StudyFolder
from search.study.ranking import rank
from search.tracking.budget_writer import BudgetWriter
from search.tracking.credentials import without_credentials
from search.tracking.embedded import InFolder
from search.tracking.mlflow_writer import MlflowWriter
from search.tracking.study_runs import StudyRuns

# What MLflow's stores raise where they cannot be reached; requests' errors are OSErrors.
TRACKING_ERRORS = (MlflowException, OSError, SQLAlchemyError, sqlite3.Error)


class TrackingUnavailable(Exception):
    """MLflow could not be written; says why in a sentence without credentials."""


def describe_error(error: BaseException) -> str:
    """An error as one short line without credentials."""
    lines = str(error).strip().splitlines() or [""]
    text = without_credentials(lines[0])
    text = text if len(text) <= 200 else f"{text[:199]}…"
    if "malformed" in str(error) or "not a database" in str(error):
        text = f"{text} Remove mlflow.db from the study's folder; it will be written again"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


AnyStudy = StudyFolder | BudgetFolder


def writer_of(
    folder: AnyStudy, tracking_uri: str | None, home: InFolder | None = None
) -> MlflowWriter | BudgetWriter:
    """What writes a study into MLflow.

    tracking_uri: MLflow's address; None for the database in home, by default the study's own.
    """
    if isinstance(folder, BudgetFolder):
        runs = StudyRuns(folder, tracking_uri, command="cellbox budget", home=home)
        return BudgetWriter(folder, runs)
    return MlflowWriter(folder, tracking_uri, home)


def kept_models(folder: AnyStudy) -> list[int]:
    """Trials whose models a study keeps, the best first; of a budget study none."""
    if isinstance(folder, BudgetFolder):
        return []
    numbers = [int(entry.name.removeprefix("trial-")) for entry in folder.models.glob("trial-*")]
    return sorted((n for n in numbers if folder.finished(n)), key=lambda n: rank(folder.record(n)))


def synchronise(
    folder: AnyStudy,
    tracking_uri: str | None,
    best_numbers: list[int],
    on_trial: Callable[[int, int], None] | None = None,
) -> int:
    """Write everything that MLflow lacks of a study; returns how many trials that were.

    on_trial: told how many of how many trials are written, after each.

    Raises TrackingUnavailable where MLflow cannot be written; what was written stays.
    """
    return write_all(writer_of(folder, tracking_uri), best_numbers, on_trial)


def write_all(
    writer: MlflowWriter | BudgetWriter,
    best_numbers: list[int],
    on_trial: Callable[[int, int], None] | None = None,
) -> int:
    """The same of any kind of study; see `synchronise`."""
    try:
        writer.start()
        pending = writer.runs.pending()
        for done, number in enumerate(pending, start=1):
            writer.write_trial(number)
            if on_trial is not None:
                on_trial(done, len(pending))
        writer.finish(best_numbers)
    except TRACKING_ERRORS as error:
        raise TrackingUnavailable(describe_error(error)) from error
    return len(pending)
