"""Forms of the model: what its right-hand side has beside Eq. 1, and the numbers that were fitted.

    dx/dt = s ∘ (α ∘ φ(W x − D(u) + b + c · treated) − γ ∘ x),    x(0) = x₀
    D(u) = σ ∘ u / (1 + κ ∘ |u|),    measured: x + o · treated

Eq. 1 is b = c = x₀ = o = κ = 0, γ = s = σ = 1 and φ = tanh. Each part is off unless it is named; a
row is treated where any of its doses is not 0. Every number is held so that 0 is Eq. 1 (γ, s and σ
as logarithms), as an entry of W that is 0 is no edge. Nodes that were not measured may stand beside
x (`cellbox.networks.hidden_nodes`), and cell lines may differ in entries of W, α and b
(`cellbox.networks.line_differences`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from cellbox.arrays import NodeMask, NodeValues, Perturbations, RowMask
from cellbox.errors import InputError, Problem, refuse
from cellbox.networks.hidden_nodes import HIDDEN, MOST_HIDDEN, HiddenNodes, hidden_of, mean_of
from cellbox.networks.line_differences import (
    LINES,
    LineDifferences,
    differences_of,
    mean_of_differences,
)
from cellbox.storage.problems import closest

#: Parts with a number for each node (one for all in a time scale), in words and in the equation.
PARTS: dict[str, tuple[str, str]] = {
    "drive": ("a constant drive of nodes in all rows (basal production)", "b"),
    "treated_drive": ("a constant drive of nodes in treated rows", "c"),
    "offset": ("an offset of treated rows", "o"),
    "start": ("x(0) of each node, the same in all rows", "x(0)"),
    "decay": ("a decay of each node", "γ"),
    "time_scale": ("one time scale for all nodes", "s"),
    "dose_scale": ("how strongly the doses of each node act", "σ"),
    "dose_saturation": ("a dose at which each perturbation saturates", "κ"),
}

#: Other response curves than tanh; of these a form has at most one.
CURVES: dict[str, str] = {
    "hill": "products of Hill functions: d ln y/dt = exp(Σ ln f(y; W) − u) / y − 1, x = log2 y",
    "linear": "φ(z) = z",
    "clip": "φ(z) = z between −1 and 1",
    "polynomial": "φ(z) = z |z| / (1 + z²)",
}

# Held as logarithms.
_POSITIVE = ("decay", "time_scale", "dose_scale")

# Of one another's meaning: a form has one of each pair.
_ONE_OF = (("decay", "time_scale"),)

_HILL_HAS = ("start", "offset", "drive", "treated_drive", "time_scale", "dose_scale")

NONE, SEARCH = "none", "search"


@dataclass(frozen=True)
class Form:
    """Which parts the right-hand side has beside Eq. 1; none is Eq. 1."""

    parts: tuple[str, ...] = ()
    curve: str = "tanh"
    n_hidden: int = 0
    lines: bool = False

    def __bool__(self) -> bool:
        return bool(self.parts) or self.curve != "tanh" or self.n_hidden > 0 or self.lines

    @property
    def names(self) -> tuple[str, ...]:
        """What a user names it by."""
        hidden = [name for name, count in HIDDEN.items() if count == self.n_hidden]
        lines = (LINES,) if self.lines else ()
        return (*self.parts, *(() if self.curve == "tanh" else (self.curve,)), *hidden, *lines)

    def __str__(self) -> str:
        return ",".join(self.names) or NONE

    @property
    def has_amplitudes(self) -> bool:
        """Whether α plays a part."""
        return self.curve != "hill"

    def n_numbers(self, n_nodes: int) -> int:
        """How many numbers it has beside W and α."""
        return sum(_n_numbers(part, n_nodes) for part in self.parts)

    def place(self, part: str, n_nodes: int) -> slice:
        """Where the numbers of a part stand among those of the form."""
        before = self.parts[: self.parts.index(part)]
        begin = sum(_n_numbers(each, n_nodes) for each in before)
        return slice(begin, begin + _n_numbers(part, n_nodes))

    def of_nodes(self, numbers: Float[np.ndarray, " n_numbers"], n_nodes: int) -> np.ndarray:
        """The numbers as a table, part by node; what all nodes share is repeated."""
        table = np.zeros((len(self.parts), n_nodes))
        for row, part in enumerate(self.parts):
            table[row] = numbers[self.place(part, n_nodes)]
        return table

    def gathered(self, by_part: Float[np.ndarray, "*shape n_parts n_nodes"]) -> np.ndarray:
        """Derivatives by the table of `of_nodes` as derivatives by the numbers of the form."""
        columns = [
            by_part[..., row, :].sum(axis=-1, keepdims=True)
            if part == "time_scale"
            else by_part[..., row, :]
            for row, part in enumerate(self.parts)
        ]
        return (
            np.concatenate(columns, axis=-1) if columns else by_part.reshape(*by_part.shape[:-2], 0)
        )

    def told(self, perturbations: Perturbations) -> np.ndarray:
        """Which of the numbers these doses can tell at all."""
        n_nodes = perturbations.shape[1]
        told = np.ones(self.n_numbers(n_nodes), bool)
        for part in self.parts:
            if part.startswith("dose_"):
                told[self.place(part, n_nodes)] = _dosed(part, perturbations)
        return told

    def with_part(self, name: str) -> Form | None:
        """The same with one part, curve or hidden node more; None where they exclude each other."""
        if name in HIDDEN:
            more = [each for each, count in HIDDEN.items() if count == self.n_hidden + 1]
            if self.n_hidden == MOST_HIDDEN or excluded_by_hidden(self.names):
                return None
            return form_of((*(each for each in self.names if each not in HIDDEN), *more))
        if name in self.names or (name in CURVES and self.curve != "tanh"):
            return None
        try:
            return form_of((*self.names, name))
        except InputError:
            return None


#: Nothing beside Eq. 1.
EQ_1 = Form()


def _n_numbers(part: str, n_nodes: int) -> int:
    return 1 if part == "time_scale" else n_nodes


def _dosed(part: str, perturbations: Perturbations) -> NodeMask:
    """Nodes whose doses can tell how they act: any, or two unlike ones."""
    if part == "dose_scale":
        return (perturbations != 0).any(axis=0)
    return np.array([len(set(np.abs(doses[doses != 0]))) > 1 for doses in perturbations.T])


def treated_rows(perturbations: Perturbations) -> RowMask:
    """Rows with any dose."""
    return (perturbations != 0).any(axis=1)


@dataclass(frozen=True, eq=False)
class FittedForm:
    """A form with its numbers, as the equation has them (γ, s and σ, not their logarithms).

    values: of each part, a number for each node. hidden: nodes that were not measured, if any.
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
    values: Mapping[str, NodeValues]
    hidden: HiddenNodes | None = None
    lines: LineDifferences | None = None

    @classmethod
    def of(cls, form: Form, numbers: Float[np.ndarray, " n_numbers"], n_nodes: int) -> FittedForm:
        """That of the numbers that are fitted, logarithms among them."""
        table = form.of_nodes(numbers, n_nodes)
        values = {
            part: np.exp(row) if part in _POSITIVE else row
            for part, row in zip(form.parts, table, strict=True)
        }
        return cls(form, values)

    @property
    def n_nodes(self) -> int | None:
        """Number of nodes; None where no part has numbers."""
        if self.hidden is not None:
            return len(self.hidden.targets)
        return next((len(values) for values in self.values.values()), None)

    def table(self, n_nodes: int) -> Float[np.ndarray, "n_parts n_nodes"]:
        """The numbers that are fitted, part by node."""
        rows = [
            np.log(self.values[part]) if part in _POSITIVE else self.values[part]
            for part in self.form.parts
        ]
        return np.array(rows, float).reshape(len(rows), n_nodes)

    def numbers(self, form: Form, n_nodes: int) -> Float[np.ndarray, " n_numbers"]:
        """The numbers that a form with these or other parts begins with; 0 where it has others."""
        found, table = np.zeros(form.n_numbers(n_nodes)), self.table(n_nodes)
        for part in form.parts:
            if part in self.form.parts:
                row = table[self.form.parts.index(part)]
                found[form.place(part, n_nodes)] = row[:1] if part == "time_scale" else row
        return found

    def kept(self) -> FittedForm | None:
        """Without parts that are Eq. 1 in every node; None where that is all."""
        table = self.table(self.n_nodes or 0)
        parts = [part for part, row in zip(self.form.parts, table, strict=True) if row.any()]
        n_hidden = 0 if self.hidden is None else self.hidden.n_hidden
        lines = self.lines if self.lines is not None and self.lines.entries else None
        form = Form(tuple(parts), self.form.curve, n_hidden, lines is not None)
        values = {part: self.values[part] for part in parts}
        return FittedForm(form, values, self.hidden, lines) if form else None

    def in_order(self, order: Int[np.ndarray, " n_nodes"]) -> FittedForm:
        """The same with its nodes in another order, or with some of them."""
        hidden = None if self.hidden is None else self.hidden.in_order(order)
        lines = None if self.lines is None else self.lines.in_order(order)
        return FittedForm(
            self.form, {part: row[order] for part, row in self.values.items()}, hidden, lines
        )

    def sentence(self, nodes: tuple[str, ...]) -> str:
        """What it has beside Eq. 1, with the nodes that it concerns."""
        said = [] if self.form.curve == "tanh" else [f"curve {self.form.curve}"]
        for part, row in zip(self.form.parts, self.table(len(nodes)), strict=True):
            values, symbol = self.values[part], PARTS[part][1]
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
        values = {part: [float(value) for value in row] for part, row in self.values.items()}
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
        positive = part not in _POSITIVE or (row > 0).all()
        if row.shape != (n_nodes,) or not np.isfinite(row).all() or not positive:
            found = f"expected {n_nodes} finite numbers, above 0 where they have to be"
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


