"""Tables that say something of each condition, one row each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from cellbox.storage.csv_tables import Record
from cellbox.storage.problems import Problems, note_unknown


def by_condition(
    records: Iterable[Record],
    rows_of: Mapping[str, Sequence[int]],
    problems: Problems,
    name_of: Callable[[str], str] = str,
) -> dict[str, Record]:
    """The record of each condition that is listed; strangers and repeated ones are problems.

    rows_of: the conditions that there are. name_of: what a condition is called there.
    """
    found: dict[str, Record] = {}
    for record in records:
        condition = name_of(record["condition"])
        if condition not in rows_of:
            where = f"{record.where}, column 'condition'"
            note_unknown(condition, tuple(rows_of), where, "condition", problems)
        elif condition in found:
            again = f"found {condition!r} again ({found[condition].where})"
            said = f"expected each condition once, {again}"
            problems.add(record.where, said, "Keep one of the rows")
        else:
            found[condition] = record
    return found
