"""Which of several models predicts held-out conditions best, with intervals, in numbers and words.

Differences are paired: each condition is predicted by all models, and the bootstrap draws whole
conditions, with all the splits and replicates in which they are held out. So an interval says how
sure a difference is for conditions like these, with these drugs, and not for drugs that nobody
tried.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Num

from cellbox.arrays import NodeMask, Responses, RowNumbers
from cellbox.data.dataset import Dataset
from cellbox.data.split_schemes import HeldOut
from cellbox.evaluation.held_out_predictions import ADDITIVE, ENSEMBLE
from cellbox.scores.additive import predictable
from cellbox.scores.metrics import mean_absolute_error, pearson_correlation

# Of one split; others hold other numbers of rows out.
Predicted = Mapping[str, Float[np.ndarray, "_n_test_rows n_times n_nodes"]]

BOOTSTRAPS = 2000


@dataclass(frozen=True)
class ModelScore:
    """How one model predicts a scheme's held-out values.

    pearson, mae: over all values of all splits together (log ratio). pearson_by_split: r of each
    split, in order; None where not defined. The others summarise those. All are None where the
    model predicts a part of the values alone, which could not be set beside the others.
    """

    pearson: float | None
    mae: float | None
    pearson_by_split: tuple[float | None, ...]
    pearson_mean: float | None
    pearson_median: float | None
    mae_mean: float | None


@dataclass(frozen=True)
class Difference:
    """CellBox minus another model, with the 95 % interval of a bootstrap over conditions.

    Positive where CellBox has the larger r, and negative where it has the smaller error. None
    where a prediction is missing.
    rows, of_rows: how many of the held-out rows are compared: all but those that the additive rule
    cannot predict. cellbox_pearson, cellbox_mae, other_pearson, other_mae: of the two over these.
    """

    rows: int
    of_rows: int
    cellbox_pearson: float | None
    cellbox_mae: float | None
    other_pearson: float | None
    other_mae: float | None
    pearson: float | None
    pearson_low: float | None
    pearson_high: float | None
    mae: float | None
    mae_low: float | None
    mae_high: float | None

    @property
    def by_pearson(self) -> int | None:
        """1 where CellBox has clearly the larger r, -1 the smaller, 0 where neither is clear."""
        if self.pearson_low is None or self.pearson_high is None:
            return None
        return _verdict(self.pearson_low, self.pearson_high)

    @property
    def by_mae(self) -> int | None:
        """1 where CellBox has clearly the smaller error, -1 the larger, 0 where neither is."""
        if self.mae_low is None or self.mae_high is None:
            return None
        return _verdict(-self.mae_high, -self.mae_low)


@dataclass(frozen=True)
class NodesReport:
    """The scores of all models over some of the nodes; differences are to each other model."""

    n_nodes: int
    scores: dict[str, ModelScore]
    differences: dict[str, Difference]


@dataclass(frozen=True)
class SchemeReport:
    """What a scheme showed.

    splits: their names. all_nodes: None where no activity nodes are left out of the measured ones.
    """

    scheme: str
    splits: tuple[str, ...]
    n_values: int
    measured_nodes: NodesReport
    all_nodes: NodesReport | None

    def sentences(self) -> list[str]:
        """In plain words, whether CellBox or another model predicts better."""
        return [_sentence(self.measured_nodes, other) for other in self.measured_nodes.differences]


def report_scheme(
    data: Dataset, splits: Sequence[HeldOut], predicted: Sequence[Predicted], *, seed: int = 0
) -> SchemeReport:
    """Score the predictions of a scheme's splits, one mapping of model to values for each.

    seed: of the bootstrap.
    """
    nodes = data.measured_nodes
    measured = [data.measurements[split.test] for split in splits]
    return SchemeReport(
        scheme=splits[0].scheme,
        splits=tuple(split.name for split in splits),
        n_values=int(sum(np.isfinite(values[..., nodes]).sum() for values in measured)),
        measured_nodes=_report_nodes(data, splits, predicted, nodes, seed),
        all_nodes=(
            None
            if nodes.all()
            else _report_nodes(data, splits, predicted, np.ones(data.n_nodes, bool), seed)
        ),
    )


def _report_nodes(
    data: Dataset,
    splits: Sequence[HeldOut],
    predicted: Sequence[Predicted],
    nodes: NodeMask,
    seed: int,
) -> NodesReport:
    measured = [data.measurements[split.test][..., nodes] for split in splits]
    together = np.concatenate(measured)
    by_model = {name: [each[name][..., nodes] for each in predicted] for name in predicted[0]}
    conditions = np.concatenate([data.condition_of_row[split.test] for split in splits])
    cellbox = np.concatenate(by_model[ENSEMBLE])
    return NodesReport(
        n_nodes=int(nodes.sum()),
        scores={name: _score(values, measured) for name, values in by_model.items()},
        differences={
            name: paired_difference(
                cellbox,
                np.concatenate(values),
                together,
                conditions,
                seed,
                may_be_partial=name == ADDITIVE,
            )
            for name, values in by_model.items()
            if name != ENSEMBLE
        },
    )


def _score(predicted: Sequence[np.ndarray], measured: Sequence[np.ndarray]) -> ModelScore:
    pairs = list(zip(predicted, measured, strict=True))
    by_split = tuple(_pearson(*pair) for pair in pairs)
    errors = [mean_absolute_error(*pair) for pair in pairs]
    defined = [value for value in by_split if value is not None]
    complete = len(defined) == len(by_split)
    together = np.concatenate(predicted), np.concatenate(measured)
    return ModelScore(
        pearson=_pearson(*together),
        mae=_finite(mean_absolute_error(*together)),
        pearson_by_split=by_split,
        pearson_mean=float(np.mean(defined)) if complete else None,
        pearson_median=float(np.median(defined)) if complete else None,
        mae_mean=_finite(float(np.mean([error for error in errors if error is not None]))),
    )


def _pearson(predicted: np.ndarray, measured: np.ndarray) -> float | None:
    """r, None where a measured value has no prediction: the rest would flatter the model."""
    if not np.isfinite(predicted[np.isfinite(measured)]).all():
        return None
    return pearson_correlation(predicted, measured)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def paired_difference(
    first: Responses,
    second: Responses,
    measured: Responses,
    conditions: RowNumbers,
    seed: int,
    *,
    may_be_partial: bool,
) -> Difference:
    """First minus second, with an interval, over the rows that the second predicts.

    may_be_partial: whether it may leave rows out; else a missing prediction is a failure.
    """
    of_rows = len(measured)
    if may_be_partial:
        told = predictable(second, measured)
        first, second, measured = first[told], second[told], measured[told]
        conditions = conditions[told]
    known = np.isfinite(measured)
    numbers: tuple[float, ...] = (np.nan,) * 6
    if known.any() and np.isfinite(first[known]).all() and np.isfinite(second[known]).all():
        sums = [_sums(each, measured, conditions) for each in (first, second)]
        numbers = _with_intervals(sums, seed)
    of_both = [
        number
        for each in (first, second)
        for number in (_pearson(each, measured), mean_absolute_error(each, measured))
    ]
    return Difference(
        len(measured), of_rows, *map(_finite, of_both), *(_finite(float(each)) for each in numbers)
    )


def _with_intervals(sums: Sequence[np.ndarray], seed: int) -> tuple[float, ...]:
    """Of r and of the error: the difference, and the ends of its interval."""
    ones = np.ones((1, len(sums[0])))
    pearson, mae = (values.item() for values in _apart(ones, *sums))
    # How often each condition is drawn, in each bootstrap.
    random = np.random.default_rng(seed)
    n_conditions = len(sums[0])
    counts = random.multinomial(n_conditions, np.full(n_conditions, 1 / n_conditions), BOOTSTRAPS)
    drawn_pearson, drawn_mae = _apart(counts, *sums)
    return (pearson, *_middle(drawn_pearson), mae, *_middle(drawn_mae))


def _middle(drawn: Float[np.ndarray, " n_draws"]) -> tuple[float, float]:
    """The ends of the middle 95 %; NaN where no draw has a value."""
    known = drawn[np.isfinite(drawn)]
    if not len(known):
        return np.nan, np.nan
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


def _sums(
    predicted: np.ndarray, measured: np.ndarray, conditions: RowNumbers
) -> Float[np.ndarray, "n_conditions 7"]:
    """Of each condition: count, Σx, Σy, Σx², Σy², Σxy and Σ|x − y| over its measured values.

    r and the error of any draw of conditions follow from these alone.
    """
    known = np.isfinite(measured)
    x, y = np.where(known, predicted, 0.0), np.where(known, measured, 0.0)
    terms = np.stack([known, x, y, x**2, y**2, x * y, np.abs(x - y)])
    of_rows = terms.sum(axis=(2, 3)).T
    _, group = np.unique(conditions, return_inverse=True)
    sums = np.zeros((int(group.max()) + 1, of_rows.shape[1]))
    np.add.at(sums, group, of_rows)
    return sums


def _apart(
    counts: Num[np.ndarray, "n_draws n_conditions"], first: np.ndarray, second: np.ndarray
) -> tuple[Float[np.ndarray, " n_draws"], Float[np.ndarray, " n_draws"]]:
    """Difference of r and of the error in each draw."""
    pearsons, errors = [], []
    for sums in (first, second):
        n, x, y, xx, yy, xy, error = (counts @ sums).T
        with np.errstate(invalid="ignore", divide="ignore"):
            scale = np.sqrt((n * xx - x**2) * (n * yy - y**2))
            pearsons.append((n * xy - x * y) / scale)
            errors.append(error / n)
    return pearsons[0] - pearsons[1], errors[0] - errors[1]


def _sentence(report: NodesReport, other: str) -> str:
    """Whether CellBox predicts better than another model over these nodes."""
    apart = report.differences[other]
    if not apart.rows:
        return (
            f"The {other} rule applies to none of the {apart.of_rows} held-out series: the single "
            "responses of what they perturb were not measured."
        )
    if apart.by_pearson is None:
        return f"CellBox and {other} cannot be compared: a prediction is missing or constant."
    if apart.by_mae is None:
        return f"CellBox and {other} cannot be compared: no error is known."
    by_r = _WORDS[apart.by_pearson].format(other=other)
    by_error = _WORDS[apart.by_mae].format(other=other)
    verdict = by_r if by_r == by_error else f"{by_r} by r, and {by_error} by MAE"
    part = ""
    if apart.rows < apart.of_rows:
        part = f", over the {apart.rows} of {apart.of_rows} held-out series that it applies to"
    return (
        f"CellBox predicts {verdict}{part}: "
        f"pooled r {apart.cellbox_pearson:.3f} against {apart.other_pearson:.3f} "
        f"(difference {apart.pearson:+.4f}, 95 % {apart.pearson_low:+.4f} to "
        f"{apart.pearson_high:+.4f}), MAE {apart.cellbox_mae:.4f} against {apart.other_mae:.4f} "
        f"(difference {apart.mae:+.4f}, 95 % {apart.mae_low:+.4f} to {apart.mae_high:+.4f})."
    )


_WORDS = {
    1: "better than {other}",
    0: "neither clearly better nor clearly worse than {other}",
    -1: "worse than {other}",
}


def _verdict(low: float, high: float) -> int:
    """1 where the whole interval is above 0, -1 where it is below, else 0."""
    return int(low > 0) - int(high < 0)
