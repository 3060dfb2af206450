"""MLflow's own interface on a study."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from mlflow import MlflowClient
from mlflow.entities import Experiment

from cellbox.errors import refuse
from search.tracking import interface
from search.tracking.credentials import without_credentials
from search.tracking.embedded import (
    InFolder,
    can_be_written,
    embedded_artifacts,
    has_embedded,
    readable_copy,
    sqlite_uri,
)
from search.tracking.experiment import LAYOUT, LAYOUT_TAG, find_experiment
from search.tracking.shared_view import VIEW
from search.tracking.together import StudiesTogether, page_together, write_together
from search.tracking.writers import (
    TRACKING_ERRORS,
    AnyStudy,
    TrackingUnavailable,
    describe_error,
    kept_models,
    write_all,
    writer_of,
)

_STARTS_WITHIN = 90.0
_ENDS_WITHIN = 10.0


def serve(
    folder: AnyStudy,
    tracking_uri: str | None = None,
    host: str = "127.0.0.1",
    port: int = 5000,
    open_browser: bool = False,
) -> None:
    """Show the study in MLflow's interface until Ctrl-C; prints the address of its page.

    tracking_uri: MLflow's address, None for the study's own database. Where it is a server, it
        has an interface itself, and only the address is printed.
    port: where it is taken, a free one is chosen.

    Raises InputError where the server does not start, TrackingUnavailable where MLflow cannot
    be read.
    """
    if tracking_uri is not None:
        _serve(study_page(folder, tracking_uri), folder, tracking_uri, host, port, open_browser)
        return
    with _own_database(folder, lambda: _bring_up_to_date(folder)) as uri:
        _serve(study_page(folder, uri), folder, uri, host, port, open_browser)


def serve_together(
    together: StudiesTogether,
    host: str = "127.0.0.1",
    port: int = 5000,
    open_browser: bool = False,
) -> None:
    """Show several studies side by side; for the rest see `serve`."""

    def bring_up_to_date() -> None:
        if can_be_written(together):
            write_together(together)

    with _own_database(together, bring_up_to_date) as uri:
        _serve(page_together(together, uri), together, uri, host, port, open_browser)


@contextmanager
def _own_database(home: InFolder, bring_up_to_date: Callable[[], None]) -> Iterator[str]:
    """The address of a database in a folder, brought up to date; see `serve` for what is raised."""
    try:
        bring_up_to_date()
        with readable_copy(home) as database:
            yield sqlite_uri(database)
    except TRACKING_ERRORS as error:
        raise TrackingUnavailable(describe_error(error)) from error


def _bring_up_to_date(folder: AnyStudy) -> None:
    """Write the study's own MLflow where there is none, or an earlier version's."""
    if has_embedded(folder):
        with readable_copy(folder) as database:
            experiment = _experiment(folder, sqlite_uri(database), embedded=True)
        if experiment is not None and experiment.tags.get(LAYOUT_TAG) == LAYOUT:
            return
        if not can_be_written(folder):
            print("note: written by an earlier version, and cannot be brought up to date here")
            return
    print("Writing MLflow's copy of the study", flush=True)
    write_all(writer_of(folder, None), kept_models(folder))


def _serve(page: str, home: InFolder, uri: str, host: str, port: int, open_browser: bool) -> None:
    if uri.startswith(("http://", "https://")):
        _show(f"{without_credentials(uri).rstrip('/')}/{page}", open_browser)
        return
    port = _free_port(host, port)
    address = f"http://{host}:{port}"
    with _server(home, uri, host, port) as server:
        _show(f"{address}/{page}", open_browser)
        print("Ctrl-C ends it", flush=True)
        server.wait()


def study_page(folder: AnyStudy, uri: str) -> str:
    """The path of the table of trials in MLflow's interface; the start page if it has none yet."""
    experiment = _experiment(folder, uri, embedded=uri.startswith("sqlite:"))
    if experiment is None:
        return ""
    # Without the type the interface opens with the menus for language models.
    kind = "workflowType=machine_learning"
    return f"#/experiments/{experiment.experiment_id}/runs?{kind}&viewStateShareKey={VIEW}"


def _experiment(folder: AnyStudy, uri: str, *, embedded: bool) -> Experiment | None:
    try:
        return find_experiment(MlflowClient(tracking_uri=uri), folder, embedded=embedded)
    except TRACKING_ERRORS as error:
        raise TrackingUnavailable(describe_error(error)) from error


def _show(address: str, open_browser: bool) -> None:
    print(address, flush=True)
    if open_browser:
        webbrowser.open(address)


def _free_port(host: str, wanted: int) -> int:
    """`wanted` if nothing listens there, else one that the system gives."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            # As servers do: a port that closed a moment ago counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise refuse("host", f"expected an address of this machine, found {host!r}", "Use 127.0.0.1")


@contextmanager
def _server(home: InFolder, uri: str, host: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """MLflow's server, from when it answers until the block or the process ends."""
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    command += ["--host", host, "--port", str(port)]
    command += ["--default-artifact-root", embedded_artifacts(home)]
    command += ["--app-name", interface.APP] if interface.is_installed() else []
    environment = {
        **os.environ,
        # Not in the command, which every user of the machine can see.
        "MLFLOW_BACKEND_STORE_URI": uri,
        # Half a dozen processes for language models' traces, which there are none of.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    with tempfile.TemporaryFile() as log, _ending_on_signals():
        # A session of its own: Ctrl-C reaches this process alone, which ends the server's.
        server = subprocess.Popen(
            command,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_until_up(server, f"http://{host}:{port}/health", log)
            yield server
        except KeyboardInterrupt:
            pass
        finally:
            _end(server)


def _wait_until_up(server: subprocess.Popen[bytes], address: str, log: IO[bytes]) -> None:
    # A proxy that the environment names knows nothing of this machine's own addresses.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    until = time.monotonic() + _STARTS_WITHIN
    while time.monotonic() < until and server.poll() is None:
        try:
            opener.open(address, timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    log.seek(0)
    last = log.read().decode("utf-8", "replace").strip().splitlines()[-1:] or ["no output"]
    raise refuse(
        "MLflow's interface",
        f"expected it to start, found: {without_credentials(last[0])}",
        "Try another --port",
    )


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server and its workers; politely first."""
    for request in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, request)
            server.wait(_ENDS_WITHIN)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


@contextmanager
def _ending_on_signals() -> Iterator[None]:
    """SIGTERM as Ctrl-C, so that the server does not outlive this process."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        # Where signals cannot be taken.
        yield
        return
    # SIGINT too: a process that a shell put in the background starts with it ignored.
    before = {
        number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
