"""Pictures of how a search went."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from search.report.blocks import Figure
from search.report.cells import percent, shown_number
from search.report.drawing import drawn
from search.report.importances import Importance
from search.spec.space import Value
from search.study.plots import (
    BEST,
    POINTS,
    is_plain_number,
    label,
    plot_front,
    plot_optimisation,
    plot_setting,
    remove_frame,
    scale,
)
from search.study.ranking import rank
from search.study.record import TrialRecord
from search.study.ties import as_people_say

_LINES_SHOWN = 200


def history_figure(records: Sequence[TrialRecord], objective: str) -> Figure:
    """Each trial's objective in the order of the trials, with the best so far."""
    completed = [(record.number, rank(record)[0]) for record in records if record.completed]
    others = [record.number for record in records if not record.completed]
    best = np.minimum.accumulate([value for _, value in completed])
    return Figure(
        "Trial by trial",
        f"Objective of {len(completed)} completed trials by number, with the best so far, which "
        f"falls from {shown_number(float(best[0]))} to {shown_number(float(best[-1]))}.",
        drawn(lambda ax: plot_optimisation(ax, objective, completed, others)),
        "trials_by_number.csv",
        ("trial", objective, "best so far"),
        tuple((n, v, float(b)) for (n, v), b in zip(completed, best, strict=True)),
    )


def waterfall_figure(ranked: Sequence[TrialRecord], n_tied: int, objective: str) -> Figure:
    """The completed trials from the best to the worst: a step is an optimum that many found."""
    values = np.array([rank(record)[0] for record in ranked])

    def paint(ax: Axes) -> None:
        places = np.arange(1, len(values) + 1)
        ax.plot(places, values, "-", color="#C9CED6", linewidth=1, zorder=1)
        for chosen, colour, marker, name in (
            (slice(0, n_tied), BEST, "D", f"the best optimum ({n_tied})"),
            (slice(n_tied, None), POINTS, "o", "others"),
        ):
            if len(values[chosen]):
                ax.plot(
                    places[chosen], values[chosen], marker, color=colour, markersize=5, label=name
                )
        scale(ax.yaxis, values)
        ax.set(xlabel="rank of the trial", ylabel=label(objective))
        ax.legend(frameon=False, fontsize=8.5, loc="upper left")
        remove_frame(ax)

    return Figure(
        "From the best to the worst",
        f"Waterfall of {len(values)} completed trials by rank; {n_tied} of them found the best "
        "optimum.",
        drawn(paint),
        "trials_by_rank.csv",
        ("rank", "trial", objective),
        tuple((k + 1, r.number, float(values[k])) for k, r in enumerate(ranked)),
        "A flat stretch is one optimum that many trials found.",
    )


def importance_figure(found: Sequence[Importance], n_trials: int, objective: str) -> Figure:
    """What each setting explains beyond those above it."""
    ordered = list(found)[::-1]
    names = [_with_trials(importance, n_trials) for importance in ordered]

    def paint(ax: Axes) -> None:
        rows = np.arange(len(ordered))
        shares = [100 * importance.share for importance in ordered]
        ax.barh(rows, shares, color=POINTS, height=0.62)
        for row, share in zip(rows.tolist(), shares, strict=True):
            ax.text(
                share + 1.5, row, f"{share:.0f} %" if share else "no more than chance",
                va="center", fontsize=8.5, color="#1d2430" if share else "#5c6675",
            )  # fmt: skip
        ax.set_yticks(rows, names, fontsize=8.5)
        ax.set_xlim(0, max([*shares, 40.0]) * 1.3)
        ax.set_xlabel("explains of the variance of ranks (%)")
        remove_frame(ax)

    told = ", ".join(
        f"{as_people_say(importance.name)} {percent(importance.share)}"
        for importance in found
        if importance.share > 0
    )
    return Figure(
        "Which settings mattered",
        f"Bars of what each setting explains: {told or 'none explains more than chance'}.",
        drawn(paint, height=max(2.2, 0.34 * len(ordered) + 0.9)),
        "importances.csv",
        ("setting", f"share of the variance of ranks of {objective}", "trials it applies to"),
        tuple((importance.name, importance.share, importance.n_trials) for importance in found),
        "Each bar is what a setting explains beyond those above it, among the trials that it "
        "applies to; what is no more than chance has none.",
    )


def _with_trials(importance: Importance, n_trials: int) -> str:
    name = as_people_say(importance.name)
    of = (
        "" if importance.n_trials == n_trials else f"\n({importance.n_trials} of {n_trials} trials)"
    )
    return name + of


def slice_figures(
    completed: Sequence[TrialRecord], names: Sequence[str], objective: str
) -> list[Figure]:
    """The objective against each setting, in the trials that it applies to."""
    return [_slice(completed, name, objective) for name in names]


