"""What a benchmark on SK-MEL-133 comes to, in sentences that say where it loses as well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cellbox.evaluation.held_out_predictions import ADDITIVE, ENSEMBLE, RIDGE, RIDGE_WITH_DOSE
from cellbox.evaluation.paired_comparison import Difference
from search.benchmark.skmel133_scheme import KNOWN, NEW, SchemeResult

# How each way of holding out is called within a sentence.
NAMES = {
    "random": "random conditions",
    "leave-one-out": "combinations of each drug",
    "leave-one-out-without-singles": "new drugs",
    "single-to-combination": "all combinations",
}

_WORDS = {1: "better", 0: "alike", -1: "worse"}

_ALIKE = "Alike: the 95 % interval of the paired difference holds 0."


def sentences_of(schemes: Sequence[SchemeResult]) -> list[str]:
    """What to know at once, and what to know of it."""
    return [*verdicts_of(schemes), *caveats_of(schemes)]


def verdicts_of(schemes: Sequence[SchemeResult]) -> list[str]:
    """Where CellBox is better, alike or worse, and how it compares to the published one."""
    rivals = (RIDGE, RIDGE_WITH_DOSE, ADDITIVE)
    verdicts = [sentence for rival in rivals for sentence in _against(schemes, rival)]
    return [
        *verdicts,
        *([_ALIKE] if any("alike" in sentence for sentence in verdicts) else []),
        *_beside_published(schemes),
    ]


def caveats_of(schemes: Sequence[SchemeResult]) -> list[str]:
    """What was chosen with these data in view."""
    ways = {scheme.learning for scheme in schemes}
    is_published = any(scheme.published is not None for scheme in schemes)
    if not is_published or not ways & {KNOWN, NEW}:
        return []
    return [
        "Which way of learning suits known drugs and which new ones was decided on these data, so "
        "leads may be a little flattered. How strongly weights are drawn to zero comes from the "
        "training conditions of each split; the penalty for new drugs from those of the random "
        "split 0, which hold most drugs."
    ]


def _against(schemes: Sequence[SchemeResult], rival: str) -> Iterator[str]:
    """Where CellBox is better, alike or worse."""
    places: dict[str, list[str]] = {}
    for scheme in schemes:
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


def _beside_published(schemes: Sequence[SchemeResult]) -> Iterator[str]:
    told = [
        f"{own:.3f} instead of {scheme.published.pearson:.3f} on {NAMES[scheme.report.scheme]}"
        for scheme in schemes
        if scheme.published is not None and (own := scheme.like_published[ENSEMBLE]) is not None
    ]
    if told:
        yield (
            "The published CellBox's r, over all nodes, is not from the same splits; beside it "
            f"this one has {', '.join(told)}."
        )
    elif all(scheme.published is None for scheme in schemes):
        yield (
            "These are not the published SK-MEL-133 data, so no published figures stand beside "
            "these."
        )


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
