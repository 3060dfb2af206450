"""What was done in a condition beside doses that last: nodes that are held, doses that end.

A node k that is held at a level c (a knock-out, a stabilised protein) leaves its own equation from
time 0 on and acts on others as ever:

    x_k(t) = c,    dx_i/dt = α_i tanh(Σ_j W_ij x_j − u_i) − x_i    for all other nodes i.

A dose that begins and ends acts from its first time until its last: u(t) is constant in pieces.

Both are what an experimenter did, so they are told by the data (`cellbox.data.dataset.Dataset`) and
no parts of a form (`cellbox.networks.form`), which is searched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from cellbox.arrays import Perturbations, Responses, RowMask, RowNumbers
from cellbox.errors import listed, refuse
from cellbox.networks.hidden_nodes import HIDDEN
from cellbox.networks.line_differences import LINES
from cellbox.storage.csv_tables import number
from cellbox.storage.problems import Problems, note_unknown

#: Parts of a form that are about rows with doses: a dose that ends would make a row treated for a
#: while.
OF_TREATED_ROWS = ("treated_drive", "offset")

#: Parts of a form that are not known beside anything that is told here. Hidden nodes have drives
#: of their own in each row, which would take up what is done there.
NOT_BESIDE = (*HIDDEN, LINES)

_NAMED = 6
_ROWS_NAMED = 3
_ROUNDING = 1e-6


def check_form_beside(
    parts: Iterable[str], interventions: Interventions | None, where: str = "form"
) -> None:
    """Refuse parts of a form that are not known beside held nodes, or beside doses that end."""
    unknown = unknown_beside(parts, interventions)
    if unknown:
        raise refuse(
            where,
            "expected a form that is known beside held nodes and doses that begin or end, found "
            f"{', '.join(unknown)}",
            f"Leave {unknown[0]} out of the form, or these conditions out of the data",
        )


def unknown_beside(parts: Iterable[str], interventions: Interventions | None) -> list[str]:
    """Of these parts those that are not known beside what was done."""
    if interventions is None:
        return []
    lasting = bool(interventions.lasting.all())
    unknown = NOT_BESIDE if lasting else (*OF_TREATED_ROWS, *NOT_BESIDE)
    return [part for part in parts if part in unknown]


@dataclass(frozen=True, eq=False)
class Interventions:
    """Which nodes are held in each row, and when its doses act.

    held: the level (log ratio) at which each node is held, NaN where it is free. begins, ends: when
    the dose of each node acts (decay times), from `begins` on and no longer at `ends`; 0 and
    infinity of a dose that lasts, and where there is none.

    Example:
        >>> import numpy as np
        >>> import cellbox
        >>> held = cellbox.held_nodes([{}, {"g2": -3}], ("g1", "g2"))
        >>> held.affected.tolist()  # the second of two rows
        [False, True]
    """

    held: Perturbations
    begins: Perturbations
    ends: Perturbations

    @property
    def free(self) -> Bool[np.ndarray, "n_rows n_nodes"]:
        """Nodes that follow their own equation."""
        return np.isnan(self.held)

    @property
    def lasting(self) -> Bool[np.ndarray, "n_rows n_nodes"]:
        """Nodes whose doses act all the time."""
        return (self.begins == 0) & np.isinf(self.ends)

    @property
    def affected(self) -> RowMask:
        """Rows in which a node is held, or a dose does not last."""
        return ~(self.free & self.lasting).all(axis=1)

    def rows(self, rows: RowMask | Int[np.ndarray, " n_chosen"]) -> Interventions | None:
        """Those of these rows alone; None where nothing was done in any."""
        chosen = Interventions(self.held[rows], self.begins[rows], self.ends[rows])
        return chosen if chosen.affected.any() else None

    def with_levels(self, states: Perturbations | Responses) -> np.ndarray:
        """The states with those of held nodes; states have one or more times."""
        held = self.held if states.ndim == 2 else self.held[:, None]
        return np.where(np.isnan(held), states, held)

    def keys(self) -> Float[np.ndarray, "n_rows n_keys"]:
        """Numbers that are 0 where nothing was done, and tell rows apart by what was."""
        held = np.where(self.free, 0.0, self.held)
        ends = np.where(np.isinf(self.ends), 0.0, self.ends)
        return np.concatenate([held, (~self.free).astype(float), self.begins, ends], axis=1)

    def switches(self, until: float) -> Float[np.ndarray, " n_switches"]:
        """Times before `until` at which any dose begins or ends, ascending."""
        times = np.unique(np.concatenate([self.begins, self.ends], axis=None))
        return times[(times > 0) & (times < until)]

    def acting(self, perturbations: Perturbations, time: float) -> Perturbations:
        """u at a time, and until the next switch."""
        return np.where((self.begins <= time) & (time < self.ends), perturbations, 0.0)

    def inputs(
        self, perturbations: Perturbations, horizon: float
    ) -> Float[np.ndarray, "n_rows n_inputs"]:
        """What was done as numbers, for models without time: doses, and levels behind them.

        A dose counts by the share of the time until the horizon in which it acts. Of each node that
        is held in any row there is its level, 0 where it is free.
        """
        acts = np.minimum(self.ends, horizon) - np.minimum(self.begins, horizon)
        levels = np.where(self.free, 0.0, self.held)
        return np.concatenate([perturbations * np.maximum(acts, 0.0) / horizon, levels], axis=1)

    def seen_until(self, perturbations: Perturbations, last: float) -> Interventions:
        """The same without what shows in no state until then.

        That is spans of nodes without a dose, and ends of doses at the last time or later: as in a
        table whose column `until` has the end of the experiment everywhere.
        """
        dosed = perturbations != 0
        # Times in another unit may differ by rounding.
        over = ~dosed | (self.ends >= last * (1 - _ROUNDING))
        return Interventions(
            self.held, np.where(dosed, self.begins, 0.0), np.where(over, np.inf, self.ends)
        )

    def in_order(self, order: Int[np.ndarray, " n_chosen"]) -> Interventions:
        """The same with nodes in another order, or with some of them."""
        return Interventions(self.held[:, order], self.begins[:, order], self.ends[:, order])

    def with_free_node(self) -> Interventions:
        """The same with a node more, which nothing is done to but doses that last."""
        pad = [(0, 0), (0, 1)]
        return Interventions(
            np.pad(self.held, pad, constant_values=np.nan),
            np.pad(self.begins, pad),
            np.pad(self.ends, pad, constant_values=np.inf),
        )

    def words(self, row: int, nodes: Sequence[str]) -> str:
        """What was done in a row beside doses that last; "" for nothing."""
        held = np.flatnonzero(~self.free[row]).tolist()
        told = [f"{nodes[node]} held at {self.held[row, node]:.3g}" for node in held]
        for node in np.flatnonzero(~self.lasting[row]).tolist():
            end = self.ends[row, node]
            until = "" if np.isinf(end) else f" until {end:.3g}"
            told.append(f"dose of {nodes[node]} from {self.begins[row, node]:.3g}{until}")
        return ", ".join(told)

    def sentences(self, nodes: Sequence[str], condition_of_row: RowNumbers) -> list[str]:
        """What was done in how many conditions, for people."""
        said = []
        for node in np.flatnonzero((~self.free).any(axis=0)).tolist():
            rows = ~self.free[:, node]
            levels = np.unique(self.held[rows, node])
            at = f"{levels[0]:.3g}" if len(levels) == 1 else f"{levels[0]:.3g} to {levels[-1]:.3g}"
            said.append(f"{_conditions(condition_of_row, rows)} node {nodes[node]} at {at}.")
        if len(said) > _NAMED:
            rest = len(said) - _NAMED
            said = [*said[:_NAMED], f"{rest} more nodes are held in other conditions."]
        pulsed = ~self.lasting.all(axis=1)
        if pulsed.any():
            count = len(np.unique(condition_of_row[pulsed]))
            have = "condition has" if count == 1 else "conditions have"
            said.append(f"{count} {have} doses that begin later or end.")
        return said


def _conditions(condition_of_row: np.ndarray, rows: RowMask) -> str:
    count = len(np.unique(condition_of_row[rows]))
    return "1 condition holds" if count == 1 else f"{count} conditions hold"


def no_interventions(n_rows: int, n_nodes: int) -> Interventions:
    """Those of rows in which nothing was done."""
    shape = n_rows, n_nodes
    return Interventions(np.full(shape, np.nan), np.zeros(shape), np.full(shape, np.inf))


def rows_of(
    interventions: Interventions | None, rows: RowMask | Int[np.ndarray, " n_chosen"]
) -> Interventions | None:
    """Those of these rows, if there are any."""
    return None if interventions is None else interventions.rows(rows)


_LEVELS = 'Give one mapping for all rows, as {"AKT": -3}, or one for each'

#: Levels of held nodes by name, of all rows alike or of each.
Held = Mapping[str, Any] | Sequence[Mapping[str, Any]]


def held_nodes(
    clamped: Held, nodes: Sequence[str], n_rows: int | None = None, where: str = "clamped"
) -> Interventions:
    """Nodes that are held, as {"AKT": -3} for all rows or one such mapping for each row.

    Levels are log ratios. n_rows: how many rows there are; by default as many as mappings.
    Raises InputError for nodes that are not known, and levels that are no finite numbers or have
    no names.

    Example:
        >>> import cellbox
        >>> done = cellbox.held_nodes({"AKT": -3}, ("AKT", "MEK"), n_rows=2)
        >>> done.held.tolist()
        [[-3.0, nan], [-3.0, nan]]
    """
    alike = isinstance(clamped, Mapping)
    each: list[Mapping[str, Any]]
    if isinstance(clamped, Mapping):
        each = [clamped] * (1 if n_rows is None else n_rows)
    else:
        each = list(clamped) if isinstance(clamped, Iterable) else [clamped]
        other = [levels for levels in each if not isinstance(levels, Mapping)]
        if other:
            found = f"expected levels by the names of nodes, found {other[0]!r}"
            raise refuse(where, found, _LEVELS)
    if n_rows is not None and len(each) != n_rows:
        found = f"expected levels for each of {n_rows} rows, found {len(each)}"
        raise refuse(where, found, _LEVELS)
    problems = Problems()
    place = {node: index for index, node in enumerate(nodes)}
    found_levels = no_interventions(len(each), len(nodes))
    for row, levels in enumerate(each[:1] if alike else each):
        for node, level in levels.items():
            if node not in place:
                note_unknown(node, nodes, where, "node", problems)
                continue
            value = number(str(level), f"{where}, node {node!r}", problems)
            found_levels.held[slice(None) if alike else row, place[node]] = (
                np.nan if value is None else value
            )
    problems.raise_any()
    return found_levels


def refuse_interventions(
    interventions: Interventions | None,
    what: str,
    fix: str = "",
    row_names: Sequence[str] | None = None,
) -> None:
    """Refuse to do with held nodes or doses that end what only lasting doses can be taken for.

    row_names: of each row, by default its number.
    """
    if interventions is None or not interventions.affected.any():
        return
    kinds: dict[str, np.ndarray] = {
        "held nodes": ~np.all(interventions.free, axis=1),
        "doses that begin later or end": ~np.all(interventions.lasting, axis=1),
    }
    found = [
        f"{_named_rows(rows, row_names)} with {kind}" for kind, rows in kinds.items() if rows.any()
    ]
    raise refuse(
        what,
        f"expected conditions with doses that last alone, found {' and '.join(found)}",
        fix
        or "Leave these conditions out, or use cellbox fit and cellbox predict, which know them",
    )


def _named_rows(rows: RowMask, names: Sequence[str] | None) -> str:
    """How many rows there are, and the first ones: "2 rows (ko1, ko2)"."""
    known = [
        f"row {row + 1}" if names is None else names[row] for row in np.flatnonzero(rows).tolist()
    ]
    return f"{len(known)} row{'' if len(known) == 1 else 's'} ({listed(known, _ROWS_NAMED)})"


def check_doses(
    interventions: Interventions, perturbations: Perturbations, nodes: Sequence[str], where: str
) -> None:
    """Raise InputError for what does not go with u: (n_rows, n_nodes).

    That is levels or times of another shape, a node that is held and has a dose, and times that
    cannot be.
    """
    problems = Problems()
    shape = np.shape(perturbations)
    for part in ("held", "begins", "ends"):
        found = np.shape(getattr(interventions, part))
        if found != shape:
            problems.add(
                f"{where}, interventions, {part}",
                f"expected shape {shape} (rows, nodes), found {found}",
                "Transpose it: its axes are rows, nodes"
                if found == shape[::-1]
                else "Give one value for each of its rows and nodes",
            )
    problems.raise_any()
    for row, node in np.argwhere(~interventions.free & (perturbations != 0)).tolist():
        problems.add(
            f"{where}, row {row + 1}, node {nodes[node]!r}",
            "expected a node either held or with a dose, found both",
            "A held node does not answer to its dose: leave one of the two out",
        )
    bad = np.isinf(interventions.held) | ~(interventions.begins >= 0)
    bad |= ~(interventions.ends > interventions.begins)
    for row, node in np.argwhere(bad).tolist():
        problems.add(
            f"{where}, row {row + 1}, node {nodes[node]!r}",
            "expected a finite level, and a dose that begins at 0 or later and ends after that, "
            "found others",
            "Correct them",
        )
    problems.raise_any()


def together(held: Interventions, spans: Interventions | None) -> Interventions:
    """The nodes that one holds, and when doses act by the other; None where all last."""
    return held if spans is None else Interventions(held.held, spans.begins, spans.ends)
