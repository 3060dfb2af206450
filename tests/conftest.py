"""What several tests share."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest

import tests.typechecking

# Most of the tests' time is the compiler's, on programs that run once: so it takes less care of
# their speed here. `XLA_FLAGS= pytest ...` tests programs as users have them.
os.environ.setdefault(
    "XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
)
# Tracing makes many objects that live long; by default Python looks through all of them too often.
gc.set_threshold(50_000, 20, 50)

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--check-shapes",
        action="store_true",
        help="check types and array shapes of every call in cellbox (pyproject.toml asks for it)",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--check-shapes"):
        # Before the package is imported, which is when their functions are wrapped.
        checker = f"{tests.typechecking.__name__}.typechecked"
        jaxtyping.install_import_hook("cellbox", checker)


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()


def _shared_folder(*parts: str) -> Path:
    folder = SHARED.joinpath(*parts)
    if not folder.is_dir():
        pytest.skip(f"needs {'/'.join(('../shared', *parts))}, which is not part of the project")
    return folder


@pytest.fixture(autouse=True)
def _unchecked_where_types_are_wrong(request: pytest.FixtureRequest) -> Iterator[None]:
    """What is wrong on purpose reaches the code that refuses it for users."""
    wrong = request.node.get_closest_marker("wrong_types") is not None
    if wrong:
        jaxtyping.config.update("jaxtyping_disable", True)
    yield
    if wrong:
        jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(autouse=True, scope="module")
def _room_for_programs() -> Iterator[None]:
    """A process of the tests compiles more programs than users' do, and must not end of it."""
    yield
    from cellbox.storage.compilation import make_room_for_programs  # after the import hook

    make_room_for_programs()


@pytest.fixture(scope="session")
def skmel133() -> Path:
    """The folder of the SK-MEL-133 data, in the CellBox form."""
    return _shared_folder("data", "skmel133")


@pytest.fixture(scope="session")
def shared_networks() -> Path:
    """The folder of the ten systems' edge lists."""
    return _shared_folder("networks")
