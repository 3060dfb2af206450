"""`cellbox benchmark`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from search.cli.arguments import add_json, add_kept
from search.cli.command import Command
from search.cli.output import Output, run_and_say
from search.cli.text_tables import text_table
from search.console.quiet import progress_is_shown

if TYPE_CHECKING:
    from search.benchmark.result import BenchmarkResult


def _add_benchmark(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(
        dest="benchmark", metavar="BENCHMARK", required=True, title="benchmarks"
    )
    dream4 = actions.add_parser(
        "dream4",
        help="networks of the DREAM4 challenge: edges, and two genes knocked out together",
        description="Infer each network from its knock-outs, knock-downs and driven time courses,\n"
        "and judge the ranking of its edges as the challenge does, beside the knock-out\n"
        "z-score; predict double knock-outs, beside the additive rule and the mean.",
        epilog="example:\n  cellbox benchmark dream4 dream4 --networks size100_1 size100_2",
        allow_abbrev=False,
    )
    dream4.add_argument(
        "folder", metavar="FOLDER",
        help="the folder that holds size100_1 and so on, or one network: tables such as "
        "knockouts.tsv (see cellbox/README.md)",
    )  # fmt: skip
    dream4.add_argument(
        "--networks", nargs="+", metavar="NAME", help="which of its networks (default: all)"
    )
    written = "where tables, ranked edges and the page are written"
    add_kept(dream4, written, "studies/benchmark-NAME")
    add_json(dream4)


def _run_benchmark(arguments: Namespace) -> int:
    from search.benchmark.dream4 import benchmark_dream4
    from search.benchmark.folder import write_benchmark

    name = Path(arguments.folder).resolve().name
    out = Path(arguments.out or f"studies/benchmark-{name}")

    def run() -> BenchmarkResult:
        return benchmark_dream4(
            arguments.folder, networks=arguments.networks, on_network=_say_network
        )

    def say(result: BenchmarkResult, output: Output) -> None:
        say_benchmark(result, output)
        page = write_benchmark(result, out)
        output.say(f"\nrankings and predictions: {out}\nreport: {page.resolve().as_uri()}")

    return run_and_say(run, say, Output(arguments.json))


def _say_network(name: str) -> None:
    if progress_is_shown():
        print(f"inferring {name}", file=sys.stderr, flush=True)


def say_benchmark(result: BenchmarkResult, output: Output) -> None:
    """Print both tables, and what they come to."""
    from search.benchmark.sentences import sentences_of

    tables = (
        ("Ranking of edges", result.ranking_rows()),
        ("Double knock-outs, without the knocked-out genes", result.double_rows()),
    )
    for title, (header, rows) in tables:
        if rows:
            output.say(f"\n{title}")
            output.say(text_table(header, rows))
    output.say()
    for sentence in sentences_of(result):
        output.say(sentence)


BENCHMARK = Command(
    "benchmark",
    "published benchmarks with a known truth, beside simpler rules",
    _add_benchmark,
    _run_benchmark,
)
