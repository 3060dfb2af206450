"""Long tables under other column names, and wide ones, as the long tables that are read.

A wide table has a row for each condition (and time, and replicate) and a column for each node.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from cellbox.storage.csv_tables import MISSING_WORDS, note_width, resembles_number
from cellbox.storage.delimited import (
    Chunk,
    Spread,
    TableSource,
    WideChunk,
    clean_name,
    is_number,
    with_point,
)
from cellbox.storage.problems import Problems, same_name

logger = logging.getLogger("cellbox")

NODE, VALUE = "node", "value"
_NAMED = 5
# How many cells of a wide table are taken at once.
_MOST_CELLS = 200_000
# AKT_sd, AKT.sd, AKT sd, AKT (sd).
_OF_ERROR = re.compile(r"(?P<node>.+?)[ _.\-]+\(?(?P<kind>[^\W_]+)\)?")
# sd_AKT, sd(AKT); not n_RAS, which is another name.
_ERROR_OF = re.compile(r"(?P<kind>[^\W_]{2,})(?:[ _.\-]+|(?=\())\(?(?P<node>.+?)\)?")


@dataclass(frozen=True)
class Layout:
    """How people lay out a table that is read as a long one.

    synonyms: by column, its usual other names, as `same_name` gives them.
    keys: the columns that a wide table may have beside those of nodes; it needs the first.
    assumed: what the cells of an absent key of a wide table hold.
    left_out: keys of a wide table that say nothing here.
    empty: what an empty cell of a wide table means.
    errors: columns of a long table that tell how sure a value is; in a wide one they are those
        whose names add one of these to a node's ("AKT_sd").
    """

    synonyms: Mapping[str, Sequence[str]]
    keys: Sequence[str]
    assumed: Mapping[str, str] = field(default_factory=dict)
    left_out: Sequence[str] = ()
    empty: str = ""
    errors: Sequence[str] = ()


def laid_out(source: TableSource, layout: Layout, problems: Problems) -> TableSource | None:
    """The table with the columns' proper names, and long if it is wide; says what it changed.

    None, and a problem, where two columns are, or could be, one and the same.
    """
    header = _header(source)
    if header is None:
        return source
    number, names = header
    renamed = _proper_names(source.path, number, names, layout, problems)
    if renamed is None:
        return None
    known = {name.casefold() for name in renamed}
    if not known & {NODE, VALUE} and layout.keys[0] in known:
        wide = WideTable.of(source, renamed, layout)
        if wide is not None:
            return wide if _are_different(source.path, number, renamed, problems) else None
    return source if renamed == names else _Renamed(source, renamed)


def _header(source: TableSource) -> tuple[int, list[str]] | None:
    """The first row that is not blank and its number; None of a table without any."""
    # What is wrong with the file is noted when it is read.
    for chunk in source.chunks(Problems()):
        for number, row in zip(chunk.numbers, chunk.rows, strict=True):
            if len(row) > 1 or any(map(str.strip, row)):
                return number, [clean_name(cell) for cell in row]
    return None


def _proper_names(
    path: Path, number: int, names: Sequence[str], layout: Layout, problems: Problems
) -> list[str] | None:
    """The header with each column under its proper name, where it has a usual other one."""
    found = {name.casefold() for name in names}
    renamed = list(names)
    clear = True
    for proper, others in layout.synonyms.items():
        places = [
            k
            for k, name in enumerate(names)
            if same_name(name) in others
            or (proper not in layout.errors and _without_remark(name) in (proper, *others))
        ]
        if proper in found or not places:
            continue
        if len(places) > 1:
            listed = " and ".join(repr(names[place]) for place in places)
            problems.add(
                f"{path}, row {number}",
                f"expected one column {proper}, found {listed}, each of which could be it",
                f"Call one of them {proper}",
            )
            clear = False
            continue
        logger.info("%s: read the column %r as %s", path, names[places[0]], proper)
        renamed[places[0]] = proper
    first = layout.keys[0]
    if names[0] == "" and not {name.casefold() for name in renamed} & {first, NODE, VALUE}:
        # pandas writes an index so.
        logger.info("%s: read the first column, which has no name, as %s", path, first)
        renamed[0] = first
    return renamed if clear else None


def _without_remark(name: str) -> str:
    """A column's name, as `same_name` compares, without what stands behind it in brackets."""
    # Not by a regular expression, which takes hours for a damaged file's 100,000 brackets.
    begin = min((place for place in map(name.find, "([") if place >= 0), default=-1)
    if begin < 0 or not name.rstrip().endswith((")", "]")):
        return ""
    return same_name(name[:begin].rstrip()) if begin else ""


