"""The user's own folder for what may be computed again: compiled programs, checks, measurements."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cellbox.storage.files import atomic_write

logger = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Where this package keeps such things; it need not exist yet."""
    chosen = os.environ.get("XDG_CACHE_HOME")
    if chosen:
        return Path(chosen) / "cellbox"
    try:
        return Path.home() / ".cache" / "cellbox"
    except RuntimeError:
        # A user without a home, as in some containers: a place where nothing can be written.
        return Path(os.devnull) / "cellbox"


def remembered(name: str, key: str, compute: Callable[[], Any]) -> Any:
    """`compute()`, or what it once gave for this key, in this process or in another.

    name: of a JSON file in the cache folder. What cannot be read is computed again, and where
    the folder cannot be written only time is lost.
    """
    file = cache_folder() / name
    known = _read(file)
    if key not in known:
        # Others may have written while this was computed, so the file is read anew.
        value = compute()
        known = {**_read(file), key: value}
        _write(file, known)
    return known[key]


def _read(file: Path) -> dict[str, Any]:
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _write(file: Path, known: dict[str, Any]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with atomic_write(file) as handle:
            json.dump(known, handle)
    except OSError as error:
        logger.info("%s could not be kept: %s", file, error)
