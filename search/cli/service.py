"""Commands of the service: sweeps and what they leave behind."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.cli.arguments import (
    add_json,
    add_options,
    add_spec,
    add_study,
    add_study_and_json,
    real_number,
    whole_number,
)
from search.cli.command import Command

if TYPE_CHECKING:
    from search.study.budget_folder import BudgetFolder


def _add_sweep(parser: ArgumentParser) -> None:
    add_spec(parser, "what to search: data, space, objective, sampler, workers")
    add_options(
        parser,
        ("--system", str, "NAME",
         "instead of a file: one of the ten known systems, with the built-in space"),
        ("--data", str, "FOLDER",
         "instead of a file: measured data, with the built-in space"),
        ("--trials", whole_number(1), "N",
         "how many trials the study has in all; a study with fewer goes on (default: 32, or what "
         "the file says)"),
        ("--study", str, "FOLDER", "the study's folder (default: studies/<name>)"),
        ("--hours", real_number(0, open_ends=True), "H",
         "end this run cleanly after so many hours; the same command goes on (default: no limit)"),
        ("--patience", whole_number(1), "N",
         "propose no more after so many trials in a row without an improvement beyond noise "
         "(default: never)"),
        ("--expected-gain", _expected_gain, "SHARE",
         "propose no more once another 100 trials would improve the best by less than this share "
         "with 95 %% confidence; or improvement=0.01,trials=100,confidence=0.95 (default: never)"),
        ("--seed", whole_number(0, 2**31 - 1), "N",
         "number from which data, starts and the search are drawn; the same seed in a new folder "
         "gives the same study (default: 0, or what the file says)"),
        ("--workers", whole_number(1), "N",
         "processes that train, each on a core or GPU of its own (default: all there are)"),
        ("--lanes", whole_number(1), "N",
         "models that a worker trains side by side (default: measured when the study begins)"),
        ("--cluster", str, "HOST:PORT",
         "Ray cluster to train on, whose nodes may come and go; auto for one on this machine "
         "(default: RAY_ADDRESS, or else Ray on this machine alone)"),
        ("--storage-url", str, "URL",
         "database for Optuna's history (default: a journal file in the study's folder)"),
        ("--tracking-uri", str, "URI",
         "MLflow server to write to (default: a database in the study's folder)"),
    )  # fmt: skip
    parser.add_argument(
        "--enqueue", action="append", type=_point, metavar="NAME=VALUE,...",
        help="a point to try first, whole or in part; the sampler chooses the rest (may be given "
        "several times)",
    )  # fmt: skip
    parser.add_argument(
        "--from", action="append", dest="earlier", metavar="STUDY",
        help="an earlier study: its finished trials are carried over where data and space agree, "
        "and its best points are tried first (may be given several times)",
    )  # fmt: skip
    add_executor(parser)
    add_json(parser)


def _point(text: str) -> dict[str, Any]:
    """A type for argparse: values by name, as "l1=1e-5,schedule=cosine"."""
    point: dict[str, Any] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not (name and equals and value) or name in point:
            found = f"expected NAME=VALUE,... as l1=1e-5,schedule=cosine, found {text!r}"
            raise ArgumentTypeError(found)
        point[name.replace("-", "_")] = _plain_value(value)
    return point


def _expected_gain(text: str) -> dict[str, Any]:
    """A type for argparse: a share alone, or values by name."""
    alone = _plain_value(text)
    return {"improvement": alone} if isinstance(alone, int | float) else _point(text)


def _plain_value(text: str) -> bool | int | float | str:
    """A value as a TOML file would have it."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def add_executor(parser: ArgumentParser) -> None:
    """Declare --executor."""
    parser.add_argument(
        "--executor", choices=("ray", "inline"),
        help="ray: worker processes; inline: everything in this process (default: ray)",
    )  # fmt: skip


def _run_sweep(arguments: Namespace) -> int:
    from search.cli.output import Output, run_and_say
    from search.cli.sweep_report import say_sweep
    from search.sweeping.display import make_display
    from search.sweeping.run import sweep

    output = Output(arguments.json)
    spec = _spec(arguments)
    return run_and_say(
        lambda: sweep(spec, study=arguments.study, display=make_display()), say_sweep, output
    )


