"""Cell lines in multiple shooting: one W, and behind it what differs in each line.

Behind all other parameters stand, of each line but the reference, ΔW row by row, Δ log α, and b,
the difference of constants inside the tanh. An interval of a line depends on them as it does on W,
log α and a constant drive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from cellbox.arrays import EdgeMask, RowMask, RowNumbers
from cellbox.data.dataset import Dataset
from cellbox.equation.interval_flow import Flow, Intervals
from cellbox.networks.form import EQ_1, Form
from cellbox.networks.line_differences import Difference, LineDifferences
from cellbox.refinement.hidden_shooting import with_drive


class OfLine(NamedTuple):
    """What holds in one line. members: its intervals."""

    members: Int[np.ndarray, " n_members"]
    weights: Float[np.ndarray, "n_nodes n_nodes"]
    amplitudes: Float[np.ndarray, " n_nodes"]
    extras: Float[np.ndarray, "n_parts n_nodes"]


class Lines(NamedTuple):
    """The line of each row, and whether lines may differ.

    names: the reference first. row: of each row the number of its line. form: what is fitted;
    where that has no lines, all are taken as one. told: which differences may be other than 0 by
    `Difference.place`; None for all.
    """

    names: tuple[str, ...]
    row: RowNumbers
    form: Form = EQ_1
    told: frozenset[tuple[int, str, int, int | None]] | None = None

    @classmethod
    def of(cls, data: Dataset, rows: RowNumbers) -> Lines | None:
        """Those of some rows of data; None where there are not several."""
        names = data.line_names
        if len(names) < 2:
            return None
        return cls(names, data.line_of_row[rows])

    @property
    def differ(self) -> bool:
        """Whether they may."""
        return self.form.lines

    @property
    def inner(self) -> Form:
        """The form that rates have: a drive of each node, which gives the derivatives by b."""
        return with_drive(Form(self.form.parts, self.form.curve))

    def n_numbers(self, n_nodes: int) -> int:
        """How many there are behind the other parameters."""
        return (len(self.names) - 1) * self._of_each(n_nodes) if self.differ else 0

    @staticmethod
    def _of_each(n_nodes: int) -> int:
        return n_nodes**2 + 2 * n_nodes

    def free(
        self, free: Bool[np.ndarray, " n_others"], edges: EdgeMask
    ) -> Bool[np.ndarray, " n_parameters"]:
        """Parameters that may differ from 0, of those before the differences and of these."""
        n, inner = len(edges), self.inner
        free = free.copy()
        if "drive" not in self.form.parts:
            begin = n**2 + n + inner.place("drive", n).start
            free[begin : begin + n] = False
        of_each = np.concatenate(
            [edges.ravel(), np.full(n, self.form.has_amplitudes), np.ones(n, bool)]
        )
        present = np.isin(np.arange(1, len(self.names)), self.row)
        differences = (present[:, None] & of_each).ravel()
        if self.told is not None:
            told = np.zeros(len(differences), bool)
            told[[self._place(place, n) for place in self.told]] = True
            differences &= told
        return np.concatenate([free, differences])

    def node_of(self, n_nodes: int) -> Int[np.ndarray, " n_numbers"]:
        """The node, or the row of W, that each difference is of."""
        nodes = np.arange(n_nodes)
        of_each = np.concatenate([np.repeat(nodes, n_nodes), nodes, nodes])
        return np.tile(of_each, len(self.names) - 1)

    def each(
        self,
        parameters: Float[np.ndarray, " n_parameters"],
        extras: Float[np.ndarray, "n_parts n_nodes"],
        intervals: Intervals,
    ) -> Iterator[OfLine]:
        """What holds in each line that has intervals; these come row by row, each alike."""
        n = extras.shape[1]
        weights, log_amplitudes = parameters[: n**2].reshape(n, n), parameters[n**2 : n**2 + n]
        line = np.repeat(self.row, len(intervals.starts) // len(self.row))
        own = np.zeros((len(self.names), self._of_each(n)))
        own[1:] = parameters[len(parameters) - own[1:].size :].reshape(-1, own.shape[1])
        drive = np.array([part == "drive" for part in self.inner.parts])
        with np.errstate(over="ignore"):
            for number in np.unique(line):
                of_weights, of_amplitudes, of_drive = np.split(own[number], [n**2, n**2 + n])
                yield OfLine(
                    np.flatnonzero(line == number),
                    weights + of_weights.reshape(n, n),
                    np.exp(log_amplitudes + of_amplitudes),
                    extras + drive[:, None] * of_drive,
                )

    def with_differences(self, there: Flow) -> Flow:
        """Derivatives by the differences behind those that the form gives."""
        n_intervals, n, _ = there.by_parameters.shape
        begin = n**2 + n + self.inner.place("drive", n).start
        alike = np.concatenate(
            [
                there.by_parameters[..., : n**2 + n],
                there.by_parameters[..., begin : begin + n],
            ],
            axis=2,
        )
        line = np.repeat(self.row, n_intervals // len(self.row))
        parts = [
            np.where((line == number)[:, None, None], alike, 0.0)
            for number in range(1, len(self.names))
        ]
        return there._replace(by_parameters=np.concatenate([there.by_parameters, *parts], axis=2))

    def numbers(self, known: LineDifferences | None, n_nodes: int) -> np.ndarray:
        """The differences as parameters, of lines by their names; 0 where none is known."""
        found = np.zeros(self.n_numbers(n_nodes))
        for one in () if known is None or not self.differ else known.entries:
            name = known.names[one.line] if known is not None else ""
            if name in self.names[1:]:
                place = (self.names.index(name), *one.place[1:])
                found[self._place(place, n_nodes)] = one.value
        return found

    def differences(
        self,
        parameters: Float[np.ndarray, " n_parameters"],
        n_nodes: int,
        errors: Float[np.ndarray, " n_parameters"] | None = None,
    ) -> LineDifferences:
        """The differences that are not 0. errors: standard errors of all parameters, if known."""
        begin, each = len(parameters) - self.n_numbers(n_nodes), self._of_each(n_nodes)
        entries = []
        for place in np.flatnonzero(parameters[begin:]).tolist():
            line, within = place // each + 1, place % each
            value = float(parameters[begin + place])
            error = None if errors is None else float(errors[begin + place])
            if within < n_nodes**2:
                one = Difference(line, "edge", within // n_nodes, within % n_nodes, value, error)
            else:
                kind = "amplitude" if within < n_nodes**2 + n_nodes else "offset"
                node = (within - n_nodes**2) % n_nodes
                one = Difference(line, kind, node, None, value, error)
            entries.append(one)
        return LineDifferences(self.names, tuple(entries))

    def _place(self, place: tuple[int, str, int, int | None], n: int) -> int:
        """Where a difference stands among the differences."""
        line, kind, node, source = place
        begin = (line - 1) * self._of_each(n)
        if kind == "edge":
            return begin + node * n + (source or 0)
        return begin + n**2 + node + (n if kind == "offset" else 0)

    def of_rows(self, rows: RowMask | RowNumbers) -> Lines:
        """Those of these rows alone."""
        return self._replace(row=self.row[rows])

    def told_by(self, known: LineDifferences | None) -> Lines:
        """The same where no other differences may be than those of a network."""
        entries = () if known is None else known.entries
        return self._replace(told=frozenset(one.place for one in entries))


def by_line(
    program: Callable[..., Any], form: Form, lines: Iterator[OfLine], intervals: Intervals
) -> Any:
    """What a program gives of intervals: an array, or a tuple of arrays, the same of each."""
    parts, order = [], []
    for own in lines:
        chosen = Intervals(*(values[own.members] for values in intervals[:3]))
        parts.append(program(form, own.weights, own.amplitudes, own.extras, chosen))
        order.append(own.members)
    back = np.argsort(np.concatenate(order), kind="stable")
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)[back]
    return type(parts[0])(*(np.concatenate(values)[back] for values in zip(*parts, strict=True)))
