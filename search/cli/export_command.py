"""`cellbox export`: a learned network for other programs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from search.cli.arguments import add_json, real_number, whole_number
from search.cli.command import Command
from search.cli.output import Output, check_file_target


def _add_export(parser: ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="folder that a fit or a sweep wrote")
    parser.add_argument(
        "out", metavar="FILE", help="file to write: its name ends with .csv, .graphml or .sif"
    )
    parser.add_argument(
        "--top", type=whole_number(1), metavar="N", help="the N strongest edges (default: all)"
    )
    parser.add_argument(
        "--threshold",
        type=real_number(0, open_ends=False),
        default=0.0,
        metavar="X",
        help="edges whose weight is more than X or less than -X (default: 0)",
    )
    add_json(parser)


def _run_export(arguments: Namespace) -> int:
    import numpy as np

    from cellbox.models.ensemble import load_fitted
    from cellbox.networks.export import write_network_as

    output = Output(arguments.json)
    check_file_target(arguments.out)
    network = load_fitted(arguments.model).network
    kept = write_network_as(
        network, arguments.out, top=arguments.top, threshold=arguments.threshold
    )
    edges = {
        "edges": int(np.count_nonzero(kept.weights)),
        "of_edges": int(np.count_nonzero(network.weights)),
    }
    output.say("Wrote {}: {edges:,} of {of_edges:,} edges".format(arguments.out, **edges))
    output.write_json({"model": arguments.model, "file": arguments.out, **edges})
    return 0


EXPORT = Command(
    "export",
    "write a learned network for Cytoscape, networkx or a spreadsheet",
    _add_export,
    _run_export,
    description="Write the network of a model, all of it or its strongest edges: as CSV (source,\n"
    "target, weight), GraphML (networkx, yEd, Cytoscape) or SIF (Cytoscape).",
    epilog="examples:\n"
    "  cellbox export my_model network.graphml --top 200\n"
    "  cellbox export my_model network.sif --threshold 0.1",
)