def _spec(arguments: Namespace) -> Any:
    """The spec from the file, or the built-in one, with what the command line says instead."""
    from search.spec.reading import make_spec, name_from, read_spec_values
    from search.spec.tables import gain_table

    require_one_source(arguments, "cellbox sweep --system LI --trials 32")
    if arguments.spec is not None:
        values, where = read_spec_values(arguments.spec), arguments.spec
    elif arguments.system is not None:
        values, where = {"name": arguments.system, "data": {"system": arguments.system}}, "sweep"
    else:
        name = name_from(Path(arguments.data).resolve().name)
        values, where = {"name": name, "data": {"folder": arguments.data}}, "sweep"
    for key in ("trials", "hours", "patience", "seed"):
        if getattr(arguments, key) is not None:
            values[key] = getattr(arguments, key)
    for key in ("enqueue", "earlier"):
        given, chosen = values.get(key, []), getattr(arguments, key)
        if chosen and isinstance(given, list):
            values[key] = [*given, *chosen]
    if arguments.expected_gain is not None:
        values["expected_gain"] = gain_table(values.get("expected_gain", {}))
        put_into(values, "expected_gain", arguments.expected_gain)
    workers = {"count": arguments.workers, "lanes": arguments.lanes, "executor": arguments.executor}
    workers["address"] = arguments.cluster
    put_into(values, "workers", workers)
    put_into(values, "storage", {"url": arguments.storage_url})
    put_into(values, "tracking", {"uri": arguments.tracking_uri})
    return make_spec(values, where=where)


def require_one_source(arguments: Namespace, example: str) -> None:
    """Refuse a command that is given no spec, system or data, or several of them."""
    from cellbox.errors import refuse

    sources = [arguments.spec, arguments.system, arguments.data]
    if sum(source is not None for source in sources) != 1:
        raise refuse(
            f"cellbox {arguments.command}",
            "expected one of SPEC.toml, --system NAME and --data FOLDER",
            f"Give exactly one, for example: {example}",
        )


def put_into(values: dict[str, Any], table: str, chosen: dict[str, Any]) -> None:
    """Let choices stand before those of a table; what is no table is refused with the rest.

    chosen: None where nothing was chosen.
    """
    given = values.get(table, {})
    chosen = {key: value for key, value in chosen.items() if value is not None}
    if chosen and isinstance(given, dict):
        values[table] = {**given, **chosen}


def _run_best(arguments: Namespace) -> int:
    from search.cli.output import Output
    from search.cli.sweep_report import say_best
    from search.study.result import SweepResult

    output = Output(arguments.json)
    result = SweepResult(arguments.study)
    say_best(result, output)
    output.write_json(result.as_dict())
    return 0


def _add_ui(parser: ArgumentParser) -> None:
    add_study(parser)
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS",
        help="address to serve on (default: 127.0.0.1, this machine alone)",
    )  # fmt: skip
    parser.add_argument(
        "--port", type=whole_number(1, 65535), default=5000, metavar="N",
        help="port to serve on; the next free one where it is taken (default: 5000)",
    )  # fmt: skip


def _run_ui(arguments: Namespace) -> int:
    from search.study.access import spec_of
    from search.study.folder import StudyFolder
    from search.tracking.together import StudiesTogether, study_at
    from search.tracking.ui import serve, serve_together

    path, where = Path(arguments.study), {"host": arguments.host, "port": arguments.port}
    with _mlflow_refusals(arguments.study):
        if StudiesTogether(path).exists():
            serve_together(StudiesTogether(path), **where)
            return 0
        folder = study_at(path) or StudyFolder.at(path)
        if isinstance(folder, StudyFolder):
            serve(folder, spec_of(folder).tracking.uri, **where)
        else:
            serve(folder, folder.asked["tracking"]["uri"], **where)
    return 0


@contextmanager
def _mlflow_refusals(study: str) -> Iterator[None]:
    """Turn an MLflow that does not answer into a message for the user."""
    from cellbox.errors import refuse
    from search.tracking.writers import TrackingUnavailable

    try:
        yield
    except TrackingUnavailable as error:
        raise refuse(
            study, str(error), "Start the MLflow server, or choose another with --tracking-uri"
        ) from error


def _add_rerun(parser: ArgumentParser) -> None:
    add_study(parser)
    parser.add_argument(
        "--trial", type=whole_number(0), metavar="N",
        help="number of the trial (default: the best)",
    )  # fmt: skip
    add_json(parser)


def _run_rerun(arguments: Namespace) -> int:
    from search.cli.output import Output
    from search.study.folder import StudyFolder
    from search.study.result import SweepResult
    from search.workers.device import cores, keep_off_gpus, use_one_core

    output = Output(arguments.json)
    folder = StudyFolder.at(arguments.study)
    number = arguments.trial
    if number is None:
        number = SweepResult(folder).best.number
    shape = folder.record(number).shape if folder.finished(number) else None
    if shape is not None and shape["threads"]:
        # A worker has one core, and so must this process have, before JAX starts in it.
        if shape["threads"] == 1:
            use_one_core(cores()[0])
        keep_off_gpus()
    from search.sweeping.rerun import rerun_trial

    found = rerun_trial(arguments.study, number)
    output.answer(found)
    return 0


