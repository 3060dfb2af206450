"""`cellbox fit`."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellbox.errors import DataWarning, InputError, Problem, refuse
from cellbox.storage.files import whole_folder
from search.cli.command import Command
from search.cli.data_commands import read_folder, refuse_cellbox_form
from search.cli.ensemble_report import described_ensemble, ensemble_text
from search.cli.fit_flags import add_fit
from search.cli.fit_report import caveat_sentences, say_report, unit_sentences
from search.cli.line_report import described_lines
from search.cli.output import (
    Output,
    ProgressLine,
    check_folder_target,
    warnings_as_json,
)
from search.cli.report_command import say_report_of
from search.cli.settings_flags import settings_from, trains_as_told

if TYPE_CHECKING:
    from cellbox.data.dataset import Dataset, Split
    from cellbox.identifiability.design_report import DesignReport
    from cellbox.models.model import FittedModel
    from cellbox.settings import Settings

# What spoke against the data that a model was made of, beside the model.
_WARNINGS = "data_warnings.json"
_INSTALL = 'pip install "cellbox[plots]"'
_NO_PICTURES = f"no pictures and no report, since matplotlib is not installed: {_INSTALL}"


def _run_fit(arguments: Namespace) -> int:
    from cellbox.data.plausibility import data_warnings
    from cellbox.evaluation.report import evaluate, evaluate_baselines
    from cellbox.evaluation.verdict import beside_baselines
    from cellbox.identifiability.check import check_result
    from cellbox.models.ensemble import Ensemble
    from cellbox.models.provenance import provenance
    from search.report.evaluation import save_evaluation

    output = Output(arguments.json)
    has_matplotlib = importlib.util.find_spec("matplotlib") is not None
    if arguments.plots is not None:
        _check_plots(arguments.plots, has_matplotlib)
    settings, data = _inputs(arguments)
    split, how = _split(arguments, data)
    folder = Path(arguments.out or f"models/{data.name}-seed{arguments.seed}")
    check_folder_target(folder, _model_files(), "an earlier model")
    warnings = data_warnings(data)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    model = _fitted(arguments, data, settings, split)
    report = beside_baselines(evaluate(model, data, split), evaluate_baselines(data, split))
    model = replace(model, provenance=provenance(data, split, report))
    design = check_result(
        model.network, data, split.training,
        refined=model.training.refined, criticism=model.criticism,
    )  # fmt: skip
    replaced = (folder / "model.json").exists()
    pictures = folder if arguments.plots is None else Path(arguments.plots)
    notes = _save(
        model, data, split, design, warnings, folder, pictures if has_matplotlib else None,
        lambda new: save_evaluation(
            new, data, split, report, how_split=how, source=_source(arguments),
            caveats=(
                *caveat_sentences(report, warnings), *unit_sentences(model), *map(str, warnings)
            ),
        ),
    )  # fmt: skip
    say_report(model, data, split, report, design, output, how, warnings=warnings)
    if isinstance(model, Ensemble):
        output.say(f"\n{ensemble_text(model)}")
    output.say(f"\nSaved in {folder}{' (the model there was replaced)' if replaced else ''}")
    for note in notes:
        output.say(f"note: {note}")
    output.say(f'Next: cellbox predict {folder} --perturb "{_example(model, data)}"')
    page = say_report_of(folder, output)
    output.write_json(
        {
            **_described(model, data, split, report, design, warnings),
            "model": str(folder),
            "pictures": str(pictures) if has_matplotlib else None,
            "report": page,
        }
    )
    return 0


def _example(model: FittedModel, data: Dataset) -> str:
    """A perturbation of half the effect, in the unit that the model is asked in."""
    # The first node with a dose; where none has any, the first that is held.
    known = (data.perturbations != 0).any(axis=0) * 2 + data.touched.any(axis=0)
    place = int(known.argmax())
    node = data.nodes[place]
    ec50 = model.units.ec50
    if model.units.dose_transform is None or ec50 is None:
        # Of the sign that doses of the node have: what pushed it up is not asked to push it down.
        return f"{node}={-0.5 if data.perturbations[:, place].sum() < 0 else 0.5:g}"
    level = ec50.get(node, 1.0) if isinstance(ec50, Mapping) else ec50
    dose = math.log10(level) if model.units.dose_transform == "log10-hill" else level
    return f"{node}={dose:g}"


def _source(arguments: Namespace) -> str:
    """Where the data come from, for their report."""
    if arguments.system is not None:
        return f"simulated on {arguments.system}, seed {arguments.seed}"
    return str(arguments.data)


def _fitted(arguments: Namespace, data: Dataset, settings: Settings, split: Split) -> FittedModel:
    """The model, or the ensemble where several members are asked for."""
    from cellbox.training.fit import fit
    from cellbox.training.fit_ensemble import fit_ensemble

    members, seed = arguments.members, arguments.seed
    progress = ProgressLine(settings.total_steps * (members or 1))
    try:
        if members is None:
            return fit(
                data, settings, seed=seed, split=split, on_progress=progress.update,
                on_refinement=progress.refining,
                descent="always" if trains_as_told(arguments) else "where needed",
            )  # fmt: skip
        return fit_ensemble(
            data,
            settings,
            members=members,
            seed=seed,
            split=split,
            on_progress=lambda step, _, best: progress.update(step, best),
            on_refinement=progress.refining,
        )
    finally:
        progress.close()


def _check_plots(folder: str, has_matplotlib: bool) -> None:
    """Refuse a place for pictures that cannot get any, before work is spent on them."""
    if not has_matplotlib:
        found = "expected matplotlib to be installed, found none"
        raise refuse("--plots", found, f"Install it with: {_INSTALL}")
    if Path(folder).exists() and not Path(folder).is_dir():
        raise refuse(folder, "expected a folder for pictures, found a file", "Name a folder")


def _inputs(arguments: Namespace) -> tuple[Settings, Dataset]:
    """Settings and data; what is wrong with either is reported together."""
    from cellbox.data.dataset import with_reference_line

    problems: list[Problem] = []
    settings, data = None, None
    try:
        settings = settings_from(arguments)
    except InputError as error:
        problems += error.problems
    try:
        data = _with_prior(arguments, _data(arguments))
        if arguments.reference_line is not None:
            data = with_reference_line(data, arguments.reference_line, "--reference-line")
    except InputError as error:
        problems += error.problems
    if problems or settings is None or data is None:
        raise InputError(problems)
    return settings, data


def _with_prior(arguments: Namespace, data: Dataset) -> Dataset:
    """The data with the edges of --prior; else as they are, also where a prior came with them."""
    from cellbox.training.fit import with_prior

    data = with_prior(data, arguments.prior)
    if arguments.prior_strength not in (None, 0.0) and data.prior is None:
        found = "expected edges to weigh, found no prior"
        fix = "Name a file of edges with --prior, or put prior.csv into the data folder"
        raise refuse("--prior-strength", found, fix)
    return data


def _data(arguments: Namespace) -> Dataset:
    if arguments.system is None:
        return read_folder(arguments)
    from cellbox.data.simulation import simulate_system
    from cellbox.networks.known_systems import system
    from cellbox.storage.compilation import keep_compiled_programs

    refuse_cellbox_form(arguments)
    keep_compiled_programs()
    return simulate_system(system(arguments.system), seed=arguments.seed)


def _split(arguments: Namespace, data: Dataset) -> tuple[Split, str]:
    """The split to use, and where it comes from in words."""
    from cellbox.data.dataset import split_rows
    from cellbox.training.fit import choose_split

    asked = {
        "by": arguments.split_by,
        "test": arguments.test,
        "validation": arguments.validation,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    if data.split is not None and not given:
        return choose_split(data, None, arguments.seed), "split that came with the data"
    how = f"random split by {given.get('by', 'condition')}, seed {arguments.seed}"
    return split_rows(data, **given, seed=arguments.seed), how


def _model_files() -> set[str]:
    from cellbox.identifiability.design_report import REPORT_FILES
    from cellbox.models.ensemble import ARRAYS, DESCRIPTION, EDGES
    from cellbox.models.model_files import NETWORK_FILES, PICTURES
    from cellbox.models.network_draws import DRAWS
    from cellbox.networks.line_tables import LINE_DIFFERENCES
    from search.report.evaluation import DATA, EVALUATION
    from search.report.folders import REPORT

    model = ("model.npz", "model.json", DRAWS, ARRAYS, DESCRIPTION, EDGES, EVALUATION, DATA, REPORT)
    return {*model, *NETWORK_FILES, *REPORT_FILES, *PICTURES, _WARNINGS, LINE_DIFFERENCES}


def _save(
    model: FittedModel,
    data: Dataset,
    split: Split,
    design: DesignReport,
    warnings: Sequence[DataWarning],
    folder: Path,
    pictures: Path | None,
    save_more: Callable[[Path], None],
) -> list[str]:
    """Write model, network files and pictures; returns what could not be written and why.

    save_more: writes what else belongs to the model, into the same folder.
    """
    from cellbox.identifiability.design_report import write_design_report
    from cellbox.models.model_files import write_network_files, write_pictures

    notes = [] if pictures is not None else [_NO_PICTURES]
    with whole_folder(folder) as new:
        model.save(new)
        write_design_report(design, new)
        if warnings:
            content = json.dumps(warnings_as_json(warnings), indent=2, ensure_ascii=False)
            (new / _WARNINGS).write_text(content + "\n", encoding="utf-8")
        save_more(new)
        try:
            write_network_files(model, new)
        except InputError as error:
            # A name that a format cannot hold is no reason to lose a training.
            notes += [str(problem) for problem in error.problems]
        if pictures == folder:
            write_pictures(model, data, split, new)
    if pictures is not None and pictures != folder:
        write_pictures(model, data, split, pictures)
    return notes


def _described_prior(model: FittedModel, data: Dataset, design: DesignReport) -> dict[str, Any]:
    """What --json writes of a prior of edges; nothing where there is none."""
    if data.prior is None:
        return {}
    from search.report.prior_content import as_selected, prior_rows

    rows = prior_rows(as_selected(model), data.prior, design.to_dict())
    return {
        "prior": {
            "strength": model.training.prior_strength,
            "edges": [
                {**edge._asdict(), "verdict": said} for of_kind in rows.values()
                for edge, said in of_kind
            ],
        }
    }  # fmt: skip


def _described(
    model: FittedModel,
    data: Dataset,
    split: Split,
    report: dict[str, Any],
    design: DesignReport,
    warnings: Sequence[DataWarning],
) -> dict[str, Any]:
    """What --json writes of the model and its data; the names are an interface."""
    from cellbox.models.ensemble import Ensemble

    training = model.training
    return {
        "status": training.status,
        "message": training.message,
        "validation_mae": training.validation_mae,
        **report,
        "seconds": training.seconds,
        "compile_seconds": training.compile_seconds,
        "data": data.name,
        "nodes": data.n_nodes,
        **({"interventions": said} if (said := data.interventions_in_words) else {}),
        "rows": {part: len(getattr(split, part)) for part in ("training", "validation", "test")},
        "seed": model.seed,
        "steps": training.steps,
        "settings": asdict(model.settings),
        "criticism": None if model.criticism is None else model.criticism.to_dict(),
        **_described_prior(model, data, design),
        **described_lines(model),
        "identifiability": design.to_dict(),
        "data_warnings": warnings_as_json(warnings),
        "ensemble": described_ensemble(model) if isinstance(model, Ensemble) else None,
    }


FIT = Command(
    "fit",
    "learn a network from data",
    add_fit,
    _run_fit,
    description="Learn who acts on whom and how strongly, from how nodes responded to\n"
    "perturbations. Some conditions are held out: the model is judged by how well it\n"
    "predicts those, beside simpler predictions (the mean; ridge, a linear\n"
    "model; the sum of single responses).",
    epilog="examples:\n"
    "  cellbox fit my_experiment\n"
    "  cellbox fit --system LI --l1 1e-4 --seed 1 --out models/sparse\n"
    "  cellbox fit my_experiment --members 20\n"
    "  cellbox fit my_drug_data --split-by combination --test 0.3 --settings mine.toml",
    interrupted="interrupted: nothing was kept",
)
