"""Experiments that are simulated: the network and the design that the user asks for."""

from __future__ import annotations

import math
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cellbox.errors import refuse
from search.cli.arguments import add_options, add_seed, real_number, times, whole_number

if TYPE_CHECKING:
    from argparse import _ActionsContainer as Arguments

    from cellbox.data.dataset import Dataset
    from cellbox.data.drawn_interventions import Drawn
    from cellbox.networks.network import Network

# What the options of `_add_experiment` are called among the arguments, but for noise and seed.
EXPERIMENT_OPTIONS = (
    *("conditions", "held_out", "perturbed_nodes", "times", "horizon", "replicates"),
    *("amplitude", "design", "knock_outs", "knock_out_level", "pulses"),
)


def add_simulation(
    parser: ArgumentParser, which: Arguments, experiment: str = "the experiment"
) -> None:
    """Declare a simulated experiment; `which` holds the ways to name the network."""
    _add_networks(which)
    _add_random_networks(parser.add_argument_group("random networks"))
    _add_experiment(parser.add_argument_group(experiment))
    _add_realism(parser.add_argument_group("as in real experiments"))


def _add_networks(which: Arguments) -> None:
    """Declare --network and --random beside other choices of a network."""
    own = (
        "your own: a CSV edge list with the columns source, target, and sign (1 activates, -1 "
        "inhibits) or weight"
    )
    which.add_argument("--network", metavar="FILE", help=own)
    which.add_argument(
        "--random", type=whole_number(1), metavar="N", help="a random network of N nodes"
    )


def _add_random_networks(group: Arguments) -> None:
    """Declare what random networks are like."""
    group.add_argument(
        "--density",
        type=real_number(0, 1, open_ends=False),
        metavar="X",
        help="share of all possible edges that exist (default: about two edges into each node)",
    )
    group.add_argument(
        "--motif",
        default="cyclic",
        metavar="NAME",
        help="cyclic, acyclic or bifurcating (default: cyclic)",
    )


def _add_experiment(group: Arguments) -> None:
    """Declare the size and the kind of an experiment, and its seed."""
    positive = real_number(0, open_ends=True)
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
        group.add_argument(option, type=kind, metavar=metavar, help=text)
    group.add_argument(
        "--design",
        choices=("paper", "balanced"),
        help="paper: random nodes in each condition, as Ji et al. 2021 do; balanced: all nodes "
        "about equally often (default: paper)",
    )
    add_seed(group, "the design, the noise and a random network")


def _add_realism(group: Arguments) -> None:
    """Declare what a simulation has of real experiments: amplitudes, times, flaws, kinetics."""
    positive, share = real_number(0, open_ends=True), real_number(0, 1, open_ends=False)
    add_options(
        group,
        ("--amplitudes", str, "FILE", "amplitude of each node: a CSV with the columns node and "
         "amplitude"),
        ("--amplitude-spread", real_number(0, open_ends=False), "SD", "standard deviation of the "
         "natural logarithm of amplitudes (0)"),
        ("--at", times, "T,T,...", "times of measurement instead of --times and --horizon, such as "
         "1,2,5,20"),
        ("--missing", share, "X", "share of values that are not measured (0)"),
        ("--outliers", share, "X", "share of values that are far off (0)"),
        ("--outlier-size", positive, "X", "how far, in root mean squares of all values (5)"),
        ("--hidden", whole_number(0), "N", "nodes that are neither perturbed nor measured (0)"),
    )  # fmt: skip
    add_options(
        group,
        ("--knock-outs", share, "X", "share of conditions in which one of the perturbed nodes is "
         "held at a low level instead (0)"),
        ("--knock-out-level", real_number(-math.inf, open_ends=True), "LEVEL", "log ratio at which "
         "it is held (-2)"),
        ("--pulses", share, "X", "share of conditions whose doses begin later and end (0)"),
    )  # fmt: skip
    add_options(
        group,
        ("--lines", whole_number(2), "K", "cell lines, each with conditions of its own (one)"),
        ("--line-differences", whole_number(0), "N", "in what each line differs from the first: "
         "edges, amplitudes, offsets (3)"),
        ("--off-targets", whole_number(1), "N", "nodes whose doses act on another node as well, "
         "which no file tells (none)"),
    )  # fmt: skip
    group.add_argument(
        "--kinetics",
        choices=("eq1", "hill"),
        help="eq1: the model's own equation; hill: genes with Hill kinetics, which no network of "
        "the model describes exactly (default: eq1)",
    )