def _add_sync(parser: ArgumentParser) -> None:
    add_study(parser)
    parser.add_argument(
        "--tracking-uri", metavar="URI", help="MLflow server to write to (default: the study's own)"
    )
    parser.add_argument(
        "--into", metavar="FOLDER",
        help="write to a database in this folder instead, which several studies share: cellbox ui "
        "FOLDER compares them",
    )  # fmt: skip


def _run_sync(arguments: Namespace) -> int:
    from cellbox.errors import InputError, refuse
    from cellbox.storage.compilation import keep_compiled_programs
    from search.report.folders import report_of_run
    from search.study.access import spec_of
    from search.study.budget_folder import BudgetFolder
    from search.study.data_loading import load_study_data
    from search.study.folder import StudyFolder
    from search.study.good_trials import save_ensemble
    from search.study.identifiability import save_identifiability
    from search.study.kept_models import save_best_models
    from search.study.ranking import best_numbers
    from search.tracking.together import StudiesTogether, write_together
    from search.tracking.writers import synchronise

    if arguments.into is not None and arguments.tracking_uri is not None:
        found = "expected one of --tracking-uri and --into, found both"
        raise refuse("cellbox sync", found, "Give one of the two")
    budget = BudgetFolder(Path(arguments.study))
    if budget.exists():
        return _sync_budget(budget, arguments)
    folder = StudyFolder.at(arguments.study)
    uri = arguments.tracking_uri or spec_of(folder).tracking.uri
    with folder.held(), _mlflow_refusals(arguments.study):
        keep_compiled_programs()
        best = best_numbers(folder)
        save_best_models(folder, best)
        save_ensemble(folder, best)
        try:
            save_identifiability(folder, best, load_study_data(spec_of(folder)))
        except InputError as error:
            # Data that were moved away are no reason to keep the rest from MLflow.
            print(f"note: what the data determine is not told: {error}", file=sys.stderr)
        no_report = None if folder.report.is_file() else report_of_run(folder.path)
        if no_report:
            print(f"note: {no_report}", file=sys.stderr)
        if arguments.into is not None:
            write_together(StudiesTogether(Path(arguments.into)), [folder])
        else:
            synchronise(folder, uri, best)
    print(f"MLflow has all {len(folder.finished_numbers())} trials of {folder.path}")
    return 0


def _sync_budget(folder: BudgetFolder, arguments: Namespace) -> int:
    from search.tracking.together import StudiesTogether, write_together
    from search.tracking.writers import synchronise

    with folder.held(), _mlflow_refusals(str(folder.path)):
        if arguments.into is not None:
            write_together(StudiesTogether(Path(arguments.into)), [folder])
        else:
            uri = arguments.tracking_uri or folder.asked["tracking"]["uri"]
            synchronise(folder, uri, [])
    print(f"MLflow has all {len(folder.finished_numbers())} experiments of {folder.path}")
    return 0


_SWEEP_EPILOG = """\
examples:
  cellbox sweep --system LI --trials 32           a known system, the built-in space
  cellbox sweep --data my_experiment --trials 100 measured data, the built-in space
  cellbox sweep sweep.toml --study studies/mine   everything chosen in a file

Running the same command again goes on where it stopped; Ctrl-C loses nothing that finished."""

COMMANDS: tuple[Command, ...] = (
    Command(
        name="sweep",
        summary="search for the settings, and the data budget, that work best",
        add_arguments=_add_sweep,
        run=_run_sweep,
        description="Train many models with different settings, learn from each which to try "
        "next, and keep the best models where MLflow shows them.",
        epilog=_SWEEP_EPILOG,
    ),
    Command(
        name="best",
        summary="show the best trial of a sweep",
        add_arguments=add_study_and_json,
        run=_run_best,
        description="Print a study's best trial, the baselines beside it, and where its model is.",
    ),
    Command(
        name="ui",
        summary="open MLflow on a sweep",
        add_arguments=_add_ui,
        run=_run_ui,
        description="Serve MLflow's pages on a study until Ctrl-C: trials, metrics, networks, "
        "pictures and models. Of a folder of studies, such as studies, all of them side by side.",
    ),
    Command(
        name="rerun",
        summary="train a trial of a sweep again and compare",
        add_arguments=_add_rerun,
        run=_run_rerun,
        description="Train one trial again from its record, alone, and say whether its numbers "
        "are the same.",
    ),
    Command(
        name="sync",
        summary="write to MLflow what it does not have yet",
        add_arguments=_add_sync,
        run=_run_sync,
        description="Bring MLflow up to date with a study, for example after its server was down.",
    ),
)
