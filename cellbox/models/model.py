"""A fitted model: predicts, saves, loads, and gives its network."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int
from numpy.typing import ArrayLike

from cellbox.arrays import Perturbations, Responses, Times
from cellbox.criticism.criticism import Criticism
from cellbox.data.unit_transforms import answers, u_of_doses
from cellbox.data.units import MODEL_UNITS, Units
from cellbox.equation.network_responses import responses
from cellbox.errors import refuse
from cellbox.html_tables import html_of
from cellbox.models.doses import (
    Doses,
    as_perturbations,
    check_request,
    condition_names,
    numbers_of,
)
from cellbox.models.network_draws import NetworkDraws, why_no_interval
from cellbox.models.predicted import Predicted, with_draws
from cellbox.models.prediction_solver import prediction_solver
from cellbox.models.trained_range import beyond_training
from cellbox.models.training_record import Training
from cellbox.models.written_models import write_model
from cellbox.networks.fitted_form import FittedForm, states_at_the_start
from cellbox.networks.interventions import Held, Interventions, check_doses, held_nodes, together
from cellbox.networks.line_differences import line_numbers
from cellbox.networks.line_networks import names_of_lines, of_line
from cellbox.networks.network import Network
from cellbox.settings import Settings
from cellbox.storage.installed import pandas_for
from cellbox.storage.problems import Problems

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from cellbox.data.dataset import Dataset

logger = logging.getLogger("cellbox")

# As many as a row of panels holds, and as a curve looks smooth with.
_ROWS_DRAWN, _TIMES_DRAWN = 4, 101

#: A cell line, or that of each row; None for the reference.
Line = str | Sequence[str] | None


@dataclass(frozen=True, eq=False)
class FittedModel:
    """A learned network and how it was learned.

    network: node names, W and α.
    settings: what it was trained with.
    times: the times of the data it was trained on; what `predict` uses unless told otherwise.
    seed: the seed of its training.
    training: how the training went.
    criticism: whether Eq. 1, with this network, explains the data; None where that was not asked.
    lines: the cell lines of its data, the reference first; none where the data told none.
    units: what the numbers of the data were, which `predict_frame` takes and gives.
    provenance: version, date, data, split and errors, as `cellbox.models.provenance` has them; None
        where that is not known.
    draws: networks that the same experiment might have led to, from which predictions have their
        intervals; None where these would say too much (see `draws_of`).

    Example:
        >>> import cellbox
        >>> data = cellbox.read_data("my_experiment")
        >>> settings = cellbox.Settings(steps=50, refinement="none")
        >>> model = cellbox.fit(data, settings)
        >>> model.predict(data.perturbations[:4], times=[1, 2, 5]).shape  # rows, times, nodes
        (4, 3, 3)
    """

    network: Network
    settings: Settings
    times: Times
    seed: int
    training: Training
    lines: tuple[str, ...] = field(default=(), kw_only=True)
    criticism: Criticism | None = field(default=None, kw_only=True)
    units: Units = field(default=MODEL_UNITS, kw_only=True)
    provenance: Mapping[str, Any] | None = field(default=None, kw_only=True)
    draws: NetworkDraws | None = field(default=None, kw_only=True)

    @property
    def form(self) -> FittedForm | None:
        """What the equation has beside Eq. 1 (see `cellbox.networks.form`), None for nothing."""
        return self.network.form

    def at_the_start(
        self, perturbations: Doses, interventions: Interventions | None = None
    ) -> Perturbations:
        """What would be measured at time 0: x(0), the offset of treated rows, levels held."""
        doses = as_perturbations(perturbations, self.network.nodes)
        states = states_at_the_start(self.form, doses)
        return states if interventions is None else interventions.with_levels(states)

    def network_of(self, line: str) -> Network:
        """The network of one cell line: W, α and what else there is of it.

        Raises InputError for a line that the data had not, with the nearest that they had.
        """
        [number] = line_numbers([line], self._known_lines())
        return of_line(self.network, int(number))

    def _known_lines(self) -> tuple[str, ...]:
        known = self.lines or names_of_lines(self.network)
        if not known:
            found = "expected a model of several cell lines, found one whose data told no lines"
            raise refuse("line", found, "Leave the line out")
        return known

    def _lines_of(self, line: Line, n_rows: int) -> tuple[str, ...] | None:
        """The line of each row; None where it does not matter."""
        known = self.lines or names_of_lines(self.network)
        if line is None or (not known and not isinstance(line, str)):
            return None
        every = (line,) * n_rows if isinstance(line, str) else tuple(line)
        line_numbers(every, self._known_lines())
        if len(every) != n_rows:
            found = f"expected a line for each of {n_rows} rows, found {len(every)}"
            raise refuse("line", found, "Give one name for all rows, or one for each")
        return every if names_of_lines(self.network) else None

    def predict(
        self,
        perturbations: Doses,
        times: ArrayLike | None = None,
        *,
        line: Line = None,
        clamped: Held | None = None,
        interventions: Interventions | None = None,
    ) -> Responses:
        """The response (log ratio) to each perturbation at `times`, from x(0).

        x(0) is 0, or that of the network's form.

        In the model's own units, whatever `units` says.

        perturbations: (n_rows, n_nodes), columns as the model's nodes, with the paper's sign; or
            doses by name, as {"AKT": 0.5} or a list of such conditions.
        times: (n_times,) ascending, in the model's time unit; by default those of the data.
        line: the cell line, or that of each row, of `lines`; by default the reference. A model
            whose data told no lines takes all rows alike.
        clamped: nodes that are held from time 0 on, as {"AKT": -3} (log ratio) for all rows, or one
            such mapping for each row.
        interventions: the same as an array, and when doses begin and end; beside `clamped`.

        A row that the solver could not finish is NaN. Raises InputError for unusable arrays.
        """
        perturbations = as_perturbations(perturbations, self.network.nodes)
        times = self.times if times is None else numbers_of(times, "times")
        check_request(perturbations, times, len(self.network.nodes))
        if clamped is not None:
            held = held_nodes(clamped, self.network.nodes, len(perturbations))
            interventions = together(held, interventions)
        if interventions is not None:
            check_doses(interventions, perturbations, self.network.nodes, "perturbations")
        return responses(
            self.network,
            perturbations,
            times,
            prediction_solver(self.settings),
            lines=self._lines_of(line, len(perturbations)),
            interventions=interventions,
        )

    def predict_rows(
        self, data: Dataset, rows: Int[np.ndarray, " n_asked"], times: ArrayLike | None = None
    ) -> Responses:
        """`predict` of rows of data, with all that was done in them. times: by default the data's.

        Example:
            >>> import cellbox
            >>> data = cellbox.read_data("my_experiment")
            >>> settings = cellbox.Settings(steps=50, refinement="none")
            >>> model = cellbox.fit(data, settings)
            >>> model.predict_rows(data, data.split.test).shape == (1, 2, 3)
            True
        """
        return self.predict(
            data.perturbations[rows],
            data.times if times is None else times,
            line=data.lines_of(rows),
            interventions=data.interventions_of(rows),
        )

    def predict_with_interval(
        self,
        perturbations: Doses,
        times: ArrayLike | None = None,
        *,
        line: Line = None,
        clamped: Held | None = None,
        interventions: Interventions | None = None,
    ) -> Predicted:
        """`predict`, with the ends of 90 % intervals where something tells them.

        They are of the response without measurement noise: how far predictions by networks that
        the same experiment might have led to are from this one (root mean square, times Student's
        t). NaN where some of them could not be solved.

        Example:
            >>> import cellbox
            >>> data = cellbox.read_data("my_experiment")
            >>> settings = cellbox.Settings(steps=50, refinement="none")
            >>> model = cellbox.fit(data, settings)  # what was not refined tells none
            >>> model.predict_with_interval({"g1": 0.5}).low is None
            True
        """
        drawn = () if self.draws is None else self.draws.networks(self.network.nodes)
        value, *others = (
            replace(self, network=network).predict(
                perturbations,
                times,
                line=line,
                clamped=clamped,
                interventions=interventions,
            )
            for network in (self.network, *drawn)
        )
        return with_draws(value, others)

    def why_no_interval(self) -> str | None:
        """Why predictions have no interval, in a sentence; None where they have one."""
        if self.draws is not None:
            return None
        return why_no_interval(self.network, self.training, self.criticism)

    def predict_frame(
        self,
        perturbations: Doses,
        times: ArrayLike | None = None,
        *,
        line: Line = None,
        clamped: Held | None = None,
    ) -> DataFrame:
        """Predictions as a table with the columns condition, time, node and value.

        Beside them low and high, the 90 % interval, where the model tells it.
        line, clamped: as in `predict`; levels of held nodes are log ratios in all units.

        Doses, times and values are in the units of the data (`units.sentence` says which); where
        those were the model's, doses are u, times decay times and values log ratios, as `predict`
        has them.
        """
        pandas = pandas_for("table of predictions")

        doses = as_perturbations(perturbations, self.network.nodes)
        asked = self.own_times if times is None else numbers_of(times, "times")
        predicted = self.answer(doses, asked, line=line, clamped=clamped)
        for note in self.beyond_training(doses, asked):
            logger.warning("%s", note)
        names = (condition_names(perturbations, doses), asked.tolist(), self.network.nodes)
        places = pandas.MultiIndex.from_product(names, names=["condition", "time", "node"])
        parts = predicted._asdict().items()
        columns = {name: part.reshape(-1) for name, part in parts if part is not None}
        return pandas.DataFrame(columns, index=places).reset_index()

    @property
    def own_times(self) -> Times:
        """The times of the data it was trained on, in their unit."""
        return self.times * self.units.decay_time

    def answer(
        self,
        doses: Perturbations,
        times: Times,
        *,
        line: Line = None,
        clamped: Held | None = None,
        interventions: Interventions | None = None,
    ) -> Predicted:
        """`predict_with_interval` with doses, times and values in the units of the data.

        doses: (n_rows, n_nodes). times: (n_times,). line, clamped, interventions: as in `predict`;
        levels of held nodes are log ratios, and times of interventions decay times, in all units.

        Raises InputError for unusable arrays, and
        where a perturbed node has no EC50.
        """
        predicted = self.predict_with_interval(
            *self._in_own_units(doses, times),
            line=line,
            clamped=clamped,
            interventions=interventions,
        )
        return predicted.each(lambda part: answers(part, self.units))

    def beyond_training(self, doses: Perturbations, times: Times) -> list[str]:
        """In what a question, in the units of the data, goes beyond the training data, in words.

        Doses that were higher or lower or of other nodes, in u, and later times, in decay times;
        empty where it does not, and where the model does not tell what it was trained on.
        """
        trained = ((self.provenance or {}).get("data") or {}).get("trained")
        u, moments = self._in_own_units(doses, times)
        return beyond_training(u, moments, self.network.nodes, trained, self.units)

    def _in_own_units(self, doses: Perturbations, times: Times) -> tuple[Perturbations, Times]:
        check_request(doses, times, len(self.network.nodes))
        problems = Problems()
        u = u_of_doses(doses, self.network.nodes, self.units, problems)
        problems.raise_any()
        return u, times / self.units.decay_time

    def to_frame(self) -> DataFrame:
        """The learned edges as a table, the strongest first."""
        return self.network.to_frame()

    def plot_network(self, truth: Network | None = None) -> Figure:
        """W as a heat map, beside the true one where it is given."""
        from cellbox.models.plots import plot_network

        return np.atleast_1d(np.array(plot_network(self.network, truth), dtype=object))[0].figure

    def plot_training(self) -> Figure:
        """Training loss and validation error against the training step."""
        from cellbox.models.plots import plot_loss_history

        # By its type the figure of axes might be a part of another.
        figure: Any = plot_loss_history(self.training.history).figure
        return figure

    def plot_responses(
        self, data: Dataset, rows: Sequence[int] | Int[np.ndarray, " n_shown"] | None = None
    ) -> Figure:
        """Measured points and predicted curves of some rows of the data, by default the first."""
        from cellbox.models.plots import plot_trajectories

        first = range(min(data.n_rows, _ROWS_DRAWN))
        chosen = np.array(first if rows is None else rows)
        shown = data.rows(chosen)
        dense = np.linspace(0, data.times[-1], _TIMES_DRAWN)[1:]
        curves = self.predict_rows(data, chosen, dense)
        start = self.at_the_start(shown.perturbations, shown.interventions)[:, None]
        return plot_trajectories(
            np.concatenate([[0.0], dense]), np.concatenate([start, curves], axis=1), shown
        )[0].figure

    def _repr_html_(self) -> str:
        training = self.training
        error = training.validation_mae
        told = "" if error is None else f" Validation MAE {error:.4g}."
        explained = "" if self.criticism is None else self.criticism.why
        facts = [f"{training.message}{told}", training.refinement, explained]
        return html_of("Fitted model", [f for f in facts if f]) + self.network._repr_html_()

    def save(self, folder: str | Path) -> Path:
        """Write the model as NumPy arrays and JSON (no pickle); returns the folder.

        The folder is made where there is none. Raises InputError where a file is in its place.
        """
        network, form = self.network, _as_dict(self.form)
        arrays = {
            "weights": network.weights,
            "amplitudes": network.amplitudes,
            "times": self.times,
        }
        description = {
            "equation": "dx/dt = alpha * tanh(W x - u) - x, x(0) = 0; W[target, source]",
            "beside_the_equation": None if self.form is None else str(self.form.form),
            "nodes": list(network.nodes),
            "settings": asdict(self.settings),
            "seed": self.seed,
            "training": asdict(self.training) | {"form": form},
            "criticism": None if self.criticism is None else self.criticism.to_dict(),
            "units": self.units.to_dict() if self.units.given else None,
            "provenance": None if self.provenance is None else dict(self.provenance),
            **({"lines": list(self.lines)} if self.lines else {}),
        }
        return write_model(Path(folder), arrays, description, network, self.draws)


def _as_dict(form: FittedForm | None) -> dict[str, Any] | None:
    return None if form is None else form.to_dict()
