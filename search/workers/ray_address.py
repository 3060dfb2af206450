"""Whether a Ray cluster can be reached, found out in seconds and before anything is started."""

from __future__ import annotations

import os
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ray import _raylet
from ray._private import services
from ray.exceptions import AuthenticationError

from cellbox.errors import InputError, refuse

# What Ray's own commands use, and type checkers do not see.
raylet: Any = _raylet

# Together less than the ten seconds within which an address is refused.
_SECONDS_TO_CONNECT = 3.0
# Ray itself prints a warning after five.
_SECONDS_TO_ANSWER = 4.0

# The only forms there are; an address with a user or a path is none of Ray's.
_HOST_AND_PORT = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<host>[\w.-]+)):(?P<port>\d{1,5})")
_FORMS = "expected the address of a Ray cluster's head as HOST:PORT"
_LEAVE_OUT = "leave the address out, and Ray starts on this machine"


def chosen_address(asked: str | None) -> tuple[str, str] | None:
    """The address to use and what said it; None where Ray is to start on this machine.

    asked: that of the spec, which counts before RAY_ADDRESS.
    """
    where, text = "workers.address (--cluster)", asked
    if text is None:
        where, text = "RAY_ADDRESS", os.environ.get("RAY_ADDRESS")
    if text is None or text == "local":
        return None
    return text, where


def reachable_address(text: str, where: str) -> str:
    """The HOST:PORT of a Ray cluster that answers and lets us in. Raises InputError otherwise.

    text: the address, or "auto" for the cluster that runs on this machine. where: what said so.
    """
    if text == "auto":
        found = services.find_gcs_addresses()
        if len(found) != 1:
            there = f"found {len(found)}" if found else "found none"
            raise refuse(
                where,
                f"expected one Ray cluster on this machine, {there}",
                f"Give HOST:PORT of the one that is meant, or {_LEAVE_OUT}",
            )
        text = next(iter(found))
    host, port = _host_and_port(text, where)
    try:
        socket.create_connection((host, port), _SECONDS_TO_CONNECT).close()
    except OSError as error:
        raise _silent(text, where, f"({error.strerror or type(error).__name__})") from error
    _use_token()
    with _silent_stderr():
        _within(_SECONDS_TO_ANSWER, lambda: raylet.GcsClient(address=text), text, where)
    return text


def _host_and_port(text: str, where: str) -> tuple[str, int]:
    found = _HOST_AND_PORT.fullmatch(text)
    if found is None or not 0 < int(found["port"]) < 65536:
        shown = repr(text) if "@" not in text else "an address with a user in it"
        hint = "such as 10.0.0.5:6379"
        if text.startswith("ray://"):
            hint = "the head's own port, often 6379, from a machine that is a node of the cluster"
        raise refuse(where, f"{_FORMS}, found {shown}", f"Give it, {hint}; or {_LEAVE_OUT}")
    return found["six"] or found["host"], int(found["port"])


def _use_token() -> None:
    """Show the token that the environment names, which Ray does not by itself where it joins."""
    named = "RAY_AUTH_TOKEN" in os.environ or "RAY_AUTH_TOKEN_PATH" in os.environ
    if named and "RAY_AUTH_MODE" not in os.environ:
        os.environ["RAY_AUTH_MODE"] = "token"
    refresh_token()


def refresh_token() -> None:
    """Let this process see what the environment now says of Ray's token."""
    raylet.Config.initialize("")
    raylet.AuthenticationTokenLoader.instance().reset_cache()


def _silent(text: str, where: str, why: str) -> InputError:
    return refuse(
        where,
        f"no Ray cluster answers at {text} {why}".rstrip(),
        f"Start one with `ray start --head`, correct the address, or {_LEAVE_OUT}",
    )


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Send what Ray's own code prints nowhere, since it is said in a sentence."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _within(seconds: float, call: Callable[[], Any], text: str, where: str) -> None:
    """Call what may wait much longer than anybody wants to."""
    raised: list[BaseException] = []

    def calling() -> None:
        try:
            call()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=calling, daemon=True, name="asking Ray")
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise _silent(text, where, "(something else may listen there)")
    if raised and isinstance(raised[0], AuthenticationError):
        raise refuse(
            where,
            f"the Ray cluster at {text} does not take our token",
            "Set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN to what its nodes were started with",
        ) from raised[0]
    if raised:
        first = (str(raised[0]).splitlines() or [type(raised[0]).__name__])[0]
        raise _silent(text, where, f"({first})") from raised[0]
