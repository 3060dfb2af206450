"""MLflow's own pages on a study, as a person's browser shows them."""

import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from mlflow import MlflowClient
from mlflow.store.tracking.dbmodels.initial_models import Base as first_tables
from sqlalchemy import create_engine

from cellbox.errors import InputError
from search.tracking import embedded
from search.tracking.embedded import embedded_uri, migrate, readable_copy, sqlite_uri
from search.tracking.experiment import find_parent
from search.tracking.ui import study_page
from search.tracking.writers import synchronise
from tests.search.fake_study import fake_study

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_SERVE = """
import sys
from pathlib import Path
from search.study.folder import StudyFolder
from search.tracking.ui import serve
serve(StudyFolder(Path(sys.argv[1])), port=int(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The address that `serve` prints for a study of twelve trials."""
    folder = fake_study(tmp_path_factory.mktemp("ui") / "my study #1", 12)
    synchronise(folder, None, [0, 1])
    # Its address is of the table, and its own run is there by another.
    client = MlflowClient(embedded_uri(folder))
    (experiment,) = client.search_experiments(filter_string="name = 'my study #1'")
    run = find_parent(client, [experiment.experiment_id], folder.study.id)
    assert run is not None
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVE, str(folder.path), "5210"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    try:
        yield server.stdout.readline().strip(), run.info.run_id
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(30) is not None


def test_a_study_on_a_medium_that_cannot_be_written_is_read_from_a_copy(tmp_path, monkeypatch):
    folder = fake_study(tmp_path / "study", 2)
    synchronise(folder, None, [])
    before = {file: file.stat().st_mtime_ns for file in folder.path.rglob("*")}
    monkeypatch.setattr(embedded, "can_be_written", lambda _: False)
    with readable_copy(folder) as database:
        assert folder.path not in database.parents
        assert study_page(folder, sqlite_uri(database)).endswith("&viewStateShareKey=trials")
        with closing(sqlite3.connect(database)) as connection:
            assert connection.execute("SELECT count(*) FROM sqlite_stat1").fetchone()[0] > 0
    assert before == {file: file.stat().st_mtime_ns for file in folder.path.rglob("*")}
    assert not database.exists()


@pytest.mark.slow
def test_a_database_of_an_earlier_mlflow_is_migrated_and_a_later_ones_refused(tmp_path):
    folder = fake_study(tmp_path / "study", 2)
    synchronise(folder, None, [])
    # Under another name: MLflow looks at each address once in a process.
    database = Path(shutil.copyfile(folder.path / "mlflow.db", tmp_path / "later.db"))
    heads = ScriptDirectory(str(Path(mlflow.__file__).parent / "store" / "db_migrations"))
    earlier = heads.get_revision(heads.get_current_head()).down_revision
    first_tables.metadata.create_all(create_engine(sqlite_uri(tmp_path / "earlier.db")))
    config = Config()
    config.set_main_option("script_location", str(heads.dir))
    config.set_main_option("sqlalchemy.url", sqlite_uri(tmp_path / "earlier.db"))
    command.upgrade(config, earlier)
    migrate(tmp_path / "earlier.db")
    MlflowClient(sqlite_uri(tmp_path / "earlier.db")).create_experiment("usable")
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'of the future'")
    content = database.read_bytes()
    with pytest.raises(InputError, match="found a later one's"):
        migrate(database)
    assert database.read_bytes() == content


@pytest.mark.slow
def test_serves_on_this_machine_alone_and_gives_the_best_networks_picture(page):
    opened, run = page
    (address,) = re.match(r"(http://127\.0\.0\.1:\d+)/#/experiments/\d+/runs\?", opened).groups()
    picture = f"{address}/get-artifact?path=figures/best_network.png&run_uuid={run}"
    with urllib.request.urlopen(picture, timeout=30) as answer:
        assert answer.read(8) == b"\x89PNG\r\n\x1a\n"


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_shows_the_study_with_its_trials(page, tmp_path):
    shown = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", f"--user-data-dir={tmp_path}", "--window-size=1500,1100",
            "--virtual-time-budget=20000", "--dump-dom", page[0],
        ],
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout  # fmt: skip
    trials = re.findall(r">(trial \d+)<", shown)
    assert len(set(trials)) == len(trials) == 12
    assert "trial 10" in trials
    assert "validation_mae" in shown
    assert "peak_rate" in shown
