"""Whether a model predicts better than ridge: in its report, and in a sentence for people."""

from __future__ import annotations

from typing import Any


def beside_baselines(report: dict[str, Any], baselines: dict[str, Any]) -> dict[str, Any]:
    """A report with its baselines, and whether the model predicts better than ridge.

    The part "all_nodes", where there is one, gets its own baselines and its own answer. No
    answer (None) where ridge does not apply or nothing was measured to compare with; a model
    without a finite error is not better.
    """
    headline = {name: score for name, score in baselines.items() if name != "all_nodes"}
    result = {
        **report,
        "baselines": headline,
        "better_than_ridge": _better(report, headline["ridge"]),
    }
    of_all = baselines.get("all_nodes")
    if report.get("all_nodes") is not None and of_all is not None:
        result["all_nodes"] = beside_baselines(report["all_nodes"], of_all)
    return result


def verdict(report: dict[str, Any]) -> list[str]:
    """In plain sentences, whether the model of a `beside_baselines` report beats ridge.

    Where another baseline is better than ridge, it is named, and the model compared with it.

    The second sentence is about all nodes, where activity nodes were left out of the first.
    """
    sentences = [_sentence(report, "CellBox predicts held-out conditions")]
    of_all = report.get("all_nodes")
    if of_all is not None and "baselines" in of_all:
        sentences.append(
            _sentence(of_all, "Over all nodes, activity nodes included, it predicts them")
        )
    return sentences


def _sentence(report: dict[str, Any], subject: str) -> str:
    ridge = report["baselines"]["ridge"]
    if report["better_than_ridge"] is None:
        return "No comparison with ridge: no held-out value was measured."
    error, of_ridge = report["test_mae"], ridge["test_mae"]
    if error is None:
        return (
            f"{subject} worse than ridge: its equations could not be solved for all of them "
            f"(MAE of ridge {of_ridge:.4g})."
        )
    best = best_baseline(report)
    if best is not None and best[0] != "ridge" and best[1] <= error < of_ridge:
        # Better than ridge it is, and that would mislead.
        return (
            f"{subject} no better than {best[0]}, the best of the simpler predictions: MAE "
            f"{error:.4g} against {best[1]:.4g} (ridge {of_ridge:.4g})."
        )
    numbers = f"MAE {error:.4g} against {of_ridge:.4g}"
    if best is not None and best[0] != "ridge":
        numbers += f"; the best of the simpler predictions is {best[0]} with {best[1]:.4g}"
    if error == of_ridge:
        return f"{subject} no better than ridge: {numbers}."
    return f"{subject} {'better' if error < of_ridge else 'worse'} than ridge: {numbers}."


def best_baseline(report: dict[str, Any]) -> tuple[str, float] | None:
    """The baseline with the smallest test MAE, and that error; None where none has any."""
    errors = {
        name: score["test_mae"]
        for name, score in report["baselines"].items()
        if score is not None and score.get("test_mae") is not None
    }
    return min(errors.items(), key=lambda item: item[1]) if errors else None


def _better(report: dict[str, Any], ridge: dict[str, float | None] | None) -> bool | None:
    """Whether the model's error is the smaller one; None where there is nothing to compare."""
    if ridge is None or ridge["test_mae"] is None:
        return None
    return report["test_mae"] is not None and bool(report["test_mae"] < ridge["test_mae"])
