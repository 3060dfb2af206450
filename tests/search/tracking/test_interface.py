"""MLflow's pages as `cellbox ui` serves them."""

import tomllib
from importlib import import_module
from pathlib import Path

import mlflow.server

from search.tracking.interface import APP, with_note


def test_the_page_that_mlflow_serves_gets_the_note_before_its_own_scripts():
    index = Path(mlflow.server.__file__).parent / "js" / "build" / "index.html"
    page = with_note(index.read_text("utf-8"))
    assert -1 < page.index("autoOpenedOnFirstLoad") < page.index("src=")
    # The name under which the interface looks for it.
    scripts = (index.parent / "static" / "js").glob("main.*.js")
    assert any("mlflow.assistant.fab.autoOpenedOnFirstLoad" in each.read_text() for each in scripts)


def test_the_entry_point_that_mlflow_looks_for_is_declared():
    declared = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]["entry-points"]
    module, name = declared["mlflow.app"][APP].split(":")
    assert callable(getattr(import_module(module), name))
