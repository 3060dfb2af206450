"""A benchmark on SK-MEL-133 as one page that needs no other file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from cellbox.evaluation.held_out_predictions import ADDITIVE, ENSEMBLE, RIDGE, RIDGE_WITH_DOSE
from search.benchmark.scatter import scatter_figure
from search.benchmark.skmel133_result import Skmel133Result
from search.benchmark.skmel133_scheme import PUBLISHED_CELLBOX, SOURCE, SchemeResult
from search.benchmark.skmel133_sentences import NAMES, caveats_of, verdicts_of
from search.report.blocks import Block, Figure, Figures, Folded, Page, Section, Table, Text
from search.report.comparisons import overview, scheme_title, score_table, split_figure
from search.report.drawing import drawn
from search.report.fits import settings_table
from search.study.plots import BEST, POINTS, remove_frame

_COLOURS = {ENSEMBLE: BEST, RIDGE: POINTS}

# Rivals of the first figures, each with a colour and a mark of its own; the mean is far behind.
_MARKS = ((POINTS, "o"), ("#009E73", "s"), ("#CC79A7", "^"))


def page_of(result: Skmel133Result) -> Page:
    """The page: what to know at once, all schemes side by side, a section for each."""
    schemes = [scheme.as_dict() for scheme in result.schemes]
    figures = [_differences(result, key) for key in ("mae", "pearson")]
    beside: list[Block] = [
        Figures(tuple(figure for figure in figures if figure is not None)),
        overview(schemes),
    ]
    if result.is_published:
        beside += _published(result)
    caveats = caveats_of(result.schemes)
    data = " and data of Korkut et al. 2015, eLife 4:e04640" if result.is_published else ""
    return Page(
        title=f"CellBox on {result.data}",
        about=f"cellbox benchmark skmel133; schemes{data}, after Yuan et al. 2021",
        summary=(
            Text(tuple(verdicts_of(result.schemes)), style="lead"),
            *((Text(tuple(caveats)),) if caveats else ()),
        ),
        sections=(
            Section("all", "All ways of holding out", (*beside, Text(_EXPLANATION))),
            *(
                Section(own["scheme"], scheme_title(own), tuple(_blocks(scheme, own)))
                for scheme, own in zip(result.schemes, schemes, strict=True)
            ),
            _how_section(result),
        ),
    )


_EXPLANATION = (
    "All models learn from the same rows, and none sees what is held out. Pooled: over all "
    "held-out values of the measured nodes together. Intervals are of paired differences, "
    "conditions drawn again; one that holds 0 decides nothing.",
    "Additive is the sum of the single responses as measured in training, and applies where those "
    "were measured. Total dose: ridge that knows the sum of a condition's doses as well.",
)


def _published(result: Skmel133Result) -> list[Block]:
    header, rows = result.published_rows()
    titled = tuple((_title(row[0]), *row[1:]) for row in rows)
    return [
        Table(f"Beside the {PUBLISHED_CELLBOX}", header, titled, "published.csv"),
        Text((f"{PUBLISHED_CELLBOX[0].upper()}{PUBLISHED_CELLBOX[1:]}: {SOURCE}.",)),
    ]


def _title(scheme: str) -> str:
    return scheme_title({"scheme": scheme})


def _differences(result: Skmel133Result, key: str) -> Figure | None:
    """CellBox minus each rival in every scheme, with intervals; None where none is known."""
    rivals = (RIDGE, RIDGE_WITH_DOSE, ADDITIVE)
    points: list[tuple[str, str, float, float, float]] = []
    for scheme in result.schemes:
        for name in rivals:
            apart = scheme.report.measured_nodes.differences[name]
            values = [getattr(apart, f"{key}{end}") for end in ("", "_low", "_high")]
            if None not in values:
                points.append((NAMES[scheme.report.scheme], name, *values))
    if not points:
        return None
    measure = "MAE" if key == "mae" else "r"
    better = "left" if key == "mae" else "right"

    def paint(ax: Axes) -> None:
        _paint_differences(ax, points, rivals)
        ax.set_xlabel(f"{measure}, CellBox minus the other")
        ax.locator_params(axis="x", nbins=5)

    told = "; ".join(
        f"{p}, {n}: {v:+.4f}, {low:+.4f} to {high:+.4f}" for p, n, v, low, high in points
    )
    return Figure(
        f"Difference of {measure}",
        f"Differences of {measure} with 95 % intervals. {told}.",
        drawn(paint, height=0.28 * len(points) + 1.5),
        f"differences_{key}.csv",
        ("held out", "other model", "difference", "95 % from", "to"),
        tuple(points),
        f"CellBox is better {better} of 0.",
    )


def _paint_differences(
    ax: Axes, points: Sequence[tuple[str, str, float, float, float]], rivals: Sequence[str]
) -> None:
    places = list(dict.fromkeys(place for place, *_ in points))
    ax.axvline(0, color="#777777", linewidth=1)
    for number, rival in enumerate(rivals):
        own = [point for point in points if point[1] == rival]
        if not own:
            continue
        height = [
            -places.index(point[0]) - 0.22 * (number - (len(rivals) - 1) / 2) for point in own
        ]
        middle = np.array([point[2] for point in own])
        ends = np.array([point[3:] for point in own]).T
        colour, mark = _MARKS[number % len(_MARKS)]
        ax.errorbar(
            middle, height, xerr=np.abs(ends - middle), fmt=mark, color=colour, capsize=3,
            markersize=5, elinewidth=1.5, label=f"beside {rival}",
        )  # fmt: skip
    ax.set_yticks([-number for number in range(len(places))], places)
    ax.set_ylim(-len(places) + 0.5, 0.5)
    ax.legend(frameon=False, fontsize=8.5, loc="lower left", bbox_to_anchor=(0, 1.0))
    remove_frame(ax)


def _blocks(scheme: SchemeResult, own: dict[str, Any]) -> list[Block]:
    header, rows = scheme.rows()
    name, measured, every = scheme.report.scheme, own["measured_nodes"], own["all_nodes"]
    figures = [_scatter(scheme, rule) for rule in (ENSEMBLE, RIDGE)]
    scores = [score_table(measured, name, f"{measured['n_nodes']} measured nodes")]
    if every is not None:
        scores.append(score_table(every, name, f"all {every['n_nodes']} nodes"))
    if len(own["splits"]) > 1:
        figures.append(split_figure(measured, own))
    return [
        Table(
            f"Over the {scheme.report.measured_nodes.n_nodes} measured nodes",
            header,
            tuple(rows),
            f"{name}_beside.csv",
        ),
        Figures(tuple(figures)),
        Folded("In sentences", (Text(tuple(scheme.report.sentences())),)),
        Folded("Scores pooled and by split", tuple(scores)),
    ]


def _scatter(scheme: SchemeResult, rule: str) -> Figure:
    known = np.isfinite(scheme.measured) & np.isfinite(scheme.predicted[rule])
    measured, predicted = scheme.measured[known], scheme.predicted[rule][known]
    # The same for each rule, so that pictures side by side compare.
    values = np.concatenate([scheme.measured, *(scheme.predicted[one] for one in _COLOURS)])
    ends = (float(np.nanmin(values)), float(np.nanmax(values)))
    score = scheme.report.measured_nodes.scores[rule]
    told = "" if score.pearson is None else f"; pooled r {score.pearson:.3f}"
    return scatter_figure(
        measured,
        predicted,
        ends=ends,
        colour=_COLOURS[rule],
        rule=rule,
        unit="log ratio",
        title=f"Held-out values, {rule}",
        told=f"Scatter plot of predicted against measured held-out values, {rule}{told}.",
        file=f"{scheme.report.scheme}_values_{rule}.csv",
    )


def _how_section(result: Skmel133Result) -> Section:
    settings_of = {scheme.learning: asdict(scheme.entrant.settings) for scheme in result.schemes}
    rows = tuple(
        (
            _title(scheme.report.scheme),
            scheme.learning,
            "yes" if scheme.entrant.total_dose else "no",
            scheme.entrant.members,
            scheme.entrant.seed,
            len(scheme.report.splits),
        )
        for scheme in result.schemes
    )
    header = ("held out", "way of learning", "total dose", "networks", "seed", "splits")
    return Section(
        "how",
        "How it was run",
        (
            Table("How CellBox learned", header, rows, "learning.csv"),
            Text(_WAYS, style="list"),
            *(
                Folded(f"All settings, {name}", (settings_table(settings),))
                for name, settings in settings_of.items()
            ),
        ),
    )


_WAYS = (
    "Known drugs: least squares with weights drawn to zero, as strongly as cross-validation over "
    "the conditions that train says; the networks of a split differ in amplitudes and strengths "
    "that predict nearly as well.",
    "New drugs: descent with a penalty on Σ|W|, and the total dose as an input of its own.",
)
