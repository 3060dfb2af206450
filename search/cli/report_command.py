"""`cellbox report`."""

from __future__ import annotations

import importlib.util
from argparse import ArgumentParser, Namespace
from pathlib import Path

from search.cli.command import Command
from search.cli.output import Output, check_file_target

# What a report is drawn and written with; the core install does without them.
_NEEDS = ("matplotlib", "jinja2")


def _add_report(parser: ArgumentParser) -> None:
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        help="what cellbox fit, sweep or compare wrote, such as models/first or studies/LI",
    )
    parser.add_argument(
        "--out", metavar="FILE.html", help="another place for it (default: report.html in FOLDER)"
    )


def _run_report(arguments: Namespace) -> int:
    from cellbox.storage.compilation import keep_compiled_programs
    from search.report.folders import write_report

    if arguments.out is not None:
        check_file_target(arguments.out)
    keep_compiled_programs()
    print(write_report(arguments.folder, arguments.out))
    return 0


def say_report_of(folder: str | Path, output: Output) -> str | None:
    """Write the report of a result, and say as the last line where it is.

    Returns its path; None where what it needs is not installed.
    """
    if any(importlib.util.find_spec(name) is None for name in _NEEDS):
        return None
    from search.report.folders import report_of_run
    from search.study.folder import REPORT as FILE

    problem = report_of_run(folder)
    path = Path(folder) / FILE
    output.say(problem or f"Report: {path}")
    return None if problem else str(path)


REPORT = Command(
    "report",
    "write what was found as a page to read, print or send",
    _add_report,
    _run_report,
    description="Write the report of a fit, a sweep or a comparison: one HTML file that needs no\n"
    "other and no network. `fit`, `sweep` and `compare` write it themselves; this command does so\n"
    "again, for example for a folder of an earlier version.",
    epilog="examples:\n"
    "  cellbox report models/first\n"
    "  cellbox report studies/LI --out for_my_colleagues.html",
)
