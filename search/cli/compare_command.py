"""`cellbox compare`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from search.cli.arguments import add_json, add_kept, add_seed, whole_number
from search.cli.command import Command
from search.cli.comparison_line import ComparisonLine
from search.cli.data_commands import add_cellbox_form, read_folder
from search.cli.output import Output, say_interrupted, say_warnings, warnings_as_json
from search.cli.report_command import say_report_of
from search.cli.settings_flags import add_settings, settings_from
from search.cli.text_tables import text_table

if TYPE_CHECKING:
    from cellbox.evaluation.paired_comparison import NodesReport, SchemeReport
    from search.comparison.running import Comparison

# Repeated from `cellbox.data.split_schemes`, whose import takes seconds; a test keeps the two
# together.
SCHEMES = (
    "random",
    "leave-one-out",
    "leave-one-out-without-singles",
    "single-to-combination",
)


_FLAGS_OF_RESULTS = ("help", "json", "quiet")


def add_random_splits(parser: ArgumentParser) -> None:
    """How many splits are random."""
    parser.add_argument(
        "--seeds", type=whole_number(1), default=10, metavar="N",
        help="random splits (default: 10, of the seeds 0 to 9)",
    )  # fmt: skip


def _add_compare(parser: ArgumentParser) -> None:
    parser.add_argument(
        "data", nargs="+", metavar="FOLDER",
        help="folder with the data, see cellbox lint; or two results: folders of models, trials "
        "or studies (their best trials), or STUDY:12 for trial 12",
    )  # fmt: skip
    parser.add_argument(
        "--scheme", choices=(*SCHEMES, "all"), default="all",
        help="what is held out: 30 %% of the conditions, again for each seed; the combinations of "
        "each drug in turn; all conditions of each drug in turn; all combinations "
        "(default: all of these)",
    )  # fmt: skip
    add_random_splits(parser)
    parser.add_argument(
        "--members", type=whole_number(1), default=6, metavar="M",
        help="networks that are trained for each split and predict together (default: 6)",
    )  # fmt: skip
    for flag, text in (
        ("--bootstrap",
         "let each member learn from its own draw of the conditions; with few conditions this "
         "costs accuracy (default: all learn from the same and differ by their starts)"),
        ("--total-dose",
         "give the network an extra node that every condition perturbs by the sum of its doses: "
         "what all drugs have in common, which holds for a drug never seen as well"),
    ):  # fmt: skip
        parser.add_argument(flag, action="store_true", help=text)
    add_cellbox_form(parser)
    add_seed(parser, "the starts of training and the members' draws of conditions")
    kept = "where finished splits are kept; the same command goes on where it stopped"
    add_kept(parser, kept, "studies/compare-NAME")
    add_json(parser)
    add_settings(parser)
    # Of two results there is nothing to hold out, which these flags are about.
    flags = {
        action.dest: (action.option_strings[0], action.default)
        for action in parser._actions
        if action.option_strings and action.dest not in _FLAGS_OF_RESULTS
    }
    parser.set_defaults(data_flags=flags)


def _run_compare(arguments: Namespace) -> int:
    if len(arguments.data) > 1:
        from search.cli.difference_report import run_difference

        given = arguments.data_flags.items()
        used = [flag for name, (flag, usual) in given if getattr(arguments, name) != usual]
        return run_difference(arguments, used)
    [arguments.data] = arguments.data
    return _compare_models(arguments)


def _compare_models(arguments: Namespace) -> int:
    from cellbox.data.plausibility import data_warnings
    from cellbox.evaluation.held_out_predictions import Entrant
    from search.comparison.running import compare
    from search.console.interrupts import Interrupted, stopped_by_signals

    output = Output(arguments.json)
    entrant = Entrant(
        settings_from(arguments),
        members=arguments.members,
        seed=arguments.seed,
        bootstrap=arguments.bootstrap,
        total_dose=arguments.total_dose,
    )
    data = read_folder(arguments)
    warnings = data_warnings(data)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    schemes = SCHEMES if arguments.scheme == "all" else (arguments.scheme,)
    out = arguments.out or f"studies/compare-{data.name}"
    try:
        with stopped_by_signals():
            comparison = compare(
                data,
                entrant,
                schemes=schemes,
                seeds=arguments.seeds,
                out=out,
                progress=ComparisonLine(),
            )
    except Interrupted as stopped:
        return say_interrupted(stopped, output)
    _say(comparison, output)
    say_warnings(warnings, output)
    output.say(f"\nEvery split is kept in {out}")
    page = say_report_of(out, output)
    content = {**comparison.as_dict(), "data_warnings": warnings_as_json(warnings)}
    output.write_json({**content, "report": page})
    return 0


def _say(comparison: Comparison, output: Output) -> None:
    """Print a table for each scheme, and who predicts better."""
    entrant = comparison.entrant
    draws = "each from its own draw of conditions" if entrant.bootstrap else "different starts"
    output.say(
        f"{comparison.data}: CellBox is an ensemble of {entrant.members} networks ({draws})"
        f"{', with the total dose' if entrant.total_dose else ''}."
    )
    for scheme in comparison.schemes:
        output.say(f"\n{_title(scheme)}")
        for nodes in (scheme.measured_nodes, scheme.all_nodes):
            if nodes is not None:
                output.say(_table(nodes, "measured" if nodes is scheme.measured_nodes else "all"))
        for sentence in scheme.sentences():
            output.say(sentence)


def _title(scheme: SchemeReport) -> str:
    count = len(scheme.splits)
    return f"{scheme.scheme}: {count} split{'s' if count > 1 else ''}, {scheme.n_values:,} values"


def _table(nodes: NodesReport, which: str) -> str:
    """The scores of all models over some nodes; by split only where there are several."""
    from cellbox.evaluation.held_out_predictions import ADDITIVE

    several = len(next(iter(nodes.scores.values())).pearson_by_split) > 1
    header = (f"{nodes.n_nodes} {which} nodes", "pooled r", "pooled MAE")
    if several:
        header += ("mean r", "median r", "lowest r", "highest r", "mean MAE")  # type: ignore[assignment]
    rows = []
    for name, score in nodes.scores.items():
        if name == ADDITIVE and score.mae is None:
            continue  # It predicts a part of the values; a sentence says of which.
        row: tuple = (name, _r(score.pearson), score.mae)
        if several:
            of_splits = [value for value in score.pearson_by_split if value is not None]
            ends = (min(of_splits), max(of_splits)) if of_splits else (None, None)
            summary = (score.pearson_mean, score.pearson_median, *ends)
            row += (*map(_r, summary), score.mae_mean)
        rows.append(row)
    return text_table(header, rows)


def _r(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


COMPARE = Command(
    "compare",
    "compare CellBox with simpler models on conditions held out in turn, or two results",
    _add_compare,
    _run_compare,
    description="Hold conditions out in several ways, predict them with an ensemble of CellBox\n"
    "networks, with ridge regression, the additive rule (the sum of single responses) and\n"
    "the mean, and say which is better, with intervals. All learn from the same rows.\n"
    "Nothing of a split's held-out rows chooses settings: find those before, for example\n"
    "with cellbox sweep.\n"
    "Of two results (models, trials, studies): settings and errors side by side, and the\n"
    "edges that the second gained, lost or turned round, with intervals.",
    epilog="examples:\n"
    "  cellbox compare my_drug_data --scheme random --seeds 5\n"
    "  cellbox compare my_drug_data --structural-zeros --total-dose --settings mine.toml\n"
    "  cellbox compare studies/monday studies/tuesday\n"
    "  cellbox compare models/first studies/monday:12",
    interrupted="interrupted; finished splits are kept",
)
