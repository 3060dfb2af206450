"""Writing a fitted model as sealed arrays and JSON; `cellbox.models.saved_models` loads them."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cellbox.errors import refuse
from cellbox.models.checked_files import ARRAYS_DIGEST
from cellbox.models.network_draws import DRAWS
from cellbox.networks.fitted_form import FittedForm
from cellbox.storage.files import atomic_write
from cellbox.storage.seals import digest_of, sealed_text

if TYPE_CHECKING:
    from cellbox.models.model import FittedModel

FORMAT = 1
ARRAYS = "model.npz"
DESCRIPTION = "model.json"


def write_model(model: FittedModel, folder: Path) -> Path:
    """See `FittedModel.save`."""
    if folder.exists() and not folder.is_dir():
        raise refuse(str(folder), "expected a folder, found a file", "Choose another place")
    folder.mkdir(parents=True, exist_ok=True)
    # Of another model that was here.
    (folder / DRAWS).unlink(missing_ok=True)
    arrays = io.BytesIO()
    np.savez(
        arrays,
        weights=model.network.weights,
        amplitudes=model.network.amplitudes,
        times=model.times,
    )
    with atomic_write(folder / ARRAYS, "wb") as handle:
        handle.write(arrays.getvalue())
    description = {
        "format": FORMAT,
        ARRAYS_DIGEST: digest_of(arrays.getvalue()),
        "equation": "dx/dt = alpha * tanh(W x - u) - x, x(0) = 0; W[target, source]",
        "beside_the_equation": None if model.form is None else str(model.form.form),
        "nodes": list(model.network.nodes),
        "settings": asdict(model.settings),
        "seed": model.seed,
        "training": asdict(model.training) | {"form": _as_dict(model.form)},
        "criticism": None if model.criticism is None else model.criticism.to_dict(),
        "units": model.units.to_dict() if model.units.given else None,
        "provenance": None if model.provenance is None else dict(model.provenance),
    }
    if model.lines:
        description["lines"] = list(model.lines)
    with atomic_write(folder / DESCRIPTION) as handle:
        handle.write(sealed_text(description, indent=2, allow_nan=True))
    if model.draws is not None:
        model.draws.write(folder)
    return folder


def _as_dict(form: FittedForm | None) -> dict[str, Any] | None:
    return None if form is None else form.to_dict()
