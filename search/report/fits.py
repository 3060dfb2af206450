"""Reports of single models and ensembles, as `cellbox fit` saves them.

`search.report.evaluation` keeps beside a model what a report needs, whenever it is written.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from cellbox.data.dataset import Dataset, Split
from cellbox.errors import refuse
from cellbox.identifiability.design_report import REPORT_FILES
from cellbox.models.ensemble import Ensemble
from cellbox.models.model import FittedModel
from cellbox.models.saved_ensembles import load_fitted
from search.report.blocks import Block, Facts, Folded, Page, Section, Table, Text
from search.report.edges import judged_alone, judged_by_ensemble
from search.report.evaluation import DATA, EVALUATION
from search.report.model_content import (
    ModelFindings,
    bare_model_sections,
    model_sections,
    perturbed_nodes,
    summary_blocks,
)
from search.study.kept_data import kept_data


def fit_page(folder: Path) -> Page:
    """The report of a model's folder.

    Raises InputError where it holds no model, or nothing that the model was evaluated on.
    """
    model = load_fitted(folder)
    if not (folder / EVALUATION).is_file():
        return _bare_page(folder, model)
    content = json.loads((folder / EVALUATION).read_text("utf-8"))
    data = replace(kept_data(folder / DATA), name=content["data"]["name"])
    if data.split is None:
        raise refuse(
            str(folder / DATA), "expected the split of the data, found none", "Fit the model again"
        )
    found = _found(folder)
    findings = ModelFindings(
        model=model,
        data=data,
        split=data.split,
        report=content["report"],
        found=found,
        judged=_judged(model, found, data),
        perturbed=perturbed_nodes(data.rows(data.split.training), found),
        largest_dose=float(np.abs(data.perturbations).max()) or 1.0,
    )
    caveats: tuple[Block, ...] = (Text(tuple(content["caveats"])),) if content["caveats"] else ()
    return Page(
        title=f"{data.name}: {_kind(model)}",
        about=f"cellbox fit, {date_in_words(content['created'])}",
        summary=(*summary_blocks(findings), *caveats),
        sections=(*model_sections(findings), _how_section(model, data, data.split, content)),
    )


def _found(folder: Path) -> dict[str, Any] | None:
    file = folder / REPORT_FILES[0]
    return json.loads(file.read_text("utf-8")) if file.is_file() else None


def _judged(model: FittedModel, found: Mapping[str, Any] | None, data: Dataset) -> Any:
    if isinstance(model, Ensemble):
        return judged_by_ensemble(model, found, data.truth)
    return judged_alone(model.network, found, data.truth)


def _kind(model: FittedModel) -> str:
    if isinstance(model, Ensemble):
        return f"an ensemble of {len(model.members)} networks"
    return "a learned network"


def date_in_words(seconds: float) -> str:
    """A time since 1970 as people write it."""
    return time.strftime("%d %B %Y, %H:%M UTC", time.gmtime(seconds))


def _how_section(
    model: FittedModel, data: Dataset, split: Split, content: Mapping[str, Any]
) -> Section:
    """How the model was made, so that someone else could do it again."""
    training = model.training
    pairs = (
        ("data", content["data"]["source"]),
        ("fingerprint of the data", content["data"]["fingerprint"]),
        ("nodes", data.n_nodes),
        ("conditions", data.n_conditions),
        ("rows for training, validation, test", " / ".join(
            str(len(getattr(split, part))) for part in ("training", "validation", "test")
        )),
        *(("beside doses that last", said) for said in data.interventions_in_words),
        ("split", content["split"]),
        ("seed", model.seed),
        ("training", training.message),
        ("training time", f"{training.seconds:.1f} s"),
        *((name, text) for name, text in content["versions"].items()),
    )  # fmt: skip
    members = (Text((training.refinement,)),) if training.refinement else ()
    return Section(
        "how",
        "How it was made",
        (
            Facts(pairs),
            *members,
            Folded("All settings", (settings_table(asdict(model.settings)),)),
            Folded("The split, by condition", (split_table(data, split),)),
        ),
    )


def settings_table(settings: Mapping[str, Any]) -> Table:
    """Every setting with its value."""
    rows = []
    for name, value in settings.items():
        inner = value.items() if isinstance(value, Mapping) else [("", value)]
        rows += [(f"{name}.{key}" if key else name, str(each)) for key, each in inner]
    return Table("Settings", ("setting", "value"), tuple(rows), file="settings.csv")


def split_table(data: Dataset, split: Split) -> Table:
    """Which rows trained, validated and tested, by name."""
    rows = [
        (data.row_names[row], part)
        for part in ("test", "validation", "training")
        for row in getattr(split, part)
    ]
    return Table("Split", ("condition", "part"), tuple(rows), file="split.csv")


def _bare_page(folder: Path, model: FittedModel) -> Page:
    """What can be said of a model whose data were not kept beside it."""
    nodes = model.network.nodes
    data = Dataset(
        nodes=nodes,
        times=model.times,
        perturbations=np.zeros((1, len(nodes))),
        measurements=np.full((1, len(model.times), len(nodes)), np.nan),
        row_names=("nothing",),
        activity_nodes=np.zeros(len(nodes), bool),
    )
    found = _found(folder)
    perturbed = perturbed_nodes(data, found) if found is not None else np.ones(len(nodes), bool)
    said = (
        "This folder holds a model and not the data that it was fitted to, as earlier versions "
        "left it: how well it predicts is not told. Fit it again for the whole report."
    )
    return Page(
        title=f"{folder.resolve().name}: {_kind(model)}",
        about="cellbox fit",
        summary=(Text((said,)),),
        sections=(
            *bare_model_sections(model, _judged(model, found, data), data, perturbed),
            Section("how", "How it was made", (settings_table(asdict(model.settings)),)),
        ),
    )
