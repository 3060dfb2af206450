"""What the page of a study's trials shows in MLflow: its view, and what its columns mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from search.study.folder import StudyFolder
from search.tracking.shared_view import shared_view

_MEANINGS = {
    "selection_error": "what chooses: validation error (log ratio) with a price for edges",
    "validation_mae": "mean absolute error on validation conditions (log ratio)",
    "cost": "of the data that a trial may see",
    "test_mae": "mean absolute error on test conditions (log ratio), which choose nothing",
    "test_pearson": "Pearson r of predicted and measured test values",
    "weights_pearson": "Pearson r of the learned and the true W",
    "amplitudes_pearson": "Pearson r of the learned and the true amplitudes",
}


def page_of_study(folder: StudyFolder, experiment_id: str, run_id: str) -> tuple[str, str]:
    """The description of a study's experiment, as Markdown, and its view, as JSON.

    run_id: of the study's own run.
    """
    study = folder.study
    metrics = ["test_mae", *(["weights_pearson"] if study.truth else ["test_pearson"])]
    searched = list(_searched(folder.read_json("spec.json")["space"]))
    run = f"#/experiments/{experiment_id}/runs/{run_id}"
    return _description(folder, run), shared_view(study.objectives, metrics, searched)


def _searched(space: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The names of a spec's settings that are chosen from a range or a list."""
    for name, choice in space.items():
        if not isinstance(choice, Mapping):
            continue
        if "low" in choice or "values" in choice:
            yield f"{prefix}{name}"
        else:
            yield from _searched(choice, f"{prefix}{name}.")


def _description(folder: StudyFolder, run: str) -> str:
    study = folder.study
    # Without the type they would open among the menus for language models.
    kind = "?workflowType=machine_learning"
    lines = [
        f"[Report with sliders for doses]({run}/artifacts/report.html{kind}) · "
        f"[the best network]({run}/artifacts/figures/best_network.png{kind}) · "
        f"trials of the study **{folder.name}**, {len(study.nodes)} nodes",
        "",
        f"Each run is a model trained with other settings; the run `{folder.name}` is the study "
        "itself.",
        "",
    ]
    lines += [f"- `{name}`: {meaning}" for name, meaning in _MEANINGS.items()]
    lines += ["- pruned trials are shown as killed, diverged ones as failed"]
    return "\n".join(lines)
