"""Data and settings in, an ensemble out: many trainings in packs of a bounded number of lanes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from cellbox.data.dataset import Dataset, Split, validation_rows
from cellbox.equation.gradient_check import check_gradient
from cellbox.errors import refuse
from cellbox.models.ensemble import SELECTED_ABOVE, Ensemble, ensemble_of
from cellbox.models.model import FittedModel
from cellbox.refinement.edge_intervals import EdgeIntervals, edge_intervals
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.refine import obstacle
from cellbox.settings import LARGEST_SEED, Settings, check_seed
from cellbox.training.finish import Finisher
from cellbox.training.fit import (
    History,
    check_split,
    choose_split,
    train_to_the_end,
    training_record,
)
from cellbox.training.lane import Pool
from cellbox.training.pack import Harvest, Pack, hyperparameters_of, make_pool, round_up, shape_of

# Lanes of one pack: more gain nothing on a processor, and each takes memory.
MOST_LANES = 16

# What `on_progress` is told: steps done by all members together, steps there are in all, and the
# best validation error of the members under way.
Progress = Callable[[int, int, float], None]


def fit_ensemble(
    data: Dataset,
    settings: Settings | None = None,
    *,
    members: int = 10,
    seed: int = 0,
    split: Split | None = None,
    bootstrap: bool = True,
    on_progress: Progress | None = None,
) -> Ensemble:
    """Learn several networks from the same data; each is trained and finished as by `fit`.

    members: how many. Each has a start of its own and, with `bootstrap`, learns from as many
        training conditions as there are, drawn with replacement, with all their replicates.
    split: as in `fit`. seed: all random numbers follow from it.
    on_progress: called after each validation; see `Progress`.

    Members that diverge are left out and counted. The same data, settings, members and seed give
    the same ensemble, to the bit, on the same kind of machine.

    Raises InputError where `fit` does, for a number of members below 1, and where all diverge.

    Example:
        >>> import cellbox
        >>> network = cellbox.random_network(3, density=0.5, seed=0)
        >>> data = cellbox.simulate(network, n_conditions=6, n_times=2, n_held_out=2)
        >>> settings = cellbox.Settings(steps=50, refinement="none")
        >>> ensemble = cellbox.fit_ensemble(data, settings, members=2)
        >>> len(ensemble.members), len(ensemble.edges())
        (2, 9)
    """
    check_seed(seed)
    if members < 1:
        raise refuse("members", f"expected at least 1, found {members}", "Train 10, for example")
    settings = settings or Settings()
    split = choose_split(data, split, seed)
    check_split(data, split)
    check_gradient(settings.solver, data.times, data.n_nodes)
    # Members that learn from the same rows have a regression on them in common.
    every_row = np.arange(len(split.training))
    common = None if bootstrap else _finisher(data, split, every_row)
    draws = [_Draw(data, split, seed, number, common) for number in range(members)]
    trained = _trained(data, split, settings, draws, on_progress)
    kept = [model for model in trained if model.model.training.status != "diverged"]
    if not kept:
        raise refuse(
            f"ensemble of {data.name}",
            f"expected at least one member that trains, found {members} that diverged",
            "Choose a smaller peak_rate, or a solver for stiff networks (kvaerno5)",
        )
    return ensemble_of(
        [each.model for each in kept],
        n_diverged=members - len(kept),
        selected=np.array([each.selected for each in kept]),
        allowed_edges=_allowed(data),
        intervals=_intervals(data, split, [each.model for each in kept]),
        bootstrap=bootstrap,
        seed=int(seed),
    )


class _Draw:
    """What is random about a member: the seed of its start, and the rows that it learns from.

    common: what finishes all members alike, where they learn from all rows; None to draw rows.
    """

    def __init__(
        self, data: Dataset, split: Split, seed: int, number: int, common: Finisher | None
    ):
        random = np.random.default_rng([seed, number])
        self.seed = int(random.integers(LARGEST_SEED))
        # Positions among the training rows, which are the rows of the pool.
        self.rows: Int[np.ndarray, " n_rows"] = np.arange(len(split.training))
        if common is None:
            self.rows = draw_conditions(data.condition_of_row[split.training], random)
        self.finisher = common or _finisher(data, split, self.rows)


def _finisher(data: Dataset, split: Split, rows: Int[np.ndarray, " n_rows"]) -> Finisher:
    """What finishes trainings on some of the training rows."""
    training = MultipleShooting.of(data, split.training[rows])
    return Finisher(training, data.rows(validation_rows(data, split)))


def draw_conditions(
    condition_of_row: Int[np.ndarray, " n_rows"], random: np.random.Generator
) -> Int[np.ndarray, " n_drawn_rows"]:
    """Rows of as many conditions as there are, drawn with replacement, each with all its rows."""
    conditions = np.unique(condition_of_row)
    drawn = random.choice(conditions, size=len(conditions))
    return np.concatenate([np.flatnonzero(condition_of_row == each) for each in np.sort(drawn)])


@dataclass(frozen=True, eq=False)
class _Trained:
    """A member that is done, and the edges that it selects."""

    model: FittedModel
    selected: Bool[np.ndarray, "n_nodes n_nodes"]


def _trained(
    data: Dataset,
    split: Split,
    settings: Settings,
    draws: list[_Draw],
    on_progress: Progress | None,
) -> list[_Trained]:
    """All members, in order."""
    largest = max(len(draw.rows) for draw in draws)
    pool = _pool(data, split, settings, largest)
    # As many lanes as make the last pack as full as the others.
    n_packs = math.ceil(len(draws) / MOST_LANES)
    n_lanes = math.ceil(len(draws) / n_packs)
    pack = Pack(pool, shape_of(settings, largest, len(data.times)), n_lanes)
    done: list[_Trained] = []
    for first in range(0, len(draws), n_lanes):
        of_pack = draws[first : first + n_lanes]

        def tell(steps: int, best: float, before: int = first * settings.total_steps) -> None:
            if on_progress is not None:
                on_progress(before + steps, len(draws) * settings.total_steps, best)

        done += _train_side_by_side(data, split, settings, pack, pool, of_pack, tell)
    return done


def _train_side_by_side(
    data: Dataset,
    split: Split,
    settings: Settings,
    pack: Pack,
    pool: Pool,
    draws: list[_Draw],
    tell: Callable[[int, float], None],
) -> list[_Trained]:
    """Members that fit one pack."""
    times = np.arange(len(data.times))
    for slot in range(pack.n_lanes):
        pack.stop(slot)
    for slot, draw in enumerate(draws):
        pack.insert(slot, draw.seed, hyperparameters_of(settings, draw.rows, times, pool))
    mine = slice(len(draws))
    started = time.perf_counter()
    histories = train_to_the_end(
        pack,
        len(draws),
        lambda progress: tell(
            int(progress.step[mine].sum()), float(progress.best_validation[mine].min())
        ),
    )
    seconds = time.perf_counter() - started
    return [
        _finished(data, settings, draw, history, pack.harvest(slot), seconds)
        for slot, (draw, history) in enumerate(zip(draws, histories, strict=True))
    ]


def _finished(
    data: Dataset,
    settings: Settings,
    draw: _Draw,
    history: History,
    harvest: Harvest,
    seconds: float,
) -> _Trained:
    """A member after its refinement."""
    outcome = draw.finisher.finish(harvest, settings)
    record = training_record(harvest, outcome, history, seconds=seconds, compile_seconds=0.0)
    weights = outcome.network.weights
    if outcome.refined and settings.refinement == "select_edges":
        selected = weights != 0
    else:
        selected = np.abs(weights) > SELECTED_ABOVE * np.abs(weights).max()
    model = FittedModel(outcome.network, settings, data.times, draw.seed, record)
    return _Trained(model, selected)


def _pool(data: Dataset, split: Split, settings: Settings, n_places: int) -> Pool:
    """Training and validation rows, with unmeasured ones behind them up to a common size.

    A draw may hold more rows than there are, and splits of similar size then share one program.
    """
    validation = validation_rows(data, split)
    n_training = round_up(max(n_places, len(split.training)))
    n_validation = round_up(len(validation))
    return make_pool(
        perturbations=_padded(data.perturbations[split.training], n_training, 0.0),
        measurements=_padded(data.measurements[split.training], n_training, np.nan),
        times=data.times,
        validation_perturbations=_padded(data.perturbations[validation], n_validation, 0.0),
        validation_measurements=_padded(data.measurements[validation], n_validation, np.nan),
        validation_times=data.times,
        validation_nodes=data.measured_nodes,
        allowed_edges=data.allowed_edges,
        precision=settings.solver.precision,
    )


def _padded(
    rows: Float[np.ndarray, "n_rows ..."], n_places: int, value: float
) -> Float[np.ndarray, "n_places ..."]:
    """The rows, and rows of one value behind them."""
    missing = [(0, n_places - len(rows))] + [(0, 0)] * (rows.ndim - 1)
    return np.pad(rows, missing, constant_values=value)


def _allowed(data: Dataset) -> Bool[np.ndarray, "n_nodes n_nodes"]:
    shape = (data.n_nodes, data.n_nodes)
    return np.ones(shape, bool) if data.allowed_edges is None else data.allowed_edges


def _intervals(data: Dataset, split: Split, members: list[FittedModel]) -> EdgeIntervals | None:
    """Intervals from all training rows, beginning at the member that predicts best."""
    problem = MultipleShooting.of(data, split.training)
    if obstacle(problem) is not None:
        return None
    errors = [model.training.validation_mae for model in members]
    best = int(np.argmin([np.inf if error is None else error for error in errors]))
    return edge_intervals(problem, members[best].network, allowed_edges=data.allowed_edges)
