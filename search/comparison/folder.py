"""Where a comparison is kept: one JSON file for each finished split.

splits/leave-one-out_aMEK.json    predictions of the held-out rows by every model
comparison.json                   the report of the last run
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cellbox.data.dataset import Dataset
from cellbox.data.split_schemes import HeldOut
from cellbox.errors import refuse
from cellbox.evaluation.held_out_predictions import Entrant
from cellbox.evaluation.paired_comparison import Predicted
from cellbox.storage.files import atomic_write

# Rises when a split is done in another way, so that earlier results are not taken for new ones.
_FORMAT = 2
_SPLITS = "splits"
REPORT = "comparison.json"

# Predictions are log ratios, which nobody measures to this many digits.
_DIGITS = 7


@dataclass(frozen=True)
class ComparisonFolder:
    """The files of one comparison."""

    path: Path

    def open(self) -> None:
        """Make the folder where needed. Raises InputError where it is no folder or another's."""
        if self.path.exists() and not self.path.is_dir():
            raise refuse(str(self.path), "expected a folder, found a file", "Choose another")
        splits = self.path / _SPLITS
        if self.path.is_dir() and not splits.is_dir() and any(self.path.iterdir()):
            raise refuse(
                str(self.path),
                "expected a new or empty folder or that of a comparison, found other files",
                "Choose another folder with --out",
            )
        splits.mkdir(parents=True, exist_ok=True)

    def write(self, data: Dataset, split: HeldOut, entrant: Entrant, predicted: Predicted) -> None:
        """Keep the predictions of a split."""
        content = {
            **_identity(data, split, entrant),
            "rows": [data.row_names[row] for row in split.test],
            "predictions": {
                name: _with_nothing(values.round(_DIGITS)).tolist()
                for name, values in predicted.items()
            },
        }
        with atomic_write(self._file(split)) as handle:
            json.dump(content, handle, allow_nan=False)

    def read(self, data: Dataset, split: HeldOut, entrant: Entrant) -> Predicted | None:
        """The predictions of a split; None where it is not finished.

        Raises InputError where it was done on other data or with other settings.
        """
        file = self._file(split)
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            found = f"expected the JSON of a finished split, found something else ({error})"
            raise refuse(str(file), found, "Remove this file") from error
        wanted = json.loads(json.dumps(_identity(data, split, entrant)))
        differing = [name for name in wanted if content.get(name) != wanted[name]]
        if differing:
            raise refuse(
                str(file),
                f"expected a split done like this one, found one with another {differing[0]}",
                "Choose another folder with --out, or remove this one",
            )
        return {
            name: np.array(values, dtype=float) for name, values in content["predictions"].items()
        }

    def write_report(self, report: dict[str, Any]) -> None:
        """Keep the report of this run."""
        with atomic_write(self.path / REPORT) as handle:
            json.dump(report, handle, indent=1, allow_nan=False)

    def _file(self, split: HeldOut) -> Path:
        # A node may be called anything; the digest keeps names apart that look alike here.
        shown = re.sub(r"[^A-Za-z0-9.-]+", "-", split.name)
        if shown != split.name:
            shown = f"{shown}-{hashlib.sha256(split.name.encode()).hexdigest()[:6]}"
        return self.path / _SPLITS / f"{split.scheme}_{shown}.json"


def _with_nothing(values: np.ndarray) -> np.ndarray:
    """The values with None, which JSON can hold, for numbers that are not finite."""
    plain = values.astype(object)
    plain[~np.isfinite(values)] = None
    return plain


def _identity(data: Dataset, split: HeldOut, entrant: Entrant) -> dict[str, Any]:
    """What has to be equal for a finished split to be this one."""
    digest = hashlib.sha256()
    for values in (data.times, data.perturbations, data.measurements, data.allowed_edges):
        digest.update(b"" if values is None else np.ascontiguousarray(values).tobytes())
    digest.update("\n".join(data.nodes).encode())
    return {
        "format": _FORMAT,
        "data": digest.hexdigest()[:16],
        "scheme": split.scheme,
        "split": split.name,
        "test rows": split.test.tolist(),
        **{name.replace("_", " "): value for name, value in asdict(entrant).items()},
    }
