"""How long MLflow's pages of a study take in a browser: opening, sorting, filtering, one trial.

    python -m tests.benchmarks.browsing [--trials 10000] [--study FOLDER] [--postgresql]

Pretended trials are written as those of a sweep are, and MLflow's pages are served as `cellbox ui`
does. A headless Chromium does what a person would; measured is from the click to what it shows, and
the same with 150 trials: what these take is MLflow's own program in the browser.
`--study` keeps the study, and uses it again. `--postgresql` copies the database into a PostgreSQL
that is started for it, whose programs have to be installed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.measuring import arguments, bars, environment, table, write
from tests.browser import CHROMIUM, Browser

_ROW = ".ag-center-cols-container .ag-row"
_FIRST = "document.querySelector('[row-index=\"0\"] a')?.innerText"
_COUNT = "(document.body.innerText.match(/([\\d,+]+) matching run/) || [])[1]"
_SEARCH = "document.querySelector('input[placeholder^=\"metrics.\"]')"
_BEST, _FEW = 5, 150


def written(place: Path, trials: int) -> Path:
    """A study of so many pretended trials, in MLflow; where there is one it is taken."""
    from search.tracking.writers import synchronise
    from tests.search.fake_study import add_model, fake_study

    path = place / f"{trials}-trials"
    if path.is_dir():
        return path
    print(f"writing {trials:,} trials", flush=True)
    folder = fake_study(path, trials)
    for number in (best := list(range(min(_BEST, trials)))):
        if number % 4 != 3:
            add_model(folder, number)
    synchronise(folder, None, [number for number in best if number % 4 != 3])
    return path


@contextmanager
def served(path: Path, backend: str | None) -> Iterator[str]:
    """The address of the study's table of trials. backend: another database with the same."""
    from search.study.folder import StudyFolder
    from search.tracking.embedded import readable_copy, sqlite_uri
    from search.tracking.ui import _free_port, _server, study_page

    folder = StudyFolder(path)
    with readable_copy(folder) as database:
        uri = backend or sqlite_uri(database)
        page = study_page(folder, sqlite_uri(database))
        port = _free_port("127.0.0.1", 5400)
        with _server(folder, uri, "127.0.0.1", port):
            yield f"http://127.0.0.1:{port}/{page}"


def browse(address: str, repeats: int) -> dict[str, float]:
    """Median seconds of each thing that a person does."""
    with Browser(1500, 1000) as page:
        steps: dict[str, Callable[[], float]] = {
            "open the table": lambda: _opened(page, address),
            "sort by another column": lambda: _sorted(page),
            "filter": lambda: _filtered(page),
            "open one trial": lambda: _one_trial(page),
        }
        found: dict[str, list[float]] = {name: [] for name in steps}
        # The first time the browser loads MLflow's program, whatever is in the database.
        first = _opened(page, address)
        for _ in range(repeats):
            for name, step in steps.items():
                found[name].append(step())
    medians = {name: float(np.median(values)) for name, values in found.items()}
    print(", ".join(f"{name} {value:.2f} s" for name, value in medians.items()), flush=True)
    return {"the first page of all": first, **medians}


def _opened(page: Browser, address: str) -> float:
    page.open(address)
    return page.wait(f"document.querySelectorAll('{_ROW}').length > 9 && {_FIRST}?.length > 0")


def _sorted(page: Browser) -> float:
    before = page.evaluate(_FIRST)
    header = "[...document.querySelectorAll('.ag-header-cell')].find(h => h.innerText.trim() == {})"
    page.click(header.format("'test_mae'"))
    page.evaluate("1")
    # The smallest errors are the same trials', so twice: the largest come first then.
    page.wait("!document.querySelector('.ag-overlay-loading-center')")
    time.sleep(1)
    before = page.evaluate(_FIRST)
    page.click(header.format("'test_mae'"))
    return page.wait(f"{_FIRST} && {_FIRST} !== {before!r}")


