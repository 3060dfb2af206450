"""What a model was made of and with: version, date, data, split and errors, as plain values."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from cellbox.data.dataset import Dataset, Split
from cellbox.errors import refuse
from cellbox.models.trained_range import trained_range
from cellbox.storage.installed import installed

_PACKAGES = ("cellbox", "jax", "diffrax", "optax", "numpy", "scipy")


def provenance(
    data: Dataset, split: Split, errors: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What a model keeps of its making: now, by the packages that run, from these data.

    errors: what it was found to be worth, by the names of metrics; numbers alone are kept.
    """
    return {
        "date": date_of(time.time()),
        "versions": versions(),
        "data": {
            **{"name": data.name, "fingerprint": fingerprint(data), **_of_prior(data)},
            "trained": trained_range(data, split.training),
        },
        "split": split_by_name(data, split),
        "errors": numbers_of({} if errors is None else errors),
    }


def provenance_from(told: Any, where: str, fix: str) -> Mapping[str, Any] | None:
    """What a model's file tells of its making; None where it tells nothing.

    where, fix: of the file, for problems. Raises InputError where it tells something else.
    """
    if told is None:
        return None
    expected = "an object with the objects versions, data, split and errors, and a date"
    tables = ("versions", "data", "split", "errors")
    sound = isinstance(told, Mapping) and (
        all(isinstance(told.get(name, {}), Mapping) for name in tables)
        and isinstance(told.get("date", ""), str)
        and all(isinstance(rows, list) for rows in told.get("split", {}).values())
    )
    if not sound:
        raise refuse(f"{where}, key provenance", f"expected {expected}, found something else", fix)
    return told


def date_of(seconds: float) -> str:
    """A time since 1970 as ISO 8601 has it, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def numbers_of(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The finite numbers among metrics."""
    return {name: value for name, value in metrics.items() if _is_number(value)}


def split_by_name(data: Dataset, split: Split) -> dict[str, list[str]]:
    """The names of the rows that train, validate and test."""
    return {
        part: [data.row_names[row] for row in getattr(split, part)]
        for part in ("training", "validation", "test")
    }


def fingerprint(data: Dataset) -> str:
    """Tells data sets apart: of times, perturbations, measurements, their errors and lines.

    Held nodes and the times of doses, where there are any, are among the perturbations.
    """
    digest = hashlib.sha256("\n".join(data.nodes).encode())
    errors = [] if data.errors is None else [data.errors]
    done = [] if data.interventions is None else [data.interventions.keys()]
    for values in (data.times, data.perturbations, data.measurements, *errors, *done):
        digest.update(np.ascontiguousarray(values, float).tobytes())
    digest.update("\n".join(data.lines or ()).encode())
    return digest.hexdigest()[:16]


def _of_prior(data: Dataset) -> dict[str, Any]:
    """What tells priors apart, where there is one."""
    return {} if data.prior is None else {"prior_fingerprint": data.prior.fingerprint}


def versions() -> dict[str, str]:
    """Of Python and of the packages that make the numbers."""
    return installed(_PACKAGES)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
