"""`cellbox status`, `stop` and `verify`: a sweep from another terminal, and whether it is whole."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from search.cli.arguments import add_json, add_study, add_study_and_json
from search.cli.command import Command


def _run_status(arguments: Namespace) -> int:
    from search.cli.output import Output
    from search.study.state import study_status

    Output(arguments.json).answer(study_status(arguments.study))
    return 0


def _add_stop(parser: ArgumentParser) -> None:
    add_study(parser)
    parser.add_argument(
        "--no-wait", action="store_true", help="only ask: do not wait until the sweep has ended"
    )


def _run_stop(arguments: Namespace) -> int:
    from search.study.state import study_status
    from search.study.stopping import stop_sweep

    running = stop_sweep(
        arguments.study,
        wait=not arguments.no_wait,
        tell=lambda said: print(said, file=sys.stderr, flush=True),
    )
    if not running:
        print(f"No sweep is running in {arguments.study}.")
    elif arguments.no_wait:
        print("Asked the sweep to end; cellbox status says when it has.")
        return 0
    for sentence in study_status(arguments.study).sentences():
        print(sentence)
    return 0


def _add_verify(parser: ArgumentParser) -> None:
    add_study(parser)
    text = "set aside what is damaged, so that the same sweep command trains or writes it again"
    parser.add_argument("--repair", action="store_true", help=text)
    add_json(parser)


def _run_verify(arguments: Namespace) -> int:
    from search.cli.output import Output
    from search.sweeping.verifying import verify_study

    output = Output(arguments.json)
    verdict = verify_study(arguments.study, repair=arguments.repair)
    output.say(str(verdict))
    for damage in verdict.damages:
        output.say(f"  {damage}")
    if not verdict.sound and not arguments.repair:
        output.say(f"To mend it: cellbox verify {arguments.study} --repair")
    output.write_json(verdict.as_dict())
    left = [damage for damage in verdict.damages if damage.mended is None]
    return 1 if left else 0


COMMANDS: tuple[Command, ...] = (
    Command(
        name="status",
        summary="say how far a sweep is, from another terminal",
        add_arguments=add_study_and_json,
        run=_run_status,
        description="Say whether a sweep is running in a study's folder, on which machine, how\n"
        "far it is, how fast, and what went wrong last.",
    ),
    Command(
        name="stop",
        summary="end a running sweep cleanly, from another terminal",
        add_arguments=_add_stop,
        run=_run_stop,
        description="Ask the sweep that runs in a study's folder to end, and wait until it has.\n"
        "That works from any machine that sees the folder. What has finished is kept, and the\n"
        "same sweep command goes on.",
        interrupted="no longer waiting; the sweep still ends",
    ),
    Command(
        name="verify",
        summary="look whether everything in a study is what was written",
        add_arguments=_add_verify,
        run=_run_verify,
        description="Check records, the sampler's history, models and MLflow of a study against\n"
        "their digests and each other, and let the kept models predict again. The exit code\n"
        "is 0 where all is sound or mended, and 1 where it is not.",
    ),
)
