"""The Ray that a sweep starts for itself: what it listens on, that it is begun again, and gone."""

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from search.spec.tables import WorkersTable
from search.workers.worker import Worker
from tests.imports import ROOT
from tests.search.executor_contract import LANES, collect, data, job
from tests.search.tiny import toml, values

__all__ = ["data"]

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


@pytest.fixture
def executor(data, monkeypatch):
    from search.workers.ray_actors import RayCluster
    from search.workers.ray_executor import PackSizes, RayExecutor

    for name in [name for name in os.environ if name.startswith("RAY_A")]:
        monkeypatch.delenv(name)
    cluster = RayCluster(
        WorkersTable(count=1, lanes=LANES), num_cpus=1, object_store_memory=200_000_000
    )
    executor = RayExecutor(cluster, Worker, data, PackSizes(usual=LANES))
    yield executor
    executor.close()


def processes(executor):
    from search.workers.ray_session import _marked

    return _marked(str(executor._cluster.session._folder))


def listening(pids):
    """The addresses that processes listen on."""
    lines = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True).stdout.splitlines()
    wanted = {str(pid) for pid in pids}
    return [line.split()[3] for line in lines if wanted & set(re.findall(r"pid=(\d+)", line))]


def test_ray_of_a_sweep_is_private_begins_again_and_leaves_nothing(executor, data):
    session = executor._cluster.session
    folder = Path(session._folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    pids = processes(executor)
    assert len(pids) > 4
    # A Ctrl-C to everyone in the group reaches the sweep alone.
    assert os.getpgrp() not in {os.getpgid(pid) for pid in pids}
    assert len(os.environ["RAY_AUTH_TOKEN"]) == 64
    if shutil.which("ss"):
        addresses = listening(pids)
        assert addresses
        assert all(re.match(r"127\.0\.0\.1:|\[::ffff:127\.0\.0\.1\]:", one) for one in addresses)

    undisturbed = collect_jobs(executor, data)
    for process in session._started:
        if Path(str(process.args[0])).name == "gcs_server":
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    again = collect_jobs(executor, data)
    for key, finished in undisturbed.items():
        assert np.array_equal(finished.weights, again[key].weights)
    (notice,) = executor.notices
    assert "Ray's process gcs_server died; it was started again" in notice
    assert not folder.exists()

    last = Path(session._folder)
    left = set(processes(executor))
    executor.close()
    assert not last.exists()
    assert not [pid for pid in left if Path(f"/proc/{pid}").exists() and not zombie(pid)]
    assert "RAY_AUTH_TOKEN" not in os.environ


def collect_jobs(executor, data):
    keys = {(trial, 0) for trial in range(3)}
    for trial, _ in sorted(keys):
        executor.submit(job(data, trial))
    return collect(executor, keys)


def zombie(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def signals(task, which):
    """The signals that a thread is deaf to (SigBlk), or has an answer to (SigCgt), as bits."""
    return int(re.search(rf"{which}:\s*(\w+)", (task / "status").read_text())[1], 16)


# In a process of its own, since other tests leave threads behind, as no sweep that starts has them.
_SIGNALS = """
import signal
from pathlib import Path
from search.workers import ray_session, ray_signals
from tests.search.workers.test_ray_session import signals

here, to_end = Path("/proc/self"), 1 << (signal.SIGTERM - 1)
wanted = to_end | 1 << (signal.SIGINT - 1)
signal.signal(signal.SIGTERM, lambda *_: None)
signal.signal(signal.SIGINT, signal.default_int_handler)
core_worker, deaf = ray_signals.raylet.CoreWorker, []

def looking(*arguments, **options):
    deaf.extend(signals(task, "SigBlk") & wanted == wanted for task in (here / "task").iterdir())
    return core_worker(*arguments, **options)

ray_signals.raylet.CoreWorker = looking
session = ray_session.RaySession(None, {"num_cpus": 1, "object_store_memory": 80_000_000})
try:
    # While Ray has an answer of its own, none of its many threads hears a signal.
    assert len(deaf) > 1
    assert all(deaf), deaf
    assert not signals(here, "SigBlk") & wanted
    for process in session._started:
        # Ray lets those that it begins be deaf to Ctrl-C alone.
        assert not signals(Path(f"/proc/{process.pid}"), "SigBlk") & to_end
finally:
    session.close()
assert signals(here, "SigCgt") & to_end
print("as wanted")
"""


def test_ray_answers_no_signal_itself_when_it_starts_nor_when_it_has_ended():
    environment = {name: value for name, value in os.environ.items() if name[:5] != "RAY_A"}
    done = subprocess.run(
        [sys.executable, "-c", _SIGNALS],
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.endswith("as wanted\n"), done.stderr


@pytest.mark.parametrize("seconds", [1.5, 4.0])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_sweep_that_starts_ends_soon_when_its_group_is_told_to(tmp_path, seconds, number):
    spec = tmp_path / "sweep.toml"
    spec.write_text(toml(values(trials=400, workers={"executor": "ray", "count": 1})))
    program = "import sys; from search.cli.entry import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "sweep", str(spec), "--study", "study"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    time.sleep(seconds)
    os.killpg(process.pid, number)
    # Its own ten seconds, and some for a machine that is busy with other tests.
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 130, said
    # A busy machine may not have begun by then.
    told = r"Stopped (with 0 of 400 trials finished|before anything was begun)|interrupted"
    assert re.search(told, said)
    assert "Traceback" not in said
