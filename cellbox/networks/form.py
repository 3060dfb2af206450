"""Forms of the model: what its right-hand side has beside Eq. 1.

    dx/dt = s ∘ (α ∘ φ(W x − D(u + O u) + b + c · treated) − γ ∘ x),    x(0) = x₀
    D(u) = σ ∘ u / (1 + κ ∘ |u|),    measured: x + o · treated

Eq. 1 is b = c = x₀ = o = κ = O = 0, γ = s = σ = 1 and φ = tanh. Each part is off unless it is
named; a row is treated where any of its doses is not 0. Every number is held so that 0 is Eq. 1 (γ,
s and σ as logarithms), as an entry of W that is 0 is no edge; so is O one of each pair of nodes
(`cellbox.networks.off_targets`). Nodes that were not measured may stand beside x
(`cellbox.networks.hidden_nodes`), and cell lines may differ in entries of W, α and b
(`cellbox.networks.line_differences`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from cellbox.arrays import NodeMask, Perturbations, RowMask
from cellbox.errors import InputError, Problem
from cellbox.networks.hidden_nodes import HIDDEN, MOST_HIDDEN
from cellbox.networks.line_differences import LINES
from cellbox.networks.off_targets import OFF_TARGET, tellable_off_targets
from cellbox.storage.problems import closest

#: Parts with a number for each node (one for all in a time scale, one for each pair of nodes in
#: what doses do to other nodes, which is last), in words and in the equation.
PARTS: dict[str, tuple[str, str]] = {
    "drive": ("a constant drive of nodes in all rows (basal production)", "b"),
    "treated_drive": ("a constant drive of nodes in treated rows", "c"),
    "offset": ("an offset of treated rows", "o"),
    "start": ("x(0) of each node, the same in all rows", "x(0)"),
    "decay": ("a decay of each node", "γ"),
    "time_scale": ("one time scale for all nodes", "s"),
    "dose_scale": ("how strongly the doses of each node act", "σ"),
    "dose_saturation": ("a dose at which each perturbation saturates", "κ"),
    OFF_TARGET: ("what the doses of a node do to other nodes", "O"),
}

#: Other response curves than tanh; of these a form has at most one.
CURVES: dict[str, str] = {
    "hill": "products of Hill functions: d ln y/dt = exp(Σ ln f(y; W) − u) / y − 1, x = log2 y",
    "linear": "φ(z) = z",
    "clip": "φ(z) = z between −1 and 1",
    "polynomial": "φ(z) = z |z| / (1 + z²)",
}

# Held as logarithms.
POSITIVE = ("decay", "time_scale", "dose_scale")

# Of one another's meaning: a form has one of each pair.
_ONE_OF = (("decay", "time_scale"),)

_HILL_HAS = (
    *("start", "offset", "drive", "treated_drive", "time_scale", "dose_scale"),
    OFF_TARGET,
)

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

    @property
    def own_parts(self) -> tuple[str, ...]:
        """Parts that have one number for a node."""
        return tuple(part for part in self.parts if part != OFF_TARGET)

    def n_numbers(self, n_nodes: int) -> int:
        """How many numbers it has beside W and α."""
        return sum(_n_numbers(part, n_nodes) for part in self.parts)

    def place(self, part: str, n_nodes: int) -> slice:
        """Where the numbers of a part stand among those of the form."""
        before = self.parts[: self.parts.index(part)]
        begin = sum(_n_numbers(each, n_nodes) for each in before)
        return slice(begin, begin + _n_numbers(part, n_nodes))

    def of_nodes(self, numbers: Float[np.ndarray, " n_numbers"], n_nodes: int) -> np.ndarray:
        """The numbers as a table, part by node; what all nodes share is repeated.

        What doses do to other nodes has a row for each node that has doses.
        """
        rows = [
            np.broadcast_to(numbers[self.place(part, n_nodes)], n_nodes) for part in self.own_parts
        ]
        if OFF_TARGET in self.parts:
            rows += list(numbers[self.place(OFF_TARGET, n_nodes)].reshape(n_nodes, n_nodes))
        return np.array(rows).reshape(len(rows), n_nodes)

    def gathered(self, by_part: Float[np.ndarray, "*shape n_rows n_nodes"]) -> np.ndarray:
        """Derivatives by the table of `of_nodes` as derivatives by the numbers of the form."""
        columns = [
            by_part[..., row, :].sum(axis=-1, keepdims=True)
            if part == "time_scale"
            else by_part[..., row, :]
            for row, part in enumerate(self.own_parts)
        ]
        others = by_part[..., len(columns) :, :]
        flat = others.reshape(*others.shape[:-2], others.shape[-2] * others.shape[-1])
        return np.concatenate([*columns, flat], axis=-1)

    def told(self, perturbations: Perturbations) -> np.ndarray:
        """Which of the numbers these doses can tell at all."""
        n_nodes = perturbations.shape[1]
        told = np.ones(self.n_numbers(n_nodes), bool)
        for part in self.parts:
            if part.startswith("dose_"):
                told[self.place(part, n_nodes)] = _dosed(part, perturbations)
            elif part == OFF_TARGET:
                told[self.place(part, n_nodes)] = tellable_off_targets(perturbations).T.ravel()
        return told

    def without_part(self, name: str) -> Form:
        """The same without a part that has numbers, if it is there."""
        return replace(self, parts=tuple(part for part in self.parts if part != name))

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
    if part == OFF_TARGET:
        return n_nodes**2
    return 1 if part == "time_scale" else n_nodes


def _dosed(part: str, perturbations: Perturbations) -> NodeMask:
    """Nodes whose doses can tell how they act: any, or two unlike ones."""
    if part == "dose_scale":
        return (perturbations != 0).any(axis=0)
    return np.array([len(set(np.abs(doses[doses != 0]))) > 1 for doses in perturbations.T])


def treated_rows(perturbations: Perturbations) -> RowMask:
    """Rows with any dose."""
    return (perturbations != 0).any(axis=1)


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
    if OFF_TARGET in listed and LINES in listed:
        problems.append(
            Problem(where, f"{OFF_TARGET} and {LINES} exclude each other", "Leave one out")
        )
    if problems:
        raise InputError(problems)
    parts = tuple(name for name in PARTS if name in listed)
    n_hidden = HIDDEN[hidden[0]] if hidden else 0
    return Form(parts, curves[0] if curves else "tanh", n_hidden, LINES in listed)


def excluded_by_hidden(names: Iterable[str]) -> list[str]:
    """Of these parts and curves, those that no form has beside hidden nodes.

    Of Hill kinetics they would have no amplitude by convention, and drives of their own would
    make rows treated. Lines that differ and hidden nodes may look like one another, and so may what
    doses do to other nodes.
    """
    return [name for name in names if name in ("hill", "treated_drive", OFF_TARGET, LINES)]


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
