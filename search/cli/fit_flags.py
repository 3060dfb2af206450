"""Flags of `cellbox fit`."""

from __future__ import annotations

from argparse import ArgumentParser

from search.cli.arguments import add_choice_group, add_json, add_seed, real_number, whole_number
from search.cli.data_commands import add_cellbox_form
from search.cli.settings_flags import add_settings


def add_fit(parser: ArgumentParser) -> None:
    """What to learn from, how, and where the result goes."""
    parser.usage = "%(prog)s (DATA | --system NAME) [options]"
    _add_data(parser)
    add_seed(parser, "a simulation, a random split and the start of training")
    parser.add_argument(
        "--members",
        type=whole_number(2),
        metavar="M",
        help="train an ensemble of so many networks, each from its own start and its own draw of "
        "the training conditions: predictions are their mean, and every edge gets an interval "
        "and a selection frequency",
    )
    add_settings(
        parser,
        "A single model begins with least squares from a regression, and trains only where these "
        "leave more of the data than noise, or where any of these is given but --refinement, "
        "--form, or a way to solve the equations.",
    )
    _add_results(parser)


def _add_data(parser: ArgumentParser) -> None:
    group, which = add_choice_group(parser, "the data")
    which.add_argument(
        "data", nargs="?", metavar="DATA", help="folder with the data files; see cellbox lint"
    )
    which.add_argument(
        "--system", metavar="NAME", help="an experiment simulated on this known network"
    )
    share = real_number(0, 1, open_ends=True)
    group.add_argument(
        "--split-by",
        choices=("condition", "combination"),
        help="hold out whole conditions, or all doses of a combination of perturbed nodes "
        "together (default: the split that came with the data, else condition)",
    )
    group.add_argument(
        "--test", type=share, metavar="X", help="share held out for the final test (0.3)"
    )
    group.add_argument(
        "--validation",
        type=share,
        metavar="X",
        help="share of the rest held out to choose the best step (0.2)",
    )
    group.add_argument(
        "--prior",
        metavar="FILE",
        help="a table of edges that are said to exist (source, target, optional sign and "
        "confidence; or as OmniPath has them): the data weigh them, and keep what they confirm "
        "(default: prior.csv of the data folder, if there is one)",
    )
    group.add_argument(
        "--reference-line",
        metavar="LINE",
        help="the cell line, or batch, that others are compared with where --form lines lets them "
        "differ (default: the first that the data name)",
    )
    add_cellbox_form(group)


def _add_results(parser: ArgumentParser) -> None:
    results = parser.add_argument_group("results")
    results.add_argument(
        "--out",
        metavar="DIR",
        help="folder for the model, its report (report.html), its network (CSV, GraphML, SIF), "
        "what the data determine of it (identifiability.json and .csv), pictures and a copy of the "
        "data; an earlier model there is replaced (default: models/NAME-seedN)",
    )
    results.add_argument(
        "--plots", metavar="DIR", help="another folder for the pictures (default: with the model)"
    )
    add_json(results)
