"""What is kept beside a fitted model for its report: how well it predicts, and its data.

Reading and writing need neither matplotlib nor jinja2, so that a fit without them keeps it too.
"""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from cellbox.data.dataset import Dataset, Split
from cellbox.data.readers import write_tidy
from cellbox.storage.files import atomic_write

EVALUATION, DATA = "evaluation.json", "data"
_PACKAGES = ("cellbox", "jax", "diffrax", "optax", "numpy", "scipy")


def save_evaluation(
    folder: Path,
    data: Dataset,
    split: Split,
    report: Mapping[str, Any],
    *,
    how_split: str,
    source: str,
    caveats: tuple[str, ...] = (),
) -> None:
    """Keep beside a model what its report needs.

    report: as `beside_baselines` gives it. how_split, source: where the split and the data come
    from, in words. caveats: sentences about the report that its reader has to know.
    """
    write_tidy(replace(data, split=split), folder / DATA)
    content = {
        "report": report,
        "data": {"name": data.name, "source": source, "fingerprint": fingerprint(data)},
        "split": how_split,
        "caveats": list(caveats),
        "created": time.time(),
        "versions": versions(),
    }
    with atomic_write(folder / EVALUATION) as handle:
        json.dump(content, handle, indent=2, allow_nan=False)


def fingerprint(data: Dataset) -> str:
    """Tells data sets apart: of times, perturbations, measurements and their errors."""
    digest = hashlib.sha256("\n".join(data.nodes).encode())
    errors = [] if data.errors is None else [data.errors]
    for values in (data.times, data.perturbations, data.measurements, *errors):
        digest.update(np.ascontiguousarray(values, float).tobytes())
    return digest.hexdigest()[:16]


def versions() -> dict[str, str]:
    """Of Python and of the packages that make the numbers."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            # Run from its source.
            found[name] = "not installed"
    return found
