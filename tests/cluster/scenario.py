"""A sweep on the cluster while its parts come, go and die; and what must hold afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cluster.processes import clean_environment, wait_for
from tests.cluster.services import Cluster

#: Within which a node that comes has to train (seconds).
SOON = 15.0

SPEC = """\
name = "cluster"
seed = 3
trials = {trials}
data = {{ system = "CY", conditions = 6, time_points = 2, held_out = 2 }}
training = {{ steps = {steps}, validate_every = 100, refinement = "none" }}
space = {{ weight_decay = 1e-5 }}
objective = {{ minimise = ["validation_mae"] }}
sampler = {{ name = "tpe", startup_trials = 4, in_flight = 8 }}
pruner = {{ name = "none" }}
workers = {{ lanes = 2 }}
"""
SERVICES = """\
storage = {{ url = "postgresql:///optuna" }}
tracking = {{ uri = "{mlflow}" }}
"""


class Scenario:
    """One sweep on one cluster. say: told what was seen."""

    def __init__(self, cluster: Cluster, say: Callable[[str], None], trials: int, steps: int):
        self.cluster, self._say = cluster, say
        self.trials = trials
        self._spec = SPEC.format(trials=trials, steps=steps)
        self.study = cluster.folder / "studies" / "cluster"
        self._process: subprocess.Popen[Any] | None = None
        self._log = Path()

    def begin_services(self, nodes: int) -> None:
        """Start everything but the sweep."""
        began = time.monotonic()
        (self.cluster.folder / "home").mkdir()
        self.cluster.start_head()
        self.cluster.start_postgres()
        self.cluster.start_mlflow()
        self.cluster.wait_for_nodes(1)
        for number in range(1, nodes + 1):
            self.cluster.start_node(f"n{number}")
        self.cluster.wait_for_nodes(1 + nodes)
        kind = "network namespaces" if self.cluster.network.namespaces else "addresses on loopback"
        self._say(
            f"PostgreSQL, MLflow, Ray's head and {nodes} nodes are up, as processes on {kind} "
            f"({time.monotonic() - began:.0f} s)"
        )

    def begin_sweep(self) -> None:
        """Start the sweep, beside Ray's head."""
        file = self.cluster.folder / "sweep.toml"
        file.write_text(self._spec + SERVICES.format(mlflow=self.cluster.mlflow_uri))
        self._process, self._log = self.cluster.sweep(
            "sweep",
            ["sweep", str(file), "--study", str(self.study), "--cluster", self.cluster.ray_address],
        )

    def finished(self) -> int:
        """How many trials have a record."""
        return len(list(self.study.glob("trials/*/record.json")))

    def workers(self) -> int:
        """How many workers train, as the sweep says."""
        try:
            state = json.loads((self.study / "state.json").read_text())
        except (OSError, ValueError):
            return 0
        return int(state.get("workers") or 0)

    def _running(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"the sweep ended early:\n{self._log.read_text()[-3000:]}")
        return True

    def wait_for_trials(self, share: float) -> None:
        """Wait until this part of all trials is there, and the sweep still goes on."""
        wanted = int(share * self.trials)
        wait_for(
            f"{wanted} trials",
            lambda: self._running() and self.finished() >= wanted,
            240,
            self._log,
        )

    def wait_for_workers(self, count: int, seconds: float) -> float:
        """Wait until so many workers train; the seconds that took."""
        return wait_for(
            f"{count} workers", lambda: self._running() and self.workers() == count, seconds,
            self._log,
        )  # fmt: skip

    def add_node(self, machine: str) -> None:
        """Let a node come while the sweep runs; it has to train soon."""
        before = self.workers()
        self.cluster.start_node(machine)
        self.cluster.wait_for_nodes(1 + sum(m.startswith("n") for m in self.cluster.machines))
        seconds = self.wait_for_workers(before + 1, SOON)
        self._say(f"a node that came in mid-sweep trained {seconds:.1f} s after it was up")

    def kill_node(self, machine: str) -> None:
        """Let a node die."""
        before = self.workers()
        self.cluster.processes.kill_machine(machine)
        seconds = self.wait_for_workers(before - 1, 60)
        self._say(f"a node was killed; the sweep went on without it after {seconds:.1f} s")

    def cut_node(self, machine: str) -> None:
        """Pull a node's cable, and put it back when Ray has given it up."""
        before = self.workers()
        self.cluster.network.cut(machine)
        seconds = self.wait_for_workers(before - 1, 120)
        self.cluster.network.cut(machine, again=True)
        self._say(f"a node lost its network; the sweep went on without it after {seconds:.1f} s")

    def restart_services(self, ended_by: signal.Signals) -> None:
        """End PostgreSQL by a signal, kill MLflow, and start both again some seconds later."""
        self.cluster.kill_mlflow()
        self.cluster.end_postgres(ended_by)
        before = self.finished()
        time.sleep(3)
        self.cluster.start_postgres()
        self.cluster.start_mlflow()
        self._say(
            f"PostgreSQL ({ended_by.name}) and MLflow were ended and came back; "
            f"{self.finished() - before} trials ended meanwhile"
        )

    def end(self) -> None:
        """Wait for the sweep's end. Raises AssertionError where it does not end well."""
        wait_for(
            "all trials",
            lambda: self._running() and self.finished() >= self.trials, 300, self._log,
        )  # fmt: skip
        assert self._process is not None
        code = self._process.wait(120)
        said = self._log.read_text()
        assert code == 0, said[-5000:]
        assert "Traceback" not in said, said[-5000:]
        assert "MLflow lacks" not in said, said[-5000:]
        self._say(f"the sweep ended with {self.finished()} trials")

    def records(self, study: Path) -> dict[int, Any]:
        """What decides whether two studies are the same."""
        found = {}
        for file in sorted(study.glob("trials/*/record.json")):
            record = json.loads(file.read_text())
            errors = [repeat["validation_mae"] for repeat in record["repeats"]]
            found[record["number"]] = (
                *(record["parameters"], record["objectives"]),
                *(errors, record["network_digest"]),
            )
        return found

    def check_nothing_is_lost_or_doubled(self) -> None:
        """Each trial once: in the folder, in Optuna's database and in MLflow."""
        assert sorted(self.records(self.study)) == list(range(self.trials))
        code = (
            "import optuna, json; optuna.logging.disable_default_handler(); "
            "[s] = optuna.get_all_study_summaries('postgresql:///optuna'); "
            "t = optuna.load_study(study_name=s.study_name, storage='postgresql:///optuna').trials;"
            "print(json.dumps([[x.number, x.state.name] for x in t]))"
        )
        states = json.loads(self._python(code))
        assert sorted(number for number, _ in states) == list(range(self.trials)), states
        assert {state for _, state in states} == {"COMPLETE"}, states
        runs = self.runs()
        kinds = sorted(run["cellbox.kind"] for run in runs)
        assert kinds == ["study", *["trial"] * self.trials], kinds
        numbers = sorted(
            int(run["cellbox.trial"]) for run in runs if run["cellbox.kind"] == "trial"
        )
        assert numbers == list(range(self.trials)), numbers
        # A diverged trial is a result as well, and its run is marked as failed.
        files = self.study.glob("trials/*/record.json")
        diverged = sum(json.loads(file.read_text())["status"] == "diverged" for file in files)
        statuses = sorted(run["status"] for run in runs)
        assert statuses == ["FAILED"] * diverged + ["FINISHED"] * (1 + self.trials - diverged)
        self._say(f"each of {self.trials} trials is once in the folder, in Optuna and in MLflow")

    def runs(self) -> list[dict[str, str]]:
        """The runs that MLflow's server has."""

        def call(what: str, body: dict[str, Any]) -> Any:
            request = urllib.request.Request(
                f"{self.cluster.mlflow_uri}/api/2.0/mlflow/{what}",
                json.dumps(body).encode(),
                {"Content-Type": "application/json"},
            )
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            return json.loads(opener.open(request, timeout=60).read())

        experiments = call("experiments/search", {"max_results": 100})["experiments"]
        body = {"experiment_ids": [e["experiment_id"] for e in experiments], "max_results": 5000}
        found = []
        for run in call("runs/search", body).get("runs", []):
            tags = {tag["key"]: tag["value"] for tag in run["data"].get("tags", [])}
            found.append({**tags, "status": run["info"]["status"]})
        return found

    def _python(self, code: str) -> str:
        done = subprocess.run(
            self.cluster.network.on("head", [sys.executable, "-c", code]),
            env=clean_environment(self.cluster.environment),
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    def check_no_secret_is_in_clear(self) -> None:
        """The password and the token stand in no file, log or command line."""
        secrets = [self.cluster.password.encode(), self.cluster.token.encode()]
        looked = 0
        for path in self.cluster.folder.rglob("*"):
            if path.is_symlink() or not path.is_file():
                continue
            looked += 1
            content = path.read_bytes()
            # Also PostgreSQL keeps only what the password is checked by.
            assert not any(secret in content for secret in secrets), path
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            assert not any(secret in words for secret in secrets), entry
        self._say(f"neither password nor token is in one of {looked} files, or in a command line")

    def check_same_as_undisturbed(self) -> None:
        """The study is that of one worker on this machine, where nothing happened."""
        file, other = self.cluster.folder / "alone.toml", self.cluster.folder / "alone"
        file.write_text(self._spec + "tracking = { enabled = false }\n")
        subprocess.run(
            [sys.executable, "-m", "search.cli.main", "sweep", str(file), "--study", str(other),
             "--workers", "1"],
            check=True, capture_output=True,
            env=clean_environment({"PYTHONPATH": self.cluster.environment["PYTHONPATH"]}),
        )  # fmt: skip
        assert self.records(other) == self.records(self.study)
        self._say("the study is, to the bit, that of one worker on one machine, undisturbed")


def left_over(folder: Path) -> list[int]:
    """Processes in whose environment the cluster's folder still stands."""
    wanted = str(folder).encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            inside = wanted in (entry / "environ").read_bytes()
        except OSError:
            continue
        if inside and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found
