"""What a study's parent run shows: the table of all trials, figures, the best, in numbers."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cellbox.evaluation.verdict import verdict
from cellbox.storage.files import atomic_write
from search.study.folder import StudyFolder
from search.study.record import StudyRecord, TrialRecord
from search.study.ties import tie_sentences, tied_with
from search.tracking.figures import write_figures
from search.tracking.trial_content import MetricValue, final_values, milliseconds, trial_metrics
from search.tracking.trial_table import (
    METRICS_FIRST,
    TABLE,
    TABLE_FILES,
    TrialTable,
    count,
    trial_table,
    write_table,
)

_FOUND = "identifiability.json"
_LONGEST_TAG = 2_000
_SHOWN_BESIDE_TRIALS = ("test_mae", "test_pearson", "weights_pearson")


@dataclass(frozen=True)
class Summary:
    """What the parent run is told beside files.

    description: Markdown. finished: when the last trial ended, milliseconds.
    """

    values: list[MetricValue]
    tags: dict[str, str]
    description: str
    finished: int


def draw_figures(folder: StudyFolder, best_numbers: Sequence[int], target: Path) -> None:
    """Draw the study's figures into the folder `target`."""
    study = folder.study
    best = folder.record(best_numbers[0]) if best_numbers else None
    write_figures(folder, study, trial_table(folder.records(), study.objectives), best, target)


def summarise(
    folder: StudyFolder, best_numbers: Sequence[int], target: Path, figures: Path, run_id: str
) -> Summary:
    """Write table, figures and the best trial's pictures into `target`; returns the numbers.

    figures: where they were drawn. run_id: of the parent run, whose files the description shows.
    """
    study = folder.study
    table = trial_table(folder.records(), study.objectives)
    write_table(table, target)
    # Beside the study as well, where people look before they look into MLflow.
    for name in TABLE_FILES:
        _replace(target / name, folder.path / name)
    best = folder.record(best_numbers[0]) if best_numbers else None
    found: dict[str, Any] | None = None
    shutil.copytree(figures, target / "figures")
    folder.figures.mkdir(exist_ok=True)
    for picture_file in figures.iterdir():
        _replace(picture_file, folder.figures / picture_file.name)
    if best is not None:
        pictures = folder.pictures(best.number)
        if pictures.is_dir():
            shutil.copytree(pictures, target / "best")
        found = folder.identifiability(best.number)
        if found is not None:
            shutil.copyfile(folder.identifiability_files(best.number)[0], target / _FOUND)
    finished = max((row["finished"] for row in table.rows), default=time.time())
    tags = {
        # The tag by which MLflow knows a table that `log_table` wrote, which appends.
        "mlflow.loggedArtifacts": json.dumps([{"path": TABLE, "type": "table"}]),
    }
    if study.warnings:
        tags["cellbox.data_warnings"] = _listed([warning.kind for warning in study.warnings])
    # Empty where the study has all its trials, also if it once had not.
    tags["cellbox.stopped"] = folder.stopped or ""
    if best is not None:
        tags["cellbox.best_trial"] = str(best.number)
    if found is not None:
        tags["cellbox.confounded_nodes"] = _listed(found["confounded_nodes"])
        criticism = found.get("criticism")
        if criticism is not None:
            kinds = [finding["kind"] for finding in criticism["findings"]]
            tags["cellbox.verdict"] = criticism["verdict"]
            tags["cellbox.misfit"] = _listed(kinds)
    return Summary(
        _numbers(study, table, best, found),
        tags,
        _describe(folder, study, table, best, found, run_id),
        milliseconds(finished),
    )


def _replace(source: Path, target: Path) -> None:
    with atomic_write(target, "wb") as handle:
        handle.write(source.read_bytes())


