"""A study's folder as a sweep leaves it, without running one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cellbox.data.dataset import Dataset, Split
from cellbox.data.readers import write_tidy
from cellbox.models.model import FittedModel
from cellbox.models.training_record import Training
from cellbox.networks.known_systems import system
from cellbox.networks.network import Network
from cellbox.settings import Settings
from search.study.budget import Budget
from search.study.folder import StudyFolder, TrialNetworks
from search.study.record import RepeatRecord, StudyRecord, TrialRecord

_SCHEDULES = ("constant", "cosine", "exponential")
_START = 1_700_000_000.0
_METRICS = (
    "test_mae",
    "test_mae_noise_free",
    "test_pearson",
    "pearson",
    "pearson_off_diagonal",
    "pearson_alpha",
    "auprc",
    "auprc_ratio",
    "early_precision_ratio",
    "sign_accuracy",
)
_RIDGE = {"test_mae": 0.05, "test_mae_noise_free": 0.049, "test_pearson": 0.9}
_BASELINES = {"mean": {**_RIDGE, "test_mae": 0.2}, "ridge": _RIDGE, "persistence": None}


def make_record(number: int, **changes: Any) -> TrialRecord:
    """A completed trial of one repeat, or what these changes make of it."""
    training = Training(
        status="completed",
        message="trained to the end",
        steps=100,
        validation_mae=0.1,
        history={"step": [], "training_loss": [], "validation_mae": []},
        seconds=3.1,
        compile_seconds=0.0,
        selection_error=0.1,
        refinement="Not refined.",
    )
    record = TrialRecord(
        number=number,
        parameters={},
        settings={"steps": 3000, "schedule": "cosine", "solver": {"solver": "tsit5"}},
        budget=Budget(20, 2, 5),
        cost=100.0,
        status="completed",
        message="completed as planned",
        objectives={"validation_mae": 0.1},
        reports=((50, 0.5), (100, 0.4)),
        pruned_at=None,
        seed=number,
        shape={"lanes": 8, "threads": 1, "device": "cpu", "versions": {"jax": "0.10.2"}},
        seconds=3.1,
        compile_seconds=0.0,
        started=_START + 4 * number,
        finished=_START + 4 * number + 3.1,
        repeats=(RepeatRecord(number, training, {}),),
        best_repeat=0,
        metrics={},
        baselines=_BASELINES,
        better_than_ridge=True,
        marks={},
    )
    return replace(record, **changes)


def make_pruned(number: int, **changes: Any) -> TrialRecord:
    """A trial that was pruned before anything was learned."""
    empty = dict.fromkeys(
        ("seed", "shape", "seconds", "compile_seconds", "best_repeat", "baselines")
    )
    return make_record(
        number,
        **{
            **empty,
            "status": "pruned",
            "message": "pruned as planned",
            "objectives": {},
            "pruned_at": 100,
            "repeats": (),
            "better_than_ridge": None,
            **changes,
        },
    )


def fake_study(path: Path, n_trials: int, *, objectives: int = 1, points: int = 60) -> StudyFolder:
    """A study of LI with this many finished trials; every fourth pruned, every ninth diverged."""
    folder = StudyFolder(path)
    names = ["validation_mae", "cost"][:objectives]
    folder.write_json(
        "spec.json",
        {
            "name": path.name,
            "seed": 0,
            "trials": n_trials,
            "repeats": 2,
            "data": {"system": "LI"},
            "space": {"peak_rate": {"low": 0.001, "high": 0.1, "log": True}},
            "sampler": {"name": "tpe"},
            "tracking": {"uri": "http://user:hunter2@mlflow.example:5000"},
            "notes": "data from https://me:hunter2@data.example/li",
        },
    )
    network = system("LI").network
    folder.write_study(
        StudyRecord(
            format=2,
            id=f"id-{path.name}",
            data="fingerprint",
            created=_START,
            nodes=network.nodes,
            objectives=tuple(names),
            own_budget=Budget(20, 2, 5),
            truth=True,
            penalty=1.0,
            in_flight=16,
            baselines=_BASELINES,
        )
    )
    _write_data(folder, network)
    for number in range(n_trials):
        add_trial(folder, number, points=points)
    return folder


def _write_data(folder: StudyFolder, truth: Network) -> None:
    random = np.random.default_rng(0)
    data = Dataset(
        nodes=truth.nodes,
        times=np.array([4.0, 8.0, 12.0, 16.0, 20.0]),
        perturbations=np.round(random.uniform(size=(4, truth.n_nodes)), 3),
        measurements=np.round(random.normal(size=(4, 5, truth.n_nodes)), 3),
        row_names=("c1", "c2", "c3", "c4"),
        activity_nodes=np.zeros(truth.n_nodes, bool),
        truth=truth,
        split=Split(np.array([0]), np.array([1]), np.array([2, 3])),
    )
    write_tidy(data, folder.data)


def status_of(number: int) -> str:
    """How the fake trial with this number ended."""
    if number % 9 == 8:
        return "diverged"
    return "pruned" if number % 4 == 3 else "completed"


def add_trial(folder: StudyFolder, number: int, *, points: int = 60) -> TrialRecord:
    """Finish one more trial; returns its record."""
    random = np.random.default_rng(number)
    status = status_of(number)
    rate = float(10 ** random.uniform(-3, -1))
    error = float(0.005 * (1 + 4 * abs(np.log10(rate / 0.03))) * random.uniform(0.9, 1.1))
    conditions = int(random.integers(5, 21))
    planned: dict[str, Any] = {
        "cost": 5.0 * conditions,
        "budget": Budget(conditions, 2, 5),
        "parameters": {
            "peak_rate": rate,
            "l1": float(10 ** random.uniform(-6, -3)),
            "schedule": _SCHEDULES[number % 3],
            "budget.conditions": conditions,
        },
    }
    if status == "pruned":
        record = make_pruned(number, **planned)
    else:
        metrics: dict[str, Any] = {name: float(random.uniform(0.5, 1)) for name in _METRICS}
        metrics.update(validation_mae=error, test_mae=1.1 * error, auprc=None, all_nodes=None)
        names = folder.study.objectives
        record = _ended(make_record(number, **planned), status, error, metrics, points)
        values = dict(zip(names, (error, record.cost), strict=False))
        record = replace(record, objectives=values)
    folder.write_trial(record, _networks(number) if status != "pruned" else None)
    return record


def _ended(
    record: TrialRecord, status: str, error: float, metrics: dict[str, Any], points: int
) -> TrialRecord:
    """The record with two repeats, of which the second is the best."""
    steps = [50 * (point + 1) for point in range(points)]
    curve = [error * (1 + 20 * float(np.exp(-step / 500))) for step in steps]
    repeats = []
    for repeat in range(2):
        history = {"step": steps, "training_loss": [None, *curve[1:]], "validation_mae": curve}
        (one,) = record.repeats
        training = replace(
            one.training,
            status=status,
            steps=steps[-1],
            validation_mae=error,
            selection_error=error,
            history=history,
        )
        repeats.append(RepeatRecord(record.number + 1000 * repeat, training, metrics))
    return replace(
        record,
        status=status,
        message=f"{status} as planned",
        repeats=tuple(repeats),
        best_repeat=1,
        metrics=metrics,
    )


def _networks(number: int) -> TrialNetworks:
    random = np.random.default_rng(number)
    truth = system("LI").network
    n = truth.n_nodes
    return TrialNetworks(
        truth.weights + random.normal(scale=0.02, size=(2, n, n)),
        truth.amplitudes + random.normal(scale=0.02, size=(2, n)),
    )


def add_model(folder: StudyFolder, number: int, *, pictures: bool = True) -> FittedModel:
    """Keep a trial's model, as the sweep does for its best."""
    networks = _networks(number)
    training = Training("completed", "trained to the end", 3000, 0.01, {"step": []}, 1.0, 0.0)
    model = FittedModel(
        Network(system("LI").network.nodes, networks.weights[1], networks.amplitudes[1]),
        Settings(),
        np.array([4.0, 8.0, 12.0, 16.0, 20.0]),
        number,
        training,
    )
    place = model.save(folder.model(number))
    if pictures:
        _draw(model.network, place / "pictures")
    return model


def _draw(network: Network, place: Path) -> None:
    from cellbox.models.plots import plot_network

    place.mkdir()
    plot_network(network).figure.savefig(place / "network.png")
