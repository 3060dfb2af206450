"""What `cellbox fit` tells people about a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cellbox.scores.metric_names import RECOVERIES
from search.cli.line_report import say_lines
from search.cli.output import Output, say_warnings
from search.cli.prior_report import say_prior
from search.cli.text_tables import shown, shown_error, shown_seconds, text_pairs, text_table

if TYPE_CHECKING:
    from cellbox.criticism.criticism import Criticism
    from cellbox.data.dataset import Dataset, Split
    from cellbox.errors import DataWarning
    from cellbox.identifiability.design_report import DesignReport
    from cellbox.models.model import FittedModel

_EDGES_SHOWN = 10

SCORES = (
    ("MAE", "test_mae"),
    ("MAE against noise-free truth", "test_mae_noise_free"),
    ("Pearson r", "test_pearson"),
)


def say_report(
    model: FittedModel,
    data: Dataset,
    split: Split,
    report: dict[str, Any],
    design: DesignReport,
    output: Output,
    how_split: str,
    *,
    warnings: Sequence[DataWarning] = (),
) -> None:
    """Print how the training went, what the model predicts and what the data tell of it."""
    from cellbox.evaluation.verdict import verdict

    training = model.training
    parts = ", ".join(
        f"{len(getattr(split, part))} for {name}"
        for part, name in (("training", "training"), ("validation", "validation"), ("test", "test"))
    )
    output.say(f"{data.name}: {data.n_nodes} nodes; rows: {parts} ({how_split})")
    for sentence in data.interventions_in_words:
        output.say(sentence)
    took = shown_seconds(training.seconds)
    if training.steps:
        took = (
            f"{training.steps:,} steps in {took}, after {shown_seconds(training.compile_seconds)}"
        )
        took += " of compiling"
    output.say(
        f"{training.message} {took}; "
        f"validation MAE {shown(training.validation_mae)}\n"
        f"{training.refinement}\n"
    )
    output.say(prediction_table(report, f"held-out conditions, {_nodes(data)}"))
    if report["all_nodes"] is not None:
        output.say("\n" + prediction_table(report["all_nodes"], f"all {data.n_nodes} nodes"))
    output.say()
    for sentence in (*verdict(report), *caveat_sentences(report, warnings)):
        output.say(sentence)
    if not model.network.weights.any():
        output.say(
            "The learned network has no edge: the data ask for none, and it predicts little."
        )
    for sentence in unit_sentences(model):
        output.say(sentence)
    say_warnings(warnings, output)
    if data.truth is not None:
        output.say("\nThe learned network against the true one:")
        output.say(text_pairs([(name, report[key]) for name, key in RECOVERIES]))
    say_lines(model, output)
    say_criticism(model.criticism, output)
    output.say("\nWhat the training data determine:")
    for sentence in design.sentences():
        output.say(f"  {sentence}")
    output.say("\n" + edges_table(model, data, design))
    if data.prior is not None:
        from search.report.prior_content import as_selected

        say_prior(as_selected(model), data.prior, design.to_dict(), output)


def say_criticism(criticism: Criticism | None, output: Output) -> None:
    """Print whether Eq. 1 explains the data, and what speaks against it."""
    if criticism is not None:
        output.say("\nDoes Eq. 1 explain these data?")
        for sentence in criticism.sentences():
            output.say(f"  {sentence}")


def prediction_table(report: dict[str, Any], title: str) -> str:
    """A report's scores beside its baselines'; rows and columns without any number are left out."""
    columns = [("CellBox", report), *report["baselines"].items()]
    columns = [
        (name, score)
        for name, score in columns
        if name == "CellBox" or (score and any(score[key] is not None for _, key in SCORES))
    ]
    rows = [
        (label, *(score[key] for _, score in columns))
        for label, key in SCORES
        if any(score[key] is not None for _, score in columns)
    ]
    return text_table((title, *(name for name, _ in columns)), rows, indent=0)


def caveat_sentences(report: dict[str, Any], warnings: Sequence[DataWarning] = ()) -> list[str]:
    """What has to be said of errors of values, and of conditions that rounding decides.

    Or that are in a wrong basin, or not at rest.

    warnings: of the data; where rows respond that nothing perturbs, a later time is no remedy.
    """
    sentences = []
    of_errors = report.get("test_error_ratio")
    if of_errors is not None:
        sentences.append(
            f"Held-out values lie {of_errors:.2g} of their own errors from what is predicted (root "
            "mean square; 1 is what these errors would bring)."
        )
    sensitive, wrong = report["rounding_sensitive_share"], report["wrong_basin_share"]
    # Studies of earlier versions do not know it.
    unsteady = report.get("unsteady_share")
    if sensitive:
        sentences.append(
            f"{shown(100 * sensitive)} % of the held-out conditions are rounding-sensitive: they "
            "lie on a ridge where rounding decides, and are not compared with the noise-free truth."
        )
    if wrong:
        of_which = "the others" if sensitive else "the held-out conditions"
        sentences.append(
            f"Wrong basin in {shown(100 * wrong)} % of {of_which}: some node ends more than half "
            "its amplitude from the truth."
        )
    if unsteady:
        sentences.append(
            f"In {shown(100 * unsteady)} % of the held-out conditions the model has not come to "
            "rest at the time of measurement: what it predicts there is no steady state, and would "
            "be another at another time."
        )
    if unsteady and not any(warning.kind == "unperturbed_rows_respond" for warning in warnings):
        sentences[-1] += (
            " Data that tell no time can be read as of a later one: --time, or time under [data] "
            "in a sweep."
        )
    return sentences


def unit_sentences(model: FittedModel) -> list[str]:
    """How the numbers of a report are to be read where those of the data were others."""
    if not model.units.given:
        return []
    units = model.units
    decay = f", each {units.decay_time:g} {units.time_name}" if units.time_unit else ""
    return [
        f"Here doses are u, times are in decay times{decay}, and values are log ratios. In the "
        f"data, and in what cellbox predict takes and gives, {units.sentence}."
    ]


def edges_table(
    model: FittedModel, data: Dataset, design: DesignReport, most: int = _EDGES_SHOWN
) -> str:
    """The strongest edges of the learned network: how sure each is, and the true weight if known.

    Whether an edge is sure is left out where no edge was judged and no node was found wanting.
    Its least error is what an unbiased estimate could come to by these data.
    """
    from cellbox.networks.export import edge_table
    from cellbox.networks.network import in_order_of
    from search.report.prior_content import prior_word

    edges = edge_table(model.network, allowed=data.allowed_edges)
    header: tuple[str, ...] = ("source", "", "target", "weight")
    rows: list[tuple[Any, ...]] = [
        (edge.source, "activates" if edge.weight > 0 else "inhibits", edge.target, edge.weight)
        for edge in edges[:most]
    ]
    judged = {(edge.source, edge.target): edge for edge in design.edges}
    if design.not_judged is None or design.nodes:
        header = (*header, "least error", "determined")
        of_rows = [judged[row[0], row[2]] for row in rows]
        # Of a network that is no unbiased estimate the least error of one says nothing.
        errors = [
            shown_error(edge.least_error, edge.error_of)
            if design.refined and not design.withheld
            else None
            for edge in of_rows
        ]
        rows = [
            (*row, error, edge.why or "yes")
            for row, edge, error in zip(rows, of_rows, errors, strict=True)
        ]
    if data.prior is not None:
        prior, header = data.prior, (*header, "prior")
        words = [prior_word(prior, row[0], row[2], row[3]) for row in rows]
        rows = [(*row, word) for row, word in zip(rows, words, strict=True)]
    if data.truth is not None:
        truth = in_order_of(data.truth, model.network.nodes)
        place = {node: index for index, node in enumerate(truth.nodes)}
        header = (*header, "true weight")
        rows = [(*row, float(truth.weights[place[row[2]], place[row[0]]])) for row in rows]
    title = f"Strongest {len(rows)} of {len(edges):,} edges that are not zero:"
    return f"{title}\n{text_table(header, rows)}"


def _nodes(data: Dataset) -> str:
    left_out = int(data.activity_nodes.sum())
    if not left_out:
        return f"{data.n_nodes} nodes"
    return f"{data.n_nodes - left_out} measured nodes (without {left_out} drug activity nodes)"
