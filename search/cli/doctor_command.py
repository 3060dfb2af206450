"""`cellbox doctor`: whether this machine is fit for sweeps."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from search.cli.arguments import add_json
from search.cli.command import Command


def _add_doctor(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--folder",
        metavar="FOLDER",
        default="studies",
        help="where studies are to be kept (default: studies)",
    )
    parser.add_argument(
        "--no-ray", action="store_true", help="do not see whether Ray starts, which takes seconds"
    )
    add_json(parser)


def _run_doctor(arguments: Namespace) -> int:
    from search.cli.output import Output
    from search.console.quiet import progress_is_shown
    from search.doctor.examining import doctor

    def tell(said: str) -> None:
        if progress_is_shown():
            print(said, file=sys.stderr, flush=True)

    output = Output(arguments.json)
    diagnosis = doctor(arguments.folder, ray=not arguments.no_ray, tell=tell)
    output.answer(diagnosis)
    return 0 if diagnosis.fit else 1


DOCTOR = Command(
    name="doctor",
    summary="look whether this machine is fit for sweeps",
    add_arguments=_add_doctor,
    run=_run_doctor,
    description="Look at versions, the network, the disk, cores, memory and devices, let JAX time\n"
    "a gradient and Ray start, and say what to mend. The exit code is 0 where sweeps can run, and\n"
    "1 where something keeps them from it.",
)
