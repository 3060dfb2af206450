"""Where a comparison is kept: one JSON file for each finished split.

splits/leave-one-out_aMEK.json    predictions of the held-out rows by every model
comparison.json                   the report of the last run
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict
from typing import Any, ClassVar

import numpy as np

from cellbox.data.dataset import Dataset
from cellbox.data.split_schemes import HeldOut
from cellbox.errors import refuse
from cellbox.evaluation.held_out_predictions import Entrant
from cellbox.evaluation.paired_comparison import Predicted
from cellbox.refinement.refine import is_large
from search.study.resumable import FolderOfParts, differing

# Rises when a split is done in another way, so that earlier results are not taken for new ones.
_FORMAT, _FORMAT_OF_LARGE = 6, 7
REPORT = "comparison.json"

# Predictions are log ratios, which nobody measures to this many digits.
_DIGITS = 7


class ComparisonFolder(FolderOfParts):
    """The files of one comparison."""

    RUN: ClassVar[str] = "comparison"
    MARK: ClassVar[str] = "splits"

    def write(self, data: Dataset, split: HeldOut, entrant: Entrant, predicted: Predicted) -> None:
        """Keep the predictions of a split."""
        content = {
            "rows": [data.row_names[row] for row in split.test],
            "predictions": {
                name: _with_nothing(values.round(_DIGITS)).tolist()
                for name, values in predicted.items()
            },
        }
        self.write_part(_part(split), _identity(data, split, entrant), content)

    def read(self, data: Dataset, split: HeldOut, entrant: Entrant) -> Predicted | None:
        """The predictions of a split; None where it is not finished.

        Raises InputError where it was done on other data or with other settings, and for a file
        that was damaged.
        """
        content = self.read_part(_part(split))
        if content is None:
            return None
        otherwise = differing(content, _identity(data, split, entrant))
        if otherwise:
            raise refuse(
                str(self.part_file(_part(split))),
                f"expected a split done like this one, found one with another {otherwise[0]}",
                "Choose another folder with --out, or remove this one",
            )
        return {
            name: np.array(values, dtype=float) for name, values in content["predictions"].items()
        }

    def write_report(self, report: dict[str, Any]) -> None:
        """Keep the report of this run."""
        self.write_json(REPORT, report)


def _part(split: HeldOut) -> str:
    """The name of a split's file."""
    # A node may be called anything; the digest keeps names apart that look alike here.
    shown = re.sub(r"[^A-Za-z0-9.-]+", "-", split.name)
    if shown != split.name:
        shown = f"{shown}-{hashlib.sha256(split.name.encode()).hexdigest()[:6]}"
    return f"{split.scheme}_{shown}"


def _with_nothing(values: np.ndarray) -> np.ndarray:
    """The values with None, which JSON can hold, for numbers that are not finite."""
    plain = values.astype(object)
    plain[~np.isfinite(values)] = None
    return plain


def _identity(data: Dataset, split: HeldOut, entrant: Entrant) -> dict[str, Any]:
    """What has to be equal for a finished split to be this one."""
    digest = hashlib.sha256()
    arrays = (data.times, data.perturbations, data.measurements, data.allowed_edges, data.errors)
    for values in arrays:
        digest.update(b"" if values is None else np.ascontiguousarray(values).tobytes())
    digest.update("\n".join(data.nodes).encode())
    digest.update(b"" if data.prior is None else data.prior.fingerprint.encode())
    digest.update("\n".join(data.lines or ()).encode())
    if data.interventions is not None:
        digest.update(data.interventions.keys().tobytes())
    return {
        "format": _FORMAT_OF_LARGE if is_large(data.n_nodes) else _FORMAT,
        "data": digest.hexdigest()[:16],
        "scheme": split.scheme,
        "split": split.name,
        "test rows": split.test.tolist(),
        **{name.replace("_", " "): value for name, value in asdict(entrant).items()},
    }
