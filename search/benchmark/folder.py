"""A benchmark's folder: tables, ranked edges, and a page with figures.

index.html                                 the page, which needs no other file
benchmark.json, benchmark.csv              the numbers of all networks, or of all schemes
size100_1_edges.csv                        every pair with its probability, evidence and weight
size100_1_prediction.tsv                   the same ranking in the challenge's form
benchmark_splits/random_0.json             predictions of a finished split of SK-MEL-133
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float

from cellbox.storage.csv_tables import table_text
from cellbox.storage.files import atomic_write
from search.benchmark.page import page_of as page_of_dream4
from search.benchmark.result import BenchmarkResult, NetworkResult
from search.benchmark.skmel133_page import page_of as page_of_skmel133
from search.benchmark.skmel133_result import Skmel133Result
from search.report.page import write_page

RESULTS, TABLE, PAGE = "benchmark.json", "benchmark.csv", "index.html"


class _Numbers(Protocol):
    """What every benchmark found."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""

    def table(self) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """A header and rows."""


def write_benchmark(result: BenchmarkResult | Skmel133Result, out: str | Path) -> Path:
    """Write everything into a folder, which is made if it is absent; returns the page.

    The challenge's form is source, target and confidence without a header, the surest first.
    """
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    _write_numbers(result, folder)
    if isinstance(result, Skmel133Result):
        return write_page(page_of_skmel133(result), folder / PAGE)
    for network in result.networks:
        _write_edges(network, folder)
    return write_page(page_of_dream4(result), folder / PAGE)


def _write_numbers(result: _Numbers, folder: Path) -> None:
    with atomic_write(folder / RESULTS) as handle:
        json.dump(result.as_dict(), handle, indent=1, allow_nan=False, ensure_ascii=False)
    header, rows = result.table()
    with atomic_write(folder / TABLE) as handle:
        handle.write(table_text(header, [tuple(map(_cell, row)) for row in rows]))


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
