"""`cellbox simulate` and `cellbox lint`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from search.cli.arguments import add_json, add_seed, real_number, whole_number
from search.cli.command import Command
from search.cli.output import Output
from search.cli.tables import shown, shown_list, text_pairs

if TYPE_CHECKING:
    from argparse import _ActionsContainer as Arguments

    from cellbox.dataset import Dataset


def _add_simulate(parser: ArgumentParser) -> None:
    parser.usage = "%(prog)s (SYSTEM | --network FILE | --random N) --out DIR [options]"
    group = parser.add_argument_group("the network (one of these)")
    which = group.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "system", nargs="?", metavar="SYSTEM", help="a known system; cellbox systems lists them"
    )
    which.add_argument(
        "--network",
        metavar="FILE",
        help="your own: a CSV edge list with the columns source, target, and sign (1 activates, "
        "-1 inhibits) or weight",
    )
    which.add_argument(
        "--random", type=whole_number(1), metavar="N", help="a random network of N nodes"
    )
    positive = real_number(0, open_ends=True)
    random = parser.add_argument_group("random networks")
    random.add_argument(
        "--density",
        type=real_number(0, 1, open_ends=False),
        metavar="X",
        help="share of all possible edges that exist (default: about two edges into each node)",
    )
    random.add_argument(
        "--motif",
        default="cyclic",
        metavar="NAME",
        help="cyclic, acyclic or bifurcating (default: cyclic)",
    )
    design = parser.add_argument_group("the experiment")
    for option, kind, metavar, text in (
        ("--conditions", whole_number(1), "N", "conditions to train on (system's own; else 20)"),
        ("--held-out", whole_number(1), "N", "conditions for validation, and again for the test "
         "(system's own; else 5)"),
        ("--perturbed-nodes", whole_number(1), "N", "nodes perturbed in each condition (2)"),
        ("--times", whole_number(1), "N", "time points, evenly spaced (5)"),
        ("--horizon", positive, "T", "time of the last one, in units of a node's decay time (20)"),
        ("--noise", real_number(0, open_ends=False), "SD", "standard deviation of the noise on "
         "every value (system's own; else 0.01)"),
        ("--replicates", whole_number(1), "N", "measurements of each condition (1)"),
        ("--amplitude", positive, "X", "largest response of a node (system's own; else 1)"),
    ):  # fmt: skip
        design.add_argument(option, type=kind, metavar=metavar, help=text)
    design.add_argument(
        "--design",
        choices=("paper", "balanced"),
        help="paper: random nodes in each condition, as Ji et al. 2021 do; balanced: all nodes "
        "about equally often (default: paper)",
    )
    add_seed(parser, "the design, the noise and a random network")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an earlier simulation in that folder"
    )
    add_json(parser)


def _run_simulate(arguments: Namespace) -> int:
    from cellbox.readers import write_tidy

    output = Output(arguments.json)
    data = _simulated(arguments)
    write_tidy(data, arguments.out, overwrite=arguments.overwrite)
    described = _facts(data)
    output.say(f"Wrote {arguments.out}: an experiment on {data.name}\n")
    output.say(_readable_facts(described))
    output.say(f"\nNext: cellbox lint {arguments.out}\n      cellbox fit {arguments.out}")
    output.write_json({"folder": arguments.out, "seed": arguments.seed, **described})
    return 0


def _simulated(arguments: Namespace) -> Dataset:
    """The experiment on the network that was asked for."""
    from pathlib import Path

    import numpy as np

    from cellbox.networks import random_network, read_network, system
    from cellbox.simulation import simulate, simulate_system

    asked = {
        "n_conditions": arguments.conditions,
        "n_held_out": arguments.held_out,
        "n_perturbed": arguments.perturbed_nodes,
        "n_times": arguments.times,
        "horizon": arguments.horizon,
        "noise": arguments.noise,
        "n_replicates": arguments.replicates,
        "design": arguments.design,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    amplitude, seed = arguments.amplitude, arguments.seed
    if arguments.system is not None:
        known = system(arguments.system)
        if amplitude is not None:
            alike = np.full(known.network.n_nodes, amplitude)
            known = replace(known, network=replace(known.network, amplitudes=alike))
        return simulate_system(known, seed=seed, **given)
    amplitude = 1.0 if amplitude is None else amplitude
    if arguments.network is not None:
        network, name = read_network(arguments.network, amplitude=amplitude), arguments.network
        name = Path(name).stem
    else:
        n_nodes = arguments.random
        # Two regulators a node, as in real networks; half of all pairs is the most without cycles.
        density = arguments.density
        if density is None:
            density = min(0.5, 2 / max(n_nodes - 1, 1))
        network = random_network(
            n_nodes, density=density, amplitude=amplitude, motif=arguments.motif, seed=seed
        )
        name = f"random{n_nodes}"
    return simulate(network, **{"n_conditions": 20, **given}, seed=seed, name=name)


def _add_lint(parser: ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA", help="folder with the data files")
    add_structural_zeros(parser)
    add_json(parser)


def add_structural_zeros(parser: Arguments) -> None:
    """Declare --structural-zeros."""
    parser.add_argument(
        "--structural-zeros",
        action="store_true",
        help="forbid the edges that the 2020 CellBox forbids: of a node on itself, of anything "
        "on a drug, of a phenotype on anything, of a drug on a phenotype (pert.csv data only)",
    )


def _run_lint(arguments: Namespace) -> int:
    from cellbox.readers import read_data

    output = Output(arguments.json)
    data = read_data(arguments.data, structural_zeros=arguments.structural_zeros)
    described = _facts(data)
    output.say(f"{arguments.data} can be used.\n")
    output.say(_readable_facts(described))
    never = described["unperturbed_nodes"]
    if never:
        output.say(
            f"\nNo {'training ' if data.split else ''}condition perturbs {len(never)} of the "
            f"{data.n_nodes} nodes: {shown_list(never)}."
        )
        output.say(f"For each of them: {described['unperturbed_meaning']}.")
        output.say(f"{described['unperturbed_fix']}.")
    output.say(f"\nNext: cellbox fit {arguments.data}")
    output.write_json({"status": "ok", "folder": arguments.data, **described})
    return 0


def _facts(data: Dataset) -> dict[str, Any]:
    """What there is to know about a dataset before anything is learned from it."""
    import numpy as np

    from cellbox.design import unperturbed_nodes

    trained_on = (
        data.perturbations if data.split is None else data.perturbations[data.split.training]
    )
    never = unperturbed_nodes(trained_on, data.nodes)
    rows_of_condition = np.bincount(data.condition_of_row)
    parts = None
    if data.split is not None:
        parts = {
            part: len(np.unique(data.condition_of_row[getattr(data.split, part)]))
            for part in ("training", "validation", "test")
        }
    return {
        "name": data.name,
        "nodes": data.n_nodes,
        "rows": data.n_rows,
        "conditions": data.n_conditions,
        "combinations": int(data.combination_of_row.max()) + 1,
        "replicated_conditions": int((rows_of_condition > 1).sum()),
        "undetermined_conditions": (
            None
            if data.undetermined is None
            else len(np.unique(data.condition_of_row[data.undetermined]))
        ),
        "times": data.times.tolist(),
        "missing_share": float(np.isnan(data.measurements).mean()),
        "activity_nodes": [data.nodes[index] for index in np.flatnonzero(data.activity_nodes)],
        "allowed_edges": None if data.allowed_edges is None else int(data.allowed_edges.sum()),
        "split": parts,
        "truth_known": data.truth is not None,
        "unperturbed_nodes": [problem.where.removeprefix("node ") for problem in never],
        "unperturbed_meaning": never[0].found if never else None,
        "unperturbed_fix": never[0].fix if never else None,
    }


def _readable_facts(facts: dict[str, Any]) -> str:
    times = facts["times"]
    activity, split = facts["activity_nodes"], facts["split"]
    pairs: list[tuple[str, Any]] = [
        ("nodes", facts["nodes"]),
        ("rows (measured series)", facts["rows"]),
        ("conditions (different perturbations)", facts["conditions"]),
        ("combinations (whatever the doses)", facts["combinations"]),
        ("conditions measured repeatedly", facts["replicated_conditions"]),
        ("time points", f"{len(times)}: {shown_list([f'{time:g}' for time in times])}"),
        ("missing values", f"{shown(100 * facts['missing_share'])} %"),
        ("drug activity nodes", f"{len(activity)}: {shown_list(activity)}" if activity else None),
    ]
    if facts["undetermined_conditions"] is not None:
        undetermined = f"{facts['undetermined_conditions']:,} of {facts['conditions']:,}"
        pairs.append(("undetermined conditions (rounding decides)", undetermined))
    if facts["allowed_edges"] is not None:
        possible = facts["nodes"] ** 2
        pairs.append(("edges that may exist", f"{facts['allowed_edges']:,} of {possible:,}"))
    conditions = "conditions for training, validation, test"
    parts = "to be drawn when fitting" if split is None else ", ".join(map(str, split.values()))
    known = "known, to compare with" if facts["truth_known"] else "not known"
    return text_pairs([*pairs, (conditions, parts), ("true network", known)])


SIMULATE = Command(
    "simulate",
    "make an experiment on a known, random or own network",
    _add_simulate,
    _run_simulate,
    description="Simulate an experiment: perturb random nodes of a network, follow its response\n"
    "over time and add noise. Defaults are in brackets. Writes a folder of plain tables:\n"
    "measurements.csv and perturbations.csv, beside the true network and a split into\n"
    "training, validation and test conditions.",
    epilog="examples:\n"
    "  cellbox simulate LI --out my_experiment\n"
    "  cellbox simulate --network my_edges.csv --conditions 40 --noise 0.05 --out my_experiment\n"
    "  cellbox simulate --random 12 --motif bifurcating --seed 3 --out my_experiment",
)
LINT = Command(
    "lint",
    "check data before using them",
    _add_lint,
    _run_lint,
    description="Read a folder of data and report every problem in it at once, with its file and\n"
    "row; or, where there is none, what the data hold. Two forms are known:\n"
    "  measurements.csv (condition, time, node, value, maybe replicate) with\n"
    "  perturbations.csv (condition, node, value); positive pushes a node down;\n"
    "  or the 2020 CellBox's pert.csv, expr.csv and node_Index.csv, without headers.",
    epilog="example:\n  cellbox lint my_experiment",
)
