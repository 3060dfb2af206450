"""Reports of budget studies: the answer, what it rests on, and what more would buy."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from search.report.blocks import Block, Facts, Figures, Folded, Page, Section, Table, Text
from search.report.budget_figures import (
    curve_figure,
    data_figure,
    front_figure,
    heat_figure,
    lines_figure,
)
from search.report.cells import percent

_HEATMAPS = 6

# Columns of the table of budgets that are left out where all have the same.
_SELDOM = ("plates", "affordable", "samples")


def budget_page(folder: Path) -> Page:
    """The report of a budget study's folder."""
    answer = json.loads((folder / "answer.json").read_text("utf-8"))
    study = json.loads((folder / "budget.json").read_text("utf-8"))
    content = _simulated(answer) if answer["kind"] == "simulated" else _measured(answer)
    return Page(
        title=f"{answer['name']}: how much data is enough",
        about=f"cellbox budget; {answer['experiments']} experiments",
        summary=(
            Text((answer["sentence"],), "lead"),
            Text(tuple(answer["sentences"])),
        ),
        sections=(*content, _how(study["spec"], answer)),
    )


def words_of(axis: str) -> str:
    """An axis as people say it."""
    return axis.replace("_", " ")


def _simulated(answer: Mapping[str, Any]) -> Iterator[Section]:
    unit = answer["unit"]
    yield Section(
        "cost",
        "What it costs",
        (
            Figures((front_figure(answer),)),
            _front_table(answer),
            *_gains(answer, unit),
        ),
    )
    yield Section("surface", "Where experiments succeed", tuple(_surface_blocks(answer)))
    curve = answer["curve"]
    if curve is not None:
        said = (
            f"The curve is odd: {curve['oddity']}. It is not drawn beyond its points."
            if curve["oddity"]
            else "The band holds the expected error with a probability of 90 %."
        )
        figure = curve_figure([curve], "prediction error (log ratio)", "learning_curve.csv")
        yield Section("learning", "How the error falls", (Text((said,)), Figures((figure,))))
    yield Section("budgets", "All budgets", (_cells_table(answer),))


def _surface_blocks(answer: Mapping[str, Any]) -> Iterator[Block]:
    axes, searched = answer["axes"], answer["searched"]
    anchor = answer["cells"][answer["nearest"]] if answer["nearest"] is not None else None
    if len(axes["conditions"]) > 1:
        yield Figures(tuple(lines_figure(answer, anchor)))
    pairs = list(combinations(searched, 2))[:_HEATMAPS]
    if pairs:
        yield Text(
            (
                "Probability of success; axes that a picture does not show are as in the design "
                "above. A cell's number is how many experiments were done there.",
            )
        )
        yield Figures(tuple(heat_figure(answer, first, second, anchor) for first, second in pairs))
    others = [name for name in searched if name != "conditions"]
    if others and len(axes["conditions"]) > 1:
        yield _needed_table(answer, others)


def _needed_table(answer: Mapping[str, Any], others: Sequence[str]) -> Table:
    most = max(answer["axes"]["conditions"])

    def shown(value: int | None) -> Any:
        return f"more than {most}" if value is None else value

    rows = tuple(
        (
            *(str(row[name]) for name in others),
            *(shown(row[key]) for key in ("conditions", "low", "high")),
        )
        for row in answer["needed"]
    )
    return Table(
        "Conditions that are needed, by what else an experiment has",
        (*map(words_of, others), "conditions", "at least", "at most"),
        rows,
        file="conditions_needed.csv",
    )


