"""The DREAM4 in-silico networks: which edges there are, and what two knock-outs together do.

Nothing that a prediction is judged by (the true network, double knock-outs) is read by what learns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from cellbox.errors import InputError, Problem, refuse
from cellbox.knockouts.doubles import additive_doubles, judged, predict_doubles
from cellbox.knockouts.dream4_folder import (
    Doubles,
    Dream4Network,
    network_folders,
    read_dream4,
)
from cellbox.knockouts.experiments import Expression
from cellbox.knockouts.inference import KnockoutNetwork, infer_network
from cellbox.knockouts.z_scores import knockout_z_scores
from cellbox.scores.metrics import pearson_correlation
from cellbox.scores.ranking import RankingScore, ranking_score
from search.benchmark.result import (
    ADDITIVE,
    CELLBOX,
    WILD_TYPE,
    Z_SCORE,
    BenchmarkResult,
    DoublesScore,
    NetworkResult,
)


def benchmark_dream4(
    folder: str | Path,
    *,
    networks: Sequence[str] | None = None,
    on_network: Callable[[str], None] | None = None,
) -> BenchmarkResult:
    """Infer each network of a folder, and judge it where the folder has what it is judged by.

    folder: one that holds folders of networks, or one network
        (`cellbox.knockouts.dream4_folder`). networks: names of those to take; all by default.
    on_network: is told the name of each before it is begun.

    Raises InputError for a folder that cannot be used, with every problem of every network, before
    anything is learned.

    Example:
        >>> import search
        >>> result = search.benchmark_dream4("../shared/data/dream4")  # doctest: +SKIP
        >>> result.to_frame()  # doctest: +SKIP
    """
    read = _read_all(_chosen(network_folders(folder), networks, Path(folder)))
    results = []
    for network in read:
        if on_network is not None:
            on_network(network.name)
        results.append(_judge(network, infer_network(network.experiments)))
    return BenchmarkResult(Path(folder).resolve().name, tuple(results))


def _chosen(found: list[Path], names: Sequence[str] | None, folder: Path) -> list[Path]:
    """The networks that were asked for, in the order in which they were."""
    if names is None:
        return found
    known = {path.resolve().name: path for path in found}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise refuse(
            f"networks of {folder}",
            f"expected some of {', '.join(known)}, found {', '.join(unknown)}",
            "Name networks as their folders are called",
        )
    return [known[name] for name in dict.fromkeys(names)]


def _read_all(paths: Sequence[Path]) -> list[Dream4Network]:
    problems: list[Problem] = []
    read = []
    for path in paths:
        try:
            read.append(read_dream4(path))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return read


def _judge(data: Dream4Network, network: KnockoutNetwork) -> NetworkResult:
    rankings: dict[str, RankingScore] = {}
    truth = data.truth
    right_signs = None
    if truth is not None and (truth != 0).any():
        evidence = np.where(np.isfinite(network.evidence), network.evidence, 0.0)
        rankings[CELLBOX] = ranking_score(truth != 0, evidence)
        rankings[Z_SCORE] = ranking_score(truth != 0, knockout_z_scores(data.experiments.knockouts))
        if data.signed:
            right_signs = _right_signs(truth, network)
    doubles = None if data.doubles is None else _predictions(data, network, data.doubles)
    return NetworkResult(
        name=data.name,
        network=network,
        rankings=rankings,
        right_signs=right_signs,
        n_edges=None if truth is None else int((truth != 0).sum()),
        measured=None if doubles is None else doubles[0],
        predicted={} if doubles is None else doubles[1],
        doubles={} if doubles is None else doubles[2],
    )


def _right_signs(truth: Float[np.ndarray, "n n"], network: KnockoutNetwork) -> float | None:
    """Share of true edges with the true sign, among those that are more likely than not."""
    sure = (truth != 0) & (network.inclusion > 0.5)
    if not sure.any():
        return None
    return float((np.sign(network.weights) == truth)[sure].mean())


def _predictions(
    data: Dream4Network, network: KnockoutNetwork, doubles: Doubles
) -> tuple[Float[np.ndarray, " n_values"], dict[str, np.ndarray], dict[str, DoublesScore]]:
    """Measured values, predictions of them by each rule, and how far these are off."""
    knockouts, levels = data.experiments.knockouts, network.base.levels
    predictions: dict[str, Expression] = {
        CELLBOX: predict_doubles(network, knockouts, doubles.pairs),
        ADDITIVE: additive_doubles(levels, knockouts, doubles.pairs),
        WILD_TYPE: np.broadcast_to(levels, doubles.values.shape),
    }
    counted = judged(doubles.pairs, len(data.experiments.genes))
    measured = doubles.values[counted]
    values = {name: predicted[counted] for name, predicted in predictions.items()}
    scores = {name: _score(predicted, measured) for name, predicted in values.items()}
    return measured, values, scores


def _score(
    predicted: Float[np.ndarray, " n_values"], measured: Float[np.ndarray, " n_values"]
) -> DoublesScore:
    off = predicted - measured
    return DoublesScore(
        mean_squared_error=float((off**2).mean()),
        mean_absolute_error=float(np.abs(off).mean()),
        pearson=pearson_correlation(predicted, measured),
    )
