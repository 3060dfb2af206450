"""Raw expression of simulated gene networks: what the parts of the data are worth, and settings.

    python -m tests.benchmarks.expression_networks --networks 10
    python -m tests.benchmarks.expression_networks --set saturation=1.0 effects=6
    python -m tests.benchmarks.expression_networks --dream4 FOLDER

Networks have hubs and few regulators a gene, kinetics are thermodynamic (Hill functions of
proteins, one promoter state for each set of active regulators), as those of the DREAM4 challenge
are. `KnockoutSettings` were chosen on others of this family, beside size10_1 and size100_1.
"""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from itertools import product

import numpy as np

from cellbox import KnockoutExperiments, KnockoutSettings, TimeCourses, infer_network
from cellbox.knockouts.dream4_folder import network_folders, read_dream4
from cellbox.knockouts.z_scores import knockout_z_scores
from cellbox.scores.ranking import ranking_score

N_GENES, N_REGULATORS, MOST_INPUTS = 100, 40, 6
STATES = np.array(list(product((0, 1), repeat=MOST_INPUTS)), dtype=bool)
STEP, TIMES, DRIVES_END = 5.0, np.arange(0.0, 1001.0, 50.0), 500.0
# Of the replicates of size100_1: variance of a value by its level and its square.
NOISE = (0.0045, 0.0017)


class GeneNetwork:
    """A random network with its kinetics."""

    def __init__(self, draw: np.random.Generator):
        self.signs = _random_signs(draw)
        n = N_GENES
        self.inputs = np.zeros((n, MOST_INPUTS), dtype=int)
        self.has_input = np.zeros((n, MOST_INPUTS), dtype=bool)
        self.thresholds, self.steepness = np.ones((2, n, MOST_INPUTS))
        self.transcription = np.zeros((n, len(STATES)))
        for gene in range(n):
            sources = np.flatnonzero(self.signs[gene])
            count = len(sources)
            self.inputs[gene, :count] = sources
            self.has_input[gene, :count] = True
            self.thresholds[gene, :count] = draw.uniform(0.05, 1, count)
            self.steepness[gene, :count] = np.clip(draw.normal(2, 2, count), 1, 10)
            self.transcription[gene] = _promoter(self.signs[gene, sources], draw)
        self.decay, self.protein_decay = np.log(2) / draw.uniform(20, 50, (2, n))

    def run(self, rna, protein, duration, *, drives=0.0, halved=None, clamped=False, draw=None):
        """RNA and protein after a duration, and RNA every 50 on the way."""
        gone, protein_gone = np.exp(-self.decay * STEP), np.exp(-self.protein_decay * STEP)
        kept = []
        for step in range(round(duration / STEP)):
            made = self._made(protein, drives) * (1 if halved is None else halved)
            rna, protein = made + gone * (rna - made), rna + protein_gone * (protein - rna)
            if draw is not None:
                spread = 0.03 * np.sqrt(np.maximum(rna, 0) * STEP * self.decay)
                rna = np.maximum(rna + spread * draw.normal(size=rna.shape), 0)
            rna, protein = np.where(clamped, 0, rna), np.where(clamped, 0, protein)
            if (step + 1) % 10 == 0:
                kept.append(rna)
        return rna, protein, kept

    def _made(self, protein, drives):
        relative = (protein[:, self.inputs] / self.thresholds) ** self.steepness
        active = np.where(self.has_input, relative / (1 + relative), 0)
        shares = np.ones((*protein.shape, len(STATES)))
        for number in range(MOST_INPUTS):
            one = active[..., number, None]
            shares *= np.where(STATES[:, number], one, 1 - one)
        driven = np.asarray(drives)[..., None] + self.transcription
        return (shares * np.clip(driven, 0, 1)).sum(axis=-1)


def _random_signs(draw):
    """Edges, target by source: heavy-tailed in the number of targets, mostly activating."""
    signs = np.zeros((N_GENES, N_GENES))
    targets = np.clip(np.floor(draw.pareto(0.9, N_REGULATORS) + 1), 1, 25).astype(int)
    taste = draw.gamma(1.5, size=N_GENES)
    activating = 0.88 if draw.random() < 0.5 else 0.7
    for source, count in enumerate(targets):
        weights = np.where(np.arange(N_GENES) == source, 0, taste)
        chosen = draw.choice(N_GENES, count, replace=False, p=weights / weights.sum())
        signs[chosen, source] = np.where(draw.random(count) < activating, 1, -1)
    for row in signs:
        sources = np.flatnonzero(row)
        row[draw.permutation(sources)[MOST_INPUTS:]] = 0
    order = draw.permutation(N_GENES)
    return signs[np.ix_(order, order)]


