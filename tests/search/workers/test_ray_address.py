"""An address at which no Ray cluster can be used is refused in seconds, in a sentence."""

import socket
import threading
import time

import pytest

from cellbox.errors import InputError
from search.workers.ray_address import chosen_address, reachable_address


@pytest.fixture
def silent_port():
    """A port that takes connections and never says anything."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.fixture
def dead_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def refusal(text, where="RAY_ADDRESS"):
    began = time.monotonic()
    with pytest.raises(InputError) as refused:
        reachable_address(text, where)
    assert time.monotonic() - began < 10
    (problem,) = refused.value.problems
    assert problem.where == where
    assert "\n" not in str(problem)
    return str(problem)


@pytest.mark.parametrize(
    "text",
    ["", " ", "nonsense", "http://127.0.0.1:6379", "ray://127.0.0.1:10001", "1.2.3.4", "a:b",
     "127.0.0.1:0", "127.0.0.1:99999", "127.0.0.1:6379/", ":6379"],
)  # fmt: skip
def test_what_is_no_host_and_port_is_refused(text):
    assert f"as HOST:PORT, found {text!r}" in refusal(text)


def test_a_password_in_an_address_is_not_repeated():
    assert "hunter2" not in refusal("http://me:hunter2@head:6379")


def test_where_nobody_listens_no_cluster_answers(dead_port):
    text = f"127.0.0.1:{dead_port}"
    assert f"no Ray cluster answers at {text} (Connection refused)" in refusal(text)


def test_where_something_else_listens_no_cluster_answers(silent_port):
    assert "something else may listen there" in refusal(f"127.0.0.1:{silent_port}")
    # What asks is a thread that ends by itself.
    assert any(thread.name == "asking Ray" for thread in threading.enumerate())


def test_a_name_that_nobody_has_is_refused():
    assert "no Ray cluster answers at no-such-host.invalid:6379" in refusal(
        "no-such-host.invalid:6379"
    )


@pytest.mark.parametrize(
    ("asked", "variable", "chosen"),
    [
        (None, None, None),
        (None, "local", None),
        ("local", "head:1", None),
        ("head:1", "other:2", ("head:1", "workers.address (--cluster)")),
        (None, "head:1", ("head:1", "RAY_ADDRESS")),
        (None, "", ("", "RAY_ADDRESS")),
    ],
)
def test_the_specs_address_counts_before_the_environments(asked, variable, chosen, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if variable is not None:
        monkeypatch.setenv("RAY_ADDRESS", variable)
    assert chosen_address(asked) == chosen
