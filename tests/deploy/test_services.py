"""The Compose file's own commands as plain processes: PostgreSQL, MLflow, Ray and a sweep."""

import os
import pwd
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.deploy.compose import DEPLOY, read_compose, replaced
from tests.deploy.fakes import kill, processes_of, programs

ROOT = DEPLOY.parent
pytestmark = [pytest.mark.slow, pytest.mark.cluster]

# Short trainings, and no trying of how many side by side are best.
MADE_SMALL = """
[training]
steps = 50
validate_every = 25
refinement = "none"
[workers]
lanes = 2
"""

# Local addresses must not go through a proxy that the environment names.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _status(address: str, host: str | None = None) -> int:
    request = urllib.request.Request(address, headers={"Host": host} if host else {})
    try:
        return _OPENER.open(request, timeout=10).status
    except urllib.error.HTTPError as error:
        return error.code


def _wait(works, process, log: Path, seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        try:
            if works():
                return
        except OSError:
            pass
        time.sleep(0.5)
    raise AssertionError(f"not up after {seconds} s: {log.read_text()}")


class _Services:
    """What `docker compose up` would start, here without containers."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.password = secrets.token_hex(16)
        self.token = secrets.token_hex(32)
        self._compose = read_compose(
            POSTGRES_PASSWORD=self.password, RAY_AUTH_TOKEN=self.token, RAY_WORKER_CPUS="1"
        )["services"]
        self._processes: list[subprocess.Popen[bytes]] = []
        self._path = f"{programs(folder / 'bin')}:{os.environ['PATH']}"
        self._postgres_port, self.mlflow_port, self.ray_port = (_free_port() for _ in range(3))
        self.address = f"http://127.0.0.1:{self.mlflow_port}"

    def environment(self, service: str) -> dict[str, str]:
        """A service's environment, with this machine in the place of the others' names."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        own = dict(self._compose[service]["environment"])
        places = {"PGHOST": "127.0.0.1", "RAY_ADDRESS": f"127.0.0.1:{self.ray_port}"}
        own |= {key: places[key] for key in places if key in own}
        return {
            **clean,
            **own,
            "PATH": self._path,
            "PYTHONPATH": str(ROOT),
            "PGPORT": str(self._postgres_port),
            "RAY_TMPDIR": str(self.folder),
            # As in the image.
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }

    def _start(self, service: str, command: list[str], **options) -> tuple:
        log = self.folder / f"{service}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self.folder,
                **options,
            )
        self._processes.append(process)
        return process, log

    def start_postgres(self) -> None:
        own = self._compose["postgres"]["environment"]
        data = self.folder / "database"
        as_user = {}
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root.
            as_user = {"user": "postgres", "group": "postgres", "extra_groups": []}
            data.mkdir(mode=0o700)
            shutil.chown(data, "postgres", "postgres")
        password = self.folder / "password"
        password.write_text(own["POSTGRES_PASSWORD"])
        password.chmod(0o644)
        quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": self.folder}
        subprocess.run(
            ["initdb", "-D", data, "-U", own["POSTGRES_USER"], "--auth=scram-sha-256",
             f"--pwfile={password}", "--no-sync"],
            **quiet, **as_user,
        )  # fmt: skip
        password.unlink()
        program = Path(shutil.which("pg_ctl")).resolve().parent / "postgres"
        port = self._postgres_port
        server, log = self._start(
            "postgres",
            [str(program), "-D", str(data), "-p", str(port), "-k", str(data), "-h", "127.0.0.1"],
            **as_user,
        )

        import psycopg

        def connect(database: str) -> psycopg.Connection:
            return psycopg.connect(
                host="127.0.0.1", port=port, user=own["POSTGRES_USER"], dbname=database,
                password=own["POSTGRES_PASSWORD"], autocommit=True,
            )  # fmt: skip

        def up() -> bool:
            try:
                connect("postgres").close()
            except psycopg.OperationalError:
                return False
            return True

        _wait(up, server, log)
        with connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {own['POSTGRES_DB']}")
            connection.execute((DEPLOY / "postgres-init.sql").read_text())

    def start_mlflow(self) -> None:
        command = replaced(
            self._compose["mlflow"]["command"],
            {
                "@postgres:5432": f"@127.0.0.1:{self._postgres_port}",
                "=/artifacts": f"={self.folder / 'artifacts'}",
                "--host=0.0.0.0": "--host=127.0.0.1",
                "--port=5000": f"--port={self.mlflow_port}",
            },
        )
        server, log = self._start("mlflow", command, env=self.environment("mlflow"))
        _wait(lambda: _status(f"{self.address}/health") == 200, server, log)

    def start_ray(self) -> None:
        head = replaced(
            self._compose["ray-head"]["command"], {"--port=6379": f"--port={self.ray_port}"}
        )
        server, log = self._start("ray-head", head, env=self.environment("ray-head"))
        check = replaced(
            self._compose["ray-head"]["healthcheck"]["test"][1:], {":6379": f":{self.ray_port}"}
        )

        def healthy() -> bool:
            try:
                done = subprocess.run(
                    check, env=self.environment("ray-head"), capture_output=True, timeout=15
                )
            except subprocess.TimeoutExpired:
                return False
            return done.returncode == 0

        _wait(healthy, server, log)
        worker = replaced(
            self._compose["ray-worker"]["command"], {"ray-head:6379": f"127.0.0.1:{self.ray_port}"}
        )
        server, log = self._start("ray-worker", worker, env=self.environment("ray-worker"))
        _wait(lambda: "Ray runtime started" in log.read_text(), server, log)

    def sweep(self) -> subprocess.CompletedProcess[str]:
        """The sweep service's own entrypoint and command on the example, made small."""
        specs = self.folder / "specs"
        specs.mkdir(exist_ok=True)
        text = (DEPLOY / "example_sweep.toml").read_text()
        assert text.count("trials = 64") == text.count("http://mlflow:5000") == 1
        text = text.replace("trials = 64", "trials = 2").replace("http://mlflow:5000", self.address)
        # One budget, and so one program.
        text = re.sub(r"(conditions|perturbed_nodes|time_points) = \[(\d+).*\]", r"\1 = [\2]", text)
        (specs / "sweep.toml").write_text(text + MADE_SMALL)
        service = self._compose["sweep"]
        command = replaced(
            service["command"],
            {"/specs/": f"{specs}/", "/studies/": f"{self.folder / 'studies'}/"},
        )
        return subprocess.run(
            [*service["entrypoint"], *command],
            env=self.environment("sweep"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            cwd=self.folder,
        )

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        kill(processes_of(str(self.folder)))


@pytest.fixture(scope="module")
def services():
    if shutil.which("pg_ctl") is None or shutil.which("initdb") is None:
        pytest.skip("needs PostgreSQL's pg_ctl and initdb (Debian's package postgresql)")
    pytest.importorskip("psycopg", reason='needs the PostgreSQL driver of "cellbox[deploy]"')
    if os.geteuid() == 0:
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
    # Ray's and PostgreSQL's sockets have paths of about 100 characters at most.
    folder = Path(tempfile.mkdtemp(prefix="cb", dir="/tmp"))
    folder.chmod(0o755)
    running = _Services(folder)
    try:
        running.start_postgres()
        running.start_mlflow()
        running.start_ray()
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def swept(services):
    done = services.sweep()
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_mlflow_answers_to_its_names_alone(services):
    address = f"{services.address}/api/2.0/mlflow/experiments/get?experiment_id=0"
    assert _status(address) == 200
    assert _status(address, host="mlflow:5000") == 200
    assert _status(address, host="localhost:6000") == 200
    assert _status(address, host="elsewhere.example") == 403


def test_optuna_has_the_trials_in_postgresql(services, swept, monkeypatch):
    import optuna

    for key, value in services.environment("sweep").items():
        if key.startswith("PG"):
            monkeypatch.setenv(key, value)
    [summary] = optuna.get_all_study_summaries("postgresql:///optuna")
    assert summary.n_trials == 2
    study = optuna.load_study(study_name=summary.study_name, storage="postgresql:///optuna")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE"]
    assert not (services.folder / "studies" / "sweep" / "optuna.journal").exists()


def test_mlflow_has_runs_and_their_files(services, swept, monkeypatch):
    from mlflow import MlflowClient

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    client = MlflowClient(tracking_uri=services.address)
    runs = [
        run
        for experiment in client.search_experiments()
        for run in client.search_runs([experiment.experiment_id])
    ]
    kinds = sorted(run.data.tags["cellbox.kind"] for run in runs)
    assert kinds == ["study", "trial", "trial"]
    for run in runs:
        assert run.info.status == "FINISHED"
        names = [entry.path for entry in client.list_artifacts(run.info.run_id)]
        expected = "spec.json" if run.data.tags["cellbox.kind"] == "study" else "network.npz"
        assert expected in names
        values = str([run.data.params, run.data.tags])
        assert services.password not in values
        assert services.token not in values
    assert list((services.folder / "artifacts").rglob("network.npz"))


def test_the_same_command_goes_on(services, swept):
    again = services.sweep()
    assert again.returncode == 0, again.stdout
    assert len(list((services.folder / "studies" / "sweep" / "trials").iterdir())) == 2


def test_no_secret_is_written_anywhere(services, swept):
    assert services.password not in swept
    assert services.token not in swept
    database = services.folder / "database"
    for path in services.folder.rglob("*"):
        if path.is_file() and database not in path.parents:
            content = path.read_bytes()
            assert services.password.encode() not in content, path
            assert services.token.encode() not in content, path


def test_ray_refuses_whoever_has_no_token(services):
    environment = {
        **services.environment("sweep"),
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
    }
    code = "import ray; ray.init(logging_level='CRITICAL'); print('in')"
    try:
        done = subprocess.run(
            ["python", "-c", code], env=environment, capture_output=True, text=True, timeout=60
        )
    except subprocess.TimeoutExpired:
        return
    assert done.returncode != 0
    assert "in" not in done.stdout.split()
