"""What a trial's data determine, as its study keeps it; checked as it is read.

It can be computed again, so that a damaged file counts as none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cellbox.criticism.criticism import criticism_of
from cellbox.errors import InputError
from search.study.checked_json import (
    LIST,
    NUMBER,
    TABLE,
    TABLES,
    TEXT,
    TEXTS,
    WHOLE,
    CheckedTable,
    read_table,
)

# Files of earlier versions have no digest, and not all keys.
_REQUIRED = {
    "confounded_nodes": TEXTS,
    "sentences": TEXTS,
    "nodes": LIST,
    "edges": TABLES,
    "not_judged": TEXT.or_null(),
    "n_edges_determined": WHOLE.or_null(),
}
_OF_EDGE = {
    "source": TEXT,
    "target": TEXT,
    "weight": NUMBER.or_null(),
    "least_error": NUMBER.or_null(),
    "error_of": TEXT,
    "why": TEXT,
}


def read_findings(file: Path) -> dict[str, Any] | None:
    """The report that `cellbox.identifiability.design_report` wrote; None of none or a damaged one.

    As `cellbox.DesignReport.to_dict` gives it.
    """
    try:
        table = read_table(file, "Run the same sweep again, which computes it", sealed=True)
        for key, kind in _REQUIRED.items():
            table.take(key, kind)
        for edge in table.tables("edges"):
            for key, kind in _OF_EDGE.items():
                edge.take(key, kind)
        sound = _criticism_is_sound(table)
    except InputError:
        return None
    if not sound:
        return None
    return {key: value for key, value in table.content.items() if key != "digest"}


def _criticism_is_sound(table: CheckedTable) -> bool:
    if table.content.get("criticism") is None:
        return True
    table.table("criticism").take("sentences", TEXTS)
    try:
        criticism = criticism_of(table.take("criticism", TABLE))
        return criticism is not None and bool(criticism.sentences()) and criticism.widening >= 1
    except (TypeError, KeyError, ValueError, AttributeError):
        # Whatever of it is not what it was.
        return False
