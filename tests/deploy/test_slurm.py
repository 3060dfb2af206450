"""The Slurm script, with real Ray nodes and a real sweep on stand-ins for Slurm's commands."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from tests.deploy.fakes import fake_slurm, kill, processes_of, wait_until_gone
from tests.search.tiny import toml, values

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "deploy" / "slurm.sh"

# Trials enough to outlast the first job, and a program that other tests have compiled already.
TRIALS = 400
SPEC = toml(values(trials=TRIALS, sampler={"name": "random"}, workers={"executor": "ray"}))


def test_is_bash():
    subprocess.run(["bash", "-n", SCRIPT], check=True)


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="needs shellcheck")
def test_has_no_warnings_of_shellcheck():
    subprocess.run(["shellcheck", SCRIPT], check=True)


def test_says_how_it_is_used():
    done = subprocess.run([SCRIPT], capture_output=True, text=True)
    assert done.returncode == 2
    assert "SPEC.toml STUDY_FOLDER" in done.stderr


@pytest.fixture
def ray_folder():
    # Ray's sockets have paths of about 100 characters at most, which pytest's folders exceed.
    folder = Path(tempfile.mkdtemp(prefix="cb", dir="/tmp"))
    yield folder
    kill(processes_of(str(folder)))
    shutil.rmtree(folder, ignore_errors=True)


class _Job:
    """The script as Slurm would run it on two nodes, which both are this machine."""

    def __init__(self, folder: Path, ray_folder: Path):
        self.study = folder / "study"
        self.requeued = folder / "scontrol.log"
        self._spec = folder / "sweep.toml"
        self._spec.write_text(SPEC)
        self._ray_folder = ray_folder
        self._path = fake_slurm(folder / "bin")

    def start(self, *options: str, **more: str) -> subprocess.Popen[str]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environment = {
            **os.environ,
            "PATH": f"{self._path}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "SLURM_JOB_ID": "7",
            "SLURM_JOB_NODELIST": "one,two",
            "SLURM_JOB_NUM_NODES": "2",
            "SLURM_CPUS_PER_TASK": "1",
            "CELLBOX_RAY_TMP": str(self._ray_folder / "ray"),
            "CELLBOX_RAY_PORT": str(port),
            "CELLBOX_START_LIMIT": "120",
            "CELLBOX_REQUEUE": "1",
            "FAKE_SCONTROL_LOG": str(self.requeued),
            **more,
        }
        return subprocess.Popen(
            ["bash", SCRIPT, self._spec, self.study, *options],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finished(self) -> int:
        return len(list(self.study.glob("trials/*/record.json")))

    def logs(self) -> str:
        return "\n".join(log.read_text() for log in self.study.parent.glob("study.*.log"))


@pytest.mark.slow
@pytest.mark.cluster
def test_stops_before_the_time_limit_and_goes_on(tmp_path, ray_folder):
    job = _Job(tmp_path, ray_folder)
    first = job.start()
    try:
        while job.finished() < 2:
            assert first.poll() is None, first.stdout.read() + job.logs()
            time.sleep(0.2)
        first.send_signal(signal.SIGUSR1)
        said, _ = first.communicate(timeout=120)
    finally:
        kill([first.pid] if first.poll() is None else [])
    assert first.returncode == 130, said
    assert "the time limit is near" in said
    assert "Traceback" not in said
    assert job.requeued.read_text() == "requeue 7\n"
    assert wait_until_gone(str(ray_folder), 30) == []
    assert not (ray_folder / "ray").exists()

    before = job.finished()
    assert before < TRIALS
    report = tmp_path / "out.json"
    second = job.start("--trials", str(before + 1), "--json", str(report))
    try:
        said, _ = second.communicate(timeout=240)
    finally:
        kill([second.pid] if second.poll() is None else [])
    assert second.returncode == 0, said + job.logs()
    assert job.finished() >= before + 1
    assert sum(json.loads(report.read_text())["trials"].values()) >= before + 1
    assert wait_until_gone(str(ray_folder), 30) == []


# Ray that ends at once and leaves a process behind that writes into its folder once it is removed.
_RAY_WITH_A_LATE_WRITER = """\
#!/bin/bash
mkdir -p "$CELLBOX_RAY_TMP"
setsid bash -c 'while [[ -e $1 ]]; do sleep 0.05; done; mkdir "$1"; echo late >"$1/log"' \
    late "$CELLBOX_RAY_TMP" >/dev/null 2>&1 &
exit 1
"""


def test_removes_rays_folder_though_something_still_writes_there(tmp_path, ray_folder):
    job = _Job(tmp_path, ray_folder)
    ray = tmp_path / "bin" / "ray"
    ray.write_text(_RAY_WITH_A_LATE_WRITER)
    started = job.start()
    said, _ = started.communicate(timeout=120)
    assert started.returncode == 1
    assert "Ray ended while it was starting" in said
    assert wait_until_gone(str(ray_folder), 10) == []
    assert not (ray_folder / "ray").exists()


def test_a_job_arrays_tasks_have_studies_of_their_own(tmp_path, ray_folder):
    job = _Job(tmp_path, ray_folder)
    job.study = tmp_path / "study-%a"
    for name, code in (("ray", "exit 1"), ("cellbox", "exit 0")):
        (tmp_path / "bin" / name).write_text(f"#!/bin/bash\n{code}\n")
    said, _ = job.start(SLURM_ARRAY_TASK_ID="3").communicate(timeout=120)
    assert (tmp_path / "study-3.ray-head.log").exists(), said
    assert not list(tmp_path.glob("*%a*"))
