"""`cellbox doctor`: what it finds of machines that are fit and of others, and what it says."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from search.cli.main import main
from search.doctor import devices, disk, examining, machine
from search.doctor.devices import jax_findings, probed, ray_findings
from search.doctor.disk import disk_findings, file_system
from search.doctor.finding import Diagnosis, Finding
from search.doctor.machine import core_findings, memory_findings, network_findings
from search.doctor.versions import TESTED, pinned_versions, version_findings

CPU = {"backend": "cpu", "devices": ["cpu"], "milliseconds_per_gradient": 0.1}
RAY = {"cpus": 2.0, "gpus": 0.0, "seconds": 9.0, "own": True}


def states(findings):
    return {finding.what: finding.state for finding in findings}


def only(findings):
    (finding,) = findings
    return finding


@pytest.fixture
def quick(monkeypatch):
    """No processes are started."""
    monkeypatch.setattr(devices, "probed", lambda what: dict(CPU if what == "jax" else RAY))


def test_a_fit_machine_is_said_to_be_fit(quick, tmp_path, capsys):
    file = tmp_path / "found.json"
    code = main(["doctor", "--folder", str(tmp_path / "new" / "studies"), "--json", str(file)])
    shown = capsys.readouterr().out
    found = json.loads(file.read_text())
    assert (code, found["fit"]) == (0, True)
    assert "fit for sweeps: " in shown.splitlines()[-1]
    assert {"Python", "jax", "loopback", "studies", "locks", "JAX", "speed", "Ray"} <= {
        finding["what"] for finding in found["findings"]
    }
    assert not (tmp_path / "new").exists()


def test_ray_is_left_out_where_that_is_asked_for(quick, tmp_path, capsys):
    main(["doctor", "--folder", str(tmp_path), "--no-ray"])
    assert "\nok    Ray " not in capsys.readouterr().out


def test_what_keeps_sweeps_from_working_is_told_with_how_to_mend_it(quick, tmp_path, capsys):
    (tmp_path / "studies").write_text("")
    assert main(["doctor", "--folder", str(tmp_path / "studies"), "--no-ray"]) == 1
    shown = capsys.readouterr().out
    assert "is a file" in shown
    assert "Name a folder with --folder." in shown
    assert "not fit for sweeps: " in shown


def test_every_finding_that_is_not_well_says_what_to_do(quick, tmp_path):
    for finding in examining.doctor(tmp_path).findings:
        assert finding.fix or finding.state == "ok", finding


def test_versions_are_compared_with_those_that_were_tested(tmp_path, monkeypatch):
    file = tmp_path / "constraints.txt"
    file.write_text("# tested\njax==0.1.2  # old\nSQLAlchemy==1.0\n\nnumpy>=1\n")
    assert pinned_versions(file) == {"jax": "0.1.2", "sqlalchemy": "1.0"}
    found = {finding.what: finding for finding in version_findings(file)}
    assert found["jax"].state == "warn"
    assert "tested with 0.1.2" in found["jax"].found
    assert "pip install jax==0.1.2" in found["jax"].fix
    assert found["numpy"].state == "ok"
    monkeypatch.setattr(
        "search.doctor.versions.installed",
        lambda names: {"python": "3.11", **dict.fromkeys(names, "not installed")},
    )
    missing = {finding.what: finding for finding in version_findings(tmp_path / "none")}
    assert missing["ray"].state == "fail"
    assert "cellbox[search]" in missing["ray"].fix


def test_the_pinned_versions_are_those_of_the_file_in_deploy():
    assert {"jax", "ray", "optuna", "mlflow"} <= set(pinned_versions(TESTED))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    tmp_path.chmod(0o500)
    assert states(disk_findings(tmp_path))["studies"] == "fail"


def test_a_disk_that_refuses_is_told(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(disk.tempfile, "TemporaryDirectory", refuse)
    found = {finding.what: finding for finding in disk_findings(tmp_path)}["studies"]
    assert (found.state, "Read-only file system" in found.found) == ("fail", True)


def test_locks_that_keep_nobody_out_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(disk.fcntl, "flock", lambda *_: None)
    assert states(disk_findings(tmp_path))["locks"] == "fail"


def test_little_room_is_told(tmp_path, monkeypatch):
    for free, state in ((0, "fail"), (2**29, "warn"), (2**40, "ok")):
        usage = disk.shutil.disk_usage(tmp_path)._replace(free=free)
        monkeypatch.setattr(disk.shutil, "disk_usage", lambda place, usage=usage: usage)
        assert states(disk_findings(tmp_path))["room for studies"] == state


def test_file_systems_are_those_of_the_longest_mount(tmp_path):
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/a / ext4 rw 0 0\nserver:/x /home nfs4 rw 0 0\nfs /home/my\\040data lustre rw 0 0\n"
    )
    assert file_system(Path("/tmp"), mounts) == "ext4"
    assert file_system(Path("/home/someone"), mounts) == "nfs4"
    assert file_system(Path("/home/my data/x"), mounts) == "lustre"
    assert file_system(Path("/homes"), mounts) == "ext4"
    assert file_system(Path("/tmp"), tmp_path / "none") is None


def test_a_study_folder_over_a_network_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "file_system", lambda place: "nfs4")
    assert states(disk_findings(tmp_path))["file system"] == "warn"


def test_a_cache_that_cannot_be_written_costs_time(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert states(disk_findings(tmp_path))["cache"] == "warn"


def test_a_proxy_between_processes_of_one_machine_is_told():
    assert "proxy" not in states(network_findings({}))
    asked = {"HTTPS_PROXY": "http://proxy:1"}
    assert states(network_findings(asked))["proxy"] == "warn"
    assert "proxy" not in states(network_findings({**asked, "no_proxy": "127.0.0.1"}))


def test_a_taken_port_is_told(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(machine, "_PORT_OF_PAGES", server.getsockname()[1])
        assert states(network_findings({}))["port of MLflow's pages"] == "warn"


def test_a_container_that_gets_fewer_cores_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "usable_cores", lambda: 8)
    assert states(core_findings(tmp_path))["cores"] == "ok"
    (tmp_path / "cpu.max").write_text("250000 100000\n")
    found = next(core_findings(tmp_path))
    assert (found.state, "--workers 2" in found.fix) == ("warn", True)
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert states(core_findings(tmp_path))["cores"] == "ok"


def test_memory_is_that_of_the_machine_or_the_container(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "usable_cores", lambda: 4)
    memory = tmp_path / "meminfo"
    memory.write_text(f"MemTotal: 1 kB\nMemAvailable: {8 * 2**20} kB\n")
    assert states(memory_findings(tmp_path, memory))["memory"] == "ok"
    (tmp_path / "memory.max").write_text(str(4 * 2**30))
    (tmp_path / "memory.current").write_text(str(1 * 2**30))
    found = next(memory_findings(tmp_path, memory))
    assert (found.state, found.fix) == ("warn", "Give --workers 2: each takes about 0.6 GiB")
    assert list(memory_findings(tmp_path, tmp_path / "none", tmp_path / "none")) == []


def test_a_gpu_that_jax_does_not_use_is_told():
    assert states(jax_findings(CPU, 0)) == {"JAX": "ok", "speed": "ok"}
    assert states(jax_findings(CPU, 2))["JAX"] == "warn"
    gpu = {**CPU, "backend": "gpu", "devices": ["H100", "H100"]}
    assert "2 H100 (gpu)" in next(jax_findings(gpu, 2)).found


def test_a_slow_machine_is_told():
    slow = {**CPU, "milliseconds_per_gradient": 3.0}
    assert states(jax_findings(slow, 0))["speed"] == "warn"


def test_a_ray_that_does_not_start_is_told():
    assert only(ray_findings("Ray did not start", 0)).state == "fail"
    assert only(ray_findings(RAY, 0)).state == "ok"
    assert only(ray_findings(RAY, 1)).state == "warn"
    assert "RAY_ADDRESS" in only(ray_findings({**RAY, "own": False}, 1)).found


def test_a_probe_that_fails_is_a_sentence(monkeypatch):
    real = subprocess.run

    def failing(command, **options):
        return real([sys.executable, "-c", "raise SystemExit('it is broken')"], **options)

    monkeypatch.setattr(devices.subprocess, "run", failing)
    assert probed("jax") == "it is broken"

    def hanging(command, **options):
        raise subprocess.TimeoutExpired(command, 120)

    monkeypatch.setattr(devices.subprocess, "run", hanging)
    assert probed("jax") == "no answer within 120 s"


def test_gpus_are_counted_as_the_driver_has_them(tmp_path):
    assert devices.gpus_of_the_driver(tmp_path / "none") == 0
    (tmp_path / "0000:01:00.0").mkdir()
    assert devices.gpus_of_the_driver(tmp_path) == 1


@pytest.mark.slow
def test_jax_is_asked_in_a_process_of_its_own():
    found = probed("jax")
    assert isinstance(found, dict), found
    assert found["devices"]
    assert found["milliseconds_per_gradient"] > 0


def test_findings_are_lines_with_their_fixes():
    diagnosis = Diagnosis((Finding("disk", "ok", "there"), Finding("net", "warn", "slow", "Wait")))
    assert diagnosis.sentences() == [
        "ok    disk  there",
        "warn  net   slow",
        "            Wait.",
        "fit for sweeps: 1 ok, 1 warn, 0 fail",
    ]
