"""The best models as MLflow's: opened by `mlflow.pyfunc.load_model`, from code, without pickle.

They are written through an explicit client rather than `mlflow.pyfunc.log_model`, which works on
the process's one active run and global address.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, Metric
from mlflow.models import Model, ModelSignature
from mlflow.models.model import MLMODEL_FILE_NAME
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

import cellbox
from cellbox.errors import InputError
from cellbox.identifiability.design_report import REPORT_FILES
from cellbox.models.trained_range import trained_range
from search.study.folder import StudyFolder
from search.study.kept_data import kept_data
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
TRIAL_MODEL, STUDY_MODEL, ENSEMBLE_MODEL = "model", "best_model", "ensemble"
_SCRIPT = Path(__file__).with_name("pyfunc_model.py")
_FILES = ("model.json", "model.npz")
# As `Ensemble.save` names them; its module would load JAX, which is no part of writing.
_OF_ENSEMBLE = ("ensemble.json", "ensemble.npz", "edges.csv")
# As `cellbox.models.network_draws` names them, which would load JAX as well.
_DRAWS = "draws.npz"
_CONTENT = "cellbox.content"
_TRAINED_ON = "trained_on.json"
_EXAMPLE_DOSE = 0.5

Owner = tuple[str, str, int]
"""A run's id, the name of its model, and the number of the trial that learned it."""


def log_models(
    client: MlflowClient,
    experiment_id: str,
    folder: StudyFolder,
    owners: Sequence[Owner],
    on_progress: Callable[[], None] = lambda: None,
    *,
    keep: Container[str] = (),
    folders: PyfuncFolders | None = None,
) -> dict[tuple[str, str], LoggedModel]:
    """Give each owner its model; models of this study that are no longer wanted are removed.

    on_progress: called after each. keep: ids of models that stay in any case, since people may
        have them by their version in the registry. folders: what writes them as MLflow's.
    Returns the owners' models by run and name.
    """
    wanted = {(run_id, name): number for run_id, name, number in owners}
    study_id = folder.study.id
    there: dict[tuple[str, str], LoggedModel] = {}
    for model in _models(client, experiment_id, study_id):
        key = (str(model.source_run_id), model.name)
        number = wanted.get(key)
        complete = str(model.status) == "READY"
        same = number is not None and model.tags.get(_CONTENT) == _content(folder, key[1], number)
        if complete and same:
            del wanted[key]
            there[key] = model
        elif model.model_id not in keep:
            client.delete_logged_model(model.model_id)
    for (run_id, name), number in wanted.items():
        source = model_folder(folder, name, number)
        if all((source / file).is_file() for file in _FILES):
            folders = folders or PyfuncFolders()
            owner = run_id, name, number
            there[run_id, name] = _log_model(client, experiment_id, folder, owner, folders)
            on_progress()
    return there


def model_folder(folder: StudyFolder, name: str, number: int) -> Path:
    """Where the study's folder has what an MLflow model of this name holds."""
    return folder.ensemble if name == ENSEMBLE_MODEL else folder.model(number)


def _content(folder: StudyFolder, name: str, number: int) -> str:
    """Tells whether a model is still the one that the study's folder has."""
    source = model_folder(folder, name, number)
    digest = hashlib.sha256(f"{name} {number}".encode())
    for file in (*_FILES, *_OF_ENSEMBLE, _DRAWS):
        if (source / file).is_file():
            digest.update((source / file).read_bytes())
    return digest.hexdigest()[:16]


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


def _log_model(
    client: MlflowClient,
    experiment_id: str,
    folder: StudyFolder,
    owner: Owner,
    folders: PyfuncFolders,
) -> LoggedModel:
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
            _CONTENT: _content(folder, name, number),
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
        source = model_folder(folder, name, number)
        folders.write(source, written, description, trained_on(folder))
        client.log_model_artifacts(logged.model_id, str(written))
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, 0)])
    if name == TRIAL_MODEL:
        # On the study's run they would sort among the trials.
        _show_metrics(client, logged, record, run_id)
    return logged


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


