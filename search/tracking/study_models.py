"""What a study offers to MLflow's registry: its best trial, and its ensemble."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from mlflow.entities import LoggedModel

from cellbox.errors import listed
from cellbox.evaluation.verdict import verdict
from search.study.folder import StudyFolder
from search.study.ranking import rank
from search.study.record import TrialRecord
from search.tracking.best_models import ENSEMBLE_MODEL, STUDY_MODEL
from search.tracking.registry import BEST, ENSEMBLE, Candidate
from search.tracking.summary import picture

_NAMED = 40


def study_candidates(
    folder: StudyFolder,
    best_numbers: Sequence[int],
    run_id: str,
    models: Mapping[tuple[str, str], LoggedModel],
) -> list[Candidate]:
    """The models of the study's run that belong in the registry.

    best_numbers: trials whose models the study keeps, best first. run_id: of the study. models: as
        `log_models` returns them.
    """
    if not best_numbers:
        return []
    best = folder.record(best_numbers[0])
    score = list(rank(best)[:2])
    found = []
    single = models.get((run_id, STUDY_MODEL))
    if single is not None:
        told = _describe(folder, run_id, best, f"Trial {best.number}, the best of its study.")
        found.append(Candidate(BEST, single, run_id, score, told))
    several = models.get((run_id, ENSEMBLE_MODEL))
    if several is not None:
        n_members = _n_members(folder)
        about = (
            f"{n_members} trials that are about as good as the best, trial {best.number}; "
            "predictions are their mean, intervals their spread."
            if n_members > 1
            else f"All good trials found the network of trial {best.number}: no spread, hence no "
            "intervals."
        )
        told = _describe(folder, run_id, best, about)
        # Of ensembles with the same best member, the one with more is better.
        found.append(Candidate(ENSEMBLE, several, run_id, [*score, -float(n_members)], told))
    return found


def _n_members(folder: StudyFolder) -> int:
    return len(json.loads((folder.ensemble / "ensemble.json").read_text("utf-8"))["members"])


def _describe(folder: StudyFolder, run_id: str, best: TrialRecord, about: str) -> str:
    nodes = folder.study.nodes
    lines = [
        about,
        "",
        picture(run_id, "figures/best_network.png", "learned network"),
        "",
        *(verdict(best.report) if best.baselines is not None else []),
        "",
        f"Give a row for each condition and a column for each perturbed node, of: "
        f"{listed(nodes, _NAMED)}. Positive pushes a node down. `params` may hold "
        "`times`. The answer is a table with the columns condition, time, node, value (log ratio), "
        "low, high and note.",
    ]
    return "\n".join(lines)