def _are_different(path: Path, number: int, header: Sequence[str], problems: Problems) -> bool:
    """Whether the columns of a wide table have different names; a problem if not."""
    repeated = sorted(name for name, count in Counter(header).items() if name and count > 1)
    if repeated:
        found = f"expected one column for each node, found {_shown(repeated)} more than once"
        problems.add(f"{path}, row {number}", found, "Keep one, or name another node in it")
    return not repeated


def _with_header(source: TableSource, header: Sequence[str], problems: Problems) -> Iterator[Chunk]:
    """The chunks with another first row that is not blank."""
    replaced = False
    for chunk in source.chunks(problems):
        if replaced:
            yield chunk
            continue
        first = next(
            (k for k, row in enumerate(chunk.rows) if len(row) > 1 or any(map(str.strip, row))),
            None,
        )
        if first is None:
            continue
        replaced = True
        yield Chunk(chunk.numbers[first:], [list(header), *chunk.rows[first + 1 :]])


@dataclass(frozen=True, eq=False)
class _Renamed:
    """A table under the proper names of its columns."""

    source: TableSource
    header: Sequence[str]

    @property
    def path(self) -> Path:
        """The file."""
        return self.source.path

    @property
    def decimal_comma(self) -> bool:
        """Whether numbers are written as 0,5."""
        return self.source.decimal_comma

    def chunks(self, problems: Problems) -> Iterator[Chunk]:
        """The rows in pieces."""
        return _with_header(self.source, self.header, problems)


