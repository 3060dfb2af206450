"""What is kept beside a fitted model for its report: how well it predicts, and its data.

Reading and writing need neither matplotlib nor jinja2, so that a fit without them keeps it too.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cellbox.data.dataset import Dataset, Split
from cellbox.data.readers import write_tidy
from cellbox.models.provenance import fingerprint, versions
from cellbox.storage.files import atomic_write

EVALUATION, DATA = "evaluation.json", "data"


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
