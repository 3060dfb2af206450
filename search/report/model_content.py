"""What a page says of one learned network: the network itself, and what it predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from cellbox.arrays import NodeMask, Perturbations, Responses, Times
from cellbox.data.dataset import Dataset, Split
from cellbox.evaluation.verdict import verdict
from cellbox.identifiability.design_report import SCALE_CONFOUNDED
from cellbox.models.model import FittedModel
from cellbox.models.model_files import from_the_start
from cellbox.networks.network import Network
from search.report.blocks import Block, Figures, Folded, Section, Table, Text, WhatIf
from search.report.cells import shown_number
from search.report.conditions import Condition, conditions_of, typical
from search.report.deciding import deciding_conditions
from search.report.edges import ROWS_SHOWN, JudgedNetwork
from search.report.line_content import line_sections
from search.report.network_content import network_section
from search.report.paired import Difference, difference_to_best
from search.report.prediction_figures import agreement_figure, course_figure, state_figure
from search.report.prior_content import prior_section
from search.report.what_if import EXAMPLE_DOSE, what_if_model

_CONDITIONS_SHOWN = 4
# As the pictures of models have, so that one compiled program serves both.
_TIMES_DRAWN = 101
_ROWS_OF_DOSES = 40
_MOST_PARTS = 10
_ERRORS_SHOWN = _NODES_SHOWN = 8
SCORES = (
    ("mean absolute error (log ratio)", "test_mae"),
    ("the same against the noise-free truth", "test_mae_noise_free"),
    ("Pearson r", "test_pearson"),
)


@dataclass(frozen=True, eq=False)
class ModelFindings:
    """A model with all that is known of it.

    data, split: what it is judged by; test rows at least. report: as
    `cellbox.evaluation.verdict.beside_baselines` gives it. found: what the training data
    determine, as `DesignReport.to_dict` gives it, None where that was not judged. perturbed: nodes
    that the training data perturb; largest_dose: of all conditions.
    """

    model: FittedModel
    data: Dataset
    split: Split
    report: Mapping[str, Any]
    found: Mapping[str, Any] | None
    judged: JudgedNetwork
    perturbed: NodeMask
    largest_dose: float


def perturbed_nodes(data: Dataset, found: Mapping[str, Any] | None) -> NodeMask:
    """Nodes that training perturbs: by what was judged of it, else by the rows that are known."""
    if found is None:
        return (data.perturbations != 0).any(axis=0)
    confounded = set(found["confounded_nodes"])
    return np.array([node not in confounded for node in data.nodes])


def summary_blocks(findings: ModelFindings) -> tuple[Block, ...]:
    """The verdict beside all baselines, the surest edges, and what to be careful about."""
    report = dict(findings.report)
    surest = findings.judged.surest(3)
    sentences = _surest_in_words(findings.judged) if len(surest) == 3 else []
    if surest and all(edge.why == SCALE_CONFOUNDED for edge in surest):
        sentences.append(
            "Their targets are never perturbed by themselves, so that the data tell such weights "
            "at most up to a factor for each target."
        )
    criticism = (findings.found or {}).get("criticism")
    explained = [] if criticism is None else [f"Does Eq. 1 explain the data? {criticism['why']}"]
    apart = difference_to_best(findings.model, findings.data, findings.split, _errors_of(report))
    against = verdict(report, None if apart is None else apart.sentence)[1:]
    return (
        Text((baseline_sentence(report, apart),), style="lead"),
        Text((*against, *explained, *sentences)),
        score_table(report),
    )


def _surest_in_words(judged: JudgedNetwork) -> list[str]:
    named = "; ".join(edge.in_words() for edge in judged.surest(3))
    if judged.has_intervals:
        return [f"The three surest edges: {named}."]
    return [
        f"The three strongest edges between different nodes: {named}.",
        f"How sure they are is not known. {judged.intervals_from}",
    ]


def _errors_of(report: Mapping[str, Any]) -> dict[str, float]:
    """The errors of the baselines that apply, by name."""
    return {
        name: score["test_mae"]
        for name, score in report["baselines"].items()
        if score is not None and score.get("test_mae") is not None
    }


def baseline_sentence(report: Mapping[str, Any], apart: Difference | None = None) -> str:
    """Whether the model predicts better than each baseline there is, in a sentence.

    apart: how it differs from the best of them, where that was computed: it predicts as well as one
    that it differs from no more than by chance.
    """
    error, others = report["test_mae"], _errors_of(report)
    if not others:
        return "No held-out value was measured, so nothing tells how well the model predicts."
    if error is None:
        return (
            "CellBox predicts held-out conditions worse than every simpler model: its equations "
            "could not be solved for all of them."
        )
    ordered = sorted(others.items(), key=lambda pair: pair[1])
    groups: dict[str, list[str]] = {
        "worse than": [],
        "no better than": [],
        "about as well as": [],
        "better than": [],
    }
    for name, value in ordered:
        word = "worse than" if error > value else "better than"
        if error == value:
            word = "no better than"
        elif apart is not None and apart.baseline == name and not apart.clear:
            word = "about as well as"
        groups[word].append(f"{name} ({shown_number(value)})")
    said = (
        f"CellBox predicts held-out conditions with a mean absolute error of {shown_number(error)}"
    )
    parts = [f"{word} {_listed(names)}" for word, names in groups.items() if names]
    return f"{said}: {', and '.join(parts)}."


def score_table(report: Mapping[str, Any]) -> Table:
    """The model's scores beside those of every baseline."""
    columns = [("CellBox", report), *report["baselines"].items()]
    columns = [(name, score) for name, score in columns if score is not None]
    kept = [
        (label, key)
        for label, key in SCORES
        if any(score.get(key) is not None for _, score in columns)
    ]
    return Table(
        "How well held-out conditions are predicted, beside simpler models",
        ("", *(label for label, _ in kept)),
        tuple((name, *(score.get(key) for _, key in kept)) for name, score in columns),
        file="scores.csv",
    )


