"""Asking data whether Eq. 1 explains them, near the network that was learned.

Questions are asked by linear theory (`cellbox.criticism.linear_theory`), after everything that any
entry of W and any amplitude could explain is projected out:

- would something that Eq. 1 has not explain more (`cellbox.criticism.explanations`)?
- do residuals resemble those of the time before?
- do conditions differ more than their replicates?
- do conditions that the fit has not seen leave more than those it has?

Each has a p value under independent Gaussian noise, of any size for each node. With Bonferroni's
correction, all of them together say that something is no noise in one of a hundred sets of data
that Eq. 1 explains.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from cellbox.arrays import NodeValues, RowMask, ValueMask
from cellbox.criticism.advice import advice
from cellbox.criticism.criticism import Criticism, Finding, OutlyingValue, Verdict
from cellbox.criticism.explanations import Explanation, explanations
from cellbox.criticism.judged_rows import JudgedRows, free_parameters, most_rows
from cellbox.criticism.linear_theory import LinearTheory, fitted_states, linear_theory
from cellbox.criticism.score_tests import Outcome, Residuals, lack_of_fit, predicted_worse, upper_f
from cellbox.data.dataset import Dataset
from cellbox.data.plausibility import data_warnings
from cellbox.networks.form import PARTS
from cellbox.networks.hidden_nodes import HIDDEN
from cellbox.networks.interventions import unknown_beside
from cellbox.networks.line_differences import LINES
from cellbox.networks.network import Network
from cellbox.refinement.linearised import Iterate
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.refine import is_large
from cellbox.refinement.student_noise import noise_of, outlying
from cellbox.refinement.unexplained import replicate_variance
from cellbox.threads import in_one_thread

# The chance that data which Eq. 1 explains are not called explained, all tests together.
_ALPHA = 0.01

# With this share of what a network leaves being no noise, it does not explain the data.
_HALF = 0.5

# A network that leaves this many times the variance that Eq. 1 has to leave is not the best one.
_OTHER_NETWORK = 1.3

# So large a share of the rows may be left aside, found in so many rounds.
_MOST_ROWS_ASIDE, _MOST_VIEWS = 0.05, 3

# Outlying values are what is wrong where without them so much less is left than with the best
# explanation.
_MUCH_LESS = 1.5

# No more than this share of all values can be outlying.
_MOST_OUTLYING = 0.15


@in_one_thread
def criticise(
    network: Network,
    data: Dataset,
    training: Int[np.ndarray, " n_training_rows"],
    held_out: Int[np.ndarray, " n_held_out_rows"] | None = None,
) -> Criticism:
    """Whether Eq. 1, with this network or one nearby, explains data.

    training: the rows that the network was learned from; each counts once. held_out: rows that it
    has not seen, None for none.

    Example:
        >>> import numpy as np
        >>> import cellbox
        >>> network = cellbox.random_network(3, density=0.5, seed=0)
        >>> data = cellbox.simulate(network, n_conditions=20, n_times=4, noise=0.01)
        >>> cellbox.criticise(network, data, np.arange(20)).verdict
        'explained'
    """
    rows = JudgedRows.of(data, training, held_out)
    problem = MultipleShooting.of(data, rows.all).of_form(network)
    free = free_parameters(problem.rows(np.arange(rows.n_training)), network, data.allowed_edges)
    if free is None:
        return _not_judged(problem)
    rows = rows.thinned(most_rows(problem, free))
    problem = MultipleShooting.of(data, rows.all).of_form(network)
    with np.errstate(all="ignore"):
        try:
            point = fitted_states(problem, network)
            if not np.isfinite(problem.sum_of_squares(point)):
                why = "Not explained: Eq. 1 cannot be solved with the learned network in some row."
                return Criticism("not explained", why)
            return _Judgement(problem, point, free, rows, data).criticism()
        except np.linalg.LinAlgError as error:
            why = f"Not judged: the equations of linear theory could not be solved ({error})."
            return Criticism("not judged", why)


def _not_judged(problem: MultipleShooting) -> Criticism:
    replicates = replicate_variance(problem)
    return Criticism(
        "not judged",
        f"Not judged: {problem.n_values:,} measured values are too few to tell misfit from noise. "
        "Whether Eq. 1 explains these data is not known.",
        replicate_noise=None if replicates is None else float(np.sqrt(replicates)),
        n_values=problem.n_values,
    )


class _View(NamedTuple):
    """The data with some values left out, as linear theory sees them."""

    theory: LinearTheory
    left: Residuals
    found: list[Explanation]

    @property
    def least_left(self) -> float:
        """The least variance that an explanation leaves, in units of all nodes' noise."""
        return self.left.variance * min([1.0, *(one.outcome.left for one in self.found)])


