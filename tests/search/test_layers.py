"""The rooms of the service only use those below them, and each knows only what it must."""

import pytest

from tests.imports import (
    ROOT,
    circle_of,
    files_of,
    imported_modules,
    loaded_after,
    module_of,
    room_of,
    upward_imports,
)

# Lowest first; a room uses only itself and those before it. search/README.md tells what each is.
ROOMS = (
    "spec",
    "proposals",
    "study",
    "report",
    "console",
    "tracking",
    "workers",
    "doctor",
    "sweeping",
    "comparison",
    "reproduction",
    "benchmark",
    "budget",
    "cli",
)
# Who may know which of the three engines; everyone else is free of them.
ENGINES = {"ray": {"workers"}, "optuna": {"proposals"}, "mlflow": {"tracking"}}


def test_rooms_use_only_lower_rooms():
    assert upward_imports("search", ROOMS) == []


def test_no_modules_use_each_other_in_a_circle():
    assert circle_of("search") == []


@pytest.mark.parametrize("engine", ENGINES)
def test_each_engine_is_known_to_one_room(engine):
    users = {
        room_of(module_of(file))
        for file in files_of("search")
        if engine in {name.split(".")[0] for name in imported_modules(file)}
    }
    assert users == ENGINES[engine]


@pytest.mark.parametrize("package", ["cellbox", "search"])
def test_each_room_says_in_a_line_what_it_is_for(package):
    for file in (ROOT / package).rglob("__init__.py"):
        first = file.read_text("utf-8").splitlines()[0]
        assert first.startswith('"""'), file
        assert first.rstrip('"').endswith("."), f"{file} opens with more than a line"


def test_importing_the_package_loads_nothing_heavy():
    loaded = loaded_after("import search; dir(search)")
    assert not loaded & {"jax", "diffrax", "ray", "optuna", "mlflow", "pydantic", "matplotlib"}


def test_what_writes_mlflow_needs_no_jax():
    loaded = loaded_after("import search.tracking.loop")
    assert "mlflow" in loaded
    assert not {"jax", "diffrax", "ray", "optuna"} & loaded
