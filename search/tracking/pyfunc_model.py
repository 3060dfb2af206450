"""The MLflow model of a learned network: MLflow runs this file to make it ("model from code").

It is copied beside the model's arrays and the `cellbox` package, so it imports nothing else of
this repository.

    model = mlflow.pyfunc.load_model("models:/cellbox-<study>@best")
    model.predict(pandas.DataFrame([{"g1": 0.5}, {"g3": 1.0}]), params={"times": [4.0, 20.0]})
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas
from mlflow.pyfunc.model import PythonModel

import cellbox
from cellbox.errors import Problem
from cellbox.models.saved_ensembles import load_fitted
from cellbox.models.trained_range import note_of
from cellbox.storage.compilation import make_room_for_programs


class CellBoxModel(PythonModel):
    """Predicts the response of every node to perturbations, from x(0) = 0."""

    def load_context(self, context) -> None:
        """Load the arrays that the model was saved with, and what it was trained on."""
        folder = Path(context.artifacts["model"])
        self.fitted = load_fitted(folder)
        trained = folder / "trained_on.json"
        self.trained_on = json.loads(trained.read_text("utf-8")) if trained.is_file() else None

    def predict(
        self, context, model_input: pandas.DataFrame, params: dict[str, Any] | None = None
    ) -> pandas.DataFrame:
        """The responses as a tidy table: condition, time, node, value, low, high and note.

        model_input: a data frame, or columns by name; a row for each condition and a column for
            each perturbed node (the paper's sign: positive pushes a node down); nodes without a
            column are left alone. Its index names the conditions.
        params: "times", ascending and positive; by default those of the training data.

        All in the model's own units, whatever those of its data were: u, decay times, log ratios.
        value: log ratio. low, high: 90 % interval, from the spread of an ensemble's members, or
        from what the data leave open around one model; missing where that is not known. note: in
        what a condition goes beyond the data that the model was trained on, empty where it does
        not.

        Raises InputError for unknown nodes and for what are not numbers.
        """
        if isinstance(model_input, dict):
            # As a server takes columns by name.
            model_input = pandas.DataFrame(model_input)
        nodes = self.fitted.network.nodes
        perturbations = _perturbations(model_input, nodes)
        chosen = (params or {}).get("times")
        times = self.fitted.times if chosen is None else np.asarray(chosen, float)
        make_room_for_programs()  # a server may be asked for ever new numbers of rows and times
        value, low, high = self._predicted(perturbations, times)
        n_rows, n_times, n_nodes = value.shape
        notes = [
            [note_of(row, time, nodes, self.trained_on) for time in times] for row in perturbations
        ]
        return pandas.DataFrame(
            {
                "condition": np.repeat(model_input.index.to_numpy(), n_times * n_nodes),
                "time": np.tile(np.repeat(times, n_nodes), n_rows),
                "node": np.tile(np.array(nodes, dtype=object), n_rows * n_times),
                "value": value.reshape(-1),
                "low": low.reshape(-1),
                "high": high.reshape(-1),
                "note": np.repeat(np.array(notes, dtype=object).reshape(-1), n_nodes),
            }
        )

    def _predicted(self, perturbations: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, ...]:
        """Value, low and high, (n_rows, n_times, n_nodes) each."""
        predicted = self.fitted.predict_with_interval(perturbations, times)
        ends = []
        for end in (predicted.low, predicted.high):
            # None rather than NaN, which a server would write into its JSON.
            told = np.full(predicted.value.shape, None, object)
            if end is not None:
                known = np.isfinite(end)
                told[known] = end[known]
            ends.append(told)
        return predicted.value, *ends


def _perturbations(table: pandas.DataFrame, nodes: tuple[str, ...]) -> np.ndarray:
    """The table's columns in the model's order of nodes, 0 where there is none."""
    if not isinstance(table, pandas.DataFrame):
        raise cellbox.InputError(
            [
                Problem(
                    "model input",
                    f"expected a pandas DataFrame, found {type(table).__name__}",
                    "Give a row for each condition and a column for each perturbed node",
                )
            ]
        )
    problems = [
        Problem(
            f"model input, column {str(column)!r}",
            f"expected one of the model's nodes {_listed(nodes)}, found {str(column)!r}",
            "Rename or remove the column",
        )
        for column in table.columns
        if column not in nodes
    ]
    problems += [
        Problem(
            f"model input, column {str(column)!r}",
            f"expected numbers, found {table[column].dtype}",
            "Give 0 where a node is left alone",
        )
        for column in dict.fromkeys(table.columns)
        if column in nodes and not table.columns.duplicated().any() and not _numeric(table[column])
    ]
    problems += [
        Problem(
            f"model input, column {str(column)!r}",
            "expected each node once, found it again",
            "Keep one of the columns",
        )
        for column in table.columns[table.columns.duplicated()]
    ]
    if problems:
        raise cellbox.InputError(problems)
    return table.reindex(columns=list(nodes), fill_value=0.0).to_numpy(float)


def _numeric(column: pandas.Series) -> bool:
    return pandas.api.types.is_numeric_dtype(column.dtype)


def _listed(nodes: tuple[str, ...]) -> str:
    shown = ", ".join(nodes[:8])
    return shown if len(nodes) <= 8 else f"{shown} and {len(nodes) - 8} more"


mlflow.models.set_model(CellBoxModel())
