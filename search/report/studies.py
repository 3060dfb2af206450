"""Reports of sweeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cellbox.data.dataset import Dataset
from cellbox.errors import refuse
from cellbox.models.model import FittedModel
from cellbox.models.saved_models import load_model
from search.report.blocks import Block, Facts, Figure, Figures, Folded, Page, Section, Table, Text
from search.report.cells import percent
from search.report.edges import (
    JudgedNetwork,
    judged_alone,
    judged_by_good_models,
    selected_edges,
)
from search.report.fits import date_in_words, settings_table, split_table
from search.report.importances import FEWEST_TRIALS, Importance, importances
from search.report.model_content import (
    ModelFindings,
    model_sections,
    perturbed_nodes,
    summary_blocks,
)
from search.report.search_figures import (
    front_figure,
    history_figure,
    importance_figure,
    parallel_figure,
    slice_figures,
    waterfall_figure,
)
from search.study.folder import StudyFolder
from search.study.kept_data import kept_data
from search.study.ranking import rank, ranked
from search.study.record import TrialRecord
from search.study.result import SweepResult, TrialResult
from search.study.ties import as_people_say, searched, tie_sentences

#: A completed trial is a good one where its objective is at most so many times the best.
GOOD_WITHIN = 1.1
_MOST_GOOD = 50
_ROWS_SHOWN = 10
_OF_A_POPULATION = (
    "Which settings decided is not told: the trials of a population go on from one another, with "
    "settings that follow from which of them did well."
)


def study_page(path: Path) -> Page:
    """The report of a study's folder. Raises InputError where it cannot be read."""
    result = SweepResult(path)
    counts = result.counts
    about = (
        f"cellbox sweep, {date_in_words(result.folder.study.created)}; {counts.finished} trials: "
        f"{counts.complete} complete, {counts.pruned} pruned, {counts.diverged} diverged"
    )
    title = f"Sweep {result.folder.path.resolve().name}"
    if counts.best is None:
        nothing = Text(("No trial has completed, so there is no best model.",), style="lead")
        return Page(title, about, (nothing,), (_how_section(result, None),))
    best = result.best
    findings = _findings(result, best)
    n_tied = len(result.tied)
    said = (
        f"The best of {counts.complete} completed trials is trial {best.number}: "
        + ", ".join(f"{k.replace('_', ' ')} {v:.4g}" for k, v in best.record.objectives.items())
        + ".",
        *tie_sentences([trial.record for trial in result.tied], counts.complete),
        *map(str, result.data_warnings),
    )
    return Page(
        title=title,
        about=about,
        summary=(*summary_blocks(findings), Text(said)),
        sections=(
            *model_sections(findings),
            _search_section(result, n_tied),
            _how_section(result, findings.data),
        ),
    )


def _findings(result: SweepResult, best: TrialResult) -> ModelFindings:
    """The best trial's model with all that the study knows of it."""
    folder = result.folder
    data = replace(kept_data(folder.data), name=folder.path.resolve().name)
    if data.split is None:
        raise refuse(
            str(folder.data),
            "expected the split of the study's data, found none",
            "Bring its file split.csv back, or begin a new study",
        )
    found = best.identifiability
    return ModelFindings(
        model=_model_of(folder, best, data),
        data=data,
        split=data.split,
        report=best.record.report,
        found=found,
        judged=_judged(folder, result.records, best, data, found),
        perturbed=perturbed_nodes(data, found),
        largest_dose=float(np.abs(data.perturbations).max()) or 1.0,
    )


def _model_of(folder: StudyFolder, best: TrialResult, data: Dataset) -> FittedModel:
    """The model that was kept, which tells intervals too; else that of the record."""
    kept = folder.model(best.number)
    return load_model(kept) if kept.is_dir() else best.rebuild_model(data.times)


