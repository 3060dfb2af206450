"""The short form of `python -m tests.cluster`: a node comes, one dies, servers are restarted."""

import os
import pwd
import shutil

import pytest

from tests.cluster.__main__ import run
from tests.cluster.network import Network

pytestmark = [pytest.mark.slow, pytest.mark.cluster]


@pytest.fixture
def postgresql():
    if shutil.which("pg_ctl") is None or shutil.which("initdb") is None:
        pytest.skip("needs PostgreSQL's pg_ctl and initdb (Debian's package postgresql)")
    pytest.importorskip("psycopg", reason='needs the PostgreSQL driver of "cellbox[deploy]"')
    if os.geteuid() != 0:
        pytest.skip("PostgreSQL gets a user of its own here, which only root can give it")
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("there is no user postgres")


def test_nothing_is_lost_doubled_or_in_clear_while_nodes_and_servers_come_and_go(postgresql):
    said = []
    run(said.append, short=True)
    text = "\n".join(said)
    assert "a node that came in mid-sweep trained" in text
    assert "once in the folder, in Optuna and in MLflow" in text
    assert said[-1].startswith("all is taken down")


def test_machines_without_namespaces_have_addresses_of_their_own(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    network = Network("cbt")
    assert not network.namespaces
    assert network.address("a") != network.address("b")
    assert network.on("a", ["true"]) == ["true"]
    network.close()
