"""Reproductions so small that a task takes seconds, and records of tasks that never ran."""

from cellbox.scores.baselines import BASELINES
from cellbox.settings import Settings
from search.reproduction.recipe import Recipe
from search.reproduction.summary import BOUNDS, METRICS, TaskResult
from search.reproduction.task import Task

TINY = Recipe(
    "tiny",
    tuple(Settings(steps=50, validate_every=25, l1=l1) for l1 in (1e-5, 1e-4)),
    n_refined=1,
)


def task(seed=0, *, system="mCAD", sigma=0.001, design="balanced"):
    return Task(system, sigma, seed, design)


def record(value=0.9, **changes):
    """A record all of whose metrics are `value`."""
    score = {"test_mae": value, "test_mae_noise_free": value, "test_pearson": value}
    return {
        "status": "completed",
        "message": "Training ran to its last step.",
        "metrics": dict.fromkeys(METRICS, value),
        "baselines": {**dict.fromkeys(BASELINES, score), "all_nodes": None},
        "bound": {**dict.fromkeys(BOUNDS, value), "reason": None},
        "rounding_sensitive_training_conditions": 0,
        "edges_learned": 14,
        "training": {"noise": 0.001},
        "seconds": 1.0,
        **changes,
    }


def result(seed=0, value=0.9, *, changes=None, **of_task):
    return TaskResult(task(seed, **of_task), record(value, **(changes or {})))


def failed(seed=0, **of_task):
    content = {"status": "failed", "message": "LinAlgError: Singular matrix"}
    return TaskResult(task(seed, **of_task), content)
