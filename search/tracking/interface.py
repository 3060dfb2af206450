"""MLflow's interface as `cellbox ui` serves it: on the trials, not on a panel for language models.

MLflow finds this by the entry point "cellbox" of the group "mlflow.app", and runs it in a process
of its own (`mlflow server --app-name cellbox`).
"""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

#: The name of the entry point.
APP = "cellbox"

# MLflow opens its assistant over a quarter of the page the first time, and notes here that it did.
_NOTED = """<script>
try {
  const noted = "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1";
  if (localStorage.getItem(noted) === null) localStorage.setItem(noted, "true");
} catch (error) { /* A browser that keeps nothing shows the panel. */ }
</script>"""


def is_installed() -> bool:
    """Whether MLflow can find this, which an installation of an earlier version did not declare."""
    return any(one.name == APP for one in entry_points(group="mlflow.app"))


def app() -> Any:
    """MLflow's application, whose start page keeps its assistant closed until it is asked for."""
    from flask import Response
    from mlflow.server import app as pages
    from mlflow.server.fastapi_app import app as whole

    index = Path(str(pages.static_folder)) / "index.html"

    def start_page() -> Any:
        return Response(with_note(index.read_text("utf-8")), mimetype="text/html")

    # Another version of MLflow may keep its page elsewhere, which is then as it is.
    if index.is_file() and "serve" in pages.view_functions:
        pages.view_functions["serve"] = start_page
    return whole


def with_note(page: str) -> str:
    """A page of HTML with the script before all others."""
    return page.replace("<head>", f"<head>{_NOTED}", 1)
