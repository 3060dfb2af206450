"""What has to be installed alike for a worker elsewhere to train the same. Imports no JAX."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from cellbox.storage.installed import installed

_PACKAGES = ("jax", "jaxlib", "diffrax", "equinox", "optax", "numpy", "scipy")
_ROOT = Path(__file__).resolve().parents[2]


def versions() -> dict[str, str]:
    """Versions of Python and of what trains, and a digest of CellBox's own code.

    The version of CellBox would not do: two checkouts of it have the same.
    """
    return {"CellBox's code": _digest_of_code(), **installed(_PACKAGES)}


def differences(here: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    """What is otherwise there, one text each."""
    return [
        f"{name} {there.get(name, 'not installed')} instead of {value}"
        for name, value in here.items()
        if there.get(name) != value
    ]


def _digest_of_code() -> str:
    digest = hashlib.sha256()
    for package in ("cellbox", "search"):
        for file in sorted((_ROOT / package).rglob("*.py")):
            digest.update(file.relative_to(_ROOT).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
