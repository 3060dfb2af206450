"""What `cellbox sweep` and `cellbox best` tell people."""

from __future__ import annotations

from typing import Any

from cellbox.scores.metric_names import RECOVERIES
from search.cli.fit_report import caveat_sentences, prediction_table, say_criticism
from search.cli.output import Output, say_warnings
from search.cli.prior_report import say_prior
from search.cli.text_tables import (
    NOTHING,
    fitting_table,
    shown,
    shown_error,
    shown_seconds,
    terminal_width,
    text_pairs,
    text_table,
)
from search.study.ranking import ranked
from search.study.result import SweepResult, TrialResult
from search.study.ties import as_people_say, searched, tie_sentences

_ROWS_SHOWN = 10
_EDGES_SHOWN = 10


def say_sweep(result: SweepResult, output: Output) -> None:
    """Print a finished study: its trials, the best network, and where to look further."""
    counts = result.counts
    seconds = result.seconds
    output.say(
        f"Study {result.folder.path}: {counts.finished} trials "
        f"({counts.complete} complete, {counts.pruned} pruned, {counts.diverged} diverged) in "
        f"{shown_seconds(seconds)}, {60 * counts.finished / max(seconds, 1e-9):.1f} trials per "
        "minute with start-up"
    )
    if counts.best is None:
        output.say("No trial has completed, so there is no best model.")
        return
    output.say("\n" + _trial_table(result))
    say_best(result, output)


def say_best(result: SweepResult, output: Output) -> None:
    """Print the best trial, its baselines, its strongest edges, and where its model is."""
    from cellbox.criticism.criticism import criticism_of
    from cellbox.evaluation.verdict import verdict

    best = result.best
    report = best.as_dict()
    output.say(f"\nBest: trial {best.number}, {_objectives(best)}")
    output.say(text_pairs(list(_settings(best).items())))
    if best.record.refinement:
        output.say(f"\n{best.record.refinement}")
    tied = [trial.record for trial in result.tied]
    for sentence in tie_sentences(tied, result.counts.complete):
        output.say(f"\n{sentence}")
    if result.stopped is not None:
        output.say(result.stopped)
    output.say("\n" + prediction_table(report, "held-out conditions"))
    if report["all_nodes"] is not None:
        output.say("\n" + prediction_table(report["all_nodes"], "all nodes"))
    output.say()
    for sentence in (*verdict(report), *caveat_sentences(report, result.data_warnings)):
        output.say(sentence)
    say_warnings(result.data_warnings, output)
    if report["pearson"] is not None:
        output.say("\nThe learned network against the true one:")
        output.say(text_pairs([(name, report[key]) for name, key in RECOVERIES]))
    if best.identifiability is not None:
        say_criticism(criticism_of(best.identifiability.get("criticism")), output)
        output.say("\nWhat its training data determine:")
        for sentence in best.identifiability["sentences"]:
            output.say(f"  {sentence}")
    output.say("\nStrongest edges of the best network:\n" + _edges(best))
    prior = result.folder.data / "prior.csv"
    if prior.is_file():
        from cellbox.networks.prior_files import read_prior

        known = read_prior(prior, best.network.nodes)
        say_prior(best.network, known, best.identifiability, output)
    output.say(f"\nmodel:   {report['model']}")
    output.say(f"browse:  cellbox ui {result.folder.path}")
    if result.folder.report.is_file():
        output.say(f"Report: {result.folder.report}")


def _trial_table(result: SweepResult) -> str:
    """The Pareto front where there are several objectives, else the best trials."""
    if result.front:
        chosen = result.front
        title = f"Pareto front, {len(chosen)} trials:"
    else:
        completed = ranked(result.records)
        chosen = [TrialResult(result.folder, record) for record in completed[:_ROWS_SHOWN]]
        title = f"Best {len(chosen)} of {len(completed)} completed trials:"
    columns = searched(result.records)
    with_truth = chosen[0].record.metrics.get("pearson") is not None
    header = ["trial", *result.objectives, "test MAE", *(["r of W"] if with_truth else [])]
    rows = []
    for trial in chosen:
        record = trial.record
        metrics = record.metrics
        cells: list[Any] = [str(trial.number), *record.objectives.values()]
        cells.append(metrics.get("test_mae"))
        if with_truth:
            cells.append(metrics.get("pearson"))
        rows.append([*cells, *(record.parameters.get(name) for name in columns)])
    header += [as_people_say(name) for name in columns]
    return f"{title}\n{fitting_table(header, rows, terminal_width())}"


def _objectives(trial: TrialResult) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} {shown(value)}"
        for name, value in trial.record.objectives.items()
    )


def _settings(trial: TrialResult) -> dict[str, Any]:
    budget = {f"budget: {k.replace('_', ' ')}": v for k, v in trial.record.budget.as_dict().items()}
    chosen = {
        name.replace("_", " "): value
        for name, value in trial.record.parameters.items()
        if not name.startswith("budget.")
    }
    return {**chosen, **{key: value for key, value in budget.items() if value is not None}}


def _edges(trial: TrialResult) -> str:
    from cellbox.networks.export import edge_table

    edges = edge_table(trial.network)[:_EDGES_SHOWN]
    header: tuple[str, ...] = ("source", "", "target", "weight")
    rows: list[tuple[Any, ...]] = [
        (e.source, "activates" if e.weight > 0 else "inhibits", e.target, e.weight) for e in edges
    ]
    found = trial.identifiability
    if found is not None and (found["not_judged"] is None or found["nodes"]):
        header = (*header, "least error", "determined")
        judged = {(edge["source"], edge["target"]): edge for edge in found["edges"]}
        of_rows = [judged.get((row[0], row[2])) for row in rows]
        holds = bool(found.get("refined")) and not found.get("withheld")
        rows = [
            (*row, *(("", "") if edge is None else _judged(edge, holds)))
            for row, edge in zip(rows, of_rows, strict=True)
        ]
    return text_table(header, rows)


def _judged(edge: dict[str, Any], holds: bool) -> tuple[Any, str]:
    """The least error of an edge and whether it is determined, as its study's file has them.

    holds: whether the network is near an unbiased estimate of a model that explains the data, which
    files of earlier versions do not say. Of another network the least error says nothing.
    """
    if not holds:
        return NOTHING, edge["why"] or NOTHING
    return shown_error(edge["least_error"], edge["error_of"]), edge["why"] or "yes"
