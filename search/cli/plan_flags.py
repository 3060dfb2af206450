"""What `cellbox design next`, `first` and `curve` can be told."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from typing import TYPE_CHECKING, Any

from search.cli.arguments import add_json, add_options, add_seed, real_number, times, whole_number
from search.cli.data_commands import add_cellbox_form

if TYPE_CHECKING:
    from argparse import _ActionsContainer as Arguments

_NEXT = """\
Propose the conditions that would tell most about the network beside what is measured, with
the reason for each, what they are expected to bring beside balanced conditions, and whether
more of them could still change a sign.
DATA_OR_MODEL is a folder of data, or one that cellbox fit wrote (an ensemble, best of all:
--members 20). Doses are u: positive pushes a node down. Partial doses are candidates too.
A proposal is judged by 20 networks that the data allow, not by one fit that may be wrong."""

_FIRST = """\
Propose the first conditions of an experiment of which nothing is known yet, by what they
would tell about random networks of these nodes; or, with --screening, a balanced design
that perturbs every node about equally often."""

_CURVE = """\
Tell what more conditions would buy: standard errors, decided edges and r after 5, 10 and 20
more of them, chosen, balanced and at random."""

NEXT_EXAMPLES = """\
  cellbox design next my_experiment --conditions 8 --out plates/next
  cellbox design next models/first --nodes AKT,MEK --doses 0.25,0.5,1 --forbid AKT+MEK
  cellbox design next my_experiment --edge AKT:MEK --choose-times 3
  cellbox design first --nodes AKT,MEK,ERK --times 1,4,10 --noise 0.05 --conditions 12
  cellbox design curve my_experiment --more 5,10,20"""


def add_plan_actions(actions: Any) -> None:
    """Declare next, first and curve beside check."""
    following = _action(actions, "next", "propose the conditions to measure next", _NEXT)
    group = _add_source(following)
    _add_count(following, 8)
    _add_limits(following)
    aim = following.add_argument_group("what for (default: all edges)")
    _add_pairs(aim, "--edge", "SOURCE:TARGET", "AKT:MEK", "an edge that matters")
    aim.add_argument("--undecided", action="store_true", help="the edges that are not decided yet")
    _add_judges(following)
    _add_plates(following)
    add_cellbox_form(group)
    add_json(following)

    first = _action(actions, "first", "propose the conditions to begin with", _FIRST)
    _add_count(first, 12)
    _add_limits(first, needs_nodes=True)
    family = first.add_argument_group("what networks may be like")
    add_options(
        family,
        ("--density", real_number(0, 1, open_ends=True), "X", "share of pairs that are edges "
         "(default: about two edges into each node)"),
        ("--amplitude", real_number(0, open_ends=True), "X", "largest response of a node, in log "
         "ratios (default: 1)"),
    )  # fmt: skip
    first.add_argument(
        "--screening", action="store_true", help="a balanced design, which needs no network"
    )
    _add_judges(first)
    _add_plates(first)
    add_json(first)

    curve = _action(actions, "curve", "tell what more conditions would buy", _CURVE)
    group = _add_source(curve)
    curve.add_argument(
        "--more",
        type=_counts,
        default=(5, 10, 20),
        metavar="N,N,...",
        help="numbers of further conditions (default: 5,10,20)",
    )
    _add_limits(curve, with_choice=False)
    _add_judges(curve)
    add_cellbox_form(group)
    add_json(curve)


def _action(actions: Any, name: str, summary: str, description: str) -> ArgumentParser:
    parser: ArgumentParser = actions.add_parser(
        name,
        help=summary,
        description=description,
        epilog=f"examples:\n{NEXT_EXAMPLES}",
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    return parser


def _add_source(parser: ArgumentParser) -> Arguments:
    group = parser.add_argument_group("the experiment so far")
    group.add_argument(
        "data", metavar="DATA_OR_MODEL", help="folder of data, or folder that cellbox fit wrote"
    )
    group.add_argument(
        "--data",
        dest="data_of_model",
        metavar="DATA",
        help="the data of a model, where they are not kept beside it",
    )
    return group


def _add_count(parser: ArgumentParser, usual: int) -> None:
    parser.add_argument(
        "--conditions",
        type=whole_number(1, 1000),
        default=usual,
        metavar="N",
        help=f"how many to propose (default: {usual})",
    )


def _add_limits(
    parser: ArgumentParser, *, needs_nodes: bool = False, with_choice: bool = True
) -> None:
    limits = parser.add_argument_group("what can be done")
    usual = "" if needs_nodes else " (default: all, or where there are drug nodes those perturbed)"
    of_all = "all nodes of the network" if needs_nodes else "nodes that can be perturbed"
    limits.add_argument(
        "--nodes", type=_names, required=needs_nodes, metavar="A,B,...", help=f"{of_all}{usual}"
    )
    if needs_nodes:
        limits.add_argument(
            "--perturb",
            type=_names,
            metavar="A,B,...",
            help="those that can be perturbed (default: all)",
        )
    doses = "0.25,0.5,0.75,1" if needs_nodes else "a quarter to all of the largest in the data"
    add_options(
        limits,
        ("--doses", _numbers, "X,X,...", f"doses (u) that each may get (default: {doses})"),
        ("--most-nodes", whole_number(1), "N", "nodes perturbed at once, at most "
         f"(default: {'2' if needs_nodes else 'as in the data'})"),
    )  # fmt: skip
    apart = "two nodes that must not be perturbed together"
    _add_pairs(limits, "--forbid", "A+B", "AKT+MEK", apart)
    limits.add_argument(
        "--times",
        type=times,
        required=needs_nodes,
        metavar="T,T,...",
        help="when to measure, in decay times" + ("" if needs_nodes else " (default: as so far)"),
    )
    if with_choice:
        limits.add_argument(
            "--choose-times",
            type=whole_number(1),
            metavar="N",
            help="choose so many of these times (default: all of them)",
        )
    limits.add_argument(
        "--noise",
        type=real_number(0, open_ends=True),
        required=needs_nodes,
        metavar="SD",
        help="standard deviation of a value"
        + ("" if needs_nodes else " (default: what the fit leaves unexplained)"),
    )


def _add_judges(parser: ArgumentParser) -> None:
    judges = parser.add_argument_group("how it is judged")
    add_options(
        judges,
        ("--networks", whole_number(2, 1000), "N", "networks that judge a design (default: 20)"),
        ("--candidates", whole_number(1), "N", "conditions that are considered at most "
         "(default: 1000)"),
    )  # fmt: skip
    parser.set_defaults(networks=20, candidates=1000)
    add_seed(judges, "networks and candidates")


def _add_plates(parser: ArgumentParser) -> None:
    plates = parser.add_argument_group("plates")
    plates.add_argument(
        "--out",
        metavar="DIR",
        help="write plate.csv (a row for each well), perturbations.csv (as cellbox reads it), "
        "order.csv and edges.csv there",
    )
    plates.add_argument(
        "--plate",
        type=int,
        choices=(6, 12, 24, 48, 96, 384),
        default=96,
        metavar="WELLS",
        help="6, 12, 24, 48, 96 or 384 (default: 96)",
    )
    add_options(
        plates,
        ("--replicates", whole_number(1), "N", "wells of each condition and time (default: 1)"),
        ("--controls", whole_number(0), "N", "wells without a perturbation, at each time "
         "(default: 1)"),
    )  # fmt: skip
    parser.set_defaults(replicates=1, controls=1)
    plates.add_argument(
        "--same-well",
        action="store_true",
        help="a well is measured at all times; else each time has a well of its own",
    )


def _names(text: str) -> tuple[str, ...]:
    """A type for argparse: names, separated by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _add_pairs(parser: Arguments, flag: str, metavar: str, example: str, what: str) -> None:
    """Declare a flag for two nodes, which may be repeated."""
    separator = ":" if ":" in example else "+"

    def read(text: str) -> tuple[str, str]:
        first, found, second = (part.strip() for part in text.partition(separator))
        if not (first and found and second):
            raise ArgumentTypeError(f"expected two nodes such as {example}, found {text!r}")
        return first, second

    text = f"{what}; may be repeated"
    parser.add_argument(flag, action="append", type=read, metavar=metavar, help=text)


def _numbers(text: str) -> tuple[float, ...]:
    """A type for argparse: doses, separated by commas."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        found = f"expected numbers such as 0.25,0.5,1, found {text!r}"
        raise ArgumentTypeError(found) from None


def _counts(text: str) -> tuple[int, ...]:
    """A type for argparse: ascending whole numbers above 0, separated by commas."""
    try:
        counts = tuple(int(part) for part in text.split(","))
    except ValueError:
        counts = ()
    if not counts or counts[0] < 1 or sorted(set(counts)) != list(counts) or counts[-1] > 1000:
        found = f"expected ascending numbers up to 1000 such as 5,10,20, found {text!r}"
        raise ArgumentTypeError(found)
    return counts