def _front_table(answer: Mapping[str, Any]) -> Table:
    searched = answer["searched"]
    rows = tuple(
        (
            *(str(answer["cells"][number][name]) for name in searched),
            answer["cells"][number]["cost"],
            *(percent(answer["cells"][number][key]) for key in ("probability", "low", "high")),
            answer["cells"][number].get("score"),
            answer["cells"][number]["experiments"],
        )
        for number in answer["front"]
    )
    cost = f"cost ({answer['unit']})" if answer["unit"] else "cost"
    header = (*map(words_of, searched), cost, "success", "from", "to", "typical score")
    return Table(
        "Designs that no cheaper one equals",
        (*header, "experiments"),
        rows,
        file="cost_front.csv",
    )


def _gains(answer: Mapping[str, Any], unit: str) -> tuple[Block, ...]:
    if not answer["gains"]:
        return ()
    cost = f"cost ({unit})" if unit else "cost"
    rows = tuple(
        (
            words_of(gain["axis"]),
            f"{gain['from']:g} → {gain['to']:g}",
            gain["cost"],
            *(100 * gain[key] for key in ("gain", "low", "high")),
            None if gain["per_cost"] is None else 100 * gain["per_cost"],
        )
        for gain in answer["gains"]
    )
    return (
        Table(
            "What one step further buys, from that design on, in percentage points of success",
            ("axis", "step", cost, "gain", "from", "to", "per cost"),
            rows,
            file="what_more_buys.csv",
        ),
    )


def _cells_table(answer: Mapping[str, Any]) -> Table:
    """Every budget, those that are probably good enough and cheap first."""
    cells = sorted(answer["cells"], key=lambda cell: (cell["good_enough"] < 0.5, cell["cost"]))
    columns = [
        name
        for name in cells[0]
        if (name in answer["searched"] or name not in answer["axes"])
        and (name not in _SELDOM or len({cell[name] for cell in cells}) > 1)
    ]
    rows = tuple(tuple(cell[name] for name in columns) for cell in cells)
    shown = 20
    return Table(
        f"The {min(shown, len(rows))} cheapest of {len(rows)} budgets, good ones first",
        tuple(map(words_of, columns)),
        rows[:shown],
        file="budgets.csv",
        more_rows=rows[shown:],
    )


def _measured(answer: Mapping[str, Any]) -> Iterator[Section]:
    curves = list(answer["curves"].values())
    blocks: list[Block] = []
    if curves:
        figure = curve_figure(curves, "error on held-out conditions (log ratio)", "curves.csv")
        odd = tuple(f"{c['name']}: {c['oddity']}; not extrapolated." for c in curves if c["oddity"])
        blocks = [Figures((figure,)), *([Text(odd, "list")] if odd else [])]
    yield Section("learning", "What more conditions bring", tuple(blocks))
    others = [name for name in answer["searched"] if name != "conditions"]
    if others:
        figures = tuple(data_figure(answer, name, words_of(name)) for name in others)
        yield Section("less", "What less of something costs", (Figures(figures),))
    columns = tuple(answer["cells"][0])
    rows = tuple(tuple(cell[name] for name in columns) for cell in answer["cells"])
    table = Table(
        "Mean error of each model by part of the data; low and high: 90 % of the draws",
        tuple(map(words_of, columns)),
        rows,
        file="parts.csv",
    )
    yield Section("parts", "All parts", (table,))


def _how(spec: Mapping[str, Any], answer: Mapping[str, Any]) -> Section:
    source = answer.get("truth") or answer.get("folder")
    pairs: list[tuple[str, Any]] = [("experiments on", source)]
    if "goal" in answer:
        pairs.append(("enough is", answer["goal"]))
    pairs += [(words_of(name), ", ".join(map(str, v))) for name, v in answer["axes"].items()]
    pairs += [("draws", spec["draws"]), ("seed", spec["seed"])]
    if answer.get("stopped"):
        pairs.append(("stopped since", answer["stopped"]))
    folded = Folded("All that was asked", (Facts(tuple(_flat(spec))),))
    return Section("how", "How it was run", (Facts(tuple(pairs)), folded))


def _flat(content: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        elif value is not None:
            yield f"{before}{name}", value if isinstance(value, int | float | str) else str(value)
