"""A benchmark as one page that needs no other file."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from search.benchmark.result import (
    ADDITIVE,
    CELLBOX,
    Z_SCORE,
    BenchmarkResult,
    NetworkResult,
)
from search.benchmark.scatter import scatter_figure
from search.benchmark.sentences import sentences_of
from search.report.blocks import Block, Figure, Figures, Page, Section, Table, Text
from search.report.cells import shown_number
from search.report.drawing import drawn
from search.study.plots import BEST, OTHER, POINTS

_COLOURS = {CELLBOX: BEST, Z_SCORE: POINTS, ADDITIVE: POINTS}
_EDGES_SHOWN = 20


def page_of(result: BenchmarkResult) -> Page:
    """The page: what to know at once, both tables, a section of figures for each network."""
    tables: list[Block] = []
    for caption, (header, rows), file in (
        ("Ranking of edges", result.ranking_rows(), "rankings.csv"),
        ("Double knock-outs", result.double_rows(), "dual_knockouts.csv"),
    ):
        if rows:
            tables.append(Table(caption, header, tuple(rows), file))
    return Page(
        title=f"CellBox on {result.data}",
        about="cellbox benchmark dream4; data of Marbach et al. 2010, PNAS 107:6286",
        summary=(Text(tuple(sentences_of(result)), style="lead"),),
        sections=(
            Section("tables", "All networks", (*tables, Text(_EXPLANATION))),
            *(Section(one.name, one.name, _blocks(one)) for one in result.networks),
        ),
    )


_EXPLANATION = (
    "AUPR and AUROC are over all ordered pairs of different genes, as the challenge has them.",
    "The z-score is that of each gene over all single knock-outs. Additive is the sum of both "
    "measured single responses, nothing below 0; mean is the wild type. The values of knocked-out "
    "genes themselves do not count.",
    "Knock-outs, knock-downs, time courses and their drives are learned from; double knock-outs "
    "and the true network only judge.",
)


def _blocks(one: NetworkResult) -> tuple[Block, ...]:
    figures = []
    if one.rankings:
        figures.append(_curve_figure(one))
    if one.measured is not None:
        figures += [_doubles_figure(one, rule) for rule in (CELLBOX, ADDITIVE)]
    edges = one.network.to_frame()
    rows = [tuple(row) for row in edges.itertuples(index=False)]
    table = Table(
        f"The {min(_EDGES_SHOWN, len(rows))} surest edges",
        tuple(edges.columns),
        tuple(rows[:_EDGES_SHOWN]),
        f"{one.name}_surest_edges.csv",
    )
    return (*((Figures(tuple(figures)),) if figures else ()), table)


def _curve_figure(one: NetworkResult) -> Figure:
    def paint(ax: Axes) -> None:
        for rule, score in one.rankings.items():
            label = f"{rule}, AUPR {score.aupr:.3f}"
            ax.plot(score.recall, score.precision, color=_COLOURS[rule], label=label)
        density = one.rankings[CELLBOX].density
        ax.axhline(density, color=OTHER, linestyle=":", label=f"random, {density:.3f}")
        ax.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
        ax.legend(frameon=False, fontsize=8)

    rows = tuple(
        (rule, float(recall), float(precision))
        for rule, score in one.rankings.items()
        for recall, precision in zip(*_corners(score.recall, score.precision), strict=True)
    )
    areas = ", ".join(f"{rule} {shown_number(score.aupr)}" for rule, score in one.rankings.items())
    return Figure(
        "Precision over recall",
        f"Curves of precision over recall of the {one.n_edges} true edges. Areas: {areas}.",
        drawn(paint),
        f"{one.name}_precision_recall.csv",
        ("rule", "recall", "precision"),
        rows,
    )


def _corners(recall: np.ndarray, precision: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The points at which another true edge is found, which tell the whole curve."""
    hit = np.diff(recall, prepend=0.0) > 0
    return recall[hit], precision[hit]


def _doubles_figure(one: NetworkResult, rule: str) -> Figure:
    measured, score = one.measured, one.doubles[rule]
    assert measured is not None
    return scatter_figure(
        measured,
        one.predicted[rule],
        ends=(0.0, float(max(measured.max(), one.predicted[rule].max()))),
        colour=_COLOURS[rule],
        rule=rule,
        unit="",
        title=f"Double knock-outs, {rule}",
        told=f"Scatter plot of predicted against measured expression, {rule}; mean squared error "
        f"{shown_number(score.mean_squared_error)}.",
        file=f"{one.name}_dual_knockouts_{rule}.csv",
    )