def _numbers(
    study: StudyRecord,
    table: TrialTable,
    best: TrialRecord | None,
    found: Mapping[str, Any] | None,
) -> list[MetricValue]:
    """Metrics of the parent; their step is the number of trials, which a longer study raises."""
    metrics: dict[str, Any] = {
        "trials_complete": count(table, "completed"),
        "trials_pruned": count(table, "pruned"),
        "trials_diverged": count(table, "diverged"),
    }
    if best is not None:
        found_by_best = trial_metrics(best)
        for name in METRICS_FIRST:
            metrics[f"best_{name}"] = found_by_best.get(name)
        # Under the trials' own names too, so that the study stands in the order of their table.
        for name in (*study.objectives, *_SHOWN_BESIDE_TRIALS):
            metrics[name] = found_by_best.get(name)
    if found is not None:
        metrics["confounded_nodes"] = len(found["confounded_nodes"])
        # None of a network that was not refined, of which nothing is said to be determined.
        metrics["determined_edges"] = found["n_edges_determined"]
        criticism = found.get("criticism") or {}
        metrics["noise_left"] = criticism.get("noise")
        metrics["noise_explainable"] = criticism.get("least_noise")
        metrics["outlying_values"] = len(criticism.get("outlying_values", ()))
    for name, scores in study.baselines.items():
        metrics[f"{name}_test_mae"] = (scores or {}).get("test_mae")
    return final_values(metrics, step=len(table.rows))


def _describe(
    folder: StudyFolder,
    study: StudyRecord,
    table: TrialTable,
    best: TrialRecord | None,
    found: Mapping[str, Any] | None,
    run_id: str,
) -> str:
    """The study in a few lines of Markdown, which MLflow shows on the run's page."""
    lines = [
        f"Study **{folder.name}**: {len(table.rows)} trials, {count(table, 'completed')} "
        f"completed, {count(table, 'pruned')} pruned, {count(table, 'diverged')} diverged."
    ]
    if best is None:
        return lines[0]
    lines += [
        "",
        " ".join([f"Best: **trial {best.number}**.", *_ties(folder, best)]),
        "",
        picture(run_id, "figures/best_network.png", "learned network"),
        "",
        "| | test MAE | test r |",
        "|---|---|---|",
    ]
    scores = {"trial": best.metrics, **study.baselines}
    lines += [
        f"| {name} | {_short(score.get('test_mae'))} | {_short(score.get('test_pearson'))} |"
        for name, score in scores.items()
        if score
    ]
    if best.baselines is not None:
        lines += ["", *verdict(best.report)]
    if study.warnings:
        lines += ["", "What the numbers can hardly mean:", ""]
        lines += [f"- {warning}" for warning in study.warnings]
    if found is not None and found.get("criticism") is not None:
        lines += ["", "Does Eq. 1 explain the data?", ""]
        lines += [f"- {sentence}" for sentence in found["criticism"]["sentences"]]
    if found is not None:
        lines += ["", "What its training data determine (`identifiability.json`):", ""]
        lines += [f"- {sentence}" for sentence in found["sentences"]]
    lines += [
        "",
        "Artifacts: `report.html` (everything on one page), `trials.json` and `trials.parquet` "
        "(all trials), "
        "`figures/`, and the model `best_model`.",
    ]
    return "\n".join(lines)


def describe_kept(record: TrialRecord, run_id: str) -> str:
    """A trial among the best in a few lines of Markdown, with its network.

    run_id: of the trial, whose files it shows.
    """
    lines = [picture(run_id, "pictures/network.png", "learned network"), ""]
    if record.baselines is not None:
        lines += verdict(record.report)
    return "\n".join([*lines, "", "Its model is in the artifacts, as `model`."])


def picture(run_id: str, path: str, name: str) -> str:
    """A file of a run as a picture in Markdown, at MLflow's address of it."""
    return f"![{name}](get-artifact?path={path}&run_uuid={run_id})"


def _ties(folder: StudyFolder, best: TrialRecord) -> list[str]:
    completed = [record for record in folder.records() if record.completed]
    if best.lineage is not None:
        # Trials that go on from it may find nothing better.
        return []
    return tie_sentences(tied_with(best, completed), len(completed))


def _listed(names: Sequence[str]) -> str:
    """Names with commas, as many as a tag shows well; "none" where there are none."""
    text = ", ".join(names) or "none"
    return text if len(text) <= _LONGEST_TAG else f"{text[: _LONGEST_TAG - 1]}…"


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