class _Judgement:
    """One criticism on its way. Units of variance are those of `_View.least_left`."""

    def __init__(
        self,
        problem: MultipleShooting,
        point: Iterate,
        free: Bool[np.ndarray, " n_parameters"],
        rows: JudgedRows,
        data: Dataset,
    ):
        self._problem, self._point, self._free, self._rows = problem, point, free, rows
        self._data = data
        self._names = [data.row_names[row] for row in rows.all]
        self._apart = problem.apart_by_errors(point)
        self._far = self._far_off()
        self._aside = np.zeros(len(self._names), bool)
        everything = self._view(problem.measured)
        self._view_taken, self._outliers = everything, False
        if self._far.any():
            without = self._view(problem.measured & ~self._far)
            self._outliers = everything.least_left > _MUCH_LESS * without.least_left
            self._view_taken = without if self._outliers else everything
        self._leave_rows_aside()

    def _leave_rows_aside(self) -> None:
        """Judge all else without a few rows that are far off, where linear theory may not hold.

        Such as a row between two steady states, which another network nearby does not explain.
        """
        for _ in range(_MOST_VIEWS):
            rows = self._aside | self._outlying_rows(self._view_taken)
            most = max(1, int(_MOST_ROWS_ASIDE * len(rows)))
            if rows.sum() > most or (rows == self._aside).all():
                return
            self._aside = rows
            counted = self._problem.measured & ~self._far
            self._view_taken = self._view(counted if self._outliers else self._problem.measured)

    def criticism(self) -> Criticism:
        """The verdict."""
        view = self._view_taken
        tests = self._tests(view)
        limit = _ALPHA / max(1, len(tests))
        failed = [(kind, outcome) for kind, outcome in tests if outcome.p_value < limit]
        # In units of all nodes' noise: what the network leaves, and what could be left at least.
        network = float((view.theory.residuals**2).sum()) / (
            view.left.n_values - self._n_parameters
        )
        least = min([1.0, *(outcome.left for _, outcome in failed)]) * view.left.variance
        if failed:
            least = min(least, view.least_left)
        findings = [*self._findings(view, failed), *self._of_network(network, view)]
        if self._outliers:
            findings.append(self._of_outliers())
        noise = self._size(network)
        share = 1.0 - least / network
        verdict: Verdict = "explained" if not findings else "partly"
        if failed or len(findings) > self._outliers:
            # Another network of Eq. 1 is no other equation.
            verdict = "not explained" if failed and share >= _HALF else "partly"
        replicates = replicate_variance(self._problem)
        found = Criticism(
            verdict,
            self._why(verdict, share, noise, tests, bool(failed)),
            noise=noise,
            least_noise=noise * float(np.sqrt(min(1.0, least / network))),
            replicate_noise=None if replicates is None else float(np.sqrt(replicates)),
            n_values=view.left.n_values,
            n_tests=len(tests),
            findings=tuple(findings),
            outlying_values=self._outlying_values() if self._outliers else (),
            outlying_rows=self._named_rows(),
        )
        # Forms are fitted where states are free.
        large = is_large(self._problem.n_nodes)
        return found if large else replace(found, advice=self._advice(found))

    def _advice(self, found: Criticism) -> str:
        doubts = () if found.edges_hold else data_warnings(self._data)
        return advice(
            found,
            self._problem.fitted_form,
            n_times=len(self._problem.times),
            doubts=[doubt.kind for doubt in doubts],
            without=unknown_beside((*PARTS, *HIDDEN, LINES), self._problem.interventions),
        )

    @property
    def _equation(self) -> str:
        form = self._problem.fitted_form
        return f"Eq. 1 with {form}" if form else "Eq. 1"

    @property
    def _n_parameters(self) -> int:
        """Of the network itself."""
        n_nodes = self._problem.n_nodes
        others = np.delete(self._point.parameters, np.s_[n_nodes**2 : n_nodes**2 + n_nodes])
        return int((others != 0).sum()) + n_nodes

    def _far_off(self) -> ValueMask:
        """Values that are far off, where tails are heavy."""
        measured = self._problem.measured
        far = outlying(self._apart / self._node_noise(measured), measured)
        heavy = not noise_of(self._apart, measured).is_gaussian
        few = far.sum() <= _MOST_OUTLYING * measured.sum()
        return far if heavy and few else np.zeros_like(far)

    def _node_noise(self, counted: ValueMask) -> NodeValues:
        """What is left of each node, by the middle of its values; nothing far from all others'."""
        sizes = np.where(counted, np.abs(self._apart), np.nan)
        own = np.nanmedian(np.where(counted.any(axis=(0, 1)), sizes, np.inf), axis=(0, 1))
        typical = float(np.nanmedian(sizes))
        return np.clip(np.nan_to_num(own, nan=typical), typical / 10, typical * 10) / 0.6745

    def _view(self, counted: ValueMask) -> _View:
        noise = self._node_noise(counted)
        scale = float(np.exp(np.mean(np.log(noise))))
        problem = replace(
            self._problem,
            measurements=np.where(counted, self._problem.measurements, np.nan),
            weights=np.broadcast_to((scale / noise) ** 2, counted.shape),
        )
        theory = linear_theory(problem, self._point, self._free).without(self._aside)
        left = Residuals.of(theory)
        if left.spare < 1:
            raise np.linalg.LinAlgError("derivatives are finite in too few rows")
        return _View(theory, left, explanations(theory, left, self._data.nodes, self._names))

    def _tests(self, view: _View) -> list[tuple[str, Outcome]]:
        """All tests that can be made."""
        n_times, n_training = len(self._problem.times), self._rows.n_training
        tests = [(one.kind, one.outcome) for one in view.found if one.kind != "input"]
        if n_times > 1:
            outcome = Outcome(view.left.autocorrelated(n_times), 1.0, 1.0)
            tests.append(("autocorrelation", outcome))
        if n_training < len(self._rows.all):
            trained = Residuals.of(view.theory.rows(slice(n_training)))
            hidden = self._problem.hidden
            # Drives of hidden nodes in rows that the fit has not seen.
            n_own = 0 if hidden is None else hidden.n_hidden * (len(self._rows.all) - n_training)
            worse = predicted_worse(view.left, trained, n_own)
            if worse is not None:
                tests.append(("held_out", worse))
        noise = self._node_noise(self._problem.measured)
        scaled = (self._apart / noise).reshape(len(self._names), -1)
        counted = view.theory.measured
        condition = self._data.condition_of_row[self._rows.all]
        replicates = lack_of_fit(scaled, counted, condition, view.left.basis.shape[2])
        if replicates is not None:
            tests.append(("replicates", replicates))
        return tests

    def _findings(self, view: _View, failed: list[tuple[str, Outcome]]) -> list[Finding]:
        """The best explanation, if anything asks for one, and what else speaks against the fit."""
        outcomes = dict(failed)
        said = []
        asking = [
            one
            for one in view.found
            if one.kind in outcomes or (one.kind == "input" and "rows" in outcomes)
        ]
        if asking:
            best = asking[0]
            p_value = None if best.kind == "input" else best.outcome.p_value
            said.append(Finding(best.kind, best.sentence, p_value, best.outcome.left))
        for kind, sentence in _OTHERS.items():
            if kind in outcomes:
                p_value = outcomes[kind].p_value
                said.append(Finding(kind, sentence, p_value))
        return said

    def _of_network(self, network: float, view: _View) -> list[Finding]:
        """Whether another network would explain more."""
        times = network / view.left.variance
        n_more = view.left.basis.shape[2] - self._n_parameters
        taken = float((view.theory.residuals**2).sum()) - view.left.sum_of_squares
        p_value = upper_f(taken / max(n_more, 1) / view.left.variance, n_more, view.left.spare)
        if times <= _OTHER_NETWORK or n_more < 1 or p_value > _ALPHA / 10:
            return []
        sentence = (
            f"Another network of {self._equation} would explain more: this one leaves "
            f"{times:.2g} times the variance that {self._equation} has to leave."
        )
        return [Finding("network", sentence, p_value, 1 / times)]

    def _of_outliers(self) -> Finding:
        count, total = int(self._far.sum()), self._problem.n_values
        return Finding(
            "outliers",
            f"{count:,} of {total:,} values are far off, and all else was judged without them.",
        )

    def _size(self, variance: float) -> float:
        """A variance in units of all nodes' noise as a standard deviation (log ratio)."""
        noise = self._node_noise(self._problem.measured)
        scale = float(np.exp(np.mean(np.log(noise))))
        # Of the typical value: nodes count as often as they were measured.
        counts = self._problem.measured.sum(axis=(0, 1))
        typical = float(np.sqrt((counts * (noise / scale) ** 2).sum() / counts.sum()))
        return typical * float(np.sqrt(variance))

    def _why(
        self,
        verdict: Verdict,
        share: float,
        noise: float,
        tests: list[tuple[str, Outcome]],
        failed: bool,
    ) -> str:
        n_values = self._view_taken.left.n_values
        asked = f"{len(tests)} tests of {n_values:,} values"
        if verdict == "explained":
            by = f", by {self._equation}" if self._problem.fitted_form else ""
            return f"Explained{by}: {asked} find nothing but noise ({noise:.3g})."
        if not failed:
            aside = ", outlying values aside" if self._outliers else ""
            return (
                f"Partly explained: {asked} find nothing against {self._equation}{aside}; "
                f"this network "
                f"leaves {noise:.3g}."
            )
        word = "Not explained" if verdict == "not explained" else "Partly explained"
        return (
            f"{word}: at least {100 * max(share, 0.0):.0f} % of what the network leaves "
            f"({noise:.3g}) is no noise ({asked})."
        )

    def _outlying_values(self) -> tuple[OutlyingValue, ...]:
        places = np.argwhere(self._far)
        order = np.argsort(-np.abs(self._apart[self._far]), kind="stable")
        return tuple(
            OutlyingValue(
                self._names[row],
                float(self._problem.times[time]),
                self._data.nodes[node],
                float(self._problem.measurements[row, time, node]),
                float(self._point.states[row, time, node]),
            )
            for row, time, node in places[order]
        )

    def _named_rows(self) -> tuple[str, ...]:
        """Rows that are far off, whether or not all else was judged without them."""
        rows = self._aside | self._outlying_rows(self._view_taken)
        return tuple(self._names[row] for row in np.flatnonzero(rows))

    def _outlying_rows(self, view: _View) -> RowMask:
        """Rows whose share of what is left is beyond chance."""
        from scipy.special import chdtri

        counts = view.theory.measured.sum(axis=1)
        spare = np.maximum(counts - (view.left.basis**2).sum(axis=(1, 2)), 1.0)
        squares = (view.left.values**2).sum(axis=1)
        typical = float(np.median((squares / spare)[counts > 0]))
        # Half as much again as chance would bring: linear theory is not exact.
        most = 1.5 * chdtri(spare, _ALPHA / len(spare)) * typical
        return squares > most


_OTHERS = {
    "autocorrelation": "Residuals resemble those of the time before: what is left is no "
    "independent noise.",
    "replicates": "Conditions differ from what the network explains by more than their replicates "
    "differ from one another. Where these share more than the dose, such as a culture or a plate, "
    "they are no independent measurements: give their mean as one row.",
    "held_out": "Conditions that the fit has not seen leave more than those that it has.",
}
