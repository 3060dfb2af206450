"""Versions of what a sweep needs, beside those that the tests passed with."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from cellbox.storage.installed import installed
from search.doctor.finding import Finding

_PYTHON = (3, 11)
_NEEDED = ("jax", "jaxlib", "diffrax", "equinox", "optax", "numpy", "scipy")
_OF_SWEEPS = ("ray", "optuna", "mlflow", "pydantic", "sqlalchemy", "pandas")
#: Beside the packages where this runs from its source; an installed one does not have it.
TESTED = Path(__file__).resolve().parents[2] / "deploy" / "constraints.txt"


def version_findings(tested: Path = TESTED) -> Iterator[Finding]:
    """Python's and each package's. tested: a file of lines such as jax==0.10.2."""
    here = sys.version_info[:2]
    found = f"{installed(())['python']} at {sys.executable}"
    if here < _PYTHON:
        yield Finding("Python", "fail", found, "Install Python 3.11 or later")
    else:
        yield Finding("Python", "ok", found)
    known = pinned_versions(tested)
    versions = installed((*_NEEDED, *_OF_SWEEPS))
    for name in (*_NEEDED, *_OF_SWEEPS):
        extra = "" if name in _NEEDED else "[search]"
        if versions[name] == "not installed":
            fix = f'pip install -c deploy/constraints.txt "cellbox{extra}"'
            yield Finding(name, "fail", "not installed", fix)
        elif known.get(name, versions[name]) != versions[name]:
            fix = f"Where something fails: pip install {name}=={known[name]}, which was tested"
            yield Finding(name, "warn", f"{versions[name]}, tested with {known[name]}", fix)
        else:
            shown = ", as tested" if name in known else ""
            yield Finding(name, "ok", f"{versions[name]}{shown}")


def pinned_versions(file: Path) -> dict[str, str]:
    """The versions in such a file, by lower-case name; none where there is no file."""
    if not file.is_file():
        return {}
    lines = file.read_text(encoding="utf-8").splitlines()
    pinned = (line.split("#")[0].strip().partition("==") for line in lines)
    return {name.lower(): version for name, pin, version in pinned if pin}
