"""What a benchmark comes to, in sentences that say where it loses as well."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from search.benchmark.result import ADDITIVE, CELLBOX, Z_SCORE, BenchmarkResult, NetworkResult

# What `KnockoutSettings` were chosen on, beside simulated networks.
CHOSEN_ON = ("size10_1", "size100_1")


def sentences_of(result: BenchmarkResult) -> list[str]:
    """What to know at once."""
    return [
        *_of_rankings(result),
        *_of_held_out(result),
        *_of_doubles(result),
        *_of_the_rest(result),
    ]


def _of_rankings(result: BenchmarkResult) -> Iterator[str]:
    ranked = [one for one in result.networks if one.rankings]
    if not ranked:
        return
    mine, theirs = (
        np.array([one.rankings[rule].aupr for one in ranked]) for rule in (CELLBOX, Z_SCORE)
    )
    above = mine > theirs
    yield (
        f"Edges are ranked better than by the knock-out z-score on {_share(above)} (area under "
        f"precision over recall {mine.mean():.3f} instead of {theirs.mean():.3f} on average)"
        f"{_except(ranked, above)}."
    )


def _of_held_out(result: BenchmarkResult) -> Iterator[str]:
    """Without the networks that settings were chosen on, where there are others."""
    ranked = [one for one in result.networks if one.rankings]
    others = [one for one in ranked if one.name not in CHOSEN_ON]
    if len(others) in (0, len(ranked)):
        return
    sizes = sorted({len(one.network.genes) for one in others})
    means = []
    for size in sizes:
        group = [one.rankings for one in others if len(one.network.genes) == size]
        mine, theirs = (
            float(np.mean([scores[rule].aupr for scores in group])) for rule in (CELLBOX, Z_SCORE)
        )
        means.append(f"{mine:.3f} instead of {theirs:.3f} with {size} genes")
    yield (
        f"Settings were chosen on {' and '.join(CHOSEN_ON)}; held-out networks have "
        f"{', '.join(means)}."
    )


def _of_doubles(result: BenchmarkResult) -> Iterator[str]:
    predicted = [one for one in result.networks if one.doubles]
    if not predicted:
        return
    mine, theirs = (
        np.array([one.doubles[rule].mean_squared_error for one in predicted])
        for rule in (CELLBOX, ADDITIVE)
    )
    better = mine < theirs
    yield (
        f"Double knock-outs are predicted better than by the additive rule on {_share(better)} "
        f"(mean squared error {mine.mean():.4f} instead of {theirs.mean():.4f} on average)"
        f"{_except(predicted, better)}."
    )


def _of_the_rest(result: BenchmarkResult) -> Iterator[str]:
    unjudged = [one.name for one in result.networks if not one.rankings]
    if unjudged:
        yield f"Ranked without a true network to judge by: {', '.join(unjudged)}."


def _share(well: np.ndarray) -> str:
    if len(well) == 1:
        return "the network" if well.all() else "no network"
    return f"all {len(well)} networks" if well.all() else f"{well.sum()} of {len(well)} networks"


def _except(networks: list[NetworkResult], well: np.ndarray) -> str:
    worse = [one.name for one, is_well in zip(networks, well, strict=True) if not is_well]
    return f", and not on {', '.join(worse)}" if worse else ""
