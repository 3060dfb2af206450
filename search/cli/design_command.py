"""`cellbox design`, and of its actions `check`; the others are in `search.cli.plan_command`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cellbox.errors import InputError, Problem, refuse
from search.cli.arguments import add_choice_group, add_json, real_number
from search.cli.command import Command
from search.cli.data_commands import add_cellbox_form, read_folder, refuse_cellbox_form
from search.cli.experiment import EXPERIMENT_OPTIONS, add_simulation, simulated
from search.cli.output import Output, say_warnings, warnings_as_json
from search.cli.plan_command import run_curve, run_first, run_next
from search.cli.plan_flags import NEXT_EXAMPLES, add_plan_actions
from search.cli.text_tables import shown_error, text_table

if TYPE_CHECKING:
    from cellbox.data.dataset import Dataset
    from cellbox.identifiability.design_report import DesignReport, EdgeJudgement
    from cellbox.networks.network import Network

_EDGES_SHOWN = 10

_DESCRIPTION = """\
Tell from a design, before anything is trained, what the data cannot determine:
- nodes that no training condition perturbs (their amplitude and row of W are confounded),
  that are never measured, or measured less often than they have unknowns;
- edges and amplitudes one by one, by the least standard error that unbiased estimators
  can have (Fisher information of W and the amplitudes together, Gaussian noise), at a
  guess of the network. They are determined below a standard error of 0.5. Networks with
  more than 2,000 entries of W and amplitudes are judged row by row of W, as if the states
  of all nodes were known, which makes errors somewhat too small.
The noise of data is what --noise says, or else the errors of values that the data tell
(columns sd or sem), or else what the guess leaves unexplained (1.4826 times the median
|residual|). Values count by their errors. Data with a split are judged by their
training rows."""

_EPILOG = """\
examples:
  cellbox design check my_experiment
  cellbox design check my_experiment --guess models/first
  cellbox design check --system VSC --conditions 10 --design balanced --json check.json"""


def _add_design(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser(
        "check",
        help="tell what the data of a design cannot determine",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    check.usage = (
        "cellbox design check (DATA | --system NAME | --network FILE | --random N) [options]"
    )
    group, which = add_choice_group(check, "the data, or an experiment to simulate")
    which.add_argument(
        "data", nargs="?", metavar="DATA", help="folder with the data files; see cellbox lint"
    )
    which.add_argument("--system", metavar="NAME", help="a known system")
    add_cellbox_form(group)
    add_simulation(check, which, "the experiment, where it is simulated")
    guess = check.add_argument_group("the guess that edges are judged at (default: W = 0, α = 0.5)")
    guess.add_argument(
        "--guess",
        metavar="FILE|FOLDER",
        help="a CSV edge list such as network.csv, or the folder of a model",
    )
    guess.add_argument(
        "--guess-amplitude",
        type=real_number(0, open_ends=True),
        metavar="X",
        help="α of every node of a CSV edge list (default: 0.5)",
    )
    add_json(check)
    add_plan_actions(actions)


def _run_design(arguments: Namespace) -> int:
    actions = {"check": _run_check, "next": run_next, "first": run_first, "curve": run_curve}
    return actions[arguments.action](arguments)


def _run_check(arguments: Namespace) -> int:
    from cellbox.data.plausibility import data_warnings
    from cellbox.identifiability.check import check_design
    from cellbox.storage.compilation import keep_compiled_programs

    output = Output(arguments.json)
    data, noise = _experiment(arguments)
    guess = _guess(arguments, data, output)
    keep_compiled_programs()
    report = check_design(data, guess=guess, noise=noise, guess_name=f"the guess {arguments.guess}")
    output.say(f"{data.name}: {data.n_nodes} nodes, {report.n_rows} training rows\n")
    for sentence in report.sentences():
        output.say(sentence)
    warnings = () if arguments.data is None else data_warnings(data)
    say_warnings(warnings, output)
    uncertain = _least_certain(report)
    if uncertain:
        output.say(f"\nLeast certain {len(uncertain)} of {len(report.edges):,} edges:")
        output.say(judgement_table(uncertain))
        if arguments.json is None:
            output.say("All of them: --json FILE")
    output.write_json({**report.to_dict(), "data_warnings": warnings_as_json(warnings)})
    return 0


def _experiment(arguments: Namespace) -> tuple[Dataset, float | None]:
    """The data, and the noise of their values where that is known."""
    if arguments.data is None:
        refuse_cellbox_form(arguments)
        return simulated(arguments), _simulated_noise(arguments)
    given = [name for name in EXPERIMENT_OPTIONS if getattr(arguments, name) is not None]
    if given:
        fix = "Leave it out, or give --system, --network or --random instead of data"
        found = f"expected none beside data, found {{}} with {arguments.data}"
        flags = [f"--{name.replace('_', '-')}" for name in given]
        raise InputError([Problem(flag, found.format(flag), fix) for flag in flags])
    return read_folder(arguments), arguments.noise


def _simulated_noise(arguments: Namespace) -> float:
    from cellbox.networks.known_systems import system

    if arguments.noise is not None:
        return arguments.noise
    return 0.01 if arguments.system is None else system(arguments.system).noise


def _guess(arguments: Namespace, data: Dataset, output: Output) -> Network | None:
    """The network that was given as a guess; says where it is in other units than the data."""
    if arguments.guess is None:
        if arguments.guess_amplitude is not None:
            found = "expected --guess FILE beside it, found none"
            raise refuse("--guess-amplitude", found, "Give an edge list, or leave it out")
        return None
    if Path(arguments.guess).is_dir():
        from cellbox.models.saved_models import load_model
        from cellbox.networks.network import in_order_of

        model = load_model(arguments.guess)
        if model.units != data.units:
            output.say(
                f"note: {arguments.guess} was learned in other units ({model.units.sentence}) than "
                f"these data are read in ({data.units.sentence}): its weights and amplitudes hold "
                "for these data only if both are the same in decay times, doses u and log ratios\n"
            )
        return in_order_of(model.network, data.nodes)
    from cellbox.identifiability.check import GUESSED_AMPLITUDE
    from cellbox.networks.network import read_network

    amplitude = arguments.guess_amplitude or GUESSED_AMPLITUDE
    return read_network(arguments.guess, amplitude=amplitude, known_nodes=data.nodes)


def _least_certain(report: DesignReport) -> list[EdgeJudgement]:
    """The edges with the largest least errors, those without any first."""
    if report.not_judged is not None:
        return []

    def error(edge: EdgeJudgement) -> float:
        return float("inf") if edge.least_error is None else edge.least_error

    return sorted(report.edges, key=error, reverse=True)[:_EDGES_SHOWN]


def judgement_table(edges: Sequence[EdgeJudgement]) -> str:
    """Edges with their least errors, and why they are not determined."""
    return text_table(
        ("source", "target", "weight", "least error", ""),
        [
            (
                e.source,
                e.target,
                e.weight,
                shown_error(e.least_error, e.error_of),
                e.why or "determined",
            )
            for e in edges
        ],
    )


DESIGN = Command(
    "design",
    "what a design can determine, and what to measure next",
    _add_design,
    _run_design,
    description="Judge a design of perturbations (check), propose conditions to measure (next,\n"
    "first), and tell what more of them would buy (curve). Each explains itself:\n"
    "cellbox design next --help",
    epilog=f"{_EPILOG}\n{NEXT_EXAMPLES}",
)