def _filtered(page: Browser) -> float:
    before = page.evaluate(_COUNT)
    page.click(_SEARCH)
    page.type("metrics.trial < 40 and params.schedule = 'cosine'")
    # The first Enter takes what is proposed; as long as a person takes lies between them.
    time.sleep(0.5)
    page.enter()
    time.sleep(0.3)
    page.enter()
    return page.wait(f"{_COUNT} && {_COUNT} !== {before!r}")


def _one_trial(page: Browser) -> float:
    name = page.evaluate(_FIRST)
    page.click("document.querySelector('[row-index=\"0\"] a')")
    return page.wait(
        f"document.body.innerText.includes({name!r}) && location.hash.includes('/runs/')"
        " && /weights_pearson/.test(document.body.innerText)"
        " && /peak_rate/.test(document.body.innerText)"
    )


@contextmanager
def postgresql(database: Path) -> Iterator[str]:
    """The address of a PostgreSQL with what a study's SQLite database has."""
    with tempfile.TemporaryDirectory() as place, ExitStack() as ending:
        folder = Path(place)
        user: dict[str, Any] = {}
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root.
            user = {"user": "postgres", "group": "postgres", "extra_groups": []}
            shutil.chown(folder, "postgres", "postgres")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **user}
        data, initdb = folder / "data", shutil.which("initdb")
        assert initdb is not None
        subprocess.run([initdb, "-D", data, "-U", "postgres", "--no-sync"], check=True, **quiet)
        program = Path(initdb).resolve().parent / "postgres"
        # No address on the network: a socket in the folder alone.
        server = subprocess.Popen([program, "-D", data, "-k", folder, "-h", ""], **quiet)
        # Without waiting for those who are connected.
        ending.callback(lambda: (server.send_signal(signal.SIGINT), server.wait(30)))
        address = f"postgresql+psycopg://postgres@/postgres?host={folder}"
        _copy(database, address)
        yield address


def _copy(database: Path, address: str) -> None:
    from mlflow.store.db.utils import _initialize_tables
    from mlflow.store.tracking.dbmodels.models import Base
    from sqlalchemy import create_engine, inspect, text

    source, target = create_engine(f"sqlite:///{database}"), create_engine(address)
    until = time.monotonic() + 30
    while True:
        try:
            target.connect().close()
            break
        except Exception:
            if time.monotonic() > until:
                raise
            time.sleep(0.3)
    _initialize_tables(target)
    there = set(inspect(source).get_table_names())
    with source.connect() as reading, target.begin() as writing:
        for kind in Base.metadata.sorted_tables:
            if kind.name not in there:
                continue
            writing.execute(kind.delete())
            for part in reading.execute(kind.select()).mappings().partitions(20_000):
                writing.execute(kind.insert(), [dict(row) for row in part])
    with target.connect().execution_options(isolation_level="AUTOCOMMIT") as analysing:
        analysing.execute(text("ANALYZE"))


def main() -> None:
    parser = arguments(__doc__, repeats=5)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--study", metavar="FOLDER", help="keep the study there")
    parser.add_argument("--postgresql", action="store_true", help="measure that as well")
    given = parser.parse_args()
    if CHROMIUM is None:
        raise SystemExit("expected a Chromium, found none")
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    trials = _FEW if given.quick else given.trials
    found: dict[str, dict[str, float]] = {}
    with ExitStack() as ending:
        kept = given.study or ending.enter_context(tempfile.TemporaryDirectory())
        if trials > _FEW:
            with served(written(Path(kept), _FEW), None) as address:
                found[f"{_FEW} trials"] = browse(address, given.repeats)
        path = written(Path(kept), trials)
        with served(path, None) as address:
            found["SQLite"] = browse(address, given.repeats)
        if given.postgresql:
            with postgresql(path / "mlflow.db") as backend, served(path, backend) as address:
                found["PostgreSQL"] = browse(address, given.repeats)
    rows = [
        {"seconds": step, **{name: times[step] for name, times in found.items()}}
        for step in found["SQLite"]
    ]
    print(table(rows))
    result = {"trials": trials, "rows": rows, **environment()}
    write(result, given.json, lambda ax: bars(ax, found["SQLite"], "seconds in a browser"))


if __name__ == "__main__":
    main()