def model_sections(findings: ModelFindings) -> tuple[Section, ...]:
    """The sections about the network, its predictions, what if, and what the data determine."""
    data, model, rows = findings.data, findings.model, findings.split.test
    singles = _single_doses(findings)
    predicted = model.predict_rows(data, rows)
    of_singles = _in_parts(model, singles, data.times, len(rows))
    training = findings.split.training
    lines, done = data.lines_of(training), data.interventions_of(training)
    states = (
        _in_parts(model, data.perturbations[training], data.times, len(rows), lines)
        if done is None
        else model.predict_rows(data, training)
    )
    shown = findings.judged.edges[:ROWS_SHOWN]
    told_by = deciding_conditions(model.network, data, training, states, shown)
    prior = [] if data.prior is None else [prior_section(model, data.prior, findings.found)]
    sections = [
        network_section(findings.judged, data, findings.perturbed, findings.report, told_by),
        *line_sections(model),
        *prior,
        _prediction_section(findings, predicted),
        Section("what-if", "What if", _what_if_blocks(findings, singles, of_singles)),
    ]
    if findings.found is not None:
        sections += [
            *criticism_sections(findings.found, model.network),
            determined_section(findings.found),
        ]
    return tuple(sections)


def bare_model_sections(
    model: FittedModel, judged: JudgedNetwork, data: Dataset, perturbed: NodeMask
) -> tuple[Section, ...]:
    """The sections that need no measured data; data: the nodes and times alone."""
    sliders = WhatIf(what_if_model(model, perturbed, largest_dose=1.0))
    return (
        network_section(judged, data, perturbed, {}),
        Section("what-if", "What if", (sliders,)),
    )


