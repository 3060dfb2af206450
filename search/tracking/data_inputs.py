"""A study's data as MLflow's datasets: where they are from, their digest, schema and split."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag

from search.study.folder import StudyFolder
from search.study.record import StudyRecord
from search.tracking.credentials import without_credentials_inside

# What MLflow's database has room for.
_LONGEST_DIGEST = 36
_CONTEXT = "mlflow.data.context"
_SCHEMA = json.dumps(
    {
        "mlflow_colspec": [
            {"name": name, "type": kind, "required": True}
            for name, kind in (
                ("condition", "string"),
                ("time", "double"),
                ("node", "string"),
                ("value", "double"),
            )
        ]
    }
)


def study_inputs(folder: StudyFolder, study: StudyRecord) -> list[DatasetInput]:
    """The data that a study trains with, which come first, validates and tests with."""
    table = folder.read_json("spec.json")["data"]
    profile: dict[str, Any] = {"nodes": len(study.nodes), **study.own_budget.as_dict()}
    inputs = [_input(folder, study, table, "training", profile)]
    for part, conditions in _held_out(folder).items():
        held_out = {"nodes": len(study.nodes), "conditions": conditions}
        inputs.append(_input(folder, study, table, part, held_out))
    return inputs


def _input(
    folder: StudyFolder,
    study: StudyRecord,
    table: Mapping[str, Any],
    part: str,
    profile: Mapping[str, Any],
) -> DatasetInput:
    source = without_credentials_inside({k: v for k, v in table.items() if v is not None})
    name = str(table.get("system") or folder.name)
    dataset = Dataset(
        name=name if part == "training" else f"{name}, {part}",
        digest=study.data[:_LONGEST_DIGEST],
        source_type="cellbox",
        source=json.dumps(source),
        schema=_SCHEMA,
        profile=json.dumps({key: value for key, value in profile.items() if value is not None}),
    )
    return DatasetInput(dataset, [InputTag(_CONTEXT, part)])


def _held_out(folder: StudyFolder) -> dict[str, int]:
    """How many conditions validate and test, as the split of the kept data says."""
    from cellbox.errors import InputError
    from search.study.kept_data import kept_data

    try:
        split = kept_data(folder.data).split
    except InputError:
        # Someone edited or moved the tables; the rest is told without them.
        return {}
    if split is None:
        return {}
    return {"validation": len(split.validation), "test": len(split.test)}
