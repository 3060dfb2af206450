"""PostgreSQL, MLflow's server and Ray's nodes, each on a machine of its own."""

from __future__ import annotations

import secrets
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from tests.cluster.network import Network
from tests.cluster.processes import Processes, clean_environment, wait_for
from tests.imports import ROOT

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
RAY_PORT = 6379


class Cluster:
    """What a laboratory's cluster has, as processes on this machine."""

    def __init__(self, folder: Path):
        self.folder = folder
        # PostgreSQL's own user has to reach its data.
        folder.chmod(0o755)
        self.network = Network(f"cb{folder.name[-4:]}")
        self.processes = Processes(folder, self.network)
        self.password, self.token = secrets.token_hex(16), secrets.token_hex(32)
        self.machines: list[str] = []
        self._postgres: subprocess.Popen[Any] | None = None
        self._mlflow: subprocess.Popen[Any] | None = None

    def _address(self, machine: str) -> str:
        if machine not in self.machines:
            self.machines.append(machine)
        return self.network.address(machine)

    @property
    def mlflow_uri(self) -> str:
        """Where MLflow's server is."""
        return f"http://{self._address('mlflow')}:5000"

    @property
    def ray_address(self) -> str:
        """Where Ray's head is."""
        return f"{self._address('head')}:{RAY_PORT}"

    @property
    def environment(self) -> dict[str, str]:
        """What a sweep, a node and MLflow are given beside the usual, with the secrets."""
        return {
            "PYTHONPATH": str(ROOT),
            "PGHOST": self._address("postgres"),
            "PGPORT": "5432",
            "PGUSER": "cellbox",
            "PGPASSWORD": self.password,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
            "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            # The home of whoever runs this may hold tokens and passwords of other places.
            "HOME": str(self.folder / "home"),
        }

    def start_postgres(self) -> None:
        """Start the database; the first time it is made, with one for MLflow and one for Optuna."""
        data, address = self.folder / "database", self._address("postgres")
        first = not data.exists()
        if first:
            data.mkdir(mode=0o700)
            shutil.chown(data, "postgres", "postgres")
            password = self.folder / "password"
            password.write_text(self.password)
            password.chmod(0o644)
            subprocess.run(
                ["initdb", "-D", str(data), "-U", "cellbox", "--auth=scram-sha-256",
                 f"--pwfile={password}", "--no-sync"],
                check=True, stdout=subprocess.DEVNULL, cwd=self.folder,
                user="postgres", group="postgres", extra_groups=[], env=clean_environment(),
            )  # fmt: skip
            password.unlink()
            with (data / "pg_hba.conf").open("a") as rules:
                rules.write(f"\nhost all all {self.network.subnet} scram-sha-256\n")
        program = Path(str(shutil.which("pg_ctl"))).resolve().parent / "postgres"
        self._postgres, log = self.processes.start(
            "postgres", "postgres",
            [str(program), "-D", str(data), "-k", str(data), "-h", address],
            user="postgres",
        )  # fmt: skip
        wait_for("PostgreSQL", lambda: self._query("postgres", "SELECT 1"), 60, log)
        if first:
            for database in ("mlflow", "optuna"):
                self._query("postgres", f"CREATE DATABASE {database}")

    def _query(self, database: str, command: str) -> bool:
        code = (
            f"import psycopg; c = psycopg.connect(dbname='{database}', autocommit=True); "
            f"c.execute({command!r})"
        )
        done = subprocess.run(
            self.network.on("postgres", [sys.executable, "-c", code]),
            env=clean_environment(self.environment), capture_output=True,
        )  # fmt: skip
        return done.returncode == 0

    def end_postgres(self, by: signal.Signals) -> None:
        """End the database's server, with all that it has begun.

        by: SIGKILL as a failing machine does; SIGINT to cut all connections, SIGQUIT without care.
        """
        if by == signal.SIGKILL:
            self._kill("postgres", self._postgres)
            (self.folder / "database" / "postmaster.pid").unlink(missing_ok=True)
            return
        assert self._postgres is not None
        self._postgres.send_signal(by)
        self._postgres.wait(30)

    def _kill(self, machine: str, process: subprocess.Popen[Any] | None) -> None:
        assert process is not None
        self.processes.kill_machine(machine)
        process.wait(20)

    def start_mlflow(self) -> None:
        """Start MLflow's server, and wait until it answers."""
        database, address = self._address("postgres"), self._address("mlflow")
        self._mlflow, log = self.processes.start(
            "mlflow", "mlflow",
            [sys.executable, "-m", "mlflow", "server", "--serve-artifacts", "--workers=1",
             f"--backend-store-uri=postgresql://cellbox@{database}:5432/mlflow",
             f"--artifacts-destination={self.folder / 'artifacts'}",
             f"--host={address}", "--port=5000", f"--allowed-hosts={address}:5000"],
            self.environment,
        )  # fmt: skip
        wait_for("MLflow", self._mlflow_answers, 120, log)

    def _mlflow_answers(self) -> bool:
        return _OPENER.open(f"{self.mlflow_uri}/health", timeout=5).status == 200

    def kill_mlflow(self) -> None:
        """Kill MLflow's server, with all that it has begun."""
        self._kill("mlflow", self._mlflow)

    def start_head(self) -> None:
        """Start Ray's head, which trains nothing; the sweep runs beside it."""
        self._start_node("head", ["--head", f"--port={RAY_PORT}", "--include-dashboard=false"], 0)

    def start_node(self, machine: str, cores: int = 1) -> None:
        """Start a node that trains."""
        self._start_node(machine, [f"--address={self.ray_address}"], cores)

    def _start_node(self, machine: str, options: list[str], cores: int) -> None:
        address = self._address(machine)
        # Short: Ray's sockets have paths of about 100 characters.
        self.processes.start(
            machine, machine,
            [sys.executable, "-m", "ray.scripts.scripts", "start", *options,
             f"--node-ip-address={address}", f"--num-cpus={cores}", "--num-gpus=0",
             "--object-store-memory=100000000", f"--temp-dir={self.folder / machine}",
             "--disable-usage-stats", "--block"],
            self.environment,
        )  # fmt: skip

    def wait_for_nodes(self, count: int) -> None:
        """Wait until so many nodes have come up."""

        def up() -> bool:
            machines = [machine for machine in self.machines if (self.folder / machine).is_dir()]
            logs = [self.folder / f"{machine}.log" for machine in machines]
            found = [log.exists() and "Ray runtime started" in log.read_text() for log in logs]
            return sum(found) >= count

        wait_for(f"{count} nodes of Ray", up, 90, self.folder / "head.log")

    def sweep(self, name: str, words: list[str]) -> tuple[subprocess.Popen[Any], Path]:
        """Begin a program of CellBox beside the head."""
        return self.processes.start(
            "head", name, [sys.executable, "-m", "search.cli.main", *words], self.environment
        )

    def stop(self) -> list[int]:
        """Take everything down; the processes that had to be killed for that."""
        left = self.processes.stop(self.machines)
        self.network.close()
        return left
