"""JSON that carries the digest of its own content, by which damage is noticed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

_SEAL = re.compile(r'^\{\s*"digest": "([0-9a-f]{64})"')
_OPEN = "0" * 64


def digest_of(content: bytes) -> str:
    """The digest of a file's content."""
    return hashlib.sha256(content).hexdigest()


def sealed_text(
    content: Mapping[str, Any], *, indent: int | None = None, allow_nan: bool = False
) -> str:
    """JSON that begins with the digest of all the rest of it.

    Raises ValueError for numbers that are not finite, unless they are allowed.
    """
    text = json.dumps({"digest": _OPEN, **content}, allow_nan=allow_nan, indent=indent)
    return text.replace(_OPEN, digest_of(text.encode()), 1)


def seal_holds(text: str) -> bool:
    """Whether a text's digest is its own; of a text without one, as earlier versions wrote."""
    found = _SEAL.match(text)
    if found is None:
        # One that stands elsewhere was put there, or what was before it is gone.
        return '"digest"' not in text
    begin, end = found.span(1)
    return digest_of(f"{text[:begin]}{_OPEN}{text[end:]}".encode()) == found[1]
