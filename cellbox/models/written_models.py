"""Writing a fitted model as sealed arrays and JSON; `cellbox.models.saved_models` loads them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cellbox.errors import refuse
from cellbox.models.checked_files import ARRAYS_DIGEST
from cellbox.models.network_draws import DRAWS, NetworkDraws
from cellbox.networks.network import Network
from cellbox.storage.files import atomic_write
from cellbox.storage.seals import digest_of, sealed_text

FORMAT = 1
ARRAYS = "model.npz"
DESCRIPTION = "model.json"


def write_model(
    folder: Path,
    arrays: Mapping[str, Any],
    description: Mapping[str, Any],
    network: Network,
    draws: NetworkDraws | None,
) -> Path:
    """Write a model's arrays, what describes it, and draws of its network; returns the folder.

    Raises InputError where a file is in its place.
    """
    if folder.exists() and not folder.is_dir():
        raise refuse(str(folder), "expected a folder, found a file", "Choose another place")
    folder.mkdir(parents=True, exist_ok=True)
    # What is there may be of another model, and the description comes last: it makes a model.
    (folder / DRAWS).unlink(missing_ok=True)
    if draws is not None:
        draws.write(folder, network)
    content = io.BytesIO()
    np.savez(content, **arrays)
    with atomic_write(folder / ARRAYS, "wb") as binary:
        binary.write(content.getvalue())
    sealed = {"format": FORMAT, ARRAYS_DIGEST: digest_of(content.getvalue()), **description}
    with atomic_write(folder / DESCRIPTION) as text:
        text.write(sealed_text(sealed, indent=2, allow_nan=True))
    return folder