def form_of(names: str | Iterable[str], where: str = "form") -> Form:
    """The form with these parts: names, or one text with commas between them; "none" is Eq. 1.

    Raises InputError for a name that is not known, and for parts that exclude each other.

    Example:
        >>> import cellbox
        >>> cellbox.form_of("start, drive").parts
        ('drive', 'start')
    """
    listed = names.split(",") if isinstance(names, str) else list(names)
    listed = [str(name).strip() for name in listed]
    if listed in ([NONE], [""], []):
        return Form()
    known = (*PARTS, *CURVES, *HIDDEN, LINES)
    problems = [
        Problem(
            where,
            f"expected {NONE}, {SEARCH}, or names among {', '.join(known)}, found {name!r}",
            f"The nearest is {closest(name, known)}",
        )
        for name in listed
        if name not in known
    ]
    problems += [
        Problem(where, f"expected each part once, found {name} twice", "Leave one out")
        for name in sorted(set(listed))
        if listed.count(name) > 1
    ]
    curves = [name for name in CURVES if name in listed]
    hidden = [name for name in HIDDEN if name in listed]
    problems += [
        Problem(where, f"expected one of {' and '.join(pair)}, found both", "Leave one out")
        for pair in (*_ONE_OF, tuple(curves), tuple(hidden))
        if len(pair) > 1 and set(pair) <= set(listed)
    ]
    if "hill" in listed:
        problems += [
            Problem(where, f"hill has no part {name}", f"Beside hill use {', '.join(_HILL_HAS)}")
            for name in listed
            if name in PARTS and name not in _HILL_HAS
        ]
    if hidden:
        problems += [
            Problem(where, f"{hidden[0]} and {name} exclude each other", "Leave one out")
            for name in excluded_by_hidden(listed)
        ]
    if problems:
        raise InputError(problems)
    parts = tuple(name for name in PARTS if name in listed)
    n_hidden = HIDDEN[hidden[0]] if hidden else 0
    return Form(parts, curves[0] if curves else "tanh", n_hidden, LINES in listed)


def excluded_by_hidden(names: Iterable[str]) -> list[str]:
    """Of these parts and curves, those that no form has beside hidden nodes.

    Of Hill kinetics they would have no amplitude by convention, and drives of their own would
    make rows treated. Lines that differ and hidden nodes may look like one another.
    """
    return [name for name in names if name in ("hill", "treated_drive", LINES)]


def check_form(text: object, where: str) -> list[Problem]:
    """What is wrong with a form as a setting names it."""
    if not isinstance(text, str):
        found = f"expected a text such as none, search or drive,decay, found {text!r}"
        return [Problem(where, found, "Write the names with commas between them")]
    if text == SEARCH:
        return []
    try:
        form_of(text, where)
    except InputError as error:
        return list(error.problems)
    return []
