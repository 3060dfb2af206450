"""`cellbox predict --all-pairs`: every pair of perturbations, ranked."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellbox.errors import listed, refuse
from search.cli.data_units import refuse_other_units
from search.cli.output import Output, check_file_target
from search.cli.text_tables import text_table

if TYPE_CHECKING:
    from cellbox.data.units import Units
    from cellbox.models.model import FittedModel
    from cellbox.models.pair_table import PairTable

_ROWS_SHOWN = 20
_NOTES_SHOWN = 6
_DOSE = 0.5
_TITLES = {
    "first": "first",
    "second": "second",
    "response": "response",
    "low": "low",
    "high": "high",
    "first_alone": "first alone",
    "second_alone": "second alone",
    "bliss_excess": "Bliss excess",
    "loewe_index": "Loewe index",
}


def run_pairs(arguments: Namespace) -> int:
    """Predict every pair, print the lowest responses, and write what was asked for."""
    from cellbox.data.units import MODEL_UNITS
    from cellbox.models.combinations import predict_pairs
    from cellbox.models.saved_ensembles import load_fitted
    from cellbox.storage.compilation import keep_compiled_programs

    output = Output(arguments.json)
    for target in (arguments.out, arguments.plot):
        if target is not None:
            check_file_target(target)
    model = load_fitted(arguments.model)
    refuse_other_units(arguments, model.units)
    units = MODEL_UNITS if arguments.model_units else model.units
    partners = arguments.among or _perturbed(Path(arguments.model), model, arguments.node)
    keep_compiled_programs()
    table = predict_pairs(
        model,
        arguments.node,
        dose=_DOSE if arguments.dose is None else _u_of(arguments.dose, units),
        partners=partners,
        time=None if arguments.times is None else arguments.times[0] / units.decay_time,
    )
    note_no_interval(model)
    note_beyond(_beyond(model, table))
    if units.given:
        told = f"doses of {table.dose:.3g} are u, times decay times ({units.decay_time:g}"
        print(f"note: {told} {units.time_name}), responses log ratios", file=sys.stderr)
    if arguments.out is None and not output.json_on_stdout:
        _say(table, output)
    if arguments.out is not None:
        _write(table, arguments.out)
        output.say(f"Wrote {arguments.out}: {len(table.pairs)} pairs")
    if arguments.plot is not None:
        _draw(table, arguments.plot)
        output.say(f"Wrote {arguments.plot}")
    output.write_json(
        {
            "model": arguments.model,
            "node": table.node,
            "dose": table.dose,
            "time": table.time,
            "nodes": table.partners,
            "pairs": [asdict(pair) for pair in table.pairs],
            "no_interval": model.why_no_interval(),
            "beyond_training": _beyond(model, table),
        }
    )
    return 0


def note_no_interval(model: FittedModel) -> None:
    """Say why predictions stand without intervals, where they do."""
    why = model.why_no_interval()
    if why is not None:
        print(f"note: no intervals: {why}", file=sys.stderr)


def note_beyond(notes: Sequence[str]) -> None:
    """Say in what a question goes beyond what the model was trained on."""
    if notes:
        print(f"note: beyond the training data: {listed(notes, _NOTES_SHOWN)}", file=sys.stderr)


def _beyond(model: FittedModel, table: PairTable) -> list[str]:
    """In what the doses and the time of pairs go beyond what the model was trained on."""
    import numpy as np

    from cellbox.data.units import MODEL_UNITS

    nodes = model.network.nodes
    doses = table.dose * np.isin(nodes, table.partners)
    in_model_units = replace(model, units=MODEL_UNITS)
    return in_model_units.beyond_training(doses[None], np.array([table.time]))


def _u_of(dose: float, units: Units) -> float:
    """u of a dose in the unit of the data, which has to be the same for every node."""
    import numpy as np

    from cellbox.data.unit_transforms import u_of_doses
    from cellbox.storage.problems import Problems

    if isinstance(units.ec50, Mapping):
        found = "expected one EC50 for all nodes, found one for each: no dose is the same for two"
        raise refuse("--dose", found, "Give it as u, with --model-units")
    problems = Problems()
    return float(u_of_doses(np.array([[dose]]), ("each",), units, problems)[0, 0])


def _perturbed(folder: Path, model: FittedModel, node: str) -> list[str]:
    """The nodes that the model's data perturb, which are beside it; else all of them."""
    from search.report.evaluation import DATA
    from search.study.kept_data import kept_data

    nodes = model.network.nodes
    if not (folder / DATA).is_dir():
        note = "no data are kept beside this model, so all nodes are paired; choose with --among"
        print(f"note: {note}", file=sys.stderr)
        return [name for name in nodes if name != node]
    data = kept_data(folder / DATA)
    perturbed = (data.perturbations != 0).any(axis=0)
    chosen = [name for name, is_so in zip(data.nodes, perturbed, strict=True) if is_so]
    return [name for name in chosen if name != node]


def _say(table: PairTable, output: Output) -> None:
    shown = [asdict(pair) for pair in table.pairs[:_ROWS_SHOWN]]
    known = any(pair["low"] is not None for pair in shown)
    kept = {name: title for name, title in _TITLES.items() if known or name not in ("low", "high")}
    rows = [tuple(pair[name] for name in kept) for pair in shown]
    output.say(
        f"{table.node} at time {table.time:g}, {table.dose:g} of each: the lowest {len(rows)} of "
        f"{len(table.pairs)} pairs (log ratio)"
    )
    output.say(text_table(tuple(kept.values()), rows))
    output.say(
        "Bliss excess: beyond the sum of both alone, below 0 where the pair pushes down more; told "
        "where both push down.\nLoewe index: below 1 where the pair needs less than a dilution of "
        "one would; told where both alone reach the pair's effect."
        + ("\nLow and high are the 90 % interval of the response." if known else "")
    )


def _write(table: PairTable, path: str) -> None:
    from cellbox.storage.csv_tables import table_text
    from cellbox.storage.files import atomic_write

    rows = [tuple(map(_cell, asdict(pair).values())) for pair in table.pairs]
    columns = tuple(asdict(table.pairs[0]))
    with atomic_write(path) as handle:
        handle.write(table_text(columns, rows))


def _cell(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else repr(value)


def _draw(table: PairTable, path: str) -> None:
    from cellbox.models.plots import plot_pairs
    from cellbox.storage.files import atomic_write

    # By its type the figure of axes might be a part of another, which has no `savefig`.
    figure: Any = plot_pairs(table).figure
    with atomic_write(path, "wb") as handle:
        figure.savefig(handle, format="png")
