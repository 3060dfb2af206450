"""Reports of comparisons with simpler models."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from cellbox.evaluation.held_out_predictions import ENSEMBLE
from search.report.blocks import Block, Facts, Figure, Figures, Folded, Page, Section, Table, Text
from search.report.drawing import drawn
from search.report.fits import settings_table
from search.study.plots import BEST, OTHER, POINTS, remove_frame

_WORDS = {
    "random": "Random conditions",
    "leave-one-out": "The combinations of each drug in turn",
    "leave-one-out-without-singles": "Each drug in turn, single doses too",
    "single-to-combination": "All combinations, from single doses",
}
_COLOURS = {ENSEMBLE: BEST}
_OTHERS = (POINTS, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", OTHER)


def comparison_page(folder: Path) -> Page:
    """The report of a comparison's folder."""
    content = json.loads((folder / "comparison.json").read_text("utf-8"))
    schemes = content["schemes"]
    entrant = content["cellbox"]
    return Page(
        title=f"{content['data']}: CellBox beside simpler models",
        about=f"cellbox compare; an ensemble of {entrant['members']} networks for each split",
        summary=(
            Text(("Does CellBox predict conditions better that nobody trained on?",), "lead"),
            overview(schemes),
            Text(
                tuple(
                    f"{scheme_title(s)}: {sentence}" for s in schemes for sentence in s["sentences"]
                )
            ),
        ),
        sections=(*(_scheme_section(scheme) for scheme in schemes), _how_section(content)),
    )


def scheme_title(scheme: Mapping[str, Any]) -> str:
    """How a way of holding out is called at the head of its part."""
    return _WORDS.get(scheme["scheme"], scheme["scheme"])


def overview(schemes: Sequence[Mapping[str, Any]]) -> Table:
    """Every model's pooled scores, for each way of holding out."""
    models = list(dict.fromkeys(n for s in schemes for n in s["measured_nodes"]["scores"]))
    rows = []
    for scheme in schemes:
        scores = scheme["measured_nodes"]["scores"]
        cells = [(scores.get(n) or {}).get(key) for n in models for key in ("pearson", "mae")]
        rows.append((scheme_title(scheme), len(scheme["splits"]), *cells))
    titles = tuple(title for name in models for title in (f"{name} r", f"{name} MAE"))
    return Table(
        "Pearson r and mean absolute error (log ratio) over all held-out values",
        ("held out", "splits", *titles),
        tuple(rows),
        file="overview.csv",
    )


def _scheme_section(scheme: Mapping[str, Any]) -> Section:
    measured = scheme["measured_nodes"]
    figures = [_difference_figure(measured, scheme["scheme"], key) for key in ("mae", "pearson")]
    figures = [figure for figure in figures if figure is not None]
    if len(scheme["splits"]) > 1:
        figures.append(split_figure(measured, scheme))
    blocks: list[Block] = [Figures(tuple(figure for figure in figures if figure is not None))]
    blocks.append(score_table(measured, scheme["scheme"], f"{measured['n_nodes']} measured nodes"))
    if scheme["all_nodes"] is not None:
        every = scheme["all_nodes"]
        blocks.append(score_table(every, scheme["scheme"], f"all {every['n_nodes']} nodes"))
    return Section(scheme["scheme"], scheme_title(scheme), tuple(blocks))


def score_table(nodes: Mapping[str, Any], scheme: str, which: str) -> Table:
    """Scores of every model over some nodes, pooled and by split."""
    columns = (
        ("pooled r", "pearson"),
        ("pooled MAE", "mae"),
        ("mean r", "pearson_mean"),
        ("median r", "pearson_median"),
        ("mean MAE", "mae_mean"),
    )
    rows = tuple(
        (name, *(score[key] for _, key in columns)) for name, score in nodes["scores"].items()
    )
    return Table(
        f"Scores over {which}",
        ("model", *(label for label, _ in columns)),
        rows,
        file=f"{scheme}_{which.replace(' ', '_')}.csv",
    )