@dataclass(frozen=True, eq=False)
class WideTable(_Renamed):
    """A wide table, read as the long one with the same values.

    keys: where each key stands. nodes: where each node's column stands. errors: by kind, where the
    column stands that tells how sure the values in a node's column are.
    """

    keys: Mapping[str, int]
    nodes: Mapping[int, str]
    layout: Layout
    errors: Mapping[str, Mapping[int, int]]

    @classmethod
    def of(cls, source: TableSource, header: Sequence[str], layout: Layout) -> WideTable | None:
        """The table with what its columns are; None if none of them holds values of a node."""
        all_keys = (*layout.keys, *layout.left_out)
        places = {
            name.casefold(): k for k, name in enumerate(header) if name.casefold() in all_keys
        }
        keys = {name: place for name, place in places.items() if name not in layout.left_out}
        others = [k for k, name in enumerate(header) if name and k not in places.values()]
        errors = _error_columns(header, others, layout)
        told = {k for of_kind in errors.values() for k in of_kind.values()}
        # Of no node in particular.
        loose = [k for k in others if header[k].casefold() in layout.errors]
        candidates = [k for k in others if k not in told and k not in loose]
        texts, blanks = _columns_without_numbers(source, header, candidates)
        nodes = {k: header[k] for k in candidates if k not in texts}
        if not nodes:
            return None
        logger.info(
            "%s: read as a wide table, a row for each %s and a column for each of %d nodes: %s",
            *(source.path, ", ".join(keys), len(nodes), _shown(list(nodes.values()))),
        )
        left = [header[k] for k in (*texts, *loose)] + [name for name in places if name not in keys]
        if left:
            logger.info("%s: ignored the columns %s", source.path, ", ".join(left))
        if blanks and layout.empty:
            said = "%s: nothing stands in the columns %s, which counts as %s in every row"
            logger.warning(said, source.path, _shown([header[k] for k in blanks]), layout.empty)
        for name, text in layout.assumed.items():
            if name not in keys:
                said = "%s: has no column %s and is read as of %s %s, when all has come to rest"
                logger.info(said, source.path, name, name, text)
        return cls(source, header, keys, nodes, layout, errors)

    @property
    def assumed(self) -> frozenset[str]:
        """The keys that the file has not."""
        return frozenset(self.layout.assumed) - set(self.keys)

    def chunks(self, problems: Problems) -> Iterator[Chunk]:
        """The rows of the long table in pieces, each under the number of its row in the file."""
        assumed = {name: self.layout.assumed[name] for name in sorted(self.assumed)}
        sound = self._sound_rows(problems)
        yield Chunk([next(sound)[0]], [[*self.keys, *assumed, NODE, VALUE, *self.errors]])
        most = max(1, _MOST_CELLS // len(self.nodes))
        while part := list(islice(sound, most)):
            yield self._long(part, list(assumed.values()))

    def _long(self, part: Sequence[tuple[int, list[str]]], assumed: Sequence[str]) -> WideChunk:
        """Some rows of the file as the columns of the long table."""
        rows = [row for _, row in part]
        n_rows, n_nodes = len(part), len(self.nodes)

        def of_nodes(places: Iterable[int | None]) -> Spread:
            chosen = list(places)
            cells = ["" if k is None else row[k] for row in rows for k in chosen]
            return Spread(cells)

        values = of_nodes(self.nodes)
        if self.layout.empty:
            cells = [self.layout.empty if _is_missing(cell) else cell for cell in values.cells]
            values = Spread(cells)
        columns = [
            *(Spread([row[place] for row in rows], each=n_nodes) for place in self.keys.values()),
            *(Spread([text], each=n_rows * n_nodes) for text in assumed),
            Spread(list(self.nodes.values()), again=n_rows),
            values,
            *(of_nodes(map(kind.get, self.nodes)) for kind in self.errors.values()),
        ]
        return WideChunk([number for number, _ in part], [], columns, n_nodes)

    def _sound_rows(self, problems: Problems) -> Iterator[tuple[int, list[str]]]:
        """The rows of the file that are not blank, with their numbers; the header is first."""
        for chunk in _with_header(self.source, self.header, problems):
            for number, row in zip(chunk.numbers, chunk.rows, strict=True):
                if not any(map(str.strip, row)):
                    continue
                if len(row) == len(self.header):
                    yield number, row
                else:
                    where = f"{self.path}, row {number}"
                    note_width(where, len(self.header), len(row), problems)


def _error_columns(
    header: Sequence[str], among: Sequence[int], layout: Layout
) -> dict[str, dict[int, int]]:
    """By kind of error, where the errors of the values in a column stand: AKT_sd beside AKT."""
    kinds = {
        name: kind for kind in layout.errors for name in (kind, *layout.synonyms.get(kind, ()))
    }
    place_of = {header[k].casefold(): k for k in among}
    found: dict[str, dict[int, int]] = {}
    for k in among:
        for form in (_OF_ERROR, _ERROR_OF):
            of_error = form.fullmatch(header[k].casefold())
            kind = None if of_error is None else kinds.get(of_error["kind"])
            if of_error is not None and kind is not None and of_error["node"] in place_of:
                found.setdefault(kind, {}).setdefault(place_of[of_error["node"]], k)
                break
    return found


def _columns_without_numbers(
    source: TableSource, header: Sequence[str], candidates: Sequence[int]
) -> tuple[list[int], list[int]]:
    """The columns with words and not one number, which are of no node, and those with nothing."""
    undecided = dict.fromkeys(candidates, False)
    for chunk in _with_header(source, header, Problems()):
        for row in chunk.rows:
            if len(row) != len(header) or [*row] == [*header]:
                continue
            for place in list(undecided):
                cell = row[place].strip()
                if is_number(with_point(cell) if source.decimal_comma else cell):
                    if not _is_missing(cell):
                        del undecided[place]
                elif resembles_number(cell):
                    # A number that is refused where it is read, and no word.
                    del undecided[place]
                elif not _is_missing(cell):
                    undecided[place] = True
            if not undecided:
                return [], []
    words = [place for place, has_words in undecided.items() if has_words]
    return words, [place for place in undecided if place not in words]


def _is_missing(cell: str) -> bool:
    return cell.strip().casefold() in MISSING_WORDS


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
