"""A form with the numbers that were fitted: what stands in files, and what it makes of states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from cellbox.arrays import EdgeValues, NodeValues, Perturbations
from cellbox.errors import InputError, refuse
from cellbox.networks.form import EQ_1, PARTS, POSITIVE, Form, form_of, treated_rows
from cellbox.networks.hidden_nodes import HiddenNodes, hidden_of, mean_of
from cellbox.networks.line_differences import (
    LINES,
    LineDifferences,
    differences_of,
    mean_of_differences,
)
from cellbox.networks.off_targets import OFF_TARGET, sentence_of


@dataclass(frozen=True, eq=False)
class FittedForm:
    """A form with its numbers, as the equation has them (γ, s and σ, not their logarithms).

    values: of each part, a number for each node; of what doses do to other nodes O, target by
    source (`cellbox.networks.off_targets`). hidden: nodes that were not measured, if any.
    lines: what differs between cell lines, if anything does.

    Example:
        >>> import numpy as np
        >>> import cellbox
        >>> plain = cellbox.random_network(3, density=0.5, seed=0)
        >>> form = cellbox.FittedForm(cellbox.form_of("start"), {"start": np.array([0, 0.5, 0])})
        >>> network = cellbox.Network(plain.nodes, plain.weights, plain.amplitudes, form)
        >>> cellbox.simulate(network, n_conditions=6, n_times=2, n_held_out=2).n_rows
        10
    """

    form: Form
    values: Mapping[str, NodeValues | EdgeValues]
    hidden: HiddenNodes | None = None
    lines: LineDifferences | None = None

    @classmethod
    def of(cls, form: Form, numbers: Float[np.ndarray, " n_numbers"], n_nodes: int) -> FittedForm:
        """That of the numbers that are fitted, logarithms among them."""
        table = form.of_nodes(numbers, n_nodes)
        values = {
            part: np.exp(row) if part in POSITIVE else row
            for part, row in zip(form.own_parts, table, strict=False)
        }
        if OFF_TARGET in form.parts:
            values[OFF_TARGET] = table[len(form.own_parts) :].T
        return cls(form, values)

    @property
    def n_nodes(self) -> int | None:
        """Number of nodes; None where no part has numbers."""
        if self.hidden is not None:
            return len(self.hidden.targets)
        return next((len(values) for values in self.values.values()), None)

    def table(self, n_nodes: int) -> Float[np.ndarray, "n_rows n_nodes"]:
        """The numbers that are fitted, as `Form.of_nodes` has them."""
        rows = [
            np.log(self.values[part]) if part in POSITIVE else self.values[part]
            for part in self.form.own_parts
        ]
        rows += list(self.values[OFF_TARGET].T) if OFF_TARGET in self.form.parts else []
        return np.array(rows, float).reshape(len(rows), n_nodes)

    def rows(self, part: str, n_nodes: int) -> np.ndarray:
        """What stands in the table of a part: a row, or several."""
        own = self.form.own_parts
        table = self.table(n_nodes)
        return table[len(own) :] if part == OFF_TARGET else table[own.index(part)]

    def numbers(self, form: Form, n_nodes: int) -> Float[np.ndarray, " n_numbers"]:
        """The numbers that a form with these or other parts begins with; 0 where it has others."""
        found = np.zeros(form.n_numbers(n_nodes))
        for part in form.parts:
            if part in self.form.parts:
                row = self.rows(part, n_nodes).ravel()
                found[form.place(part, n_nodes)] = row[:1] if part == "time_scale" else row
        return found

    def kept(self) -> FittedForm | None:
        """Without parts that are Eq. 1 in every node; None where that is all."""
        n_nodes = self.n_nodes or 0
        parts = [part for part in self.form.parts if self.rows(part, n_nodes).any()]
        n_hidden = 0 if self.hidden is None else self.hidden.n_hidden
        lines = self.lines if self.lines is not None and self.lines.entries else None
        form = Form(tuple(parts), self.form.curve, n_hidden, lines is not None)
        values = {part: self.values[part] for part in parts}
        return FittedForm(form, values, self.hidden, lines) if form else None

    def in_order(self, order: Int[np.ndarray, " n_nodes"]) -> FittedForm:
        """The same with its nodes in another order, or with some of them."""
        hidden = None if self.hidden is None else self.hidden.in_order(order)
        lines = None if self.lines is None else self.lines.in_order(order)
        values = {
            part: row[np.ix_(order, order)] if part == OFF_TARGET else row[order]
            for part, row in self.values.items()
        }
        return FittedForm(self.form, values, hidden, lines)

    def with_more_nodes(self, more: int) -> FittedForm:
        """The same of a network with more nodes, which are last and have nothing beside Eq. 1."""
        values = {}
        for part, row in self.values.items():
            rest = row[0] if part == "time_scale" else float(part in POSITIVE)
            values[part] = np.pad(row, (0, more), constant_values=rest)
        return replace(self, values=values)

    def sentence(self, nodes: tuple[str, ...]) -> str:
        """What it has beside Eq. 1, with the nodes that it concerns."""
        said = [] if self.form.curve == "tanh" else [f"curve {self.form.curve}"]
        for part in self.form.parts:
            row, values = self.rows(part, len(nodes)), self.values[part]
            symbol = PARTS[part][1]
            if part == OFF_TARGET:
                said.append(f"{part} ({symbol}: {sentence_of(values, nodes)})")
                continue
            if part == "time_scale":
                said.append(f"{part} ({symbol} = {values[0]:.3g})")
                continue
            strongest = np.argsort(-np.abs(row), kind="stable")[: np.count_nonzero(row)]
            named = [f"{nodes[node]} {values[node]:.3g}" for node in strongest[:_NODES_NAMED]]
            more = len(strongest) - len(named)
            rest = f" and {more} more nodes" if more > 0 else ""
            said.append(f"{part} ({symbol}: {', '.join(named)}{rest})")
        if self.hidden is not None:
            said.append(f"{self.form.names[-1]} ({self.hidden.sentence(nodes)})")
        if self.lines is not None:
            said.append(f"{LINES} ({self.lines.sentence(nodes)})")
        return f"Form beside Eq. 1: {'; '.join(said)}."

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for files."""
        values = {part: np.asarray(row, float).tolist() for part, row in self.values.items()}
        content: dict[str, Any] = {"curve": self.form.curve, "values": values}
        content |= {} if self.hidden is None else {"hidden": self.hidden.to_dict()}
        return content if self.lines is None else content | {LINES: self.lines.to_dict()}