def _in_parts(
    model: FittedModel,
    perturbations: Perturbations,
    times: Times,
    size: int,
    lines: tuple[str, ...] | None = None,
) -> Responses:
    """The model's predictions, so many rows at a time as it has answered before.

    A program for another number of rows takes seconds to compile, and each part takes none.
    """
    n_rows = len(perturbations)
    n_parts = -(-n_rows // max(size, 1))
    if lines is not None or not 0 < n_parts <= _MOST_PARTS:
        return model.predict(perturbations, times, line=lines)
    padded = np.zeros((n_parts * size, perturbations.shape[1]))
    padded[:n_rows] = perturbations
    parts = [model.predict(part, times) for part in np.split(padded, n_parts)]
    return np.concatenate(parts)[:n_rows]


def _prediction_section(findings: ModelFindings, predicted: Responses) -> Section:
    data, rows = findings.data, findings.split.test
    conditions = conditions_of(data, rows, predicted)
    shown = typical(conditions, _CONDITIONS_SHOWN)
    figures = [agreement_figure(data, rows, predicted)]
    if len(data.times) == 1:
        figures += [state_figure(each, data, k + 1) for k, each in enumerate(shown)]
    elif shown:
        dense_times = np.linspace(0, data.times[-1], _TIMES_DRAWN)[1:]
        asked = np.array([condition.row for condition in shown])
        model, doses = findings.model, data.perturbations[asked]
        dense = from_the_start(
            model.predict_rows(data, asked, dense_times),
            model.at_the_start(doses, data.interventions_of(asked)),
        )
        all_times = np.concatenate([[0.0], dense_times])
        figures += [
            course_figure(each, data, all_times, dense[k], k + 1) for k, each in enumerate(shown)
        ]
    errors = _error_rows(conditions, data)
    table = Table(
        f"All {len(conditions)} held-out conditions, the worst predicted first",
        ("condition", "perturbed", "rows", "mean absolute error (log ratio)"),
        errors[:_ERRORS_SHOWN],
        file="held_out_conditions.csv",
        more_rows=errors[_ERRORS_SHOWN:],
    )
    said = (
        f"Of {len(conditions)} held-out conditions, these {len(shown)} range from the best to the "
        "worst predicted."
    )
    return Section(
        "predictions",
        "Predictions of held-out conditions",
        (Text((said,)), Figures(tuple(figures)), table),
    )


def _error_rows(conditions: Sequence[Condition], data: Dataset) -> tuple[tuple[Any, ...], ...]:
    order = sorted(conditions, key=lambda each: -np.nan_to_num(each.error, nan=-1.0))
    return tuple((each.name, each.words, each.n_replicates, each.error) for each in order)


def _single_doses(findings: ModelFindings) -> Float[np.ndarray, "n_singles n_nodes"]:
    """Every perturbed node alone, at the dose of the examples."""
    return EXAMPLE_DOSE * np.eye(findings.data.n_nodes)[np.flatnonzero(findings.perturbed)]


def _what_if_blocks(
    findings: ModelFindings,
    singles: Float[np.ndarray, "n_singles n_nodes"],
    answered: Float[np.ndarray, "n_singles n_times n_nodes"],
) -> tuple[Block, ...]:
    data = findings.data
    last = float(data.times[-1])
    rows = []
    for dose, states in zip(singles, answered[:, -1], strict=True):
        (node,) = np.flatnonzero(dose)
        order = np.argsort(-np.abs(np.nan_to_num(states)), kind="stable")
        strongest = order[order != node][:4]
        told = ", ".join(
            f"{data.nodes[other]} {shown_number(float(states[other]), 2)}" for other in strongest
        )
        rows.append((data.nodes[node], told, float(states[node])))
    table = Table(
        f"Each node that the data perturb, alone at dose {EXAMPLE_DOSE}: response at time {last:g}",
        ("perturbed", "strongest responses elsewhere (log ratio)", "its own response"),
        tuple(rows[:_ROWS_OF_DOSES]),
        file="single_perturbations.csv",
        more_rows=tuple(rows[_ROWS_OF_DOSES:]),
    )
    said = (
        f"The largest dose in the data is {shown_number(findings.largest_dose)}: beyond it, and "
        "for nodes that no condition perturbs, the model extrapolates.",
        "The sliders below solve the model's equations in this page, with the learned W and α, as "
        f"cellbox predict does. {_intervals_in_words(findings.model)}",
        *_left_out_in_words(findings),
    )
    model = what_if_model(findings.model, findings.perturbed, findings.largest_dose)
    return table, Text(said), WhatIf(model)


def _intervals_in_words(model: FittedModel) -> str:
    why = model.why_no_interval()
    return f"No intervals: {why}" if why else "What is shaded is the 90 % interval of a response."


def _left_out_in_words(findings: ModelFindings) -> list[str]:
    """What else `cellbox predict` knows, which the sliders do not."""
    model, said = findings.model, []
    if len(model.lines) > 1:
        said.append(f"They are of the line {model.lines[0]}; predict --line has the others.")
    if findings.data.interventions is not None:
        said.append(
            "Their doses last. Nodes that are held, and doses that end, are asked of predict "
            "(--clamp, and from and until in a table)."
        )
    if model.units.given:
        said.append(
            "Their doses are u, times decay times and responses log ratios, as with predict "
            f"--model-units. In the data, {model.units.sentence}."
        )
    return said


def criticism_sections(found: Mapping[str, Any], network: Network) -> tuple[Section, ...]:
    """Whether Eq. 1 explains the data, and what the network has beside it.

    Nothing of models of earlier versions, which do not say.
    """
    criticism = found.get("criticism")
    if criticism is None:
        return ()
    beside = () if network.form is None else (network.form.sentence(network.nodes),)
    blocks: list[Block] = [Text((*criticism["sentences"], *beside), style="list")]
    values = tuple(
        tuple(one[name] for name in ("row", "time", "node", "measured", "predicted"))
        for one in criticism["outlying_values"]
    )
    if values:
        blocks.append(
            Table(
                f"{len(values)} values that are far off",
                ("row", "time", "node", "measured", "as the network explains it"),
                values[:_ERRORS_SHOWN],
                file="outlying_values.csv",
                more_rows=values[_ERRORS_SHOWN:],
            )
        )
    return (Section("explained", "Does Eq. 1 explain the data?", tuple(blocks)),)


def determined_section(found: Mapping[str, Any]) -> Section:
    """What the training data determine."""
    nodes = tuple(
        (
            entry["node"],
            ", ".join(reason.replace("_", " ") for reason in entry["reasons"]),
            entry["fix"],
        )
        for entry in found["nodes"]
    )
    blocks: list[Block] = [Text(tuple(found["sentences"]), style="list")]
    if nodes:
        by_node = Table(
            f"{len(nodes)} nodes whose row of W and amplitude are not determined",
            ("node", "why", "what would help"),
            nodes[:_NODES_SHOWN],
            file="undetermined_nodes.csv",
            more_rows=nodes[_NODES_SHOWN:],
        )
        # Where all are alike the sentences above have said it.
        alike = len(nodes) > 1 and len({row[1:] for row in nodes}) == 1
        blocks.append(Folded(by_node.caption, (by_node,)) if alike else by_node)
    return Section("determined", "What the data determine", tuple(blocks))


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
