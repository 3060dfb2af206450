"""Which writer belongs to a study's folder."""

from __future__ import annotations

from search.study.budget_folder import BudgetFolder
from search.study.folder import StudyFolder
from search.tracking.budget_writer import BudgetWriter
from search.tracking.mlflow_writer import MlflowWriter


def writer_of(
    folder: StudyFolder | BudgetFolder, tracking_uri: str | None
) -> MlflowWriter | BudgetWriter:
    """What writes a study into MLflow.

    tracking_uri: MLflow's address; None for the study's own database.
    """
    if isinstance(folder, BudgetFolder):
        return BudgetWriter(folder, tracking_uri)
    return MlflowWriter(folder, tracking_uri)
