"""How MLflow's page of a study opens: columns, order and charts, as a "shared view" of MLflow's.

MLflow keeps such a view as JSON in a tag of the experiment, and shows it where the page's address
names its key.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

#: The view's key in the address of the page.
VIEW = "trials"
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"

#: Prefix of the study's metrics of which each step is a trial.
BEST_SO_FAR, EACH_TRIAL = "best_so_far", "each_trial"

_NAME_COLUMN = "attributes.`Run Name`"
_MOST_PARAMETERS = 12
_LONGEST_TAG = 5_000
_WIDTHS = {_NAME_COLUMN: 110, "runDateAndNestInfo": 120}
_METRIC_WIDTH = 130
# Sections that MLflow would fill with a chart for each metric; they open with a click.
_CLOSED = ("all_nodes", "history", EACH_TRIAL, BEST_SO_FAR, "Model metrics", "System metrics")


def shared_view(
    objectives: Sequence[str], metrics: Sequence[str], parameters: Sequence[str]
) -> str:
    """The view's JSON: all runs flat, sorted by the first objective, the smallest first.

    objectives: what the study minimises. metrics, parameters: names of further columns.
    """
    names = [*objectives, *(name for name in metrics if name not in objectives)]
    for shown in range(min(len(parameters), _MOST_PARAMETERS), -1, -1):
        text = json.dumps(_view(objectives, names, list(parameters[:shown])), separators=(",", ":"))
        if len(text) <= _LONGEST_TAG:
            break
    return text


def _view(objectives: Sequence[str], metrics: list[str], parameters: list[str]) -> dict[str, Any]:
    of_metrics = [f"metrics.`{name}`" for name in metrics]
    columns = [*of_metrics, *(f"params.`{name}`" for name in parameters)]
    return {
        "searchFilter": "",
        # In the order of a metric MLflow does not fold trials into their study.
        "orderByKey": of_metrics[0],
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": columns,
        "columnOrder": [_NAME_COLUMN, *columns, "runDateAndNestInfo", "duration"],
        "columnWidths": {**_WIDTHS, **dict.fromkeys(of_metrics, _METRIC_WIDTH)},
        "runsHiddenMode": "SHOW_ALL",
        "isAccordionReordered": True,
        "compareRunSections": [_section("search", "The search", True)]
        + [_section(name, name, False) for name in _CLOSED],
        "compareRunCharts": _charts(objectives, parameters),
    }


def _section(identifier: str, name: str, shown: bool) -> dict[str, Any]:
    return {
        "uuid": identifier,
        "name": name,
        "display": shown,
        "isReordered": True,
        "deleted": False,
        "isGenerated": False,
        **({"columns": 2} if shown else {}),
    }


def _charts(objectives: Sequence[str], parameters: list[str]) -> list[dict[str, Any]]:
    charts: list[dict[str, Any]] = []
    for objective in objectives:
        charts += [
            {
                **_chart("LINE", f"{BEST_SO_FAR}-{objective}"),
                "metricKey": f"{BEST_SO_FAR}/{objective}",
                "selectedMetricKeys": [f"{BEST_SO_FAR}/{objective}"],
            },
            _scatter("trial", objective),
        ]
    if len(objectives) > 1:
        charts.append(_scatter(objectives[1], objectives[0]))
    if parameters:
        charts.append(
            {
                **_chart("PARALLEL", "settings"),
                "selectedParams": parameters[:8],
                "selectedMetrics": [objectives[0]],
                "showAllRuns": True,
            }
        )
    return charts


def _scatter(across: str, up: str) -> dict[str, Any]:
    return {
        **_chart("SCATTER", f"{across}-{up}"),
        "xaxis": {"key": across, "type": "METRIC"},
        "yaxis": {"key": up, "type": "METRIC"},
    }


def _chart(kind: str, identifier: str) -> dict[str, Any]:
    return {
        "type": kind,
        "uuid": identifier,
        "metricSectionId": "search",
        "deleted": False,
        "isGenerated": False,
        "runsCountToCompare": 100,
    }