def _slice(completed: Sequence[TrialRecord], name: str, objective: str) -> Figure:
    own = [record for record in completed if record.parameters.get(name) is not None]
    choices = [record.parameters[name] for record in own]
    values = [rank(record)[0] for record in own]

    def paint(ax: Axes) -> None:
        plot_setting(ax, as_people_say(name), choices, values)
        ax.set_ylabel(label(objective))

    some = len(own) < len(completed)
    fewer = f"It applies to {len(own)} of {len(completed)} trials. " if some else ""
    return Figure(
        as_people_say(name),
        f"Objective of {len(own)} completed trials against {as_people_say(name)}; the best is "
        f"orange, at {_value(choices[int(np.argmin(values))])}.",
        drawn(paint, height=2.7),
        caption=f"{fewer}The numbers are in trials.csv.",
    )


def parallel_figure(ranked: Sequence[TrialRecord], names: Sequence[str], objective: str) -> Figure:
    """All settings of each trial as one line, coloured by how well it did."""
    drawn_records = list(ranked)[:_LINES_SHOWN]
    columns = [_positions([r.parameters.get(name) for r in drawn_records]) for name in names]
    columns.append(_positions([rank(record)[0] for record in drawn_records]))
    titles = [*(as_people_say(name) for name in names), objective.replace("_", " ")]

    def paint(ax: Axes) -> None:
        import matplotlib

        colours = matplotlib.colormaps["cividis_r"](np.linspace(0.05, 1, len(drawn_records)))
        for place in range(len(drawn_records) - 1, -1, -1):
            heights = [column[0][place] for column in columns]
            best = place == 0
            ax.plot(
                range(len(columns)), heights, "o-" if best else "-",
                color=BEST if best else colours[place], linewidth=2.6 if best else 1.0,
                alpha=1 if best else 0.75, markersize=4, zorder=3 if best else 2,
            )  # fmt: skip
        for across, (_, marks) in enumerate(columns):
            ax.axvline(across, color="#9aa3b0", linewidth=0.8, zorder=1)
            for height, text in marks:
                ax.text(across + 0.03, height, text, fontsize=8, va="center", zorder=4, bbox=_PAPER)
        ax.set_xticks(range(len(columns)), [title.replace(" ", "\n", 1) for title in titles])
        ax.set_xlim(-0.1, len(columns) - 0.45)
        ax.set_yticks([])
        ax.spines[["left", "bottom"]].set_visible(False)

    return Figure(
        "Settings of each trial",
        f"Parallel coordinates of {len(drawn_records)} trials over {', '.join(titles)}; the best "
        "trial is the thick line.",
        drawn(paint, 1.35 * len(columns) + 0.6, 3.6),
        "settings_of_trials.csv",
        ("trial", *names, objective),
        tuple(
            (r.number, *(r.parameters.get(name) for name in names), rank(r)[0])
            for r in drawn_records
        ),
        "One line a trial, dark where the objective is large; the best is thick and orange. A line "
        "has a gap where a setting does not apply.",
        large=True,
    )


_PAPER = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.6}


def _positions(values: Sequence[Value | None]) -> tuple[np.ndarray, list[tuple[float, str]]]:
    """Heights from 0 to 1, NaN where there is no value, and what is written at which height."""
    known = [value for value in values if value is not None]
    if all(is_plain_number(value) for value in known):
        numbers = np.array([np.nan if value is None else float(value) for value in values])
        low, high = np.nanmin(numbers), np.nanmax(numbers)
        logarithmic = low > 0 and high > 10 * low
        shown = np.log(numbers) if logarithmic else numbers
        span = np.nanmax(shown) - np.nanmin(shown) or 1.0
        ends = [(0.0, _value(float(low))), (1.0, _value(float(high)))]
        return (shown - np.nanmin(shown)) / span, ends if low < high else ends[:1]
    kinds = sorted({str(value) for value in known})
    heights = np.linspace(0, 1, len(kinds)) if len(kinds) > 1 else np.array([0.5])
    places = [np.nan if value is None else heights[kinds.index(str(value))] for value in values]
    return np.array(places), [(float(h), kind) for h, kind in zip(heights, kinds, strict=True)]


def _value(value: Value) -> str:
    return shown_number(value, 2) if isinstance(value, float) else str(value)


def front_figure(completed: Sequence[TrialRecord], objectives: Sequence[str]) -> Figure:
    """Two objectives against each other, with the trials that no other beats in both."""
    up, across = objectives[:2]
    points = np.array([[r.objectives[across], r.objectives[up]] for r in completed], float)
    return Figure(
        "What less error costs",
        f"Scatter plot of {up} against {across} of {len(completed)} trials, with the Pareto front.",
        drawn(lambda ax: plot_front(ax, across, up, points)),
        "pareto_front.csv",
        ("trial", across, up),
        tuple((r.number, *map(float, point)) for r, point in zip(completed, points, strict=True)),
    )
