"""What deploy/ says is consistent with itself, with the project and with the programs it names."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from search.cli import science, service
from search.cli.main import build_parser
from search.spec.reading import read_spec
from tests.deploy.compose import DEPLOY, VARIABLE, example_env, read_compose

ROOT = DEPLOY.parent
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
DRIVERS = ("psycopg", "psycopg-binary")


def _extras() -> dict[str, list[str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return project["project"]["optional-dependencies"]


@pytest.fixture(scope="module")
def services():
    return read_compose(POSTGRES_PASSWORD="p", RAY_AUTH_TOKEN="t")["services"]


def test_every_variable_is_in_the_example_and_every_one_there_is_used():
    used = set(VARIABLE.findall((DEPLOY / "compose.yaml").read_text()))
    assert {name for name, _, _ in used} == set(example_env())


def test_example_holds_no_secret():
    example = example_env()
    assert example["POSTGRES_PASSWORD"] == example["RAY_AUTH_TOKEN"] == ""
    assert ".env" in (DEPLOY / ".gitignore").read_text().splitlines()


def test_missing_secrets_are_asked_for():
    for name, kind, _ in VARIABLE.findall((DEPLOY / "compose.yaml").read_text()):
        if example_env()[name] == "":
            assert kind == "?"


def test_services_name_only_services_and_volumes_there_are(services):
    volumes = read_compose()["volumes"]
    for service_ in services.values():
        for other, how in service_.get("depends_on", {}).items():
            expected = {"service_started", "service_healthy"}
            assert how["condition"] in expected
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[other]
        for mount in service_.get("volumes", []):
            source = mount["source"] if isinstance(mount, dict) else mount.split(":")[0]
            if not source.startswith("."):
                assert source in volumes
            elif not isinstance(mount, dict):
                assert (DEPLOY / source).is_file()


def test_hosts_in_addresses_are_services(services):
    sweep = services["sweep"]["environment"]
    assert sweep["PGHOST"] in services
    assert sweep["RAY_ADDRESS"].split(":")[0] in services
    for word in services["ray-worker"]["command"] + services["mlflow"]["command"]:
        for host in re.findall(r"(?:--address=|@)([\w-]+):", word):
            assert host in services
    spec = read_spec(DEPLOY / "example_sweep.toml")
    assert re.fullmatch(r"http://(\w+):5000", spec.tracking.uri)[1] in services


def test_only_the_loopback_address_is_published(services):
    published = [port for one in services.values() for port in one.get("ports", [])]
    assert published == ["127.0.0.1:5000:5000"]


def test_passwords_stand_in_environments_only(services):
    for service_ in services.values():
        rest = {key: value for key, value in service_.items() if key != "environment"}
        assert "PASSWORD" not in str(rest)
        assert not re.search(r"://[^@/ ]*:[^@/ ]*@", str(rest))


def test_gpu_file_adds_to_services_there_are(services):
    assert set(read_compose("compose.gpu.yaml")["services"]) <= set(services)


@pytest.mark.parametrize("program", ["ray", "mlflow"])
def test_commands_use_flags_there_are(services, program):
    module = {"ray": "ray.scripts.scripts", "mlflow": "mlflow"}[program]
    commands = [one["command"] for one in services.values() if "command" in one]
    commands = [command for command in commands if command[0] == program]
    if program == "ray":
        words = services["sweep"]["entrypoint"][2].split()
        commands.append(words[: words.index(">")])
        commands.append(services["ray-head"]["healthcheck"]["test"][1:])
    assert commands
    for subcommand in {command[1] for command in commands}:
        done = subprocess.run(
            [sys.executable, "-m", module, subcommand, "--help"],
            capture_output=True,
            text=True,
            check=True,
        )
        known = set(re.findall(r"--[a-z][a-z-]*", done.stdout))
        for command in commands:
            if command[1] == subcommand:
                flags = {word.split("=")[0] for word in command if word.startswith("--")}
                assert flags <= known


def test_sweep_uses_flags_there_are(services):
    sweep = services["sweep"]
    assert sweep["entrypoint"][2].split("&& ")[1].strip() == 'exec cellbox sweep "$@"'
    parser = build_parser((*science.COMMANDS, *service.COMMANDS))
    arguments = parser.parse_args(["sweep", *sweep["command"]])
    assert arguments.spec.startswith("/specs/")
    assert arguments.study.startswith("/studies/")


def test_dockerfile_copies_what_there_is():
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    sources = [source for line in copied for source in line.split()]
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in ignored


def test_extras_that_are_named_there_are():
    named = [*re.findall(r"EXTRAS=([\w,]+)", DOCKERFILE), example_env()["EXTRAS"]]
    for extras in named:
        assert set(extras.split(",")) <= set(_extras())


def test_python_of_the_image_is_the_one_the_versions_were_tested_with():
    [python] = re.findall(r"^ARG PYTHON=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert f"Python {python}" in (DEPLOY / "constraints.txt").read_text().splitlines()[0]


def test_driver_is_pinned_once():
    pinned = {
        line.split("==")[0]
        for line in (DEPLOY / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    assert set(DRIVERS) <= pinned
    assert [requirement.split("[")[0] for requirement in _extras()["deploy"]] == ["psycopg"]


def test_example_sweep_is_valid_and_holds_no_password():
    spec = read_spec(DEPLOY / "example_sweep.toml")
    assert spec.storage.url == "postgresql:///optuna"
    assert spec.objective.minimise == ("validation_mae", "cost")


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="needs hadolint")
def test_dockerfile_has_no_warnings_of_hadolint():
    subprocess.run(["hadolint", DEPLOY / "Dockerfile"], check=True)


def test_no_file_names_a_path_of_one_machine():
    for path in DEPLOY.iterdir():
        if path.is_file():
            content = path.read_bytes()
            assert str(Path.home()).encode() + b"/" not in content
            assert str(ROOT).encode() not in content
