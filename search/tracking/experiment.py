"""A study's experiment in MLflow and its run there, found whatever they are called by now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from mlflow import MlflowClient
from mlflow.entities import Experiment, Run

from search.tracking.embedded import InFolder, embedded_artifacts
from search.tracking.notes import note_tags
from search.tracking.shared_view import VIEW_TAG

_MOST_EXPERIMENTS = 1_000
# Rises with what is written of each trial, so that earlier copies are brought up to date.
LAYOUT_TAG, LAYOUT = "cellbox.layout", "2"


class Started(Protocol):
    """The record of a trial or an experiment."""

    @property
    def started(self) -> float:
        """When it began, in seconds since 1970."""


class TrackedFolder(InFolder, Protocol):
    """A study's folder as MLflow knows it."""

    @property
    def name(self) -> str:
        """The study's name."""

    @property
    def id(self) -> str:
        """What tells the study from others of its name."""

    def finished_numbers(self) -> list[int]:
        """Trials that have ended, ascending."""

    def records(self) -> Iterable[Started]:
        """What they came to."""


def find_experiment(
    client: MlflowClient, folder: TrackedFolder, *, embedded: bool
) -> Experiment | None:
    """The experiment of a study, None where there is none yet.

    embedded: whether it is in the study's own database, where it is found too when the study has
        been renamed since.
    """
    found = client.get_experiment_by_name(folder.name)
    if found is not None or not embedded:
        return found
    every = client.search_experiments(max_results=_MOST_EXPERIMENTS)
    parent = find_parent(client, [each.experiment_id for each in every], folder.id)
    return None if parent is None else client.get_experiment(parent.info.experiment_id)


def open_experiment(
    client: MlflowClient, folder: TrackedFolder, home: InFolder | None
) -> Experiment:
    """The experiment of a study under the study's name, made if absent; see `find_experiment`.

    home: the folder that the database is in; None for a server's.
    """
    found = find_experiment(client, folder, embedded=home is not None)
    if found is None:
        identifier = client.create_experiment(
            folder.name,
            artifact_location=None if home is None else embedded_artifacts(home),
            tags={
                # So that the interface opens on runs rather than on traces of language models.
                "mlflow.experimentKind": "custom_model_development",
                LAYOUT_TAG: LAYOUT,
            },
        )
        return client.get_experiment(identifier)
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    if found.name != folder.name:
        client.rename_experiment(found.experiment_id, folder.name)
    return found


def find_parent(client: MlflowClient, experiment_ids: Sequence[str], study_id: str) -> Run | None:
    """The parent run of the study with this id, None where there is none."""
    found = find_parents(client, experiment_ids, study_id, most=1)
    return found[0] if found else None


def find_parents(
    client: MlflowClient, experiment_ids: Sequence[str], study_id: str, *, most: int
) -> list[Run]:
    """The parent runs of the study with this id: several where a request was carried out twice."""
    return client.search_runs(
        list(experiment_ids),
        f"tags.`cellbox.study_id` = '{study_id}' and tags.`cellbox.kind` = 'study'",
        max_results=most,
        order_by=["attributes.start_time ASC"],
    )


def describe_experiment(
    client: MlflowClient, experiment: Experiment, description: str, view: str
) -> None:
    """Write what the experiment's page says and how it opens."""
    wanted = {VIEW_TAG: view, **note_tags(experiment.tags, description)}
    for key, value in wanted.items():
        if experiment.tags.get(key) != value:
            client.set_experiment_tag(experiment.experiment_id, key, value)
