"""What stands in for MLflow's server: it keeps what it is sent, and its answers get lost.

A request may be refused, or carried out without an answer, or later than the next ones, or twice.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from mlflow.entities import Experiment, ExperimentTag, Metric, Param, Run, RunData, RunInfo, RunTag
from mlflow.exceptions import MlflowException
from mlflow.store.entities import PagedList

#: What may go wrong with a request. "killed": the process that sends it is gone.
SEND_FAULTS = ("refused", "unanswered", "late", "repeated", "killed before", "killed after")


class WriterKilled(BaseException):
    """The process that writes MLflow is gone."""


class Server:
    """All runs, by id; the same whoever asks."""

    def __init__(self) -> None:
        self.experiments: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        self._ids = itertools.count()

    def create_experiment(self, name: str, artifact_location: Any = None, tags: Any = None) -> str:
        if any(one["name"] == name for one in self.experiments.values()):
            raise MlflowException(f"there is an experiment {name}")
        identifier = str(next(self._ids))
        self.experiments[identifier] = {"name": name, "tags": dict(tags or {})}
        return identifier

    def get_experiment(self, identifier: str) -> Experiment:
        known = self.experiments[identifier]
        tags = [ExperimentTag(key, value) for key, value in known["tags"].items()]
        return Experiment(identifier, known["name"], "pretended:/", "active", tags)

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        found = [key for key, one in self.experiments.items() if one["name"] == name]
        return self.get_experiment(found[0]) if found else None

    def set_experiment_tag(self, identifier: str, key: str, value: str) -> None:
        self.experiments[identifier]["tags"][key] = value

    def create_run(self, experiment: str, start_time: int, run_name: str, tags: Any) -> Run:
        identifier = f"run{next(self._ids)}"
        self.runs[identifier] = {
            "experiment": experiment, "name": run_name, "status": "RUNNING", "deleted": False,
            "tags": dict(tags), "params": {}, "metrics": set(), "started": start_time, "inputs": [],
        }  # fmt: skip
        return self.get_run(identifier)

    def get_run(self, identifier: str) -> Run:
        known = self.runs[identifier]
        info = RunInfo(
            identifier, known["experiment"], "user", known["status"], known["started"], None,
            "active", artifact_uri=identifier, run_name=known["name"],
        )  # fmt: skip
        data = RunData(
            [Metric(key, value, time, step) for key, value, time, step in known["metrics"]],
            [Param(key, value) for key, value in known["params"].items()],
            [RunTag(key, value) for key, value in known["tags"].items()],
        )
        return Run(info, data)

    def update_run(self, identifier: str, status: str | None = None, name: Any = None) -> None:
        self.runs[identifier]["status"] = status or self.runs[identifier]["status"]

    def set_terminated(self, identifier: str, status: str, end_time: int) -> None:
        self.runs[identifier]["status"] = status

    def delete_run(self, identifier: str) -> None:
        self.runs[identifier]["deleted"] = True

    def set_tag(self, identifier: str, key: str, value: str) -> None:
        self.runs[identifier]["tags"][key] = value

    def log_inputs(self, identifier: str, inputs: Sequence[Any]) -> None:
        self.runs[identifier]["inputs"] = list(inputs)

    def log_batch(
        self, identifier: str, metrics: Any = (), params: Any = (), tags: Any = ()
    ) -> None:
        run = self.runs[identifier]
        for param in params:
            if run["params"].setdefault(param.key, param.value) != param.value:
                raise MlflowException(f"parameter {param.key} may not change")
        run["metrics"] |= {(m.key, m.value, m.timestamp, m.step) for m in metrics}
        run["tags"] |= {tag.key: tag.value for tag in tags}

    def log_text(self, identifier: str, text: str, file: str) -> None:
        self.files.setdefault(identifier, {})[file] = text.encode()

    def log_artifacts(self, identifier: str, folder: str) -> None:
        self.keep_files(identifier, contents_of(folder))

    def keep_files(self, identifier: str, contents: dict[str, bytes]) -> None:
        self.files.setdefault(identifier, {}).update(contents)

    def get_metric_history(self, identifier: str, key: str) -> list[Metric]:
        every = self.runs[identifier]["metrics"]
        return [Metric(*one) for one in sorted(every, key=lambda one: one[3]) if one[0] == key]

    def search_experiments(self, max_results: int) -> list[Experiment]:
        return [self.get_experiment(identifier) for identifier in self.experiments]

    def search_runs(
        self, experiments: Sequence[str], wanted: str, max_results: int, order_by: Any = ("",),
        page_token: Any = None,
    ) -> Any:  # fmt: skip
        found = []
        for identifier, run in self.runs.items():
            tags = run["tags"]
            conditions = [part.split("` = ") for part in wanted.split(" and ")]
            same = all(
                tags.get(key.removeprefix("tags.`")) == value.strip("'")
                for key, value in conditions
            )
            if same and not run["deleted"] and run["experiment"] in experiments:
                found.append(self.get_run(identifier))
        found.sort(
            key=lambda run: (
                run.info.status if "status" in order_by[0] else "",
                run.info.start_time,
            )
        )
        return PagedList(found[:max_results] if max_results == 1 else found, token=None)


class Client:
    """What the writer holds: every call is a request, and one of them goes wrong.

    fault: the number of the request and what goes wrong; None for nothing.
    """

    _READ = ("get_", "search_")

    def __init__(self, server: Server, fault: tuple[int, str] | None):
        self._server, self._fault = server, fault
        self.requests = 0
        self._late: list[tuple[int, Callable[[], Any]]] = []

    def settle(self) -> None:
        """Carry out what is still on its way."""
        for _, request in self._late:
            request()
        self._late = []

    def __getattr__(self, name: str) -> Any:
        def send(*arguments: Any, **named: Any) -> Any:
            number, self.requests = self.requests, self.requests + 1
            due = [request for when, request in self._late if when <= number]
            self._late = [(when, request) for when, request in self._late if when > number]
            for request in due:
                request()
            do = getattr(self._server, name)
            kind = self._fault[1] if self._fault is not None and self._fault[0] == number else None
            if kind == "killed before":
                raise WriterKilled
            if kind == "refused":
                raise MlflowException("the server answered 500")
            if kind == "late" and not name.startswith(self._READ):
                kept = copy.copy(arguments)
                if name == "log_artifacts":
                    # What is on its way is there though its folder has gone.
                    do, kept = self._server.keep_files, (kept[0], contents_of(kept[1]))
                self._late.append((number + 5, lambda: _harmless(do, kept, named)))
                raise MlflowException("the server did not answer in time")
            answer = do(*arguments, **named)
            if kind == "repeated":
                _harmless(do, arguments, named)
            if kind == "unanswered":
                raise ConnectionError("the connection was closed")
            if kind == "killed after":
                raise WriterKilled
            return answer

        return send


def contents_of(folder: str) -> dict[str, bytes]:
    """The files of a folder."""
    contents = {}
    for path in Path(folder).iterdir():
        # An .npz has the time in it.
        contents[path.name] = (
            b"".join(array.tobytes() for array in np.load(path).values())
            if path.suffix == ".npz"
            else path.read_bytes()
        )
    return contents


def _harmless(do: Callable[..., Any], arguments: Any, named: Any) -> None:
    """A request whose answer nobody reads."""
    try:
        do(*arguments, **named)
    except MlflowException:
        return


def repository_of(client: Client) -> Callable[..., Any]:
    """In the place of MLflow's `get_artifact_repository`: files are sent as requests as well."""

    def repository(uri: str, tracking_uri: str) -> Any:
        return SimpleNamespace(log_artifacts=lambda folder: client.log_artifacts(uri, str(folder)))

    return repository
