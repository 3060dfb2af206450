"""Descriptions in MLflow, which people may replace by their own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

NOTE = "mlflow.note.content"
_OURS = "cellbox.note"
# How descriptions of earlier versions began, which did not note that they were ours.
_BEFORE = "Study **"


def note_tags(known: Mapping[str, str], text: str) -> dict[str, str]:
    """The tags that make `text` the description; none where a person has written another.

    known: the tags that are there.
    """
    there = known.get(NOTE, "")
    ours = not there or known.get(_OURS) == _digest(there)
    if not ours and not (_OURS not in known and there.startswith(_BEFORE)):
        return {}
    return {NOTE: text, _OURS: _digest(text)}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
