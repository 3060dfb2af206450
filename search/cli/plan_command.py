"""`cellbox design next`, `design first` and `design curve`: what to measure."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellbox.errors import refuse
from search.cli.data_commands import read_folder
from search.cli.output import Output
from search.cli.text_tables import text_table

if TYPE_CHECKING:
    from cellbox.data.dataset import Dataset
    from cellbox.models.model import FittedModel
    from cellbox.planning.plates import PlateSettings
    from cellbox.planning.proposal import Proposal


def run_next(arguments: Namespace) -> int:
    """`cellbox design next`."""
    from cellbox.planning.next_conditions import next_conditions

    output = Output(arguments.json)
    plates = _plate_settings(arguments)
    data, model = _source(arguments)
    proposal = next_conditions(
        data,
        model,
        conditions=arguments.conditions,
        edges=arguments.edge or (),
        undecided=arguments.undecided,
        choose_times=arguments.choose_times,
        **_within(arguments, data),
        **_judged_by(arguments),
    )
    _say_data(data, output)
    _say(proposal, plates, arguments, output)
    if arguments.out is not None:
        output.say(
            f"\nNext: measure them, add their rows to the tables of your data, and cellbox fit "
            "again.\n      What they will do, as far as is known now: cellbox predict MODEL "
            f"{arguments.out}/perturbations.csv"
        )
    return 0


def run_first(arguments: Namespace) -> int:
    """`cellbox design first`."""
    from cellbox.planning.limits import Limits
    from cellbox.planning.next_conditions import first_conditions
    from cellbox.storage.compilation import keep_compiled_programs

    output = Output(arguments.json)
    plates = _plate_settings(arguments)
    limits = Limits(
        arguments.perturb or arguments.nodes,
        arguments.doses or (0.25, 0.5, 0.75, 1.0),
        arguments.most_nodes or min(2, len(arguments.nodes)),
        tuple(arguments.forbid or ()),
    )
    keep_compiled_programs()
    proposal = first_conditions(
        arguments.nodes,
        arguments.times,
        conditions=arguments.conditions,
        limits=limits,
        screening=arguments.screening,
        choose_times=arguments.choose_times,
        density=arguments.density,
        amplitude=arguments.amplitude or 1.0,
        **_judged_by(arguments),
    )
    _say(proposal, plates, arguments, output)
    return 0


def run_curve(arguments: Namespace) -> int:
    """`cellbox design curve`."""
    from cellbox.planning.curve import design_curve

    output = Output(arguments.json)
    data, model = _source(arguments)
    curve = design_curve(
        data,
        model,
        more=arguments.more,
        **_within(arguments, data),
        **_judged_by(arguments),
    )
    _say_data(data, output)
    header = ("further conditions", "which", "error", "decided", "of", "r")
    rows = [
        (
            str(point.n_more),
            point.kind if point.n_more else "-",
            point.error,
            round(point.decided),
            curve.n_edges,
            f"{point.r:.3f}",
        )
        for point in curve.points
    ]
    output.say(text_table(header, rows))
    output.say(
        "  error: half of the standard errors of W are below.\n"
        "  decided: edges that are surely there with a known sign, or surely weaker than 0.5.\n"
        "  r: expected with the true W, every edge kept; higher as a rule with edges selected.\n"
    )
    for sentence in (*curve.sentences, curve.saved()):
        if sentence is not None:
            output.say(sentence)
    output.write_json(curve.to_dict())
    return 0


def _judged_by(arguments: Namespace) -> dict[str, Any]:
    """By what noise and how many networks and candidates designs are judged."""
    said = {name: getattr(arguments, name) for name in ("noise", "candidates", "seed")}
    return {"members": arguments.networks, **said}


def _say(proposal: Proposal, plates: PlateSettings, arguments: Namespace, output: Output) -> None:
    from cellbox.planning.plates import n_plates, plate_map, write_plates

    count = len(proposal.belief.members)
    moments = ", ".join(f"{time:g}" for time in proposal.times)
    at = "time" if len(proposal.times) == 1 else "times"
    count_said = f"{len(proposal.conditions)} conditions to measure at {at} {moments}"
    output.say(f"{count_said}, those that tell most first:")
    rows = [
        (each.name, each.perturbation, f"{each.good_in} of {count}", each.reason)
        for each in proposal.conditions
    ]
    output.say(text_table(("condition", "perturbation (u)", "good in", "why"), rows))
    output.say(
        "  good in: networks to which it is within a tenth of the best in its place.\n"
        "  why: standard errors of weights (source → target) with it, instead of without it.\n"
    )
    for sentence in proposal.sentences():
        output.say(sentence)
    wells = plate_map(proposal, plates)
    if arguments.out is not None:
        write_plates(proposal, arguments.out, plates)
        needed = n_plates(wells, plates.wells)
        output.say(
            f"\nWrote {arguments.out}: {len(wells)} wells on {needed} "
            f"{'plate' if needed == 1 else 'plates'} of {plates.wells} (plate.csv), their doses "
            "(perturbations.csv),\nwhat to prepare (order.csv), and what each edge would gain "
            "(edges.csv)"
        )
    output.write_json({**proposal.to_dict(), "wells": [vars(well) for well in wells]})


def _say_data(data: Dataset, output: Output) -> None:
    from cellbox.identifiability.design_findings import training_rows

    learned = len(set(data.condition_of_row[training_rows(data)].tolist()))
    output.say(f"{data.name}: {data.n_nodes} nodes, {learned} conditions to learn from\n")


def _plate_settings(arguments: Namespace) -> PlateSettings:
    from cellbox.planning.plates import PlateSettings

    if arguments.out is not None and Path(arguments.out).is_file():
        found = "expected a folder to write, found a file"
        raise refuse(arguments.out, found, "Choose another place")
    return PlateSettings(
        arguments.plate, arguments.replicates, arguments.controls, arguments.same_well
    )


def _source(arguments: Namespace) -> tuple[Dataset, FittedModel | None]:
    """The data, and the model of them where one was named; what is compiled then is kept."""
    from cellbox.models.saved_ensembles import load_fitted
    from cellbox.storage.compilation import keep_compiled_programs
    from search.report.evaluation import DATA
    from search.study.kept_data import kept_data

    keep_compiled_programs()
    folder, named = Path(arguments.data), arguments.data_of_model
    if not (folder / "model.json").is_file():
        if named is not None:
            found = f"expected the folder of a model beside --data, found none at {folder}"
            raise refuse("--data", found, "Leave it out, or name the model's folder first")
        return read_folder(arguments), None
    model = load_fitted(folder)
    if named is not None:
        arguments.data = named
        return read_folder(arguments), model
    if not (folder / DATA).is_dir():
        raise refuse(
            str(folder),
            "expected the data of the model beside it, found none",
            "Name their folder with --data",
        )
    return kept_data(folder / DATA), model


def _within(arguments: Namespace, data: Dataset) -> dict[str, Any]:
    """Limits and times: what the flags say, and else what the data do."""
    from dataclasses import replace

    from cellbox.planning.limits import usual_limits

    given = {
        "nodes": arguments.nodes,
        "doses": arguments.doses,
        "most_nodes": arguments.most_nodes,
        "forbidden": tuple(arguments.forbid or ()) or None,
    }
    said: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return {"limits": replace(usual_limits(data), **said), "times": arguments.times}
