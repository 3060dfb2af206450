"""Simulated experiments: a truth, data at a budget, what is learned from them, and how near it is.

An experiment is named by its budget (a cell of a grid) and by its *draw*: the number from which
its truth, design, noise and test conditions are drawn. Draws are the same for all budgets, and a
larger budget holds what a smaller one has: the same conditions and some more, the same noise on the
values that both measure. Two budgets then differ by what was added and by nothing else (common
random numbers).
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from cellbox.arrays import Responses, Times
from cellbox.budgets.grid import BudgetGrid
from cellbox.data.dataset import Dataset
from cellbox.data.design import draw_design
from cellbox.data.flaws import part_of
from cellbox.data.rounding_sensitivity import rounding_sensitive_conditions
from cellbox.equation.network_responses import responses
from cellbox.networks.amplitudes import with_amplitudes
from cellbox.networks.network import Network
from cellbox.networks.random_networks import Motif, random_network
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.scores.metrics import mean_absolute_error, recovery
from cellbox.training.without_descent import Learned, learn_without_descent

Spacing = Literal["even", "early", "geometric"]
SPACINGS: tuple[Spacing, ...] = ("even", "early", "geometric")

# The first of geometrically spaced times, in decay times.
_FIRST_TIME = 0.5

# What random numbers are for; each purpose has a stream of its own.
_TRUTH, _DESIGN, _NOISE, _TEST = range(4)

# Conditions and times that networks are tested on, and how many nodes each perturbs.
_TEST_CONDITIONS, _TEST_TIMES, _TEST_PERTURBED = 10, 5, 2


def measured_times(n_times: int, horizon: float, spacing: str) -> Times:
    """When so many measurements are taken, the last at the horizon (decay times).

    spacing: "even"; "early": horizon · (k / n)², so that half lie in the first quarter;
    "geometric": each the same multiple of the one before, from half a decay time on.

    Example:
        >>> from cellbox.budgets.experiments import measured_times
        >>> [measured_times(2, 20.0, name).tolist() for name in ("even", "early", "geometric")]
        [[10.0, 20.0], [5.0, 20.0], [0.5, 20.0]]
    """
    shares = np.arange(1, n_times + 1) / n_times
    if spacing == "early":
        shares = shares**2
    elif spacing == "geometric" and n_times > 1:
        first = min(_FIRST_TIME / horizon, shares[0])
        shares = first ** (1 - np.arange(n_times) / (n_times - 1))
    # Rounded, so that the same time of two budgets is one number.
    return np.round(horizon * shares, 9)


@dataclass(frozen=True)
class Family:
    """Networks like the user's: what each draw's truth is drawn from.

    nodes, density, weights, motif: as `random_network` takes them. amplitude: the median α;
    amplitude_spread: standard deviation of log α.
    """

    nodes: int
    density: float
    weights: tuple[float, float] = (0.5, 1.5)
    motif: Motif = "cyclic"
    amplitude: float = 1.0
    amplitude_spread: float = 0.0

    def network(self, seed: Sequence[int]) -> Network:
        """One of them. Raises InputError where there is none."""
        number = int(np.random.SeedSequence(list(seed)).generate_state(1)[0])
        drawn = random_network(
            self.nodes,
            density=self.density,
            weight_range=self.weights,
            amplitude=self.amplitude,
            motif=self.motif,
            seed=number,
        )
        return with_amplitudes(drawn, spread=self.amplitude_spread, seed=number)


@dataclass(frozen=True, eq=False)
class SimulatedExperiments:
    """All experiments of a study; each is made when it is asked for.

    truths: the network, or stand-ins of which each draw takes the next one, or a family.
    panel: nodes that are perturbed and measured, all by default; the network to be found is then
        the one among these. design: "balanced" or "paper", see `draw_design`.
    edges: source and target of the edges whose signs are asked for, if any.
    """

    grid: BudgetGrid
    truths: tuple[Network, ...] | Family
    panel: tuple[str, ...] | None = None
    design: str = "balanced"
    edges: tuple[tuple[str, str], ...] = ()
    seed: int = 0
    _solved: dict[tuple[int, int, int], Responses] = field(
        default_factory=dict, init=False, repr=False
    )

    def truth(self, draw: int) -> Network:
        """The network that a draw's data come from, hidden nodes included."""
        if isinstance(self.truths, Family):
            return self.truths.network((self.seed, _TRUTH, draw))
        return self.truths[draw % len(self.truths)]

    def wanted(self, draw: int) -> Network:
        """The network that is to be found: that among the panel's nodes."""
        truth = self.truth(draw)
        return truth if self.panel is None else part_of(truth, self._seen(truth))

    def data(self, cell: Mapping[str, Any], draw: int) -> Dataset:
        """What an experiment of this budget measures; NaN where the truth cannot be solved."""
        truth = self.truth(draw)
        seen = self._seen(truth)
        doses = self._perturbations(truth, cell, draw)
        exact = self._exact(truth, doses, cell, draw)
        times = measured_times(cell["time_points"], cell["horizon"], cell["spacing"])
        slots = np.searchsorted(self._times, times)
        rows = np.repeat(np.arange(cell["conditions"]), cell["replicates"])
        noise = self._noise(exact.shape, cell, draw)[: cell["replicates"], : cell["conditions"]]
        noise = np.swapaxes(noise, 0, 1).reshape(-1, *exact.shape[1:])
        measured = (exact[rows] + cell["noise"] * noise)[:, slots][:, :, seen]
        return Dataset(
            nodes=tuple(truth.nodes[node] for node in seen),
            times=times,
            perturbations=doses[rows][:, seen],
            measurements=measured,
            row_names=tuple(f"c{place + 1}" for place in range(len(rows))),
            activity_nodes=np.zeros(len(seen), bool),
            truth=self.wanted(draw),
            name="simulated",
        )

    def run(self, cell: Mapping[str, Any], draw: int) -> dict[str, Any]:
        """Simulate, learn and judge one experiment: plain values by name.

        The truth judges alone; nothing is chosen by it. status: "learned"; "failed", where no
        network was found; or "unsolved", where the truth is too stiff to be simulated, which says
        nothing of the budget. Scores are None but where something was learned.
        """
        started = time.perf_counter()
        data = self.data(cell, draw)
        if not np.isfinite(data.measurements).all():
            outcome = _nothing("unsolved", "The truth is too stiff to be solved.")
        else:
            training = MultipleShooting.of(data, np.arange(data.n_rows))
            outcome = self._judged(learn_without_descent(training, data.nodes), draw)
        return {**outcome, "seconds": time.perf_counter() - started}

    def _judged(self, learned: Learned | None, draw: int) -> dict[str, Any]:
        if learned is None:
            return _nothing("failed", "Least squares found no network.")
        wanted = self.wanted(draw)
        found = recovery(learned.network, wanted)
        return {
            "status": "learned",
            "message": learned.sentence,
            "pearson": found.pearson,
            "auprc": found.auprc,
            "sign_accuracy": found.sign_accuracy,
            "prediction_error": self._prediction_error(learned.network, draw),
            "named_signs": _right_signs(learned.network, wanted, self.edges),
            "share_left": learned.share_left,
        }

    def _prediction_error(self, learned: Network, draw: int) -> float | None:
        """Mean |predicted − exact| on conditions not seen (log ratio); None where not solved."""
        truth = self.truth(draw)
        random = self._random(_TEST, draw)
        seen = self._seen(truth)
        n_perturbed = min(_TEST_PERTURBED, len(seen))
        design = draw_design(_TEST_CONDITIONS, len(seen), random, kind="balanced")
        doses = design.perturbations(n_perturbed)
        everywhere = np.zeros((len(doses), truth.n_nodes))
        everywhere[:, seen] = doses
        times = measured_times(_TEST_TIMES, max(self.grid.axes["horizon"]), "even")
        exact = responses(truth, everywhere, times)
        sensitive = rounding_sensitive_conditions(truth, everywhere, times, exact, 0.0)
        predicted = responses(learned, doses, times)
        error = mean_absolute_error(predicted[~sensitive], exact[~sensitive][:, :, seen])
        return error if error is not None and math.isfinite(error) else None

    def _seen(self, truth: Network) -> Int[np.ndarray, " n_seen"]:
        if self.panel is None:
            return np.arange(truth.n_nodes)
        return np.array([truth.nodes.index(node) for node in self.panel])

    def _perturbations(
        self, truth: Network, cell: Mapping[str, Any], draw: int
    ) -> Float[np.ndarray, "n_conditions n_nodes"]:
        """u of the conditions of the largest budget; a smaller one has the first of them."""
        seen = self._seen(truth)
        drawn = draw_design(
            max(self.grid.axes["conditions"]),
            len(seen),
            self._random(_DESIGN, draw),
            kind=self.design,
        )
        doses = drawn.perturbations(cell["perturbed_nodes"])
        if cell["dose_levels"]:
            doses = np.ceil(doses * cell["dose_levels"] - 1e-12) / cell["dose_levels"]
        everywhere = np.zeros((len(doses), truth.n_nodes))
        everywhere[:, seen] = doses
        return everywhere

    def _exact(
        self,
        truth: Network,
        doses: Float[np.ndarray, "n_conditions n_nodes"],
        cell: Mapping[str, Any],
        draw: int,
    ) -> Float[np.ndarray, "n_conditions n_times n_nodes"]:
        """Responses to all of these, at the times of all budgets: one program for all of them."""
        key = draw, cell["perturbed_nodes"], cell["dose_levels"]
        if key not in self._solved:
            exact = responses(truth, doses, self._times)
            while len(self._solved) >= _MOST_SOLVED:
                del self._solved[next(iter(self._solved))]
            self._solved[key] = exact
        return self._solved[key]

    def _noise(
        self, shape: tuple[int, ...], cell: Mapping[str, Any], draw: int
    ) -> Float[np.ndarray, "n_replicates n_conditions n_times n_nodes"]:
        """Standard normal numbers, the same for a value whatever the budget that measures it."""
        random = self._random(_NOISE, draw, cell["perturbed_nodes"])
        return random.standard_normal((max(self.grid.axes["replicates"]), *shape))

    def _random(self, *purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, *purpose])

    @cached_property
    def _times(self) -> Times:
        """All times at which some budget measures."""
        axes = self.grid.axes
        every = [
            measured_times(n_times, horizon, spacing)
            for n_times in axes["time_points"]
            for horizon in axes["horizon"]
            for spacing in axes["spacing"]
        ]
        return np.unique(np.concatenate(every))


# Draws whose responses are kept at once.
_MOST_SOLVED = 64

#: What an experiment is judged by; see `SimulatedExperiments.run`.
SCORES = (
    "pearson", "auprc", "sign_accuracy", "prediction_error", "named_signs", "share_left",
)  # fmt: skip


def _nothing(status: str, message: str) -> dict[str, Any]:
    return {"status": status, "message": message, **dict.fromkeys(SCORES)}


def _right_signs(
    learned: Network, truth: Network, edges: Sequence[tuple[str, str]]
) -> float | None:
    """Share of the named edges whose learned sign is the true one (of none: that there is none)."""
    if not edges:
        return None
    right = []
    for source, target in edges:
        place = truth.nodes.index(target), truth.nodes.index(source)
        right.append(np.sign(learned.weights[place]) == np.sign(truth.weights[place]))
    return float(np.mean(right))
