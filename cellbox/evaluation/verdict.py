"""Whether a model predicts better than each baseline: in its report, and in words for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cellbox.scores.baselines import BASELINES

# As people say it; what is not listed is called by its name.
_IN_WORDS = {
    "mean": "the mean",
    "additive": "the additive rule",
    "persistence": "persistence (which is told earlier measurements of the same condition)",
}


def beside_baselines(report: dict[str, Any], baselines: dict[str, Any]) -> dict[str, Any]:
    """A report with its baselines, and whether the model predicts better than each of them.

    "better_than" answers by the baseline's name, "better_than_ridge" for ridge alone. The part
    "all_nodes", where there is one, gets its own baselines and its own answers. No answer (None)
    where a baseline does not apply or nothing was measured to compare with; a model without a
    finite error is not better.
    """
    headline = {name: score for name, score in baselines.items() if name != "all_nodes"}
    answers = better_than(report, headline)
    result = {
        **report,
        "baselines": headline,
        "better_than_ridge": answers["ridge"],
        "better_than": answers,
    }
    of_all = baselines.get("all_nodes")
    if report.get("all_nodes") is not None and of_all is not None:
        result["all_nodes"] = beside_baselines(report["all_nodes"], of_all)
    return result


def better_than(report: Mapping[str, Any], baselines: Mapping[str, Any]) -> dict[str, bool | None]:
    """Whether the error of a report is the smaller one, by the baseline's name.

    None where there is nothing to compare.
    """
    return {name: _better(report, score) for name, score in baselines.items()}


def verdict(report: Mapping[str, Any], chance: str | None = None) -> list[str]:
    """In plain sentences, whether the model of a `beside_baselines` report beats the baselines.

    First beside the best of them, then beside those that it does not beat; then what speaks against
    a smaller error, if anything does; then why the additive rule is not among them, where it is
    not. Where activity nodes were left out of that, a last sentence is about all nodes.

    chance: whether the difference to the best baseline is more than chance, in words, where that
    was computed; otherwise a rule of thumb tells where it may not be.
    """
    sentences = [_sentence(report, "CellBox predicts held-out conditions")]
    sentences += [*_against(report, chance), *_why_not_additive(report["baselines"])]
    of_all = report.get("all_nodes")
    if of_all is not None and "baselines" in of_all:
        sentences.append(
            _sentence(of_all, "Over all nodes, activity nodes included, it predicts them")
        )
    return sentences


def _sentence(report: Mapping[str, Any], subject: str) -> str:
    errors = _errors(report["baselines"])
    if not errors:
        return "No comparison with baselines: no held-out value was measured."
    (best, least), *others = errors
    error = report["test_mae"]
    if error is None:
        return (
            f"{subject} worse than every baseline: its equations could not be solved for all of "
            f"them (MAE of {_words(best)} {least:.4g})."
        )
    beaten = [(name, value) for name, value in errors if error < value]
    if len(beaten) == len(errors):
        also = f", and than {_listed(others)}" if others else ""
        return f"{subject} better than {_words(best)}: MAE {error:.4g} against {least:.4g}{also}."
    equal = error == least
    found = f"{'no better' if equal else 'worse'} than {_words(best)}"
    rest = [(name, value) for name, value in others if error >= value]
    parts = [
        f"{subject} {found}: MAE {error:.4g} against {least:.4g}",
        *([f"not better than {_listed(rest)} either"] if rest else []),
        *([f"but better than {_listed(beaten)}"] if beaten else []),
    ]
    return ", ".join(parts) + "."


def _against(report: Mapping[str, Any], chance: str | None) -> list[str]:
    """What speaks against the smaller error of a model: a smaller r, or few conditions.

    Errors of a condition differ between two models by about half of their size, so that those of n
    conditions differ by a share of 1/√n of it by chance (two standard errors).
    """
    baselines = report["baselines"]
    errors = _errors(baselines)
    error = report["test_mae"]
    said = [chance] if chance else []
    if not errors or error is None or error >= errors[0][1]:
        return said
    pearson = report.get("test_pearson")
    better = [
        f"{_words(name)} {baselines[name]['test_pearson']:.4g}"
        for name, _ in errors
        if pearson is not None and (baselines[name].get("test_pearson") or -1.0) > pearson
    ]
    if better:
        said.append(f"By Pearson r it is not better: {pearson:.4g}, {', '.join(better)}.")
    n_conditions = (baselines.get("additive") or {}).get("conditions")
    if not chance and n_conditions and error > (1 - n_conditions**-0.5) * errors[0][1]:
        said.append(
            f"So small a difference in {n_conditions:g} held-out conditions may be chance: "
            "cellbox compare says how sure it is."
        )
    return said


def _errors(baselines: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Baselines that apply, by their names, with their errors, the smallest first."""
    known = [
        (name, score["test_mae"])
        for name, score in baselines.items()
        if name in BASELINES and score is not None and score.get("test_mae") is not None
    ]
    return sorted(known, key=lambda pair: pair[1])


def _why_not_additive(baselines: Mapping[str, Any]) -> list[str]:
    """Why the additive rule is not among the baselines, where it is known."""
    score = baselines.get("additive")
    if not score or score["test_mae"] is not None or not score["conditions"]:
        return []
    predicted, conditions = score["conditions_predicted"], score["conditions"]
    if predicted == conditions:
        return []
    return [
        f"The additive rule does not apply: it could predict {predicted:g} of {conditions:g} "
        "held-out conditions, those of which all single responses were measured."
    ]


def _words(name: str) -> str:
    return _IN_WORDS.get(name, name)


def _listed(errors: list[tuple[str, float]]) -> str:
    """Baselines with their errors, as people list things."""
    shown = [f"{_words(name)} ({error:.4g})" for name, error in errors]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _better(report: Mapping[str, Any], baseline: Mapping[str, Any] | None) -> bool | None:
    """Whether the model's error is the smaller one; None where there is nothing to compare."""
    if baseline is None or baseline["test_mae"] is None:
        return None
    return report["test_mae"] is not None and bool(report["test_mae"] < baseline["test_mae"])
