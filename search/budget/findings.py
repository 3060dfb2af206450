"""What the experiments of a study say: plain values for people, pages and programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cellbox.budgets.answers import Economy, design_in_words
from cellbox.budgets.grid import BudgetGrid
from cellbox.budgets.learning_curves import LearningCurve, fit_learning_curve
from cellbox.budgets.prices import samples_of
from cellbox.budgets.surfaces import Surface, Tried, score_surface
from search.budget.choosing import Verdicts
from search.budget.sources import prices_of
from search.report.cells import percent
from search.spec.budget_tables import BudgetSpec
from search.study.budget_folder import ExperimentRecord

LEVEL = 0.9

_WORDS = {
    "pearson": "r of W",
    "auprc": "AUPRC",
    "sign_accuracy": "sign accuracy",
    "named_signs": "right signs of the named edges",
    "prediction_error": "prediction error",
}

# A score that ends at 1 is looked at by how much is missing, at least this.
_LEAST_MISSING = 1e-5


def experiment_rows(records: Sequence[ExperimentRecord]) -> list[dict[str, Any]]:
    """A row for each experiment."""
    return [{"experiment": r.number, **r.cell, "draw": r.draw, **r.outcome} for r in records]


def simulated_findings(
    spec: BudgetSpec, grid: BudgetGrid, records: Sequence[ExperimentRecord], stopped: str | None
) -> dict[str, Any]:
    """The answer of a study of simulated truths, with all its tables."""
    verdicts = Verdicts(spec, grid)
    economy = verdicts.economy(records)
    cheapest = economy.cheapest()
    tried = verdicts.tried(records)
    scores = _score_surface(spec, grid, records)
    cells = _cell_rows(spec, economy, tried, scores)
    unsolved = sum(record.status == "unsolved" for record in records)
    best = cheapest.cell if cheapest.cell is not None else economy.nearest()
    found = None
    if cheapest.cell is not None:
        found = {
            "cell": cheapest.cell,
            "design": dict(grid.cells[cheapest.cell]),
            "words": design_in_words(grid.cells[cheapest.cell], grid.searched),
            "cost": cheapest.cost,
            "low": cheapest.low,
            "high": cheapest.high,
            "probability": cheapest.probability,
            "sure": cheapest.sure,
        }
    curve = None if best is None else _curve_of(grid, records, best)
    return {
        "kind": "simulated",
        "name": spec.name,
        "truth": _truth_in_words(spec),
        "goal": goal_in_words(spec),
        "measure": _WORDS[spec.success.measure],
        "threshold": spec.success.threshold,
        "share": spec.success.share,
        "unit": prices_of(spec).unit,
        "experiments": len(records),
        "unsolved": unsolved,
        "stopped": stopped,
        "level": LEVEL,
        "axes": {name: list(values) for name, values in grid.axes.items()},
        "searched": list(grid.searched),
        "sentence": _sentence(spec, economy, found),
        "sentences": _sentences(spec, economy, records, best, unsolved, stopped),
        "cheapest": found,
        "nearest": None if best is None else int(best),
        "front": economy.front().tolist(),
        "gains": [] if best is None else economy.gains(best),
        "needed": _conditions_needed(economy),
        "curve": curve,
        "cells": cells,
    }


def goal_in_words(spec: BudgetSpec) -> str:
    """What counts as enough: "r of W ≥ 0.9 in ≥ 90 % of experiments"."""
    sign = "≤" if spec.success.falls else "≥"
    measure = _WORDS[spec.success.measure]
    reached = f"{measure} {sign} {spec.success.threshold:g}"
    return f"{reached} in ≥ {percent(spec.success.share)} of experiments"


def amount(value: float, unit: str) -> str:
    """A cost for people: "1,240 EUR"."""
    text = f"{value:,.0f}" if abs(value) >= 100 or float(value).is_integer() else f"{value:.3g}"
    return f"{text} {unit}".strip()


def _sentence(spec: BudgetSpec, economy: Economy, found: Mapping[str, Any] | None) -> str:
    unit = prices_of(spec).unit
    if found is not None:
        high = "more than any design tried" if found["high"] is None else amount(found["high"], "")
        mean, low, up = found["probability"]
        return (
            f"The cheapest design that reaches {goal_in_words(spec)} costs "
            f"{amount(found['cost'], '')} [{amount(found['low'], '')}, {high}] {unit}".rstrip()
            + f": {found['words']}. It succeeds in {percent(mean)} [{percent(low)}, {percent(up)}]."
        )
    nearest = economy.nearest()
    if nearest is None:
        return "No design is within the limits."
    mean, low, up = economy.probability(nearest)
    words = design_in_words(economy.grid.cells[nearest], economy.grid.searched)
    return (
        f"No affordable design among those asked about is expected to reach {goal_in_words(spec)}. "
        f"The nearest, {words} for {amount(float(economy.costs[nearest]), unit)}, succeeds in "
        f"{percent(mean)} [{percent(low)}, {percent(up)}]."
    )


def _sentences(
    spec: BudgetSpec,
    economy: Economy,
    records: Sequence[ExperimentRecord],
    best: int | None,
    unsolved: int,
    stopped: str | None,
) -> list[str]:
    """What else is to be known."""
    told = [f"Brackets hold the true value with a probability of {percent(LEVEL)}."]
    if best is not None:
        gains = [gain for gain in economy.gains(best) if gain["affordable"]]
        if gains and gains[0]["per_cost"] and gains[0]["high"] >= 0.01:
            most = gains[0]
            told.append(
                f"From there {axis_words(most['axis'])} {most['from']:g} → {most['to']:g} buys "
                "most: "
                f"{_points(most['gain'])} [{_points(most['low'])}, {_points(most['high'])}] "
                f"percentage points of success for {amount(most['cost'], prices_of(spec).unit)}."
            )
    edge = _at_the_edge(economy, best)
    if edge:
        told.append(edge)
    if unsolved:
        told.append(
            f"{unsolved} experiments were left out, since their truths are too stiff to simulate."
        )
    times = [record.outcome["seconds"] for record in records]
    if times:
        draws = len({record.draw for record in records})
        told.append(
            f"{len(records)} experiments of {draws} draws at {_n_tried(economy, records)} of "
            f"{len(economy.grid.cells)} budgets, {np.mean(times):.1f} s each"
            + (f"; stopped since {stopped}." if stopped else ".")
        )
    return told


def _at_the_edge(economy: Economy, best: int | None) -> str | None:
    """A sentence where the answer lies at the least conditions that were asked about."""
    if best is None or economy.cheapest().cell is None:
        return None
    conditions = economy.grid.axes["conditions"]
    if len(conditions) > 1 and economy.grid.cells[best]["conditions"] == conditions[0]:
        return f"{conditions[0]} conditions are the fewest asked about: fewer may do as well."
    return None


def _n_tried(economy: Economy, records: Sequence[ExperimentRecord]) -> int:
    return len({economy.grid.index(record.cell) for record in records})


def axis_words(name: str) -> str:
    """An axis as people read it."""
    return name.replace("_", " ")


def _points(share: float) -> str:
    return f"{100 * share:+.0f}".replace("-", "−")


def _truth_in_words(spec: BudgetSpec) -> str:
    truth = spec.truth
    if truth.family is not None:
        family = truth.family
        return f"random {family.motif} networks of {family.nodes} nodes, density {family.density:g}"
    if truth.model is not None:
        return f"stand-ins from the fitted model {truth.model}"
    return f"the system {truth.system}" if truth.system else f"the network {truth.network}"


def _cell_rows(
    spec: BudgetSpec, economy: Economy, tried: Tried, scores: Surface | None
) -> list[dict[str, Any]]:
    """A row for each budget: what it costs, what was tried, what is expected."""
    prices, grid = prices_of(spec), economy.grid
    n_cells = len(grid.cells)
    counts = np.bincount(tried.cells, minlength=n_cells)
    successes = np.bincount(tried.cells, weights=tried.outcomes, minlength=n_cells)
    low, high = economy.success.interval(LEVEL)
    front = set(economy.front().tolist())
    rows = []
    for number, cell in enumerate(grid.cells):
        row: dict[str, Any] = {
            **cell,
            "cost": float(economy.costs[number]),
            "samples": samples_of(cell),
            "plates": prices.plates(cell),
            "affordable": bool(economy.affordable[number]),
            "experiments": int(counts[number]),
            "successes": int(successes[number]),
            "probability": _rounded(economy.success.median[number]),
            "low": _rounded(low[number]),
            "high": _rounded(high[number]),
            "good_enough": _rounded(economy.chance_good[number]),
            "on_front": number in front,
        }
        if scores is not None:
            ends = np.quantile(scores.samples[:, number], [0.5, 0.05, 0.95])
            middle, *both = (_score_of(spec, float(end)) for end in ends)
            row |= {"score": middle, "score_low": min(both), "score_high": max(both)}
        rows.append(row)
    return rows


def _rounded(chance: float) -> float:
    return round(float(chance), 4)


def _score_surface(
    spec: BudgetSpec, grid: BudgetGrid, records: Sequence[ExperimentRecord]
) -> Surface | None:
    """The typical score at every budget, on a scale where differences are alike."""
    measure = spec.success.measure
    said = [r for r in records if r.outcome.get(measure) is not None]
    if len(said) < 2:
        return None
    tried = Tried.of(
        [grid.index(r.cell) for r in said],
        [r.draw for r in said],
        [_on_scale(spec, r.outcome[measure]) for r in said],
    )
    return score_surface(grid, tried, falls=spec.success.falls, seed=spec.seed)


def _on_scale(spec: BudgetSpec, score: float) -> float:
    """Magnitudes of an error, or of what a score is below 1."""
    if spec.success.falls:
        return float(np.log10(max(score, 1e-12)))
    return float(-np.log10(max(1.0 - score, _LEAST_MISSING)))


def _score_of(spec: BudgetSpec, on_scale: float) -> float:
    # Far from all experiments a scale without ends goes beyond what a score can be.
    value = 10.0**on_scale if spec.success.falls else max(1.0 - 10.0**-on_scale, -1.0)
    return float(f"{value:.5g}")


def _conditions_needed(economy: Economy) -> list[dict[str, Any]]:
    """For each value of the other axes, how many conditions it takes, with an interval.

    None stands for more than any number that was asked about.
    """
    grid = economy.grid
    numbers = np.array([cell["conditions"] for cell in grid.cells], float)
    good = economy.success.samples >= economy.share
    others = [name for name in grid.searched if name != "conditions"]
    rows = []
    for values in dict.fromkeys(tuple(cell[name] for name in others) for cell in grid.cells):
        own = [
            number
            for number, cell in enumerate(grid.cells)
            if tuple(cell[name] for name in others) == values
        ]
        fewest = np.where(good[:, own], numbers[own], np.inf).min(axis=1)
        low, middle, high = np.quantile(fewest, [0.05, 0.5, 0.95], method="inverted_cdf")
        rows.append(
            {
                **dict(zip(others, values, strict=True)),
                "conditions": _whole(middle),
                "low": _whole(low),
                "high": _whole(high),
            }
        )
    return rows


def _whole(value: float) -> int | None:
    return int(value) if np.isfinite(value) else None


def _curve_of(
    grid: BudgetGrid, records: Sequence[ExperimentRecord], best: int
) -> dict[str, Any] | None:
    """How the prediction error falls with the conditions, everything else as in a design."""
    design = grid.cells[best]
    line = [
        record
        for record in records
        if record.outcome.get("prediction_error") is not None
        and all(record.cell[name] == design[name] for name in grid.axes if name != "conditions")
    ]
    if len({record.cell["conditions"] for record in line}) < 2:
        return None
    sizes = sorted({record.cell["conditions"] for record in line})
    draws = sorted({record.draw for record in line})
    errors = np.full((len(draws), len(sizes)), np.nan)
    for record in line:
        place = draws.index(record.draw), sizes.index(record.cell["conditions"])
        errors[place] = record.outcome["prediction_error"]
    curve = fit_learning_curve(np.array(sizes, float), errors)
    return curve_rows(curve, "prediction error", 2 * sizes[-1])


def curve_rows(curve: LearningCurve, name: str, furthest: float) -> dict[str, Any]:
    """A learning curve as plain values: its points, and what was fitted to them.

    Where it is odd, it ends at its last point.
    """
    last = float(curve.sizes[-1])
    end = last if curve.oddity else float(furthest)
    sizes = np.geomspace(float(curve.sizes[0]), end, 40)
    low, middle, high = curve.at(sizes)
    deviations = np.nanstd(curve.errors, axis=0)
    return {
        "name": name,
        "oddity": curve.oddity,
        "predicted_last": curve.predicted_last,
        "points": [
            {"conditions": float(size), "mean": float(mean), "deviation": float(deviation)}
            for size, mean, deviation in zip(curve.sizes, curve.means, deviations, strict=True)
        ],
        "fitted": [
            {"conditions": float(s), "low": float(a), "expected": float(b), "high": float(c)}
            for s, a, b, c in zip(sizes, low, middle, high, strict=True)
        ],
    }