def _realism(arguments: Namespace) -> dict[str, Any]:
    """What the flags of `_add_realism` ask of a simulation."""
    from cellbox.data.flaws import Flaws

    asked = {
        "missing": arguments.missing,
        "outliers": arguments.outliers,
        "outlier_size": arguments.outlier_size,
        "hidden": arguments.hidden,
    }
    flaws = Flaws(**{name: value for name, value in asked.items() if value is not None})
    if arguments.at is not None and (arguments.times or arguments.horizon) is not None:
        found = "expected --at alone, found --times or --horizon beside it"
        raise refuse("--at", found, "Leave them out: --at says when to measure")
    return {
        "flaws": flaws,
        "times": arguments.at,
        "kinetics": arguments.kinetics,
        "done": _done(arguments),
    }


def _done(arguments: Namespace) -> Drawn | None:
    """Knock-outs and pulses that were asked for."""
    from cellbox.data.drawn_interventions import Drawn

    asked = {
        "knock_outs": arguments.knock_outs,
        "level": arguments.knock_out_level,
        "pulses": arguments.pulses,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    if set(given) == {"level"}:
        found = "expected --knock-outs beside --knock-out-level, found none"
        raise refuse("--knock-out-level", found, "Say how many: --knock-outs 0.33")
    return Drawn(**given) if given else None


_LINE_DIFFERENCES = 3


def _with_lines(arguments: Namespace, network: Network) -> Network:
    """The network with the cell lines that were asked for."""
    from cellbox.networks.random_lines import with_lines

    n_lines, n_differences = arguments.lines, arguments.line_differences
    if n_lines is None:
        if n_differences is not None:
            found = "expected --lines beside --line-differences, found none"
            raise refuse("--line-differences", found, "Say how many lines there are: --lines 2")
        return network
    if arguments.kinetics == "hill":
        found = "expected --kinetics eq1 with several lines, found hill"
        raise refuse("--lines", found, "Leave one of the two out")
    n_differences = _LINE_DIFFERENCES if n_differences is None else n_differences
    return with_lines(network, n_lines, n_differences, seed=arguments.seed)


def _with_off_targets(arguments: Namespace, network: Network) -> Network:
    """The network with the effects of doses on other nodes that were asked for."""
    from cellbox.networks.random_off_targets import with_off_targets

    if arguments.off_targets is None:
        return network
    if arguments.kinetics == "hill":
        found = "expected --kinetics eq1 with effects of doses on other nodes, found hill"
        raise refuse("--off-targets", found, "Leave one of the two out")
    return with_off_targets(network, arguments.off_targets, seed=arguments.seed)


def simulated(arguments: Namespace) -> Dataset:
    """The experiment on the network that was asked for."""
    from pathlib import Path

    import numpy as np

    from cellbox.data.simulation import simulate, simulate_system
    from cellbox.networks.amplitudes import with_amplitudes
    from cellbox.networks.known_systems import system
    from cellbox.networks.network import read_network
    from cellbox.networks.random_networks import random_network
    from cellbox.storage.compilation import keep_compiled_programs

    keep_compiled_programs()
    asked = {
        "n_conditions": arguments.conditions,
        "n_held_out": arguments.held_out,
        "n_perturbed": arguments.perturbed_nodes,
        "n_times": arguments.times,
        "horizon": arguments.horizon,
        "noise": arguments.noise,
        "n_replicates": arguments.replicates,
        "design": arguments.design,
        **_realism(arguments),
    }
    given = {name: value for name, value in asked.items() if value is not None}
    amplitude, seed = arguments.amplitude, arguments.seed

    def amplified(network: Network) -> Network:
        file, spread = arguments.amplitudes, arguments.amplitude_spread or 0.0
        network = with_amplitudes(network, file=file, spread=spread, seed=seed)
        return _with_off_targets(arguments, _with_lines(arguments, network))

    if arguments.system is not None:
        known = system(arguments.system)
        if amplitude is not None:
            alike = np.full(known.network.n_nodes, amplitude)
            known = replace(known, network=replace(known.network, amplitudes=alike))
        known = replace(known, network=amplified(known.network))
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
    return simulate(amplified(network), **{"n_conditions": 20, **given}, seed=seed, name=name)
