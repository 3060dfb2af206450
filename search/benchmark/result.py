"""What a benchmark found, in memory and on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from cellbox.knockouts.inference import KnockoutNetwork
from cellbox.scores.ranking import RankingScore
from cellbox.storage.csv_tables import table_text
from cellbox.storage.files import atomic_write

if TYPE_CHECKING:
    from pandas import DataFrame

CELLBOX, Z_SCORE = "CellBox", "z-score"
ADDITIVE, WILD_TYPE = "additive", "mean"

RESULTS, TABLE, PAGE = "benchmark.json", "benchmark.csv", "index.html"


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
        header = ("network", "true edges", "AUPR", "z-score's", "random", "AUROC", "z-score's ")
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

    def write(self, out: str | Path) -> Path:
        """Write the tables, the ranked edges of each network and the page; returns the page.

        NETWORK_edges.csv has all that is known of each edge; NETWORK_prediction.tsv is in the
        challenge's form: source, target and confidence, without a header, the surest first.
        """
        from search.benchmark.page import page_of
        from search.report.page import write_page

        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / RESULTS) as handle:
            json.dump(self.as_dict(), handle, indent=1, allow_nan=False, ensure_ascii=False)
        header, rows = self.table()
        with atomic_write(folder / TABLE) as handle:
            handle.write(table_text(header, [tuple(map(_cell, row)) for row in rows]))
        for network in self.networks:
            _write_edges(network, folder)
        return write_page(page_of(self), folder / PAGE)


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


def _write_edges(result: NetworkResult, folder: Path) -> None:
    edges = result.network.to_frame()
    with atomic_write(folder / f"{result.name}_edges.csv") as handle:
        edges.to_csv(handle, index=False, lineterminator="\n")
    with atomic_write(folder / f"{result.name}_prediction.tsv") as handle:
        confidence = _confidences(edges["evidence"].to_numpy())
        edges.assign(confidence=confidence)[["source", "target", "confidence"]].to_csv(
            handle, sep="\t", header=False, index=False, lineterminator="\n"
        )


def _confidences(
    evidence: Float[np.ndarray, " n_pairs"],
) -> Float[np.ndarray, " n_pairs"]:
    """Numbers from 0 to 1 in the order of the evidence; equal where that is.

    Probabilities near 1 would round to ties.
    """
    distinct, place = np.unique(evidence, return_inverse=True)
    return (place + 1) / len(distinct)


def _cell(value: Any) -> str:
    return "" if value is None else str(value)