def _promoter(signs, draw):
    """Transcription in each state of the promoter, between 0 and 1."""
    count = len(signs)
    if not count:
        return np.full(len(STATES), draw.uniform(0.4, 1))
    if (signs > 0).all():
        basal = abs(draw.normal(0, 0.05))
    elif (signs < 0).all():
        basal = draw.uniform(0.7, 1)
    else:
        basal = np.clip(draw.normal(0.4, 0.15), 0.05, 0.9)
    changes = signs * draw.uniform(0.25, 1, count)
    if (signs > 0).all() and basal + changes.sum() < 1:
        changes *= (1 - basal) / changes.sum()
    if (signs < 0).all() and basal + changes.sum() > 0.05:
        changes *= basal / -changes.sum()
    here = STATES[:, :count]
    level = basal + here @ changes
    if count > 1 and draw.random() < 0.35:
        # Regulators that need each other.
        level = basal + 0.2 * (here @ changes) + 0.8 * changes.sum() * here.all(axis=1)
    return np.clip(level, 0, 1)


def simulated(seed: int) -> tuple[KnockoutExperiments, np.ndarray]:
    """Experiments as DREAM4 has them, and where the edges are."""
    draw = np.random.default_rng(seed)
    network, n, own = GeneNetwork(draw), N_GENES, np.eye(N_GENES, dtype=bool)
    start = np.full((1, n), 0.5)
    rna, protein, _ = network.run(start, start, 1500)

    def measured(values):
        spread = np.sqrt(NOISE[0] * values + NOISE[1] * values**2)
        return np.abs(values + spread * draw.normal(size=values.shape))

    every, also = np.repeat(rna, n, 0), np.repeat(protein, n, 0)
    knockouts = np.where(own, 0, measured(network.run(every, also, 800, clamped=own)[0]))
    halved = measured(network.run(every, also, 800, halved=np.where(own, 0.5, 1))[0])
    sizes = np.clip(draw.normal(0, 0.5, (10, n)), -1, 1)
    drives = np.where(draw.random((10, n)) < 0.31, sizes, 0)
    first, other = np.repeat(rna, 10, 0), np.repeat(protein, 10, 0)
    end, other, on = network.run(first, other, DRIVES_END, drives=drives, draw=draw)
    _, _, off = network.run(end, other, DRIVES_END, draw=draw)
    values = measured(np.stack([first, *on, *off], axis=1))
    return KnockoutExperiments(
        tuple(f"G{place + 1}" for place in range(n)),
        knockouts,
        halved,
        values[:, 0],
        TimeCourses(TIMES, values, drives, DRIVES_END),
    ), network.signs != 0


def parts_of(given: KnockoutExperiments) -> dict[str, KnockoutExperiments]:
    """The experiments, and parts of them."""
    courses = given.courses
    return {
        "all": given,
        "knock-outs": replace(given, knockdowns=None, courses=None),
        "no courses": replace(given, courses=None),
        "no knock-downs": replace(given, knockdowns=None),
        "drives unknown": replace(
            given, courses=None if courses is None else replace(courses, drives=0 * courses.drives)
        ),
    }


def areas(given: KnockoutExperiments, truth: np.ndarray, settings: KnockoutSettings):
    """AUPR by the z-score and by each part of the data."""
    found = {"z-score": ranking_score(truth, knockout_z_scores(given.knockouts)).aupr}
    for name, part in parts_of(given).items():
        evidence = infer_network(part, settings).evidence
        finite = np.where(np.isfinite(evidence), evidence, 0.0)
        found[name] = ranking_score(truth, finite).aupr
    return found


def main() -> None:
    """Print the areas of each network, and their means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=300)
    parser.add_argument("--dream4", metavar="FOLDER", help="its networks instead")
    parser.add_argument("--set", nargs="+", default=[], metavar="SETTING=VALUE")
    arguments = parser.parse_args()
    kinds = {field.name: type(field.default) for field in fields(KnockoutSettings)}
    pairs = [pair.split("=") for pair in arguments.set]
    settings = KnockoutSettings(**{name: kinds[name](value) for name, value in pairs})
    if arguments.dream4:
        read = [read_dream4(path) for path in network_folders(arguments.dream4)]
        cases = [(one.name, one.experiments, one.truth != 0) for one in read]
    else:
        seeds = range(arguments.first_seed, arguments.first_seed + arguments.networks)
        cases = [(f"seed {seed}", *simulated(seed)) for seed in seeds]
    rows = []
    for name, given, truth in cases:
        rows.append(areas(given, truth, settings))
        print(_line(name, rows[-1]), flush=True)
    print(_line("mean", {part: np.mean([row[part] for row in rows]) for part in rows[0]}))


def _line(name, found):
    return "  ".join((name, *(f"{part} {area:.3f}" for part, area in found.items())))


if __name__ == "__main__":
    main()
