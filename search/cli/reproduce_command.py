"""`cellbox reproduce`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from search.cli.arguments import add_json, real_number, whole_number
from search.cli.command import Command
from search.cli.output import Output, run_and_say
from search.cli.text_tables import text_table

if TYPE_CHECKING:
    from search.reproduction.result import Reproduction

_DESIGNS = ("balanced", "paper")
_LARGEST_SEED = 2**32 - 1


def _add_reproduce(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--systems", nargs="+", metavar="NAME", help="which of `cellbox systems` (default: all ten)"
    )
    parser.add_argument(
        "--sigma", nargs="+", type=real_number(0, open_ends=True), metavar="SD",
        help="standard deviation of a measured log ratio, one or several (default: the paper's "
        "own for each system)",
    )  # fmt: skip
    parser.add_argument(
        "--seeds", type=whole_number(1), metavar="N",
        help="experiments on each system, with fresh design, noise and starts (default: 3, with "
        "--quick 1)",
    )  # fmt: skip
    parser.add_argument(
        "--first-seed", type=whole_number(0, _LARGEST_SEED), default=0, metavar="N",
        help="the first of the seeds; the others follow it (default: 0)",
    )  # fmt: skip
    parser.add_argument(
        "--design", choices=_DESIGNS, default="balanced",
        help="balanced perturbs every node about equally often; paper perturbs random nodes, and "
        "may leave some out (default: balanced)",
    )  # fmt: skip
    parser.add_argument(
        "--quick", action="store_true", help="a first table: fewer models, fewer steps, one seed"
    )
    parser.add_argument(
        "--workers", type=whole_number(1), metavar="N",
        help="processes that train, each on a core of its own (default: one for each core)",
    )  # fmt: skip
    parser.add_argument(
        "--out", default="studies/reproduce", metavar="FOLDER",
        help="where results are kept; what is finished there is not done again (default: "
        "studies/reproduce)",
    )  # fmt: skip
    add_json(parser)


def _run_reproduce(arguments: Namespace) -> int:
    from search.reproduction.running import reproduce

    def run() -> Reproduction:
        return reproduce(
            arguments.systems,
            sigma=arguments.sigma,
            seeds=arguments.seeds,
            first_seed=arguments.first_seed,
            design=arguments.design,
            quick=arguments.quick,
            out=arguments.out,
            workers=arguments.workers,
        )

    return run_and_say(run, say_reproduction, Output(arguments.json))


def say_reproduction(result: Reproduction, output: Output) -> None:
    """Print both tables, what stands beside them, and where the rest is."""
    from search.reproduction.tables import explanation, tables_of

    rows = result.rows
    for table in tables_of(rows):
        for part in table.parts:
            output.say(f"\n{table.title}: {part.title[0].lower()}{part.title[1:]}")
            output.say(text_table(part.header, part.rows))
        output.say()
        for note in table.notes:
            output.say(f"  {note}")
    output.say()
    for sentence in explanation(rows):
        output.say(sentence)
    output.say(f"\nfigures: {result.page}\nnumbers: {result.folder.path / 'reproduce.json'}, .csv")


REPRODUCE = Command(
    "reproduce",
    "learn the paper's ten systems again, beside what it claims",
    _add_reproduce,
    _run_reproduce,
    description="Simulate the experiments of Ji et al. 2021 (arXiv 2104.06467) on the ten known\n"
    "networks, learn each network from several of them by a small search that never sees\n"
    "the truth, and print how well that went beside the paper's claims, the baselines,\n"
    "and the bound on what the data can tell.",
    epilog="examples:\n"
    "  cellbox reproduce --quick                        a first table, one seed\n"
    "  cellbox reproduce --seeds 3 --sigma 0.001        a full one\n"
    "  cellbox reproduce --systems LI BF --seeds 5      two systems at the paper's noise\n\n"
    "Running the same command again goes on where it stopped.",
)
