"""What MLflow shows of a trial, from its record: names, tags, parameters, metrics."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cellbox.networks.hidden_nodes import HIDDEN
from cellbox.networks.line_differences import LINES
from search.study.record import TrialRecord
from search.tracking.credentials import without_credentials
from search.tracking.notes import note_tags

# Enough for any curve on a screen; each point is a row in MLflow's database.
MOST_POINTS = 100

# MLflow colours a list of runs by their status.
RUN_STATUS = {"completed": "FINISHED", "pruned": "KILLED", "diverged": "FAILED"}

# In one list with `test_pearson`, which is of predictions, a name has to say what it is of.
_SHOWN_NAMES = {
    "pearson": "weights_pearson",
    "pearson_off_diagonal": "weights_pearson_off_diagonal",
    "pearson_alpha": "amplitudes_pearson",
}

# Settings that mean something with one schedule alone, or with all but one.
_OF_SCHEDULE = {
    "warmup_share": lambda schedule: schedule == "warmup_cosine",
    "final_share": lambda schedule: schedule != "constant",
}

_LONGEST_KEY = 250
_LONGEST_VALUE = 500
_NOT_IN_KEYS = re.compile(r"[^\w\-. :/]")


@dataclass(frozen=True)
class MetricValue:
    """One value of a metric; `step` is the training step, 0 for a final value."""

    key: str
    value: float
    step: int = 0


@dataclass(frozen=True)
class TrialContent:
    """A trial as MLflow's client takes it. started, finished: milliseconds since 1970."""

    name: str
    run_status: str
    started: int
    finished: int
    tags: dict[str, str]
    parameters: dict[str, str]
    values: list[MetricValue]


def trial_content(record: TrialRecord) -> TrialContent:
    """What MLflow is told of a finished trial."""
    return TrialContent(
        name=f"trial {record.number}",
        run_status=RUN_STATUS[record.status],
        started=milliseconds(record.started),
        finished=milliseconds(record.finished),
        tags=_tags(record),
        parameters=texts(_parameters(record)),
        values=[
            # A number, so that charts can have it across.
            MetricValue("trial", float(record.number)),
            *_history(record),
            *final_values(trial_metrics(record)),
        ],
    )


def milliseconds(seconds: float) -> int:
    """A time as MLflow counts it."""
    return round(1000 * seconds)


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as one level with dotted names."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Parameters as MLflow takes them: allowed names, short texts, no credentials."""
    named = {_NOT_IN_KEYS.sub("_", key)[:_LONGEST_KEY]: value for key, value in values.items()}
    return {key: _text(value) for key, value in named.items()}


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    text = without_credentials(text)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def final_values(metrics: Mapping[str, Any], step: int = 0) -> list[MetricValue]:
    """The finite numbers among `metrics`; MLflow has no place for what is undefined."""
    return [
        MetricValue(key, float(value), step) for key, value in metrics.items() if is_number(value)
    ]


def is_number(value: Any) -> bool:
    """Whether this is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def trial_metrics(record: TrialRecord) -> dict[str, Any]:
    """Final values of a trial: objectives, metrics (means over repeats), times.

    Recovery of the network is named after what was recovered: a record's `pearson` is
    `weights_pearson` here.
    """
    metrics = {_SHOWN_NAMES.get(key, key): value for key, value in record.metrics.items()}
    everything = metrics.pop("all_nodes", None) or {}
    return {
        **metrics,
        **{f"all_nodes/{key}": value for key, value in everything.items()},
        **record.objectives,
        "cost": record.cost,
        "seconds": record.seconds,
        "compile_seconds": record.compile_seconds,
    }


def _parameters(record: TrialRecord) -> dict[str, Any]:
    """Everything that was set, whether sampled or fixed: sampled values win.

    Without what does not apply: None, and numbers of another schedule.
    """
    every = {**flatten(record.settings), **record.budget_parameters, **record.parameters}
    schedule = every.get("schedule")
    return {
        name: value
        for name, value in every.items()
        if value is not None and (name not in _OF_SCHEDULE or _OF_SCHEDULE[name](schedule))
    }


def _tags(record: TrialRecord) -> dict[str, str]:
    # A pruned trial may have ended before any of its repeats told its shape.
    shape = {key: value for key, value in (record.shape or {}).items() if key != "versions"}
    tags = {
        "cellbox.kind": "trial",
        "cellbox.trial": str(record.number),
        "cellbox.status": record.status,
        "cellbox.origin": record.origin or "",
        "cellbox.seed": "" if record.seed is None else str(record.seed),
        "cellbox.shape": json.dumps(shape) if shape else "",
        **(note_tags({}, without_credentials(record.message)) if record.message else {}),
    }
    form = None if record.best is None else record.best.training.form
    if form is not None:
        curve = [] if form["curve"] == "tanh" else [form["curve"]]
        n_hidden = len(form["hidden"]["sources"]) if "hidden" in form else 0
        hidden = [name for name, count in HIDDEN.items() if count == n_hidden]
        lines = [LINES] if LINES in form else []
        tags["cellbox.form"] = ",".join([*form["values"], *curve, *hidden, *lines])
    strength = None if record.best is None else record.best.training.prior_strength
    if strength is not None:
        tags["cellbox.prior_strength"] = f"{strength:.3g}"
    if record.lineage is not None:
        parent = record.lineage.parent
        tags["cellbox.generation"] = str(record.lineage.generation)
        tags["cellbox.parent"] = "" if parent is None else str(parent)
    if record.excess:
        tags["cellbox.within_constraints"] = "true" if record.eligible else "false"
    if record.pruned_at is not None:
        tags["cellbox.pruned_at"] = str(record.pruned_at)
    return {key: value for key, value in tags.items() if value}


def _history(record: TrialRecord) -> Iterator[MetricValue]:
    """The best repeat's curves; what the pruner saw where no repeat came that far.

    They have names of their own: a final value under the same name would hide behind the last
    training step, since MLflow shows the value of the highest step.
    """
    if record.best is not None:
        history = record.best.training.history
        curves = {key: history[key] for key in ("training_loss", "validation_mae")}
        steps = history["step"]
    else:
        steps = [step for step, _ in record.reports]
        curves = {"validation_mae": [value for _, value in record.reports]}
    for key, values in curves.items():
        known = [
            (step, value) for step, value in zip(steps, values, strict=True) if is_number(value)
        ]
        for step, value in thinned(known):
            yield MetricValue(f"history/{key}", float(value), int(step))


def thinned(
    curve: Sequence[tuple[float, float]], most: int = MOST_POINTS
) -> Iterable[tuple[float, float]]:
    """At most `most` points of a curve: evenly spread, with its ends and its lowest value."""
    if len(curve) <= most:
        return curve
    kept = {round(place * (len(curve) - 1) / (most - 2)) for place in range(most - 1)}
    kept.add(min(range(len(curve)), key=lambda place: curve[place][1]))
    return [curve[place] for place in sorted(kept)]
