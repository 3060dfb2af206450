"""A result as `cellbox fit` leaves it, without a training."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from cellbox.data.dataset import Dataset
from cellbox.data.simulation import simulate
from cellbox.evaluation.report import evaluate, evaluate_baselines
from cellbox.evaluation.verdict import beside_baselines
from cellbox.models.ensemble import ensemble_of
from cellbox.models.model import FittedModel
from cellbox.models.training_record import Training
from cellbox.networks.network import Network
from cellbox.settings import Settings
from search.report.evaluation import save_evaluation

NODES = ("AKT", "MEK", "p<53>")
WEIGHTS = np.array([[0.0, -0.8, 0.0], [0.9, 0.0, 0.0], [0.0, 0.7, 0.4]])


def small_data() -> Dataset:
    """Three nodes, one of them with a name that HTML would take for a tag; two replicates."""
    network = Network(NODES, WEIGHTS, np.full(3, 0.8))
    return simulate(
        network, n_conditions=6, n_times=3, n_held_out=2, n_replicates=2, noise=0.02, name="small"
    )


def small_model(data: Dataset, *, members: int = 1) -> FittedModel:
    """A model near the truth; an ensemble of several."""
    random = np.random.default_rng(0)
    history = {"step": [1], "training_loss": [0.1], "validation_mae": [0.1]}
    training = Training("completed", "Trained to the end.", 100, 0.02, history, 1.0, 0.0)
    models = [
        FittedModel(
            Network(NODES, WEIGHTS + random.normal(scale=0.03, size=(3, 3)), np.full(3, 0.8)),
            Settings(),
            data.times,
            number,
            training,
        )
        for number in range(members)
    ]
    if members == 1:
        return models[0]
    return ensemble_of(
        models,
        n_diverged=0,
        selected=np.array([np.abs(model.network.weights) > 0.2 for model in models]),
        allowed_edges=np.ones((3, 3), bool),
        intervals=None,
        bootstrap=True,
        seed=0,
    )


def save_fit(folder: Path, data: Dataset, model: FittedModel) -> Path:
    """What `cellbox fit` writes that a report needs."""
    assert data.split is not None
    report = beside_baselines(
        evaluate(model, data, data.split), evaluate_baselines(data, data.split)
    )
    report["baselines"]["additive rule"] = {**report["baselines"]["mean"], "test_mae": 0.001}
    model.save(folder)
    save_evaluation(
        folder,
        replace(data, split=data.split),
        data.split,
        report,
        how_split="split that came with the data",
        source="simulated",
        caveats=("Mind the gap.",),
    )
    return folder


class Seen(HTMLParser):
    """What stands in a page: its elements with their attributes, and its text."""

    def __init__(self, page: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._code = False
        self.feed(page)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._code = tag in ("script", "style")

    def handle_endtag(self, tag):
        self._code = False

    def handle_data(self, data):
        if not self._code:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of this kind."""
        return [attributes for name, attributes in self.elements if name == tag]
