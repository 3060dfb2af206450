"""Reading and writing lists of edges that are known beforehand, such as those of OmniPath.

Such a list is long and about other genes for the most part: rows that name a node that the data do
not have are left out and counted, with what some of them may be meant for.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

import numpy as np

from cellbox.errors import Problem, listed
from cellbox.networks.network import ACTIVATION_WORDS, REPRESSION_WORDS
from cellbox.networks.prior import EdgePrior
from cellbox.storage.csv_tables import (
    MISSING_WORDS,
    Record,
    number,
    number_text,
    read_table,
    table_text,
)
from cellbox.storage.delimited import read_rows
from cellbox.storage.files import atomic_write
from cellbox.storage.problems import Problems, nearest, same_name

#: The file of a data folder that lists them.
PRIOR_FILE = "prior.csv"

logger = logging.getLogger("cellbox")

# Columns of OmniPath with the names of genes; its source and target are accessions of UniProt.
_GENES = ("source_genesymbol", "target_genesymbol")
_STIMULATION = ("consensus_stimulation", "is_stimulation")
_INHIBITION = ("consensus_inhibition", "is_inhibition")
_OPTIONAL = ("sign", "weight", "confidence", "is_directed", *_STIMULATION, *_INHIBITION)

_MORE_ACTIVATION = (
    *("stimulation", "stimulates", "stimulating", "activator", "up", "up-regulates"),
    *("upregulates", "induces", "induction", "increases", "true"),
)
_MORE_REPRESSION = (
    *("represses", "inhibitor", "repressor", "down", "down-regulates", "downregulates"),
    *("decreases", "block", "blocks"),
)
_UNKNOWN_SIGN = (*MISSING_WORDS, "0", "?", "unknown", "none", "unspecified", "both")
_YES, _NO = ("1", "1.0", "true", "yes", "t"), ("0", "0.0", "false", "no", "f", *MISSING_WORDS)
_EXAMPLES = 3


def read_prior(path: str | PathLike[str], nodes: Sequence[str]) -> EdgePrior:
    """Read a list of edges that are known beforehand, as a prior for a network of these nodes.

    A table (commas, semicolons or tabs) with the columns source and target, or source_genesymbol
    and target_genesymbol, as OmniPath has them. If there are such columns, `sign` says what an edge
    does (1, +, activation, stimulation, …; -1, -, inhibition, repression, …; empty where it is not
    known), or `weight` by its sign, or is_stimulation and is_inhibition (consensus_stimulation and
    consensus_inhibition before these); `confidence`, from 0 to 1, how sure it is (else 1). A row
    with is_directed = 0 is an edge in both directions.

    Rows that name other nodes are left out and counted. Edges that are listed again count once,
    with the largest confidence, and without a sign where rows contradict each other. All of that is
    logged. Raises InputError with every problem of the file, and where no row is of these nodes.

    Example:
        >>> from pathlib import Path
        >>> import cellbox
        >>> rows = "source,target,sign\\ng1,g2,activation\\ng2,g1,inhibition\\nTP53,g1,+\\n"
        >>> _ = Path("known.csv").write_text(rows)
        >>> cellbox.read_prior("known.csv", ("g1", "g2")).signs.tolist()
        [[0, -1], [1, 0]]
    """
    problems = Problems()
    prior = read_prior_edges(Path(path), tuple(nodes), problems)
    problems.raise_any()
    assert prior is not None
    return prior


def read_prior_edges(path: Path, nodes: tuple[str, ...], problems: Problems) -> EdgePrior | None:
    """As `read_prior`, with what is wrong noted; None where the file cannot be used."""
    names = ("source", "target")
    header = read_rows(path, Problems())[:1]
    if header and set(_GENES) <= {cell.casefold() for cell in header[0].cells}:
        names = _GENES
    noted = Problems()
    records = read_table(path, noted, required=names, optional=_OPTIONAL)
    rows = _Rows(path, nodes)
    for record in records:
        rows.add(record, record[names[0]], record[names[1]], noted)
    if records and not noted and not rows.confidence.any():
        noted.extend([rows.nothing_known()])
    if noted:
        problems.take(noted)
        return None
    rows.say()
    return EdgePrior(nodes, rows.confidence, np.where(rows.confidence > 0, rows.signs, 0))


@dataclass
class _Rows:
    """The rows read so far, and what has to be said of them."""

    path: Path
    nodes: tuple[str, ...]
    counts: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    contradicted: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.place = {node: index for index, node in enumerate(self.nodes)}
        shape = (len(self.nodes), len(self.nodes))
        self.confidence, self.signs = np.zeros(shape), np.zeros(shape, int)
        self.listed = np.zeros(shape, bool)

    def add(self, record: Record, source: str, target: str, problems: Problems) -> None:
        """Take a row over, or note what is wrong with it."""
        self.counts["rows"] += 1
        if not source or not target:
            missing = "target" if source else "source"
            found = f"expected an edge with a source and a target, found no {missing}"
            problems.add(record.where, found, "Name both nodes, or remove the row")
            return
        strange = {name for name in (source, target) if name not in self.place}
        if strange:
            self.unknown.update(strange)
            self.counts["of other nodes"] += 1
            return
        sign = _sign(record, problems)
        confidence = _confidence(record, problems)
        if sign is None or confidence is None:
            return
        if confidence == 0:
            self.counts["of confidence 0"] += 1
            return
        ways = {(source, target)}
        if record["is_directed"].casefold() in _NO and "is_directed" in record.cells:
            self.counts["without a direction"] += 1
            ways.add((target, source))
        for one, other in sorted(ways):
            self._list(one, other, sign, confidence)

    def _list(self, source: str, target: str, sign: int, confidence: float) -> None:
        at = self.place[target], self.place[source]
        if source == target:
            self.counts["self-regulation"] += 1
        if self.listed[at]:
            self.counts["again"] += 1
            if sign and self.signs[at] == -sign:
                self.contradicted.append(f"{source} to {target}")
            if sign != self.signs[at]:
                known = self.signs[at] or sign
                sign = 0 if self.signs[at] and sign else known
        self.listed[at] = True
        self.signs[at] = sign
        self.confidence[at] = max(self.confidence[at], confidence)

    def say(self) -> None:
        """Log what was taken, and once each what was left out."""
        n_edges, counts = int((self.confidence > 0).sum()), self.counts
        signed = int(((self.confidence > 0) & (self.signs != 0)).sum())
        told = f"{n_edges:,} edges between nodes of the data, {signed:,} with a sign"
        if counts["of other nodes"]:
            told += (
                f"; left out {counts['of other nodes']:,} of {counts['rows']:,} rows, which name "
                f"{len(self.unknown):,} other nodes{self._meant()}"
            )
        for kind, what in (
            ("again", "{} listed again, taken once"),
            ("of confidence 0", "left out {} of confidence 0"),
            ("without a direction", "{} without a direction, taken both ways"),
            ("self-regulation", "{} of self-regulation, which is judged only where it is listed"),
        ):
            if counts[kind]:
                told += "; " + what.format(f"{counts[kind]:,} rows")
        if self.contradicted:
            several = listed(self.contradicted, _EXAMPLES)
            told += f"; no sign for {several}, of which rows contradict each other"
        logger.info("%s: %s", self.path, told)

    def nothing_known(self) -> Problem:
        """That no row is about these nodes."""
        found = (
            f"expected edges between nodes of the data, found {self.counts['rows']:,} rows and "
            f"none of them{self._meant()}"
        )
        known = ", ".join(self.nodes[:5]) + (", ..." if len(self.nodes) > 5 else "")
        return Problem(str(self.path), found, f"Spell nodes as the data do ({known})")

    def _meant(self) -> str:
        """Examples of unknown names, with the nodes that they may be meant for."""
        same = {same_name(node): node for node in self.nodes}
        likely = [
            f"{name!r}, perhaps meant for {same[same_name(name)]!r}"
            for name in self.unknown
            if same_name(name) in same
        ]
        often = [name for name, _ in self.unknown.most_common(_EXAMPLES)]
        alike = [
            f"{name!r}, perhaps meant for {near}" if (near := nearest(name, self.nodes, 0.7))
            else repr(name)
            for name in often
        ]  # fmt: skip
        shown = (likely or alike)[:_EXAMPLES]
        return f" (such as {'; '.join(shown)})" if shown else ""


def _sign(record: Record, problems: Problems) -> int | None:
    """1, -1, or 0 where it is not known; None where it cannot be read."""
    if "sign" in record.cells:
        cell = record["sign"].casefold()
        if cell in _UNKNOWN_SIGN:
            return 0
        first = cell.split()[0]
        if cell in ACTIVATION_WORDS or first in _MORE_ACTIVATION:
            return 1
        if cell in REPRESSION_WORDS or first in _MORE_REPRESSION:
            return -1
        value = number(cell, record.where, Problems())
        if value in (1.0, -1.0):
            return int(value)
        found = f"expected a sign, found {record['sign']!r}"
        fix = "Give 1 or activation, -1 or inhibition, nothing where it is not known"
        problems.add(f"{record.where}, column 'sign'", found, fix)
        return None
    if "weight" in record.cells:
        where = f"{record.where}, column 'weight'"
        value = number(record["weight"], where, problems, may_be_missing=True)
        return None if value is None else int(np.sign(np.nan_to_num(value)))
    up, down = (_any_of(record, columns, problems) for columns in (_STIMULATION, _INHIBITION))
    if up is None or down is None:
        return None
    return int(up) - int(down)


def _any_of(record: Record, columns: Iterable[str], problems: Problems) -> bool | None:
    """What the first of these columns says that the table has; None where it cannot be read."""
    for column in columns:
        if column in record.cells:
            cell = record[column].casefold()
            if cell in (*_YES, *_NO):
                return cell in _YES
            found = f"expected 1 or 0, found {record[column]!r}"
            problems.add(f"{record.where}, column {column!r}", found, "Write 1 for yes, 0 for no")
            return None
    return False


def _confidence(record: Record, problems: Problems) -> float | None:
    """How sure an edge is said to be; None where that cannot be read."""
    if record["confidence"].casefold() in MISSING_WORDS:
        return 1.0
    where = f"{record.where}, column 'confidence'"
    value = number(record["confidence"], where, problems)
    if value is not None and not 0 <= value <= 1:
        found = f"expected a confidence from 0 to 1, found {record['confidence']}"
        problems.add(where, found, "Divide all by the largest one, or leave the column out")
        return None
    return value


def write_prior(prior: EdgePrior, path: str | PathLike[str]) -> None:
    """Write a prior as `read_prior` reads it, in full or not at all."""
    rows = [
        (
            prior.nodes[source],
            prior.nodes[target],
            {1: "1", -1: "-1"}.get(int(prior.signs[target, source]), ""),
            number_text(prior.confidence[target, source]),
        )
        for target, source in np.argwhere(prior.listed)
    ]
    with atomic_write(path) as handle:
        handle.write(table_text(("source", "target", "sign", "confidence"), rows))