def good_trials(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The completed trials about as good as the best, by the first objective, the best first."""
    completed = ranked(records)
    if not completed:
        return []
    limit = GOOD_WITHIN * rank(completed[0])[0]
    return [record for record in completed if rank(record)[0] <= limit][:_MOST_GOOD]


def _judged(
    folder: StudyFolder,
    records: Sequence[TrialRecord],
    best: TrialResult,
    data: Dataset,
    found: Mapping[str, Any] | None,
) -> JudgedNetwork:
    good = [
        (record, network)
        for record in good_trials(records)
        if (network := folder.best_network(record)) is not None
    ]
    if len(good) < 2:
        return judged_alone(best.network, found, data.truth)
    selected = [
        selected_edges(network.weights, str(record.settings.get("refinement")))
        for record, network in good
    ]
    which = f"the {len(good)} trials whose objective is within {GOOD_WITHIN - 1:.0%} of the best"
    return judged_by_good_models(
        best.network,
        np.array([network.weights for _, network in good]),
        np.array(selected),
        found,
        data.truth,
        which,
    )


def _search_section(result: SweepResult, n_tied: int) -> Section:
    """What was tried, and what mattered."""
    objectives = result.objectives
    objective = objectives[0]
    completed = [record for record in result.records if record.completed]
    best_first = ranked(completed)
    names = searched(completed)
    # A population's trials go on from one another: longer ones are better, whatever their settings.
    independent = all(record.lineage is None for record in completed)
    found = importances(
        [_applying(record) for record in completed if independent],
        [rank(record)[0] for record in completed if independent],
    )
    figures: list[Figure] = [history_figure(result.records, objective)]
    if len(objectives) > 1:
        figures.append(front_figure(completed, objectives))
    figures.append(waterfall_figure(best_first, n_tied, objective))
    if found:
        figures.append(importance_figure(found, len(completed), objective))
    blocks: list[Block] = [
        Text(_what_mattered(found, len(completed)) if independent else (_OF_A_POPULATION,)),
        Figures(tuple(figures)),
        _trial_table(result, names),
    ]
    if names:
        blocks.append(parallel_figure(best_first, names, objective))
        order = [importance.name for importance in found if importance.name in names]
        order += [name for name in names if name not in order]
        first = ", the most important first" if found else ""
        blocks.append(Text((f"The objective against each setting{first}:",)))
        blocks.append(Figures(tuple(slice_figures(completed, order, objective))))
    return Section("search", "The search", tuple(blocks))


def _applying(record: TrialRecord) -> dict[str, Any]:
    return {name: value for name, value in record.parameters.items() if value is not None}


def _what_mattered(found: Sequence[Importance], n_completed: int) -> tuple[str, ...]:
    if n_completed < FEWEST_TRIALS:
        return (
            f"With {n_completed} completed trials nothing can be said of which settings matter: "
            f"{FEWEST_TRIALS} are the fewest.",
        )
    counting = [importance for importance in found if importance.share > 0]
    if not counting:
        return ("No setting explains more of the trials' ranks than chance would.",)
    told = ", then ".join(
        f"{as_people_say(importance.name)} ({percent(importance.share)} of the variance of ranks)"
        for importance in counting
    )
    return (f"What decided: {told}. All other settings explain no more than chance.",)


def _trial_table(result: SweepResult, names: Sequence[str]) -> Table:
    """The completed trials, the best first; of several objectives those of the front first."""
    completed = ranked(result.records)
    front = [trial.record for trial in result.front]
    of_front = {record.number for record in front}
    ordered = front + [record for record in completed if record.number not in of_front]
    metrics = [
        (label, key)
        for label, key in (("test MAE", "test_mae"), ("r of W", "pearson"))
        if any(record.metrics.get(key) is not None for record in completed)
    ]
    rows = tuple(
        (
            str(record.number),
            *record.objectives.values(),
            *(record.metrics.get(key) for _, key in metrics),
            *(record.parameters.get(name) for name in names),
        )
        for record in ordered
    )
    caption = f"The best {min(_ROWS_SHOWN, len(rows))} of {len(rows)} completed trials"
    if front:
        caption = f"The Pareto front ({len(front)} trials) and what is next to it"
    shown = max(_ROWS_SHOWN, len(front)) if front else _ROWS_SHOWN
    return Table(
        caption,
        (
            "trial",
            *(name.replace("_", " ") for name in result.objectives),
            *(label for label, _ in metrics),
            *map(as_people_say, names),
        ),
        rows[:shown],
        file="trials.csv",
        more_rows=rows[shown:],
    )


def _how_section(result: SweepResult, data: Dataset | None) -> Section:
    folder, study = result.folder, result.folder.study
    spec = folder.read_json("spec.json")
    best = None if result.counts.best is None else result.best.record
    shape = (best.shape if best is not None else None) or {}
    pairs: list[tuple[str, Any]] = [
        ("data", _source(spec["data"])),
        ("fingerprint of the data", study.data[:16]),
        ("nodes", len(study.nodes)),
        ("seed", spec.get("seed")),
        ("trainings of each trial", spec.get("repeats", 1)),
        ("time of all runs", f"{result.seconds:.0f} s"),
        ("started", date_in_words(study.created)),
    ]
    pairs += [
        (name.replace("_", " "), str(value))
        for name, value in shape.items()
        if not isinstance(value, Mapping)
    ]
    pairs += [(name, str(value)) for name, value in shape.get("versions", {}).items()]
    blocks: list[Block] = [Facts(tuple(pairs))]
    if best is not None:
        if best.refinement:
            blocks.append(Text((f"Trial {best.number}: {best.refinement}",)))
        blocks.append(
            Folded(f"All settings of trial {best.number}", (settings_table(best.settings),))
        )
    if data is not None and data.split is not None:
        blocks.append(Folded("The split, by condition", (split_table(data, data.split),)))
    return Section("how", "How it was run", tuple(blocks))


def _source(data: Mapping[str, Any]) -> str:
    """Where the study's data come from, in words."""
    if data.get("folder"):
        return str(data["folder"])
    return f"simulated on {data.get('system') or data.get('network')}"
