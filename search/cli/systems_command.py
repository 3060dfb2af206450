"""`cellbox systems`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from search.cli.arguments import add_json
from search.cli.command import Command
from search.cli.output import Output
from search.cli.text_tables import text_pairs, text_table

if TYPE_CHECKING:
    from cellbox.networks.known_systems import System
    from cellbox.networks.network import Network


def _add_systems(parser: ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="show this system and its edges")
    add_json(parser)


def _run_systems(arguments: Namespace) -> int:
    from cellbox.networks.known_systems import SYSTEM_NAMES, system

    output = Output(arguments.json)
    if arguments.name is not None:
        chosen = system(arguments.name)
        _say_system(chosen, output)
        output.write_json({**_described(chosen), "edge_list": _edges(chosen.network)})
        return 0
    systems = [system(name) for name in SYSTEM_NAMES]
    header = ("system", "", "nodes", "edges", "training conditions", "noise (sd)", "kind")
    rows = [
        (s.name, s.title, s.network.n_nodes, _n_edges(s.network), s.n_conditions, s.noise, s.kind)
        for s in systems
    ]
    output.say(text_table(header, rows))
    output.say("\nOne in detail: cellbox systems LI")
    output.write_json([_described(chosen) for chosen in systems])
    return 0


def _say_system(chosen: System, output: Output) -> None:
    source = "Ji et al. 2021" if chosen.in_paper else "BEELINE (Pratapa et al. 2020)"
    output.say(f"{chosen.name}: {chosen.title} ({chosen.kind}; {source})\n")
    output.say(
        text_pairs(
            [
                ("nodes", ", ".join(chosen.network.nodes)),
                ("amplitude of each node", float(chosen.network.amplitudes[0])),
                ("training conditions", chosen.n_conditions),
                ("validation, test conditions", f"{chosen.n_held_out} each"),
                ("perturbed nodes each", chosen.perturbed_nodes),
                ("time points", f"{chosen.n_times} up to time {chosen.horizon:g}"),
                ("noise (standard deviation)", chosen.noise),
            ]
        )
    )
    edges = _edges(chosen.network)
    output.say(f"\n{len(edges)} edges:")
    rows = [
        (edge["source"], "activates" if edge["weight"] > 0 else "inhibits", edge["target"])
        for edge in edges
    ]
    output.say(text_table(("source", "", "target"), rows))
    output.say(f"\nMake an experiment on it: cellbox simulate {chosen.name} --out my_experiment")


def _described(chosen: System) -> dict[str, Any]:
    return {
        "name": chosen.name,
        "title": chosen.title,
        "kind": chosen.kind,
        "in_paper": chosen.in_paper,
        "nodes": list(chosen.network.nodes),
        "edges": _n_edges(chosen.network),
        "training_conditions": chosen.n_conditions,
        "held_out_conditions": chosen.n_held_out,
        "perturbed_nodes": chosen.perturbed_nodes,
        "times": chosen.n_times,
        "horizon": chosen.horizon,
        "noise": chosen.noise,
        "amplitude": float(chosen.network.amplitudes[0]),
    }


def _n_edges(network: Network) -> int:
    return int((network.weights != 0).sum())


def _edges(network: Network) -> list[dict[str, Any]]:
    from cellbox.networks.export import edge_table

    return [
        {"source": edge.source, "target": edge.target, "weight": edge.weight}
        for edge in edge_table(network)
    ]


SYSTEMS = Command(
    "systems",
    "the known networks to try things on",
    _add_systems,
    _run_systems,
    description="List the ten networks whose truth is known, with the amount of data that\n"
    "Ji et al. 2021 (arXiv 2104.06467) gave to each; or show one with its edges.",
    epilog="examples:\n  cellbox systems\n  cellbox systems mCAD",
)