def trained_on(folder: StudyFolder) -> dict[str, Any] | None:
    """The doses and the time that a study's training conditions reach; None where not known."""
    try:
        data = kept_data(folder.data)
    except InputError:
        # Someone edited or moved the tables; predictions then come without notes.
        return None
    rows = range(data.n_rows) if data.split is None else data.split.training
    return trained_range(data, rows)


def save_pyfunc(
    model: Path,
    target: Path,
    description: Model | None = None,
    trained: Mapping[str, Any] | None = None,
) -> None:
    """Write a folder that `mlflow.pyfunc.load_model` opens from what a model's `save` wrote.

    trained: as `trained_on` gives it, for notes on what goes beyond.
    """
    PyfuncFolders().write(model, target, description, trained)


class PyfuncFolders:
    """Writes models of one study as MLflow's: what they have in common is made once.

    MLflow looks through all installed packages for each model that it saves.
    """

    def __init__(self) -> None:
        self._place = tempfile.TemporaryDirectory()
        self._made: dict[str, Path] = {}

    def write(
        self,
        model: Path,
        target: Path,
        description: Model | None = None,
        trained: Mapping[str, Any] | None = None,
    ) -> None:
        """See `save_pyfunc`."""
        nodes = json.loads((model / "model.json").read_text("utf-8"))["nodes"]
        with np.load(model / "model.npz", allow_pickle=False) as arrays:
            times = arrays["times"].tolist()
        shutil.copytree(self.prepare(nodes, times, trained), target)
        own = target / "artifacts" / "model"
        # The arrays, and of the best what its data determine: pictures may lie beside them.
        for file in (*_FILES, *_OF_ENSEMBLE, _DRAWS, *REPORT_FILES):
            if (model / file).is_file():
                shutil.copyfile(model / file, own / file)
        saved = Model.load(str(target))
        given = description or Model()
        for name in ("artifact_path", "model_uuid", "model_id", "run_id", "utc_time_created"):
            setattr(saved, name, getattr(given, name))
        # As MLflow counts it, but for the description itself.
        files = (file for file in target.rglob("*") if file.is_file())
        saved.model_size_bytes = sum(file.stat().st_size for file in files)
        saved.save(str(target / MLMODEL_FILE_NAME))

    def prepare(
        self, nodes: Sequence[str], times: list[float], trained: Mapping[str, Any] | None
    ) -> Path:
        """A folder as MLflow saves it, with what models of these nodes and times have in common."""
        key = json.dumps([list(nodes), times, trained])
        if key not in self._made:
            place = Path(self._place.name) / str(len(self._made))
            copy = place / "model"
            copy.mkdir(parents=True)
            if trained is not None:
                (copy / _TRAINED_ON).write_text(json.dumps(trained), encoding="utf-8")
            mlflow.pyfunc.save_model(
                path=place / "saved",
                python_model=str(_SCRIPT),
                artifacts={"model": str(copy)},
                code_paths=[str(Path(cellbox.__file__).parent)],
                pip_requirements=[f"{name}=={version(name)}" for name in _PACKAGES],
                signature=_signature(times),
                input_example=_example(nodes, trained),
                metadata={"nodes": list(nodes)},
            )
            self._made[key] = place / "saved"
        return self._made[key]


def _example(nodes: Sequence[str], trained: Mapping[str, Any] | None) -> pandas.DataFrame:
    """Two nodes perturbed alone, and the two together: a row for each condition."""
    reach = {} if trained is None else trained["doses"]
    perturbed = [node for node in nodes if any(reach.get(node, (0, 0)))] or list(nodes)
    first, *others = perturbed[:2]
    if not others:
        return pandas.DataFrame({first: [_EXAMPLE_DOSE]})
    doses = {first: [_EXAMPLE_DOSE, 0.0, _EXAMPLE_DOSE]}
    return pandas.DataFrame(doses | {others[0]: [0.0, _EXAMPLE_DOSE, _EXAMPLE_DOSE]})


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
                ColSpec(DataType.double, "low", required=False),
                ColSpec(DataType.double, "high", required=False),
                ColSpec(DataType.string, "note"),
            ]
        ),
        params=ParamSchema([ParamSpec("times", DataType.double, times, (-1,))]),
    )
