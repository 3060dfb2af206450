"""MLflow's writer, begun where a spec asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from search.spec.tables import TrackingTable
    from search.study.budget_folder import BudgetFolder
    from search.study.folder import StudyFolder
    from search.tracking.background import BackgroundTracking


@contextmanager
def started_tracking(
    folder: StudyFolder | BudgetFolder, wanted: TrackingTable
) -> Iterator[BackgroundTracking | None]:
    """What writes a study into MLflow, from a process of its own; None where it is not wanted.

    It ends with the block.
    """
    if not wanted.enabled:
        yield None
        return
    from search.tracking.background import BackgroundTracking

    tracking = BackgroundTracking(folder, wanted.uri)
    tracking.start()
    with closing(tracking):
        yield tracking
