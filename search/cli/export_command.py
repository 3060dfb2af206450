"""`cellbox export`: a learned network for other programs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from search.cli.arguments import add_json, real_number, refuse_flags, whole_number
from search.cli.command import Command
from search.cli.output import Output, check_file_target

if TYPE_CHECKING:
    from cellbox.models.model import FittedModel
    from cellbox.networks.network import Network


def _add_export(parser: ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="folder that a fit or a sweep wrote")
    parser.add_argument(
        "out",
        metavar="FILE",
        help="file to write: its name ends with .csv, .graphml, .sif, .cx2, or .xml for SBML; with "
        "--petab a folder",
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
    parser.add_argument(
        "--confident",
        action="store_true",
        help="edges of an ensemble whose 90 %% interval does not hold 0",
    )
    parser.add_argument(
        "--line",
        metavar="LINE",
        help="the network of this cell line, or batch, of the model's data (default: the "
        "reference; SBML and PEtab need one where lines differ)",
    )
    parser.add_argument(
        "--petab",
        metavar="DATA",
        help="write a PEtab problem of the whole model and these data instead",
    )
    add_json(parser)


def _run_export(arguments: Namespace) -> int:
    import numpy as np

    from cellbox.models.model_export import export_network
    from cellbox.models.saved_ensembles import load_fitted

    if arguments.petab is not None:
        return _write_problem(arguments)
    output = Output(arguments.json)
    check_file_target(arguments.out)
    model = load_fitted(arguments.model)
    which = {name: getattr(arguments, name) for name in ("top", "threshold", "confident")}
    kept = export_network(model, arguments.out, line=arguments.line, **which)
    edges = {
        "edges": int(np.count_nonzero(kept.weights)),
        "of_edges": int(np.count_nonzero(_network(arguments, model).weights)),
    }
    output.say("Wrote {}: {edges:,} of {of_edges:,} edges".format(arguments.out, **edges))
    output.write_json({"model": arguments.model, "file": arguments.out, **edges})
    return 0


def _network(arguments: Namespace, model: FittedModel) -> Network:
    """That of the line that was asked for, or of the model."""
    return model.network if arguments.line is None else model.network_of(arguments.line)


def _write_problem(arguments: Namespace) -> int:
    import numpy as np

    from cellbox.data.readers import read_data, write_petab
    from cellbox.data.units import MODEL_UNITS
    from cellbox.models.saved_ensembles import load_fitted

    chosen = {
        "--top": arguments.top is not None,
        "--threshold": arguments.threshold > 0,
        "--confident": arguments.confident,
    }
    found = "expected the whole model for a PEtab problem, found a choice of edges"
    refuse_flags(chosen, found)
    output = Output(arguments.json)
    model = load_fitted(arguments.model)
    # What is kept beside a model is in Eq. 1's units already.
    kept = Path(arguments.petab).resolve().is_relative_to(Path(arguments.model).resolve())
    data = read_data(arguments.petab, units=MODEL_UNITS if kept else model.units)
    if data.units.given:
        output.say(f"{arguments.petab} is read as the model's data were: {data.units.sentence}")
    if arguments.line is not None and data.lines is not None:
        data = data.rows(np.flatnonzero([line == arguments.line for line in data.lines]))
    write_petab(_network(arguments, model), data, arguments.out)
    output.say(f"Wrote {arguments.out}/problem.yaml: the model and {data.n_rows:,} rows of data")
    output.write_json({"model": arguments.model, "file": f"{arguments.out}/problem.yaml"})
    return 0


EXPORT = Command(
    "export",
    "write a learned network for Cytoscape, networkx, a spreadsheet or a simulator",
    _add_export,
    _run_export,
    description="Write the network of a model, all of it, its strongest or its surest edges: as\n"
    "CSV (source, target, weight), GraphML (networkx, yEd, Cytoscape), SIF (Cytoscape) or CX2\n"
    "(Cytoscape Web, NDEx); or as SBML, the whole model for simulators (COPASI, tellurium,\n"
    "AMICI), or a PEtab problem (pyPESTO, PEtab.jl). In CSV, GraphML and CX2 the edges of an\n"
    "ensemble have their intervals.",
    epilog="examples:\n"
    "  cellbox export my_model network.graphml --top 200\n"
    "  cellbox export my_ensemble network.csv --confident\n"
    "  cellbox export my_model model.xml\n"
    "  cellbox export my_model my_problem --petab my_experiment",
)
