"""What several tests share."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


def _shared_folder(*parts: str) -> Path:
    folder = SHARED.joinpath(*parts)
    if not folder.is_dir():
        pytest.skip(f"needs {'/'.join(('../shared', *parts))}, which is not part of the project")
    return folder


@pytest.fixture(scope="session")
def skmel133() -> Path:
    """The folder of the SK-MEL-133 data, in the CellBox form."""
    return _shared_folder("data", "skmel133")


@pytest.fixture(scope="session")
def shared_networks() -> Path:
    """The folder of the ten systems' edge lists."""
    return _shared_folder("networks")
