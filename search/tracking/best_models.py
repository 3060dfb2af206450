"""The best models as MLflow's: opened by `mlflow.pyfunc.load_model`, from code, without pickle.

They are written through an explicit client rather than `mlflow.pyfunc.log_model`, which works on
the process's one active run and global address.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import mlflow
import numpy as np
import pandas
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, Metric
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

import cellbox
from cellbox.identifiability.design_report import REPORT_FILES
from search.study.folder import StudyFolder
from search.study.record import TrialRecord
from search.tracking.trial_content import final_values, milliseconds, texts, trial_metrics

# What the copied package and MLflow's own loading need, at the versions that made the numbers.
_PACKAGES = (
    "mlflow",
    "jax",
    "jaxlib",
    "diffrax",
    "equinox",
    "optax",
    "jaxtyping",
    "numpy",
    "scipy",
    "pandas",
)
TRIAL_MODEL, STUDY_MODEL = "model", "best_model"
_SCRIPT = Path(__file__).with_name("pyfunc_model.py")
_FILES = ("model.json", "model.npz")

Owner = tuple[str, str, int]
"""A run's id, the name of its model, and the number of the trial that learned it."""


def log_models(
    client: MlflowClient,
    experiment_id: str,
    folder: StudyFolder,
    owners: Sequence[Owner],
    on_progress: Callable[[], None] = lambda: None,
) -> None:
    """Give each owner its model; models of this study that are no longer wanted are removed.

    on_progress: called after each.
    """
    wanted = {(run_id, name): number for run_id, name, number in owners}
    study_id = folder.study.id
    for model in _models(client, experiment_id, study_id):
        key = (str(model.source_run_id), model.name)
        number = wanted.get(key)
        complete = str(model.status) == "READY"
        if complete and number is not None and model.tags["cellbox.trial"] == str(number):
            del wanted[key]
        else:
            client.delete_logged_model(model.model_id)
    for (run_id, name), number in wanted.items():
        source = folder.model(number)
        if all((source / file).is_file() for file in _FILES):
            _log_model(client, experiment_id, folder, (run_id, name, number))
            on_progress()


def _models(client: MlflowClient, experiment_id: str, study_id: str) -> Iterator[LoggedModel]:
    token: str | None = None
    while True:
        page = client.search_logged_models(
            [experiment_id], f"tags.`cellbox.study_id` = '{study_id}'", page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return


def _log_model(client: MlflowClient, experiment_id: str, folder: StudyFolder, owner: Owner) -> None:
    run_id, name, number = owner
    record = folder.record(number)
    logged = client.create_logged_model(
        experiment_id,
        name=name,
        source_run_id=run_id,
        model_type="cellbox",
        params=texts(record.parameters),
        tags={
            "cellbox.study_id": folder.study.id,
            "cellbox.trial": str(number),
        },
    )
    description = Model(
        artifact_path=logged.artifact_location,
        model_uuid=logged.model_id,
        model_id=logged.model_id,
        run_id=run_id,
    )
    with tempfile.TemporaryDirectory() as place:
        written = Path(place) / "written"
        save_pyfunc(folder.model(number), written, description)
        client.log_model_artifacts(logged.model_id, str(written))
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, 0)])
    if name == TRIAL_MODEL:
        # On the study's run they would sort among the trials.
        _show_metrics(client, logged, record, run_id)


def _show_metrics(
    client: MlflowClient, logged: LoggedModel, record: TrialRecord, run_id: str
) -> None:
    """The trial's final values beside its model, in MLflow's list of models."""
    finished = milliseconds(record.finished)
    metrics = [
        Metric(value.key, value.value, finished, 0, logged.model_id, run_id=run_id)
        for value in final_values(trial_metrics(record))
    ]
    client.log_batch(run_id, metrics=metrics)


def save_pyfunc(model: Path, target: Path, description: Model | None = None) -> None:
    """Write a folder that `mlflow.pyfunc.load_model` opens from what `FittedModel.save` wrote."""
    nodes = json.loads((model / "model.json").read_text("utf-8"))["nodes"]
    with np.load(model / "model.npz", allow_pickle=False) as arrays:
        times = arrays["times"].tolist()
    with tempfile.TemporaryDirectory() as place:
        # The arrays, and of the best what its data determine: pictures may lie beside them.
        copy = Path(place) / "model"
        copy.mkdir()
        for file in (*_FILES, *REPORT_FILES):
            if (model / file).is_file():
                shutil.copyfile(model / file, copy / file)
        mlflow.pyfunc.save_model(
            path=target,
            python_model=str(_SCRIPT),
            artifacts={"model": str(copy)},
            code_paths=[str(Path(cellbox.__file__).parent)],
            pip_requirements=[f"{name}=={version(name)}" for name in _PACKAGES],
            signature=_signature(times),
            input_example=pandas.DataFrame([dict.fromkeys(nodes, 0.0)]),
            metadata={"nodes": nodes},
            mlflow_model=description or Model(),
        )


def _signature(times: list[float]) -> ModelSignature:
    """Outputs and parameters alone: by a signature of inputs MLflow would drop unknown columns
    without a word, where the model refuses a misspelled node.
    """
    return ModelSignature(
        outputs=Schema(
            [
                ColSpec(DataType.long, "condition"),
                ColSpec(DataType.double, "time"),
                ColSpec(DataType.string, "node"),
                ColSpec(DataType.double, "value"),
            ]
        ),
        params=ParamSchema([ParamSpec("times", DataType.double, times, (-1,))]),
    )
