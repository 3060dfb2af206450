"""Several fits of the same data as one model: what they agree on, and how far they differ.

Members start from draws of their own and, with a bootstrap, learn from draws of conditions of
their own. Their mean predicts better than most of them, and how often an edge is selected tells
how much it hangs on single conditions.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool
from numpy.typing import ArrayLike

from cellbox.arrays import EdgeMask, Responses
from cellbox.criticism.criticism import Criticism
from cellbox.html_tables import html_of
from cellbox.models.checked_files import ARRAYS_DIGEST
from cellbox.models.doses import Doses
from cellbox.models.model import FittedModel, Line, Training
from cellbox.models.predicted import Predicted, of_members
from cellbox.networks.fitted_form import mean_form
from cellbox.networks.interventions import Held, Interventions
from cellbox.networks.network import Network
from cellbox.refinement.edge_intervals import LEVEL, EdgeIntervals, student_quantile
from cellbox.storage.files import atomic_write
from cellbox.storage.installed import pandas_for
from cellbox.storage.seals import digest_of, sealed_text

if TYPE_CHECKING:
    from pandas import DataFrame

_EDGES_SHOWN = 10
FORMAT = 1
ARRAYS = "ensemble.npz"
DESCRIPTION = "ensemble.json"
EDGES = "edges.csv"

# Gradient descent alone leaves no weight at zero: an edge counts as selected above this share of
# the member's largest |W|.
SELECTED_ABOVE = 0.1


@dataclass(frozen=True)
class EnsembleEdge:
    """The effect of `source` on `target` as an ensemble sees it.

    mean: of W[target, source] over the members. low, high: the 90 % interval; see
        `Ensemble.intervals_from`. frequency: share of the members that select the edge.
    """

    source: str
    target: str
    mean: float
    low: float
    high: float
    frequency: float


@dataclass(frozen=True, eq=False)
class Ensemble(FittedModel):
    """Fitted models of the same data; as a model it predicts what its members do on average.

    network: the mean W and the mean α of the members. training: of all members in one record; its
        history is that of the first.
    members: those whose training did not diverge, at least one. n_diverged: how many others.
    selected: which edges each member selects: those that its refinement left in, or, where
        nothing was refined, |W| above `SELECTED_ABOVE` of its largest.
    intervals: 90 % intervals of W from the least squares of all edges
        (`cellbox.refinement.edge_intervals`), or None where the data do not allow them, and in
        networks of more than 40 nodes where no member was refined.
    bootstrap: whether each member learned from a draw of conditions of its own.
    """

    members: tuple[FittedModel, ...]
    n_diverged: int
    selected: Bool[np.ndarray, "n_members n_nodes n_nodes"]
    allowed_edges: EdgeMask
    intervals: EdgeIntervals | None
    bootstrap: bool

    def predict(
        self,
        perturbations: Doses,
        times: ArrayLike | None = None,
        *,
        line: Line = None,
        clamped: Held | None = None,
        interventions: Interventions | None = None,
    ) -> Responses:
        """The mean of the members' predictions (log ratio); see `FittedModel.predict`.

        A row that some but not all members cannot solve is the mean of the others.
        """
        return self.predict_with_interval(
            perturbations, times, line=line, clamped=clamped, interventions=interventions
        ).value

    def predict_with_interval(
        self,
        perturbations: Doses,
        times: ArrayLike | None = None,
        *,
        line: Line = None,
        clamped: Held | None = None,
        interventions: Interventions | None = None,
    ) -> Predicted:
        """The mean of the members' predictions ± Student's t · their standard deviation.

        Of one member alone, its own.
        """
        if len(self.members) == 1:
            return self.members[0].predict_with_interval(
                perturbations, times, line=line, clamped=clamped, interventions=interventions
            )
        every = [
            member.predict(
                perturbations, times, line=line, clamped=clamped, interventions=interventions
            )
            for member in self.members
        ]
        return of_members(np.array(every))

    def why_no_interval(self) -> str | None:
        """Why predictions have no interval, in a sentence; None where they have one."""
        if len(self.members) > 1 or self.members[0].draws is not None:
            return None
        return "The ensemble is one network, so nothing is spread; its own model may have some."

    @property
    def intervals_from(self) -> str:
        """Where the intervals of `edges` come from, as a sentence."""
        widening = 1.0 if self.criticism is None else self.criticism.widening
        if not np.isfinite(widening):
            return "No intervals: Eq. 1 does not explain the data, and they would say too much."
        if widening > 1:
            return (
                f"{self._plain_intervals_from} They were made {widening:.2g} times as wide, since "
                "Eq. 1 explains the data in part."
            )
        return self._plain_intervals_from

    @property
    def _plain_intervals_from(self) -> str:
        if self.intervals is not None and self.intervals.n_draws:
            return (
                "90 % intervals from the least squares of all edges, their widths from "
                f"{self.intervals.n_draws} draws of simulated noise."
            )
        if self.intervals is not None:
            return "90 % intervals from the least squares of all edges."
        if len(self.members) < 2:
            return "No intervals: one member alone does not tell them."
        return (
            f"90 % intervals from the spread of {len(self.members)} members alone: they show how "
            "far members differ, and not how far all of them may be off."
        )

    def edges(self) -> list[EnsembleEdge]:
        """Every edge that may be, the strongest first; a bound that is not known is infinite.

        Without least squares an interval is mean ± Student's t · standard deviation of members.
        """
        nodes = self.network.nodes
        mean, low, high = self._bounds()
        frequency = self.selected.mean(axis=0)
        targets, sources = np.nonzero(self.allowed_edges)
        order = np.argsort(-np.abs(mean[targets, sources]), kind="stable")
        return [
            EnsembleEdge(
                nodes[source],
                nodes[target],
                *(float(values[target, source]) for values in (mean, low, high, frequency)),
            )
            for target, source in zip(targets[order], sources[order], strict=True)
        ]

    def to_frame(self) -> DataFrame:
        """`edges` as a table with the columns of `EnsembleEdge`."""
        pandas = pandas_for("table of edges")

        return pandas.DataFrame([asdict(edge) for edge in self.edges()])

    def _repr_html_(self) -> str:
        edges = [asdict(edge) for edge in self.edges()[:_EDGES_SHOWN]]
        columns = tuple(EnsembleEdge.__dataclass_fields__)
        return html_of(
            f"Ensemble of {len(self.members)} networks of {self.network.n_nodes} nodes",
            [self.training.message, self.intervals_from, "to_frame() has all edges."],
            columns,
            [[edge[column] for column in columns] for edge in edges],
        )

    def save(self, folder: str | Path) -> Path:
        """Write ensemble.npz, ensemble.json (no pickle) and edges.csv; returns the folder.

        Beside them is the mean network as a single model, as `FittedModel.save` writes it. The
        folder is made where there is none. Raises InputError where a file is in its place.
        """
        folder = super().save(folder)
        arrays: dict[str, Any] = {
            "weights": np.array([member.network.weights for member in self.members]),
            "amplitudes": np.array([member.network.amplitudes for member in self.members]),
            "times": self.times,
            "selected": self.selected,
            "allowed_edges": self.allowed_edges,
        }
        if self.intervals is not None:
            arrays |= {
                "low": self.intervals.low,
                "high": self.intervals.high,
                "n_draws": np.array(self.intervals.n_draws),
            }
        content = io.BytesIO()
        np.savez(content, **arrays)
        with atomic_write(folder / ARRAYS, "wb") as binary:
            binary.write(content.getvalue())
        description = self._description() | {ARRAYS_DIGEST: digest_of(content.getvalue())}
        with atomic_write(folder / DESCRIPTION) as text:
            text.write(sealed_text(description, indent=2, allow_nan=True))
        self.write_edges(folder / EDGES)
        return folder

    def write_edges(self, path: str | os.PathLike[str]) -> None:
        """Write `edges` as CSV; what is not known is left empty."""
        with atomic_write(path) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["source", "target", "mean", "low", "high", "selection_frequency"])
            for edge in self.edges():
                numbers = (edge.mean, edge.low, edge.high, edge.frequency)
                shown = [repr(value) if np.isfinite(value) else "" for value in numbers]
                writer.writerow([edge.source, edge.target, *shown])

    def _bounds(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean, low and high of every entry of W, as wide as the criticism asks for."""
        mean, low, high = self._plain_bounds()
        if self.criticism is None or self.criticism.widening == 1.0:
            return mean, low, high
        if not np.isfinite(self.criticism.widening):
            return mean, np.full(mean.shape, -np.inf), np.full(mean.shape, np.inf)
        centre, within = (low + high) / 2, (high - low) / 2 * self.criticism.widening
        known = np.isfinite(within)
        return mean, np.where(known, centre - within, low), np.where(known, centre + within, high)

    def _plain_bounds(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The same were Eq. 1 to explain the data."""
        weights = np.array([member.network.weights for member in self.members])
        mean = weights.mean(axis=0)
        if self.intervals is not None:
            return mean, self.intervals.low, self.intervals.high
        if len(weights) < 2:
            return mean, np.full(mean.shape, -np.inf), np.full(mean.shape, np.inf)
        within = student_quantile(LEVEL, len(weights) - 1) * weights.std(axis=0, ddof=1)
        return mean, mean - within, mean + within

    def _description(self) -> dict:
        return {
            "format": FORMAT,
            "equation": "dx/dt = alpha * tanh(W x - u) - x, x(0) = 0; W[member, target, source]",
            "nodes": list(self.network.nodes),
            "settings": asdict(self.settings),
            "seed": self.seed,
            "bootstrap": self.bootstrap,
            "diverged": self.n_diverged,
            "criticism": None if self.criticism is None else self.criticism.to_dict(),
            "units": self.units.to_dict() if self.units.given else None,
            **({"lines": list(self.lines)} if self.lines else {}),
            "provenance": None if self.provenance is None else dict(self.provenance),
            "members": [
                {
                    "seed": member.seed,
                    "training": asdict(member.training) | {"form": _form_of(member)},
                }
                for member in self.members
            ],
        }


def _form_of(member: FittedModel) -> dict[str, Any] | None:
    return None if member.form is None else member.form.to_dict()


def ensemble_of(
    members: Sequence[FittedModel],
    *,
    n_diverged: int,
    selected: Bool[np.ndarray, "n_members n_nodes n_nodes"],
    allowed_edges: EdgeMask,
    intervals: EdgeIntervals | None,
    bootstrap: bool,
    seed: int,
    criticism: Criticism | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Ensemble:
    """The ensemble of these members, at least one; see `Ensemble` for the rest."""
    first = members[0]
    networks = [member.network for member in members]
    mean = Network(
        first.network.nodes,
        np.mean([network.weights for network in networks], axis=0),
        np.mean([network.amplitudes for network in networks], axis=0),
        mean_form([network.form for network in networks], first.network.n_nodes),
    )
    return Ensemble(
        network=mean,
        settings=first.settings,
        times=first.times,
        seed=seed,
        training=_training_of(members, n_diverged),
        members=tuple(members),
        n_diverged=n_diverged,
        selected=selected,
        allowed_edges=allowed_edges,
        intervals=intervals,
        bootstrap=bootstrap,
        criticism=criticism,
        units=first.units,
        lines=first.lines,
        provenance=provenance,
    )


def _training_of(members: Sequence[FittedModel], n_diverged: int) -> Training:
    """How the members' trainings went, as one record."""
    records = [member.training for member in members]
    errors = [each.validation_mae for each in records if each.validation_mae is not None]
    count = "1 member was trained" if len(records) == 1 else f"{len(records)} members were trained"
    diverged = f"; {n_diverged} diverged and were left out" if n_diverged else ""
    return replace(
        records[0],
        status="completed",
        message=f"{count}{diverged}.",
        steps=max(record.steps for record in records),
        validation_mae=float(np.mean(errors)) if errors else None,
        seconds=max(record.seconds for record in records),
        selection_error=None,
        noise=None,
        refined=all(record.refined for record in records),
    )
