"""A small network of raw expression whose truth is known, and its tables as DREAM4 has them."""

import numpy as np

from cellbox.knockouts.experiments import KnockoutExperiments, TimeCourses

N_GENES, NOISE = 8, 0.01
LEVELS = np.array([0.8, 0.6, 0.5, 0.4, 0.7, 0.6, 0.3, 0.5])
# Target, source, weight: a cascade 0 -> 1 -> 2, a hub 3, a repressor 4.
EDGES = ((1, 0, 0.4), (2, 1, 0.4), (5, 3, 0.5), (6, 3, 0.2), (7, 4, -0.4), (0, 5, 0.3))
TIMES = np.arange(0.0, 1001.0, 50.0)
DRIVES_END = 500.0


def true_weights():
    weights = np.zeros((N_GENES, N_GENES))
    for target, source, weight in EDGES:
        weights[target, source] = weight
    return weights


def _run(start, drives, clamped, factor, steps):
    """Expression after steps of 10, with gene `clamped` at `factor` of its wild type."""
    weights, saturation, gone = true_weights(), 0.7, np.exp(-0.1)
    states, kept = start.copy(), []
    for step in range(steps):
        activities = saturation * np.tanh((states / LEVELS - 1) / saturation)
        activities[np.isclose(states, 0)] = -1
        pulled = np.maximum(LEVELS + weights @ activities + 0.5 * drives(step * 10.0), 0)
        states = pulled + gone * (states - pulled)
        for gene in clamped:
            states[gene] = factor * LEVELS[gene]
        kept.append(states.copy())
    return kept


def steady(genes, factor=0.0):
    return _run(LEVELS.copy(), lambda _: np.zeros(N_GENES), genes, factor, 200)[-1]


def experiments(seed=0, *, courses=True, knockdowns=True):
    draw = np.random.default_rng(seed)

    def measured(values):
        return np.maximum(values + NOISE * draw.normal(size=values.shape), 0)

    knockouts = measured(np.array([steady([gene]) for gene in range(N_GENES)]))
    np.fill_diagonal(knockouts, 0)
    halved = measured(np.array([steady([gene], 0.5) for gene in range(N_GENES)]))
    drives = np.where(draw.random((5, N_GENES)) < 0.4, draw.normal(0, 0.4, (5, N_GENES)), 0)
    series = []
    for drive in drives:
        states = _run(LEVELS, lambda t, d=drive: d * (t < DRIVES_END), [], 0, 100)
        series.append([LEVELS, *states[4::5]])
    values = measured(np.array(series))
    return KnockoutExperiments(
        tuple(f"G{place + 1}" for place in range(N_GENES)),
        knockouts,
        halved if knockdowns else None,
        values[:, 0],
        TimeCourses(TIMES, values, drives, DRIVES_END) if courses else None,
    )


def write_dream4(folder, *, truth=True, doubles=((0, 3), (1, 4))):
    folder.mkdir(parents=True)
    seen = experiments()

    def table(name, header, rows):
        lines = ["\t".join(header), *("\t".join(f"{v:g}" for v in row) for row in rows)]
        (folder / name).write_text("\n".join(lines) + "\n")

    table("knockouts.tsv", seen.genes, seen.knockouts)
    table("knockdowns.tsv", seen.genes, seen.knockdowns)
    table("timeseries_perturbations.tsv", seen.genes, seen.courses.drives)
    rows = [
        (time, *moment)
        for one in seen.courses.values
        for time, moment in zip(TIMES, one, strict=True)
    ]
    table("timeseries.tsv", ('"Time"', *seen.genes), rows)
    if doubles:
        table("dual_knockouts.tsv", seen.genes, [steady(list(pair)) for pair in doubles])
        pairs = [(first + 1, second + 1) for first, second in doubles]
        table("dual_knockouts_indexes.tsv", ('"G_i"', '"G_j"'), pairs)
    if truth:
        lines = [f"G{j + 1}\tG{i + 1}\t{'+' if w > 0 else '-'}" for i, j, w in EDGES]
        (folder / "goldstandard_signed.tsv").write_text("\n".join(lines) + "\n")
    return folder
