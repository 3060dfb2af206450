"""What a benchmark found, as numbers and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from cellbox.knockouts.inference import KnockoutNetwork
from cellbox.scores.ranking import RankingScore

if TYPE_CHECKING:
    from pandas import DataFrame

CELLBOX, Z_SCORE = "CellBox", "z-score"
ADDITIVE, WILD_TYPE = "additive", "mean"


@dataclass(frozen=True)
class DoublesScore:
    """How far predictions of double knock-outs are off, over all genes but the knocked-out ones.

    In squared and single units of expression; r pooled over conditions and genes.
    """

    mean_squared_error: float
    mean_absolute_error: float
    pearson: float | None


@dataclass(frozen=True, eq=False)
class NetworkResult:
    """One network: what was inferred, and how that compares.

    rankings: by CellBox and the z-score; none without a true network. right_signs: share of true
    edges found (probability above one half) whose sign is right. measured, predicted: values of
    double knock-outs, and `doubles` the errors, by rule; none where none were measured.
    """

    name: str
    network: KnockoutNetwork
    rankings: dict[str, RankingScore]
    right_signs: float | None
    n_edges: int | None
    measured: Float[np.ndarray, " n_values"] | None
    predicted: dict[str, np.ndarray]
    doubles: dict[str, DoublesScore]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON. The names are an interface."""
        return {
            "name": self.name,
            "genes": len(self.network.genes),
            "true_edges": self.n_edges,
            "edges_found": int((self.network.inclusion > 0.5).sum()),
            "right_signs": self.right_signs,
            "rankings": {
                rule: {"aupr": score.aupr, "auroc": score.auroc}
                for rule, score in self.rankings.items()
            },
            "random_aupr": next((score.density for score in self.rankings.values()), None),
            "dual_knockouts": {rule: asdict(score) for rule, score in self.doubles.items()},
        }


@dataclass(frozen=True, eq=False)
class BenchmarkResult:
    """What became of the networks of a folder."""

    data: str
    networks: tuple[NetworkResult, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON. The names are an interface."""
        return {
            "format": 1,
            "benchmark": "dream4",
            "data": self.data,
            "settings": asdict(self.networks[0].network.settings),
            "networks": [network.as_dict() for network in self.networks],
        }

    def to_frame(self) -> DataFrame:
        """A row for each network, a column for each number."""
        import pandas as pd

        header, rows = self.table()
        return pd.DataFrame(rows, columns=list(header))

    def table(self) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """The numbers of all networks, under their names."""
        header: tuple[str, ...] = ("network", "genes", "true edges", "right signs")
        header += tuple(
            f"{what} {rule}" for what in ("AUPR", "AUROC") for rule in (CELLBOX, Z_SCORE)
        )
        rules = (CELLBOX, ADDITIVE, WILD_TYPE)
        header += tuple(f"dual {what} {rule}" for what in ("MSE", "MAE") for rule in rules)
        return header, [_row(network, rules) for network in self.networks]

    def ranking_rows(self) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """How well edges are ranked, of networks whose truth is known, and on average."""
        names = ("AUPR", "AUPR z-score", "AUPR random", "AUROC", "AUROC z-score")
        header = ("network", "true edges", *names)
        rows: list[tuple[Any, ...]] = []
        for size, group in self._by_size(lambda one: bool(one.rankings)):
            numbers = [
                (*(one.rankings[rule].aupr for rule in (CELLBOX, Z_SCORE)),
                 one.rankings[CELLBOX].density,
                 *(one.rankings[rule].auroc for rule in (CELLBOX, Z_SCORE)))
                for one in group
            ]  # fmt: skip
            rows += [(one.name, one.n_edges, *row) for one, row in zip(group, numbers, strict=True)]
            rows += _mean_of(f"mean of {len(group)} with {size} genes", numbers, lead=(None,))
        return header, rows

    def double_rows(self) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Errors of double knock-outs, of networks that have some, and on average."""
        rules = (CELLBOX, ADDITIVE, WILD_TYPE)
        header = ("network", *(f"{what} {rule}" for what in ("MSE", "MAE", "r") for rule in rules))
        rows: list[tuple[Any, ...]] = []
        for size, group in self._by_size(lambda one: bool(one.doubles)):
            numbers = [
                tuple(
                    getattr(one.doubles[rule], what)
                    for what in ("mean_squared_error", "mean_absolute_error", "pearson")
                    for rule in rules
                )
                for one in group
            ]
            rows += [(one.name, *row) for one, row in zip(group, numbers, strict=True)]
            rows += _mean_of(f"mean of {len(group)} with {size} genes", numbers, lead=())
        return header, rows

    def _by_size(self, wanted: Any) -> list[tuple[int, list[NetworkResult]]]:
        groups: dict[int, list[NetworkResult]] = {}
        for one in self.networks:
            if wanted(one):
                groups.setdefault(len(one.network.genes), []).append(one)
        return sorted(groups.items())


def _row(network: NetworkResult, rules: Sequence[str]) -> tuple[Any, ...]:
    scores, doubles = network.rankings, network.doubles
    return (
        network.name,
        len(network.network.genes),
        network.n_edges,
        network.right_signs,
        *(
            getattr(scores[rule], what) if rule in scores else None
            for what in ("aupr", "auroc")
            for rule in (CELLBOX, Z_SCORE)
        ),
        *(
            getattr(doubles[rule], what) if rule in doubles else None
            for what in ("mean_squared_error", "mean_absolute_error")
            for rule in rules
        ),
    )


def _mean_of(
    name: str, numbers: Sequence[tuple[Any, ...]], lead: tuple[None, ...]
) -> list[tuple[Any, ...]]:
    """A row of means; none of a single network."""
    if len(numbers) < 2:
        return []
    columns = zip(*numbers, strict=True)
    means = (
        None if None in column else float(np.mean(np.array(column, dtype=float)))
        for column in columns
    )
    return [(name, *lead, *means)]
