"""`cellbox benchmark`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter, _SubParsersAction
from pathlib import Path
from typing import TYPE_CHECKING

from search.cli.arguments import add_json, add_kept, add_seed, whole_number
from search.cli.command import Command
from search.cli.compare_command import SCHEMES, add_random_splits
from search.cli.comparison_line import ComparisonLine
from search.cli.output import Output, run_and_say
from search.cli.settings_flags import settings_of_file
from search.cli.text_tables import fitting_table, terminal_width, text_table
from search.console.quiet import progress_is_shown

if TYPE_CHECKING:
    from search.benchmark.result import BenchmarkResult
    from search.benchmark.skmel133_result import Skmel133Result


def _add_benchmark(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(
        dest="benchmark", metavar="BENCHMARK", required=True, title="benchmarks"
    )
    _add_dream4(actions)
    _add_skmel133(actions)


def _add_dream4(actions: _SubParsersAction[ArgumentParser]) -> None:
    dream4 = actions.add_parser(
        "dream4",
        help="networks of the DREAM4 challenge: edges, and two genes knocked out together",
        description="Infer each network from its knock-outs, knock-downs and driven time courses,\n"
        "and judge the ranking of its edges as the challenge does, beside the knock-out\n"
        "z-score; predict double knock-outs, beside the additive rule and the mean.",
        epilog="example:\n  cellbox benchmark dream4 dream4 --networks size100_1 size100_2",
        formatter_class=RawDescriptionHelpFormatter,
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


def _add_skmel133(actions: _SubParsersAction[ArgumentParser]) -> None:
    skmel133 = actions.add_parser(
        "skmel133",
        help="melanoma cells under drugs: conditions held out in four ways",
        description="Hold conditions out of the SK-MEL-133 data (Korkut et al. 2015) as the 2020\n"
        "CellBox did, and predict them beside ridge, the additive rule and the mean, with\n"
        "paired intervals and the published CellBox's figures. Known drugs are learned by\n"
        "least squares with weights drawn to zero, new ones by descent with the total dose.\n"
        "All schemes take about 15 minutes on 2 cores.",
        epilog="examples:\n"
        "  cellbox benchmark skmel133 data/skmel133\n"
        "  cellbox benchmark skmel133 data/skmel133 --schemes random --seeds 3",
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    skmel133.add_argument(
        "folder", metavar="FOLDER",
        help="the folder with pert.csv, expr.csv and node_Index.csv, as published with the 2020 "
        "CellBox, or one's own of that form",
    )  # fmt: skip
    skmel133.add_argument(
        "--schemes", nargs="+", choices=SCHEMES, default=SCHEMES, metavar="SCHEME",
        help="what is held out: random (30 %% of the conditions, again for each seed), "
        "leave-one-out (the combinations of each drug in turn), leave-one-out-without-singles "
        "(all conditions of each drug), single-to-combination (all combinations) (default: all)",
    )  # fmt: skip
    add_random_splits(skmel133)
    skmel133.add_argument(
        "--members", type=whole_number(1), metavar="M",
        help="networks that are trained for each split and predict together (default: 4 for known "
        "drugs, 6 for new ones)",
    )  # fmt: skip
    skmel133.add_argument(
        "--settings", metavar="FILE.toml",
        help="train with these in every scheme, as cellbox compare does (default: what suits known "
        "drugs, and what new ones)",
    )  # fmt: skip
    skmel133.add_argument(
        "--total-dose", action="store_true",
        help="give the network the sum of a condition's doses as an input of its own in every "
        "scheme (default: for new drugs alone; with --settings nowhere)",
    )  # fmt: skip
    add_seed(skmel133, "the starts of training")
    kept = "where finished splits, tables and the page are kept; the same command goes on"
    add_kept(skmel133, kept, "studies/benchmark-NAME")
    add_json(skmel133)


def _run_benchmark(arguments: Namespace) -> int:
    is_dream4 = arguments.benchmark == "dream4"
    return _run_dream4(arguments) if is_dream4 else _run_skmel133(arguments)


def _run_dream4(arguments: Namespace) -> int:
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


def _run_skmel133(arguments: Namespace) -> int:
    from search.benchmark.folder import write_benchmark
    from search.benchmark.skmel133 import benchmark_skmel133

    output = Output(arguments.json)
    settings = None if arguments.settings is None else settings_of_file(arguments.settings)
    name = Path(arguments.folder).resolve().name
    out = Path(arguments.out or f"studies/benchmark-{name}")

    def run() -> Skmel133Result:
        return benchmark_skmel133(
            arguments.folder,
            out=out,
            schemes=arguments.schemes,
            seeds=arguments.seeds,
            members=arguments.members,
            settings=settings,
            total_dose=arguments.total_dose,
            seed=arguments.seed,
            progress=ComparisonLine(),
        )

    def say(result: Skmel133Result, output: Output) -> None:
        _say_skmel133(result, output)
        page = write_benchmark(result, out)
        output.say(f"\nsplits and tables: {out}\nreport: {page.resolve().as_uri()}")

    return run_and_say(run, say, output)


def _say_skmel133(result: Skmel133Result, output: Output) -> None:
    """Print a table for each scheme, that beside the published figures, and what they come to."""
    from search.benchmark.skmel133_scheme import SOURCE

    for scheme in result.schemes:
        entrant, report = scheme.entrant, scheme.report
        splits = f"{len(report.splits)} split{'s' if len(report.splits) > 1 else ''}"
        dose = ", with the total dose" if entrant.total_dose else ""
        output.say(
            f"\n{report.scheme}: {splits}, {report.n_values:,} values; {entrant.members} networks, "
            f"way of learning: {scheme.learning}{dose}"
        )
        output.say(fitting_table(*scheme.rows(), terminal_width()))
        for sentence in report.sentences():
            output.say(sentence)
    header, rows = result.published_rows()
    if rows:
        output.say(f"\nBeside {SOURCE}")
        output.say(fitting_table(header, rows, terminal_width()))
    output.say()
    for sentence in result.sentences():
        output.say(sentence)


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
    "published benchmarks, beside simpler rules",
    _add_benchmark,
    _run_benchmark,
)
