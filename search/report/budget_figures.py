"""Pictures of a budget study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from search.report.blocks import Figure
from search.report.cells import percent, shown_number
from search.report.drawing import drawn
from search.study.plots import BEST, OTHER, POINTS, remove_frame

# Okabe and Ito's palette, and marks that tell lines apart without colours.
_COLOURS = (POINTS, BEST, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", OTHER)
_MARKS = ("o", "D", "s", "^", "v", "P", "X")

_LABELLED = 6

# The size of a name, as shares of the figure's width and height.
_LABEL = 0.2, 0.07


def front_figure(answer: Mapping[str, Any]) -> Figure:
    """Success against cost: every budget, and the front with its cheapest designs named."""
    cells = [cell for cell in answer["cells"] if cell["affordable"]]
    front = [answer["cells"][number] for number in answer["front"]]
    unit = f" ({answer['unit']})" if answer["unit"] else ""

    def paint(ax: Axes) -> None:
        costs = [cell["cost"] for cell in cells]
        ax.plot(costs, [cell["probability"] for cell in cells], "o", color=OTHER, alpha=0.5,
                markersize=4, label="budget")  # fmt: skip
        middle = np.array([cell["probability"] for cell in front])
        ends = np.array([(cell["low"], cell["high"]) for cell in front]).reshape(-1, 2)
        ax.errorbar(
            [cell["cost"] for cell in front], middle, yerr=np.abs(ends.T - middle), fmt="D-",
            color=POINTS, capsize=3, markersize=5, label="cost front",
        )  # fmt: skip
        for cell in _apart(front, max(costs) - min(costs)):
            ax.annotate(
                _short(cell, answer["searched"]), (cell["cost"], cell["probability"]),
                textcoords="offset points", xytext=(6, -12), fontsize=7.5,
            )  # fmt: skip
        ax.axhline(answer["share"], color=BEST, linewidth=1, linestyle="--", label="wanted")
        if min(costs) > 0 and max(costs) > 8 * min(costs):
            ax.set_xscale("log")
        ax.set(xlabel=f"cost{unit}", ylabel="probability of success", ylim=(-0.03, 1.06))
        ax.legend(frameon=False, fontsize=8, loc="lower right")
        remove_frame(ax)

    told = "; ".join(
        f"{_short(c, answer['searched'])}: {percent(c['probability'])} for {c['cost']:g}"
        for c in front
    )
    return Figure(
        "Success against cost",
        f"Probability of success by cost. On the front: {told}.",
        drawn(paint, height=3.4),
        "success_by_cost.csv",
        (*answer["searched"], "cost", "probability", "low", "high"),
        tuple(
            (*(c[name] for name in answer["searched"]), c["cost"], c["probability"], c["low"],
             c["high"])
            for c in cells
        ),
        "Names are short for "
        + ", ".join(f"{_letters(name)} {name.replace('_', ' ')}" for name in answer["searched"])
        + ".",
    )  # fmt: skip


def _apart(front: list[Mapping[str, Any]], width: float) -> list[Mapping[str, Any]]:
    """Designs whose names do not cover each other, the most successful first. width: of costs."""
    named: list[Mapping[str, Any]] = []
    for cell in reversed(front):
        clear = all(
            abs(cell["cost"] - other["cost"]) > _LABEL[0] * width
            or abs(cell["probability"] - other["probability"]) > _LABEL[1]
            for other in named
        )
        if clear and len(named) < _LABELLED:
            named.append(cell)
    return named


def lines_figure(answer: Mapping[str, Any], anchor: Mapping[str, Any] | None) -> Iterator[Figure]:
    """Success against the number of conditions, a line for each value of another axis."""
    for other in [name for name in answer["searched"] if name != "conditions"] or [None]:
        yield _lines(answer, anchor, other)


def _lines(
    answer: Mapping[str, Any], anchor: Mapping[str, Any] | None, other: str | None
) -> Figure:
    values = [None] if other is None else answer["axes"][other]
    lines = [_line(answer, anchor, other, value) for value in values]

    def paint(ax: Axes) -> None:
        for place, (value, line) in enumerate(zip(values, lines, strict=True)):
            colour, mark = _COLOURS[place % 7], _MARKS[place % 7]
            x = [cell["conditions"] for cell in line]
            name = "success" if other is None else f"{value} {other.replace('_', ' ')}"
            ax.plot(x, [c["probability"] for c in line], f"{mark}-", color=colour, markersize=5,
                    label=name)  # fmt: skip
            ax.fill_between(x, [c["low"] for c in line], [c["high"] for c in line], color=colour,
                            alpha=0.15, linewidth=0)  # fmt: skip
        ax.axhline(answer["share"], color="#1d2430", linewidth=1, linestyle="--")
        ax.set_xscale("log")
        ax.set_xticks(answer["axes"]["conditions"], list(map(str, answer["axes"]["conditions"])))
        ax.minorticks_off()
        ax.set(xlabel="conditions", ylabel="probability of success", ylim=(-0.03, 1.03))
        ax.legend(frameon=False, fontsize=8, loc="best")
        remove_frame(ax)

    title = "By conditions" if other is None else f"By conditions and {other.replace('_', ' ')}"
    told = "; ".join(
        f"{value if value is not None else ''} {', '.join(percent(c['probability']) for c in line)}"
        for value, line in zip(values, lines, strict=True)
    )
    return Figure(
        title,
        f"Probability of success by number of conditions, with 90 % intervals: {told}.",
        drawn(paint),
        f"success_by_conditions_{other or 'alone'}.csv",
        (*([] if other is None else [other]), "conditions", "probability", "low", "high"),
        tuple(
            (*([] if other is None else [value]), c["conditions"], c["probability"], c["low"],
             c["high"])
            for value, line in zip(values, lines, strict=True)
            for c in line
        ),
    )  # fmt: skip


def _line(
    answer: Mapping[str, Any], anchor: Mapping[str, Any] | None, other: str | None, value: Any
) -> list[Mapping[str, Any]]:
    fixed = {
        name: (anchor or answer["cells"][0])[name]
        for name in answer["axes"]
        if name not in ("conditions", other)
    }
    if other is not None:
        fixed[other] = value
    return [c for c in answer["cells"] if all(c[name] == fixed[name] for name in fixed)]


def heat_figure(
    answer: Mapping[str, Any], across: str, up: str, anchor: Mapping[str, Any] | None
) -> Figure:
    """The probability of success over two axes."""
    rest = {
        name: (anchor or answer["cells"][0])[name]
        for name in answer["axes"]
        if name not in (across, up)
    }
    cells = [c for c in answer["cells"] if all(c[name] == rest[name] for name in rest)]
    columns, rows = answer["axes"][across], answer["axes"][up]
    shown = {(c[across], c[up]): c for c in cells}
    values = np.array([[shown[x, y]["probability"] for x in columns] for y in rows])

    def paint(ax: Axes) -> None:
        picture = ax.imshow(values, vmin=0, vmax=1, cmap="cividis", origin="lower", aspect="auto")
        for row, y in enumerate(rows):
            for column, x in enumerate(columns):
                cell = shown[x, y]
                ax.text(
                    column, row, f"{percent(cell['probability'])}\n({cell['experiments']})",
                    ha="center", va="center", fontsize=8,
                    color="#1d2430" if cell["probability"] > 0.55 else "white",
                )  # fmt: skip
        ax.set_xticks(range(len(columns)), list(map(str, columns)))
        ax.set_yticks(range(len(rows)), list(map(str, rows)))
        ax.set(xlabel=across.replace("_", " "), ylabel=up.replace("_", " "))
        ax.figure.colorbar(picture, ax=ax, label="probability of success")

    best = max(cells, key=lambda c: c["probability"])
    names = across.replace("_", " "), up.replace("_", " ")
    return Figure(
        f"{names[0].capitalize()} and {names[1]}",
        f"Heat map of the probability of success over {names[0]} and {names[1]}; the highest, "
        f"{percent(best['probability'])}, is at {best[across]} and {best[up]}.",
        drawn(paint, height=max(2.4, 0.6 * len(rows) + 1.2)),
        f"success_by_{across}_and_{up}.csv",
        (across, up, "probability", "low", "high", "experiments"),
        tuple(
            (c[across], c[up], c["probability"], c["low"], c["high"], c["experiments"])
            for c in cells
        ),
    )


def curve_figure(curves: Sequence[Mapping[str, Any]], label: str, file: str) -> Figure:
    """Learning curves: points, and what was fitted with its band."""

    def paint(ax: Axes) -> None:
        for place, curve in enumerate(curves):
            colour, mark = _COLOURS[place % 7], _MARKS[place % 7]
            points = curve["points"]
            ax.errorbar(
                [p["conditions"] for p in points], [p["mean"] for p in points],
                yerr=[p["deviation"] for p in points], fmt=mark, color=colour, capsize=3,
                markersize=5, label=curve["name"],
            )  # fmt: skip
            fitted = curve["fitted"]
            x = [f["conditions"] for f in fitted]
            ax.plot(x, [f["expected"] for f in fitted], "-", color=colour, linewidth=1.2)
            ax.fill_between(x, [f["low"] for f in fitted], [f["high"] for f in fitted],
                            color=colour, alpha=0.15, linewidth=0)  # fmt: skip
        ax.set(xlabel="conditions", ylabel=label)
        ax.set_ylim(bottom=0)
        ax.legend(frameon=False, fontsize=8)
        remove_frame(ax)

    told = "; ".join(
        f"{c['name']} from {shown_number(c['points'][0]['mean'])} at "
        f"{c['points'][0]['conditions']:g} to {shown_number(c['points'][-1]['mean'])} at "
        f"{c['points'][-1]['conditions']:g}"
        for c in curves
    )
    return Figure(
        "Error by conditions",
        f"Learning curves: {told}.",
        drawn(paint),
        file,
        ("curve", "conditions", "low", "expected", "high"),
        tuple(
            (c["name"], f["conditions"], f["low"], f["expected"], f["high"])
            for c in curves
            for f in c["fitted"]
        ),
        "Bars are one standard deviation over draws.",
    )


def data_figure(answer: Mapping[str, Any], axis: str, words: str) -> Figure:
    """The errors of all models by another axis than conditions, the rest at its largest."""
    largest = {name: max(values) for name, values in answer["axes"].items() if name != axis}
    cells = [c for c in answer["cells"] if all(c[name] == largest[name] for name in largest)]
    models = list(answer["curves"])

    def paint(ax: Axes) -> None:
        for place, model in enumerate(models):
            known = [c for c in cells if c[model] is not None]
            ax.plot([c[axis] for c in known], [c[model] for c in known],
                    f"{_MARKS[place % 7]}-", color=_COLOURS[place % 7], label=model)  # fmt: skip
        ax.set(xlabel=words, ylabel="error (log ratio)")
        ax.set_ylim(bottom=0)
        ax.legend(frameon=False, fontsize=8)
        remove_frame(ax)

    return Figure(
        f"Error by {words}",
        f"Mean errors of {', '.join(models)} by {words}.",
        drawn(paint),
        f"error_by_{axis}.csv",
        (axis, *models),
        tuple((c[axis], *(c[m] for m in models)) for c in cells),
    )


def _short(cell: Mapping[str, Any], searched: Sequence[str]) -> str:
    """A budget in a few characters: "8c 2n 3t"."""
    return " ".join(f"{cell[name]}{_letters(name)}" for name in searched)


def _letters(name: str) -> str:
    return {
        "conditions": "c", "perturbed_nodes": "n", "time_points": "t", "replicates": "r",
        "dose_levels": "d", "noise": " noise", "horizon": " end", "spacing": "",
    }[name]  # fmt: skip
