"""The models of a study in MLflow's registry: `cellbox-<study>`, with aliases @best and @ensemble.

A version is made when the best trial, or the ensemble, is another one; versions stay for good. An
alias moves to a new version only where that is better than the one it is at, wherever a person
may have put it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import LoggedModel
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from search.study.folder import StudyFolder

BEST, ENSEMBLE = "best", "ensemble"
_STUDY = "cellbox.study_id"
_MODEL = "cellbox.model"
_SCORE = "cellbox.score"
_NOT_IN_NAMES = re.compile(r"[^\w.-]")


@dataclass(frozen=True)
class Candidate:
    """A model to be registered.

    alias: `BEST` or `ENSEMBLE`. score: the smaller, the better; compared from its beginning.
    description: Markdown.
    """

    alias: str
    model: LoggedModel
    run_id: str
    score: Sequence[float]
    description: str


def registered_name(client: MlflowClient, folder: StudyFolder) -> str:
    """The name of the study's registered model; where it was renamed, the one that it had."""
    known = client.search_registered_models(f"tag.`{_STUDY}` = '{folder.study.id}'")
    if known:
        return known[0].name
    name = f"cellbox-{_NOT_IN_NAMES.sub('-', folder.name)}"
    # Another study of this name may be on the same server.
    taken = client.search_registered_models(f"name = '{name}'")
    return f"{name}-{folder.study.id[:6]}" if taken else name


def registered_models(client: MlflowClient, folder: StudyFolder) -> set[str]:
    """Ids of the models that have a version."""
    return {version.tags.get(_MODEL, "") for version in versions_of(client, folder)}


def versions_of(client: MlflowClient, folder: StudyFolder) -> list[ModelVersion]:
    """All versions of the study's registered model, none where it has none."""
    known = client.search_registered_models(f"tag.`{_STUDY}` = '{folder.study.id}'")
    if not known:
        return []
    return list(client.search_model_versions(f"name = '{known[0].name}'"))


def register(
    client: MlflowClient, folder: StudyFolder, candidates: Sequence[Candidate], description: str
) -> None:
    """Register models that have no version yet, and move aliases to what is better."""
    name = registered_name(client, folder)
    try:
        model = client.get_registered_model(name)
    except MlflowException:
        tags = {_STUDY: folder.study.id}
        model = client.create_registered_model(name, tags=tags, description=description)
    if not model.description:
        client.update_registered_model(name, description=description)
    known = {version.tags.get(_MODEL): version for version in versions_of(client, folder)}
    for candidate in candidates:
        version = known.get(candidate.model.model_id) or _new_version(client, name, candidate)
        at = model.aliases.get(candidate.alias)
        if at is None or _worse(client.get_model_version(name, at), candidate):
            client.set_registered_model_alias(name, candidate.alias, version.version)


def _new_version(client: MlflowClient, name: str, candidate: Candidate) -> ModelVersion:
    return client.create_model_version(
        name,
        source=candidate.model.artifact_location,
        run_id=candidate.run_id,
        model_id=candidate.model.model_id,
        tags={
            _MODEL: candidate.model.model_id,
            _SCORE: json.dumps(list(candidate.score)),
            "cellbox.kind": candidate.alias,
        },
        description=candidate.description,
    )


def _worse(version: ModelVersion, candidate: Candidate) -> bool:
    """Whether a version is worse than a candidate; one that a person made is not."""
    score = version.tags.get(_SCORE)
    return score is not None and list(candidate.score) < json.loads(score)
