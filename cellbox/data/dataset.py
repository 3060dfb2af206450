"""Perturbation data: conditions, time points, measurements, and splits that cannot leak.

A *row* is one measured series: one perturbation, all its time points. Rows with the same
perturbation, but for rounding, are *replicates* of one *condition*. A split moves whole
conditions, or whole *combinations* (all doses of one set of perturbed nodes), never single rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Bool, Int

from cellbox.arrays import EdgeMask, NodeMask, Perturbations, Responses, RowMask, RowNumbers, Times
from cellbox.data.condition_numbers import number_conditions, numbered_in_order
from cellbox.data.units import MODEL_UNITS, Units
from cellbox.errors import DataWarning, InputError, Problem, refuse
from cellbox.html_tables import html_of
from cellbox.networks.interventions import Interventions, check_doses, rows_of
from cellbox.networks.line_differences import line_numbers
from cellbox.networks.network import Network, possible_edges
from cellbox.networks.network_checks import as_array, checked_names
from cellbox.networks.prior import EdgePrior, check_prior
from cellbox.storage.installed import pandas_for

if TYPE_CHECKING:
    import pandas

_ROWS_SHOWN = 5


@dataclass(frozen=True, eq=False)
class Split:
    """Row indices of a dataset's training, validation and test part; they never overlap."""

    training: Int[np.ndarray, " n_training_rows"]
    validation: Int[np.ndarray, " n_validation_rows"]
    test: Int[np.ndarray, " n_test_rows"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Responses of a network's nodes to perturbations.

    nodes: names; their order is the order of every node axis.
    times: when measurements were taken, ascending, all > 0, in the model's time unit; x(0) = 0.
    perturbations: u, sign of the paper (positive pushes a node down), zero where left alone.
    measurements: log ratio of each node, NaN where nothing was measured, and where it is held.
    row_names: a label for each row, unique.
    activity_nodes: nodes whose value follows from the dose given to them alone (drug activity
        nodes); headline metrics leave them out.
    allowed_edges: which entries of W may be non-zero, or None for all.
    noise_free: the exact response where the data were simulated, else None.
    rounding_sensitive: rows whose response rounding decides (see
        `cellbox.data.rounding_sensitivity`); None where that is not known, as of measured data.
    truth: the network that made the data where it is known, else None. Reported, never used.
    split: the split that came with the data, if one did.
    errors: standard error of each measured value (log ratio), NaN where nothing was measured; None
        where the data tell none, and all values count alike in least squares.
    units: what the numbers of the files were, before they became these.
    prior: edges that are said to exist, which the data confirm or not; None where none are.
    lines: the cell line, or batch, of each row; None where the data tell none. The same doses in
        two lines are two conditions.
    reference_line: the line that others are compared with, "" for that of the first row.
    interventions: nodes that are held, and doses that begin later or end (see
        `cellbox.networks.interventions`); None where all doses last and no node is held. Doses that
        end when the last measurement is taken, or later, last.
    reading_warnings: what the files said that may not be meant so; see
        `cellbox.data.plausibility.data_warnings`, which adds what the numbers say.

    Example:
        >>> import cellbox
        >>> network = cellbox.random_network(3, density=0.5, seed=0)
        >>> data = cellbox.simulate(network, n_conditions=6, n_times=2, n_held_out=2)
        >>> data.n_rows, data.n_conditions, data.times.tolist()
        (10, 10, [10.0, 20.0])
        >>> data.rows(data.split.test).n_rows
        2
    """

    nodes: tuple[str, ...]
    times: Times
    perturbations: Perturbations
    measurements: Responses
    row_names: tuple[str, ...]
    activity_nodes: NodeMask
    allowed_edges: EdgeMask | None = None
    noise_free: Responses | None = None
    rounding_sensitive: RowMask | None = None
    truth: Network | None = None
    split: Split | None = None
    name: str = "data"
    reading_warnings: tuple[DataWarning, ...] = ()
    errors: Responses | None = None
    units: Units = MODEL_UNITS
    prior: EdgePrior | None = None
    lines: tuple[str, ...] | None = None
    reference_line: str = ""
    interventions: Interventions | None = None

    def __post_init__(self) -> None:
        """Raise InputError for names and arrays that do not go together, with both shapes."""
        self._check_parts()
        n_rows, n_times, n_nodes = len(self.row_names), len(self.times), len(self.nodes)
        all_values = (n_rows, n_times, n_nodes)
        expected = {
            "perturbations": ((n_rows, n_nodes), "rows, nodes"),
            "measurements": (all_values, "rows, times, nodes"),
            "noise_free": (all_values, "rows, times, nodes"),
            "errors": (all_values, "rows, times, nodes"),
            "activity_nodes": ((n_nodes,), "nodes"),
            "allowed_edges": ((n_nodes, n_nodes), "targets, sources"),
            "rounding_sensitive": ((n_rows,), "rows"),
        }
        problems = [
            _other_shape(f"{self.name}, {name}", shape, axes, np.shape(getattr(self, name)))
            for name, (shape, axes) in expected.items()
            if getattr(self, name) is not None and np.shape(getattr(self, name)) != shape
        ]
        if problems:
            raise InputError(problems)
        check_lines(self.lines, self.n_rows, self.name)
        check_prior(self.prior, self.nodes, self.name)
        if self.interventions is not None:
            self._take_interventions(self.interventions)

    def _take_interventions(self, interventions: Interventions) -> None:
        """Check what was done beside doses that last; what is held tells nothing of its equation.

        Raises InputError where it does not go with the doses, and beside several cell lines.
        """
        check_doses(interventions, self.perturbations, self.nodes, self.name)
        last = float(np.max(self.times, initial=0.0))
        interventions = interventions.seen_until(self.perturbations, last)
        some = interventions.affected.any()
        object.__setattr__(self, "interventions", interventions if some else None)
        if not some:
            return
        if len(self.line_names) > 1:
            raise refuse(
                f"{self.name}, lines",
                "expected conditions of one cell line where nodes are held or doses end, found "
                f"{len(self.line_names)}",
                "Take the conditions of one line, or leave the lines out",
            )
        for name in ("measurements", "noise_free", "errors"):
            values = getattr(self, name)
            if values is not None:
                told = np.where(interventions.free[:, None], values, np.nan)
                object.__setattr__(self, name, told)

    def _check_parts(self) -> None:
        """Raise InputError for nodes that are no names, and for what is no array of numbers."""
        problems: list[Problem] = []
        parts: dict[str, Any] = {"nodes": checked_names(self.nodes, problems, self.name)}
        for name in ("times", "perturbations", "measurements"):
            parts[name] = as_array(getattr(self, name), f"{self.name}, {name}", problems)
        if problems:
            raise InputError(problems)
        for name, checked in parts.items():
            object.__setattr__(self, name, checked)

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.nodes)

    @property
    def n_rows(self) -> int:
        """Number of measured series; replicates count."""
        return len(self.row_names)

    @property
    def measured_nodes(self) -> NodeMask:
        """Nodes that the headline metrics count: all but the activity nodes."""
        return ~self.activity_nodes

    @property
    def judged(self) -> RowMask:
        """Rows that a model can be judged by: all that are not known to be rounding-sensitive."""
        known = self.rounding_sensitive
        return np.ones(self.n_rows, bool) if known is None else ~known

    @property
    def possible_edges(self) -> EdgeMask:
        """Which entries of W[target, source] may be edges: all where none are forbidden."""
        return possible_edges(self.n_nodes, self.allowed_edges)

    @property
    def typical_error(self) -> float:
        """The geometric mean of the errors of all measured values (log ratio).

        Where no errors are known it is 1, the unit of all values.
        """
        if self.errors is None:
            return 1.0
        return float(np.exp(np.mean(np.log(self.errors[np.isfinite(self.measurements)]))))

    @cached_property
    def condition_of_row(self) -> RowNumbers:
        """Number of each row's condition, in order of first appearance.

        Doses that differ by rounding alone (relative 1e-6) are the same; those of two cell lines
        are not.
        """
        return number_conditions(self.perturbations, self.lines, self.interventions)

    @cached_property
    def combination_of_row(self) -> RowNumbers:
        """Number of each row's combination of perturbed nodes, whatever their doses.

        Nodes that are held are perturbed as well.
        """
        return numbered_in_order(self.touched)

    @property
    def touched(self) -> Bool[np.ndarray, "n_rows n_nodes"]:
        """Which nodes have a dose, or are held, in each row."""
        dosed: np.ndarray = self.perturbations != 0
        return dosed if self.interventions is None else dosed | ~self.interventions.free

    @cached_property
    def line_names(self) -> tuple[str, ...]:
        """The cell lines, the reference first, then in order of first appearance; () for none."""
        names = dict.fromkeys(self.lines or ())
        if self.reference_line:
            names = {self.reference_line: None} | names
        return tuple(names)

    @cached_property
    def line_of_row(self) -> RowNumbers:
        """The number of each row's line among `line_names`; 0 where the data tell none."""
        if self.lines is None:
            return np.zeros(self.n_rows, int)
        return line_numbers(self.lines, self.line_names)

    def lines_of(self, rows: Int[np.ndarray, " n_chosen"]) -> tuple[str, ...] | None:
        """The cell line of each of these rows; None where the data tell none."""
        return None if self.lines is None else tuple(self.lines[row] for row in rows)

    @property
    def n_conditions(self) -> int:
        """Number of different perturbations."""
        return int(self.condition_of_row.max()) + 1

    def interventions_of(self, rows: Int[np.ndarray, " n_chosen"]) -> Interventions | None:
        """What was done in these rows beside doses that last; None for nothing."""
        return rows_of(self.interventions, rows)

    @property
    def interventions_in_words(self) -> list[str]:
        """In how many conditions nodes are held and doses do not last, as sentences."""
        if self.interventions is None:
            return []
        return self.interventions.sentences(self.nodes, self.condition_of_row)

    def rows(self, rows: Int[np.ndarray, " n_chosen"]) -> Dataset:
        """The dataset of these rows alone, in this order, without the split it came with."""
        sensitive = self.rounding_sensitive
        return replace(
            self,
            perturbations=self.perturbations[rows],
            measurements=self.measurements[rows],
            row_names=tuple(self.row_names[row] for row in rows),
            noise_free=None if self.noise_free is None else self.noise_free[rows],
            errors=None if self.errors is None else self.errors[rows],
            rounding_sensitive=None if sensitive is None else sensitive[rows],
            split=None,
            # Of a part of the data the reference is still that of all.
            lines=self.lines_of(rows),
            reference_line=self.line_names[0] if self.lines else "",
            interventions=self.interventions_of(rows),
        )

    def to_frame(self) -> pandas.DataFrame:
        """Every measured value as a row: condition, time, node, value (log ratio)."""
        pandas = pandas_for("table of data")

        row, slot, node = np.nonzero(~np.isnan(self.measurements))
        return pandas.DataFrame(
            {
                "condition": np.array(self.row_names, dtype=object)[row],
                "time": self.times[slot],
                "node": np.array(self.nodes, dtype=object)[node],
                "value": self.measurements[row, slot, node],
            }
        )

    def _repr_html_(self) -> str:
        split = self.split
        parts = "" if split is None else (
            f" Split: {len(split.training)} rows train, {len(split.validation)} validate, "
            f"{len(split.test)} test."
        )  # fmt: skip
        rows = []
        for row in range(min(self.n_rows, _ROWS_SHOWN)):
            doses = self.perturbations[row]
            perturbed = [f"{self.nodes[n]} {doses[n]:.3g}" for n in np.flatnonzero(doses)]
            done = self.interventions and self.interventions.words(row, self.nodes)
            perturbed += [done] if done else []
            measured = int(np.isfinite(self.measurements[row]).sum())
            rows.append((self.row_names[row], ", ".join(perturbed) or "none", measured))
        return html_of(
            f"{self.name}: {self.n_nodes} nodes, {self.n_conditions} conditions, "
            f"{len(self.times)} times",
            [f"{self.n_rows} rows, replicates counted.{parts} to_frame() has the values."],
            ("row", "perturbed (u)", "measured values"),
            rows,
        )


def _other_shape(
    where: str, expected: tuple[int, ...], axes: str, found: tuple[int, ...]
) -> Problem:
    fix = f"Give one value for each of its {axes.replace(', ', ' and ')}"
    if sorted(found) == sorted(expected):
        fix = f"Transpose it: its axes are {axes}"
    return Problem(where, f"expected shape {expected} ({axes}), found {found}", fix)


def validation_rows(data: Dataset, split: Split) -> Int[np.ndarray, " n_chosen"]:
    """The validation rows that choose between models: those that can judge, or all if none can.

    The end state of a rounding-sensitive row is a matter of luck, and so would be the choice.
    """
    judged = split.validation[data.judged[split.validation]]
    return judged if len(judged) else split.validation


def with_reference_line(data: Dataset, line: str, where: str = "reference line") -> Dataset:
    """The data with the cell line that others are compared with.

    Raises InputError for a line that they have not, with the nearest that they have.

    Example:
        >>> import cellbox
        >>> network = cellbox.with_lines(cellbox.system("LI").network, 2, 1)
        >>> data = cellbox.simulate(network, n_conditions=4, n_times=2, n_held_out=1)
        >>> cellbox.with_reference_line(data, "line2").line_names
        ('line2', 'line1')
    """
    if data.lines is None:
        found = "expected data that tell the cell line of each condition, found none"
        raise refuse(where, found, "Add lines.csv (columns condition, line), or leave this out")
    line_numbers([line], data.line_names, where)
    return replace(data, reference_line=line)


def check_lines(lines: Sequence[str] | None, n_rows: int, where: str) -> None:
    """Raise InputError for lines that are not one name for each row."""
    if lines is None:
        return
    if len(lines) != n_rows or not all(isinstance(name, str) and name for name in lines):
        found = f"expected a name for each of {n_rows} rows, found {len(lines)} values"
        raise refuse(f"{where}, lines", found, "Name the cell line or batch of each row")


def split_rows(
    data: Dataset,
    *,
    test: float = 0.3,
    validation: float = 0.2,
    seed: int = 0,
    by: Literal["condition", "combination"] = "condition",
) -> Split:
    """Split at random into training, validation and test rows, without leaks.

    test: share of all groups (conditions or combinations) held out for the final report.
    validation: share of the groups that are left, held out to choose between models.
    by: "condition" keeps rows with the same perturbation together; "combination" keeps all
        doses of a combination together.

    Raises InputError where a part would be empty.

    Example:
        >>> import cellbox
        >>> network = cellbox.random_network(3, density=0.5, seed=0)
        >>> data = cellbox.simulate(network, n_conditions=6, n_times=2, n_held_out=2)
        >>> split = cellbox.split_rows(data, seed=1)
        >>> len(split.training), len(split.validation), len(split.test)
        (6, 1, 3)
    """
    groups = data.condition_of_row if by == "condition" else data.combination_of_row
    n_groups = int(groups.max()) + 1
    n_test = round(test * n_groups)
    n_validation = round(validation * (n_groups - n_test))
    sizes = {
        "training": n_groups - n_test - n_validation,
        "validation": n_validation,
        "test": n_test,
    }
    empty = [part for part, size in sizes.items() if size < 1]
    if empty:
        raise refuse(
            f"split of {data.name}",
            f"expected at least one {by} in each part, found none for {' and '.join(empty)} "
            f"with {n_groups} {by}s, test = {test} and validation = {validation}",
            "Choose shares that leave something in each part, or give more conditions",
        )
    order = np.random.default_rng(seed).permutation(n_groups)
    chosen = np.split(order, [n_test, n_test + n_validation])
    rows = [np.flatnonzero(np.isin(groups, part)) for part in chosen]
    return Split(test=rows[0], validation=rows[1], training=rows[2])
