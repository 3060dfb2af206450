"""Every pair of perturbations as a model predicts it, and whether pairs are more than their parts.

Two standards say what a pair without interaction would do:

- *Bliss independence* (Bliss 1939): surviving fractions multiply, so log ratios add. It speaks of
  fractions that are lost, and so applies where both parts push the node down, or leave it.
- *Loewe additivity* (Loewe 1926): each drug is a dilution of the other. d₁/D₁ + d₂/D₂ is 1, where
  Dᵢ is the dose of one alone with the pair's effect; below 1 they are synergistic (the combination
  index of Chou and Talalay 1984). It applies where both alone reach that effect within
  `LARGEST_FACTOR` times the dose of the pair, and rise to it without falling back.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from jaxtyping import Float

from cellbox.arrays import Perturbations
from cellbox.errors import refuse
from cellbox.models.ensemble import Ensemble
from cellbox.models.model import FittedModel
from cellbox.models.pair_table import PairResponse, PairTable
from cellbox.models.predicted import of_members
from cellbox.storage.problems import Problems, note_unknown

#: How far beyond the pair's dose a single drug is followed for Loewe's standard.
LARGEST_FACTOR = 4.0

_DOSES_OF_A_CURVE = 33
# Smaller responses (log ratio) are no effect, of which a dilution could be told.
_NO_EFFECT = 1e-3


def predict_pairs(
    model: FittedModel,
    node: str,
    *,
    dose: float = 0.5,
    partners: Sequence[str] | None = None,
    time: float | None = None,
) -> PairTable:
    """Predict the response of `node` to every pair of `partners`, each at `dose`.

    partners: nodes to perturb, by default all but `node`. time: by default the last of the data.

    Raises InputError for nodes that the model does not know, for fewer than two partners, and for
    a dose that is not positive.

    Example:
        >>> import cellbox
        >>> data = cellbox.read_data("my_experiment")
        >>> model = cellbox.fit(data, cellbox.Settings(steps=50, refinement="none"))
        >>> table = cellbox.predict_pairs(model, "g3", dose=0.5)
        >>> [(pair.first, pair.second) for pair in table.pairs]
        [('g1', 'g2')]
    """
    nodes = model.network.nodes
    names = tuple(name for name in nodes if name != node) if partners is None else tuple(partners)
    _check(nodes, node, names, dose)
    at = float(model.times[-1]) if time is None else float(time)
    place = {name: index for index, name in enumerate(nodes)}
    chosen = list(combinations(range(len(names)), 2))
    alone = dose * np.eye(len(nodes))[[place[name] for name in names]]
    together = np.array([alone[i] + alone[j] for i, j in chosen])
    factors = np.linspace(0, LARGEST_FACTOR, _DOSES_OF_A_CURVE)
    curves = (factors[:, None, None] * alone).reshape(-1, len(nodes))
    answers = _answers(model, np.concatenate([together, alone, curves]), at, place[node])
    mean = of_members(answers).value
    pairs, singles = mean[: len(chosen)], mean[len(chosen) : len(chosen) + len(names)]
    courses = mean[len(chosen) + len(names) :].reshape(len(factors), len(names))
    low, high = _ends(model, together, at, place[node], answers[:, : len(chosen)])
    matrix = np.diag(singles)
    found = []
    for row, (i, j) in enumerate(chosen):
        matrix[i, j] = matrix[j, i] = pairs[row]
        found.append(
            PairResponse(
                names[i],
                names[j],
                float(pairs[row]),
                float(low[row]) if np.isfinite(low[row]) else None,
                float(high[row]) if np.isfinite(high[row]) else None,
                float(singles[i]),
                float(singles[j]),
                _bliss(pairs[row], singles[i], singles[j]),
                _loewe(pairs[row], factors, courses[:, i], courses[:, j]),
            )
        )
    found.sort(key=lambda pair: (not np.isfinite(pair.response), pair.response))
    return PairTable(node, dose, at, names, tuple(found), matrix)


def _check(nodes: Sequence[str], node: str, partners: Sequence[str], dose: float) -> None:
    problems = Problems()
    for name in dict.fromkeys((node, *partners)):
        if name not in nodes:
            note_unknown(name, nodes, "pairs", "node", problems)
    if len(set(partners)) < max(2, len(partners)):
        fix = "Name at least two different nodes to perturb"
        problems.add("pairs", f"expected two or more nodes, found {', '.join(partners)}", fix)
    problems.raise_any()
    if not 0 < dose < np.inf:
        raise refuse("dose", f"expected a number above 0, found {dose}", "Give 0.5, for example")


def _answers(
    model: FittedModel, perturbations: Perturbations, time: float, node: int
) -> Float[np.ndarray, "n_members n_rows"]:
    """The response of one node, by each member of an ensemble or by the only model."""
    members = model.members if isinstance(model, Ensemble) else (model,)
    return np.array([member.predict(perturbations, [time])[:, 0, node] for member in members])


def _ends(
    model: FittedModel,
    perturbations: Perturbations,
    time: float,
    node: int,
    answers: Float[np.ndarray, "n_members n_rows"],
) -> tuple[Float[np.ndarray, " n_rows"], Float[np.ndarray, " n_rows"]]:
    """Low and high ends of 90 % intervals, NaN where they are not known.

    answers: of each member of an ensemble.
    """
    predicted = of_members(answers)
    if len(answers) == 1:
        whole = model.predict_with_interval(perturbations, [time])
        predicted = whole.each(lambda part: part[:, 0, node])
    nothing = np.full(len(perturbations), np.nan)
    low, high = predicted.low, predicted.high
    return (nothing if low is None else low), (nothing if high is None else high)


def _bliss(pair: float, first: float, second: float) -> float | None:
    """The response beyond the sum of the parts' log ratios; None where Bliss does not apply."""
    if not np.isfinite([pair, first, second]).all() or max(first, second) > _NO_EFFECT:
        return None
    return float(pair - first - second)


def _loewe(
    pair: float,
    factors: Float[np.ndarray, " n_doses"],
    first: Float[np.ndarray, " n_doses"],
    second: Float[np.ndarray, " n_doses"],
) -> float | None:
    """The combination index; None where a drug alone does not come to the pair's effect."""
    if not np.isfinite(pair) or abs(pair) < _NO_EFFECT:
        return None
    shares = [_share_of_dose(pair, factors, curve) for curve in (first, second)]
    if shares[0] is None or shares[1] is None:
        return None
    return shares[0] + shares[1]


def _share_of_dose(effect: float, factors: np.ndarray, curve: np.ndarray) -> float | None:
    """The pair's dose over the dose of one drug alone that has the same effect."""
    height = curve * np.sign(effect)
    reached = np.flatnonzero(height >= abs(effect))
    if not np.isfinite(curve).all() or not len(reached):
        return None
    last = int(reached[0])
    if last == 0 or (np.diff(height[: last + 1]) < 0).any():
        return None
    dose = np.interp(abs(effect), height[last - 1 : last + 1], factors[last - 1 : last + 1])
    return float(1 / dose)