_NODES_NAMED = 4


def fitted_form_of(content: Any, n_nodes: int, where: str, fix: str) -> FittedForm | None:
    """The form of its plain values; None of None. Raises InputError where they are others."""
    if content is None:
        return None
    try:
        values = {part: np.array(row, float) for part, row in content["values"].items()}
        curve = content["curve"]
        form = form_of((*values, *([] if curve == "tanh" else [curve])), where)
        hidden = hidden_of(content["hidden"], n_nodes) if "hidden" in content else None
        lines = differences_of(content[LINES], n_nodes) if LINES in content else None
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        found = f"expected a form as this program writes it: {type(error).__name__}: {error}"
        raise refuse(where, found, fix) from error
    for part, row in values.items():
        positive = part not in POSITIVE or (row > 0).all()
        shape = (n_nodes, n_nodes) if part == OFF_TARGET else (n_nodes,)
        if row.shape != shape or not np.isfinite(row).all() or not positive:
            of_all = f"{n_nodes} by {n_nodes}" if part == OFF_TARGET else str(n_nodes)
            found = f"expected {of_all} finite numbers, above 0 where they have to be"
            raise refuse(f"{where}, {part}", f"{found}, found others", fix)
    form = form if hidden is None else replace(form, n_hidden=hidden.n_hidden)
    form = form if lines is None else replace(form, lines=True)
    return FittedForm(form, {part: values[part] for part in form.parts}, hidden, lines)


def mean_form(forms: Sequence[FittedForm | None], n_nodes: int) -> FittedForm | None:
    """The mean of several networks' forms, where they share a curve; else the first one's."""
    fitted = [FittedForm(EQ_1, {}) if one is None else one for one in forms]
    if len({(one.form.curve, one.form.n_hidden) for one in fitted}) > 1:
        return forms[0]
    names = {name for one in fitted for name in one.form.names}
    if not names:
        return None
    try:
        form = form_of(names)
    except InputError:
        # Parts that exclude each other.
        return forms[0]
    numbers = np.mean([one.numbers(form, n_nodes) for one in fitted], axis=0)
    mean = FittedForm.of(form, numbers, n_nodes)
    hidden = [one.hidden for one in fitted if one.hidden is not None]
    mean = replace(mean, hidden=mean_of(hidden)) if hidden else mean
    known = [one.lines.names for one in fitted if one.lines is not None]
    if not known:
        return mean
    return replace(mean, lines=mean_of_differences([one.lines for one in fitted], known[0]))


def states_at_the_start(form: FittedForm | None, perturbations: Perturbations) -> Perturbations:
    """What is measured at time 0 in each row."""
    states = np.zeros(perturbations.shape)
    if form is not None:
        states = states + form.values.get("start", 0.0)
    return states + offsets(form, perturbations)


def offsets(form: FittedForm | None, perturbations: Perturbations) -> Perturbations:
    """What is added to each row's states when they are measured."""
    if form is None or "offset" not in form.values:
        return np.zeros(perturbations.shape)
    return treated_rows(perturbations)[:, None] * form.values["offset"]


def refuse_form(form: FittedForm | None, what: str) -> None:
    """Refuse to do with a form what only Eq. 1 can be taken for."""
    if form is not None and form.form.lines:
        raise refuse(
            what,
            "expected one equation, found a network whose cell lines differ",
            "Take one line (--line NAME; in Python model.network_of(NAME)), or a model that was "
            "fitted without --form lines",
        )
    if form is not None:
        raise refuse(
            what,
            f"expected Eq. 1 alone, found a network with the form {form.form}",
            "Use a model that was fitted without --form",
        )