_MEASURES = {
    "mae": ("error", "MAE, CellBox minus the other", "smaller"),
    "pearson": ("r", "r, CellBox minus the other", "larger"),
}


def _difference_figure(nodes: Mapping[str, Any], scheme: str, key: str) -> Figure | None:
    """CellBox minus each other model, with 95 % intervals; None where none is known."""
    known = [
        (name, apart[key], apart[f"{key}_low"], apart[f"{key}_high"])
        for name, apart in nodes["differences"].items()
        if apart[key] is not None and apart[f"{key}_low"] is not None
    ]
    if not known:
        return None
    word, axis, better = _MEASURES[key]

    def paint(ax: Axes) -> None:
        rows = np.arange(len(known))[::-1]
        middle = np.array([value for _, value, _, _ in known])
        ends = np.array([(low, high) for _, _, low, high in known])
        ax.axvline(0, color="#777777", linewidth=1)
        ax.errorbar(
            middle, rows, xerr=np.abs(ends.T - middle), fmt="D", color=BEST, capsize=4,
            markersize=6, elinewidth=1.8,
        )  # fmt: skip
        ax.set_yticks(rows, [f"beside {name}" for name, *_ in known])
        ax.set_ylim(-0.7, len(known) - 0.3)
        ax.set_xlabel(axis)
        ax.locator_params(axis="x", nbins=5)
        remove_frame(ax)

    told = "; ".join(f"{n}: {v:+.4f}, {low:+.4f} to {high:+.4f}" for n, v, low, high in known)
    return Figure(
        f"Difference of {word}",
        f"Differences with 95 % intervals. {told}.",
        drawn(paint, height=max(1.9, 0.5 * len(known) + 1.1)),
        f"{scheme}_difference_{key}.csv",
        ("other model", "difference", "95 % from", "to"),
        tuple(known),
        f"CellBox is better where its {word} is {better}; an interval over 0 decides nothing.",
    )


def split_figure(nodes: Mapping[str, Any], scheme: Mapping[str, Any]) -> Figure:
    """r of every model in every split."""
    names, models = scheme["splits"], list(nodes["scores"])
    values = {name: nodes["scores"][name]["pearson_by_split"] for name in models}

    def paint(ax: Axes) -> None:
        others = iter(_OTHERS)
        for name in models:
            rs = np.array([np.nan if r is None else r for r in values[name]], float)
            ax.plot(
                rs, np.arange(len(names)), "D" if name == ENSEMBLE else "o", label=name,
                color=_COLOURS.get(name) or next(others, OTHER), markersize=5.5, alpha=0.85,
            )  # fmt: skip
        ax.set_yticks(range(len(names)), names, fontsize=8.5)
        ax.set(xlabel="Pearson r", ylabel="split")
        ax.legend(frameon=False, fontsize=8.5, ncols=2, loc="lower left", bbox_to_anchor=(0, 1.0))
        remove_frame(ax)

    return Figure(
        "Split by split",
        f"Pearson r of {', '.join(models)} in each of {len(names)} splits.",
        drawn(paint, height=max(2.6, 0.26 * len(names) + 1.3)),
        f"{scheme['scheme']}_splits.csv",
        ("split", *models),
        tuple((name, *(values[model][k] for model in models)) for k, name in enumerate(names)),
    )


def _how_section(content: Mapping[str, Any]) -> Section:
    entrant = dict(content["cellbox"])
    settings = entrant.pop("settings")
    pairs = tuple((name.replace("_", " "), str(value)) for name, value in entrant.items())
    splits = Table(
        "Splits",
        ("held out", "split"),
        tuple((scheme_title(s), name) for s in content["schemes"] for name in s["splits"]),
        file="splits.csv",
    )
    blocks: tuple[Block, ...] = (
        Facts((("data", content["data"]), *pairs)),
        Folded("All settings", (settings_table(settings),)),
        Folded("The splits", (splits,)),
    )
    return Section("how", "How it was run", blocks)
