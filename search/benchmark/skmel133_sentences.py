"""What a benchmark on SK-MEL-133 comes to, in sentences that say where it loses as well."""

from __future__ import annotations

from collections.abc import Iterator

from cellbox.evaluation.held_out_predictions import ADDITIVE, RIDGE, RIDGE_WITH_DOSE
from cellbox.evaluation.paired_comparison import Difference
from search.benchmark.skmel133_result import KNOWN, NEW, Skmel133Result

# How each way of holding out is called within a sentence.
NAMES = {
    "random": "random conditions",
    "leave-one-out": "combinations of each drug",
    "leave-one-out-without-singles": "new drugs",
    "single-to-combination": "all combinations",
}

_WORDS = {1: "better", 0: "alike", -1: "worse"}

_ALIKE = "Alike: the 95 % interval of the paired difference holds 0."


def sentences_of(result: Skmel133Result) -> list[str]:
    """What to know at once, and what to know of it."""
    return [*verdicts_of(result), *caveats_of(result)]


def verdicts_of(result: Skmel133Result) -> list[str]:
    """Where CellBox is better, alike or worse, and how it compares to the published one."""
    rivals = (RIDGE, RIDGE_WITH_DOSE, ADDITIVE)
    verdicts = [sentence for rival in rivals for sentence in _against(result, rival)]
    return [
        *verdicts,
        *([_ALIKE] if any("alike" in sentence for sentence in verdicts) else []),
        *_beside_published(result),
    ]


def caveats_of(result: Skmel133Result) -> list[str]:
    """What was chosen with these data in view."""
    ways = {scheme.learning for scheme in result.schemes}
    if not result.is_published or not ways & {KNOWN, NEW}:
        return []
    return [
        "Which way of learning suits known drugs and which new ones was decided on these data, so "
        "leads may be a little flattered. How strongly weights are drawn to zero comes from the "
        "training conditions of each split; the penalty for new drugs from those of the random "
        "split 0, which hold most drugs."
    ]


def _against(result: Skmel133Result, rival: str) -> Iterator[str]:
    """Where CellBox is better, alike or worse."""
    places: dict[str, list[str]] = {}
    for scheme in result.schemes:
        apart = scheme.report.measured_nodes.differences.get(rival)
        if apart is None or not apart.rows:
            continue
        places.setdefault(_verdict(apart), []).append(NAMES[scheme.report.scheme])
    if not places:
        return
    told = "; ".join(f"{verdict} on {_listed(names)}" for verdict, names in places.items())
    which = "the additive rule, where that applies" if rival == ADDITIVE else rival
    yield f"Against {which}, CellBox is {told}."


def _verdict(apart: Difference) -> str:
    """In a word for each measure, or for both."""
    if apart.by_pearson is None or apart.by_mae is None:
        return "not to be compared, since a prediction is missing or constant,"
    by_r, by_error = _WORDS[apart.by_pearson], _WORDS[apart.by_mae]
    return by_r if by_r == by_error else f"{by_error} by MAE and {by_r} by r"


def _beside_published(result: Skmel133Result) -> Iterator[str]:
    if not result.is_published:
        yield (
            "These are not the published SK-MEL-133 data, so no published figures stand beside "
            "these."
        )
        return
    told = ", ".join(
        f"{own:.3f} instead of {scheme.published.pearson:.3f} on {NAMES[scheme.report.scheme]}"
        for scheme in result.schemes
        if scheme.published is not None and (own := scheme.like_published["CellBox"]) is not None
    )
    if told:
        yield (
            f"The published CellBox's r, over all {result.n_nodes} nodes, is not from the same "
            f"splits; beside it this one has {told}."
        )


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
