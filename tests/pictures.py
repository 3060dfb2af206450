"""What stands in for drawings where something else is tested."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def _empty(
    model: Any, data: Any, split: Any, folder: str | os.PathLike[str], **_: Any
) -> list[Path]:
    from cellbox.models.model_files import PICTURES

    paths = [Path(folder) / name for name in PICTURES]
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    for path in paths:
        path.write_bytes(b"")
    return paths


@pytest.fixture(autouse=True, scope="module")
def no_drawings() -> Iterator[None]:
    """The pictures of models are empty files: drawing takes longer than a tiny study trains.

    In all tests of a folder whose conftest.py imports it.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cellbox.models.model_files.write_pictures", _empty)
        yield
