"""Data and settings in, an ensemble out: many trainings in packs of a bounded number of lanes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from os import PathLike

import numpy as np
from jaxtyping import Int

from cellbox.arrays import EdgeMask, RowNumbers
from cellbox.data.dataset import Dataset, Split, validation_rows
from cellbox.equation.gradient_check import check_gradient
from cellbox.errors import refuse
from cellbox.models.ensemble import SELECTED_ABOVE, Ensemble, ensemble_of
from cellbox.models.model import FittedModel
from cellbox.models.provenance import provenance
from cellbox.networks.network import Network
from cellbox.networks.prior import EdgePrior
from cellbox.refinement.edge_intervals import EdgeIntervals, edge_intervals
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.refine import is_large, obstacle
from cellbox.refinement.robust_refine import explain_robustly, weighted
from cellbox.refinement.rounds import OnRound, listening
from cellbox.settings import LARGEST_SEED, Settings, check_seed
from cellbox.storage.compilation import keep_compiled_programs
from cellbox.threads import in_one_thread
from cellbox.training.finish import FinishedTraining, Finisher
from cellbox.training.fit import (
    check_refined,
    check_split,
    choose_split,
    criticise_fit,
    descent_data,
    train_to_the_end,
    with_form,
    with_prior,
)
from cellbox.training.lane import Pool
from cellbox.training.pack import Pack, hyperparameters_of, make_pool, round_up, shape_of

# Lanes of one pack: more gain nothing on a processor, and each takes memory.
MOST_LANES = 16

# What `on_progress` is told: steps done by all members together, steps there are in all, and the
# best validation error of the members under way.
OnEnsembleProgress = Callable[[int, int, float], None]


@in_one_thread
def fit_ensemble(
    data: Dataset,
    settings: Settings | None = None,
    *,
    members: int = 10,
    seed: int = 0,
    split: Split | None = None,
    bootstrap: bool = True,
    on_progress: OnEnsembleProgress | None = None,
    form: str | None = None,
    on_refinement: OnRound | None = None,
    prior: EdgePrior | str | PathLike[str] | None = None,
) -> Ensemble:
    """Learn several networks from the same data; each is trained and finished as by `fit`.

    members: how many. Each has a start of its own and, with `bootstrap`, learns from as many
        training conditions as there are, drawn with replacement, with all their replicates.
    split, form, prior: as in `fit`; a form is searched once, on all training rows. seed: all
        random numbers follow from it.
    on_progress: called after each validation; see `OnEnsembleProgress`. on_refinement: called
        after each round of least squares of any member.

    Members that diverge are left out and counted. The same data, settings, members and seed give
    the same ensemble, to the bit, on the same kind of machine.

    Raises InputError where `fit` does, for a number of members below 1, and where all diverge.

    Example:
        >>> import cellbox
        >>> data = cellbox.read_data("my_experiment")
        >>> settings = cellbox.Settings(steps=50, refinement="none")
        >>> ensemble = cellbox.fit_ensemble(data, settings, members=2)
        >>> len(ensemble.members), len(ensemble.edges())
        (2, 9)
    """
    check_seed(seed)
    if members < 1:
        raise refuse("members", f"expected at least 1, found {members}", "Train 10, for example")
    data = with_prior(data, prior)
    settings = with_form(settings or Settings(), form)
    check_refined(data, settings)
    split = choose_split(data, split, seed)
    check_split(data, split)
    keep_compiled_programs()
    check_gradient(settings.solver, data.times, data.n_nodes)
    with listening(on_refinement):
        whole = Finisher.of(data, split)
        settings = whole.with_form_found(settings)
        draws = [
            _Draw(data, split, seed, number, whole, bootstrap=bootstrap)
            for number in range(members)
        ]
        trained = _trained(data, split, settings, draws, on_progress)
    kept = [member for member in trained if not member.diverged]
    if not kept:
        found = f"expected at least one member that trains, found {members} that diverged"
        fix = "Choose a smaller peak_rate, or a solver for stiff networks (kvaerno5)"
        raise refuse(f"ensemble of {data.name}", found, fix)
    models = [member.model for member in kept]
    best = _best_explaining(data, split, models)
    return ensemble_of(
        models,
        n_diverged=members - len(kept),
        selected=np.array([_selected(member) for member in kept]),
        allowed_edges=data.possible_edges,
        intervals=_intervals(data, split, models, best),
        bootstrap=bootstrap,
        seed=int(seed),
        criticism=criticise_fit(best, data, split),
        provenance=provenance(data, split),
    )


class _Draw:
    """What is random about a member: the seed of its start, and the rows that it learns from.

    whole: what finishes trainings on all rows. bootstrap: whether each
    draws rows of its own.
    """

    def __init__(
        self,
        data: Dataset,
        split: Split,
        seed: int,
        number: int,
        whole: Finisher,
        *,
        bootstrap: bool,
    ):
        random = np.random.default_rng([seed, number])
        self.seed = int(random.integers(LARGEST_SEED))
        # Positions among the training rows, which are the rows of the pool.
        self.rows: RowNumbers = np.arange(len(split.training))
        if bootstrap:
            self.rows = draw_conditions(data.condition_of_row[split.training], random)
        # Members that learn from the same rows have a regression on them in common, except where
        # weights are drawn to zero, each member's in another way.
        shared = not bootstrap and (number == 0 or not whole.data_are_few)
        self.finisher = whole if shared else Finisher.of(data, split, self.rows, whole, number)


def draw_conditions(
    condition_of_row: RowNumbers, random: np.random.Generator
) -> Int[np.ndarray, " n_drawn_rows"]:
    """Rows of as many conditions as there are, drawn with replacement, each with all its rows."""
    conditions = np.unique(condition_of_row)
    drawn = random.choice(conditions, size=len(conditions))
    return np.concatenate([np.flatnonzero(condition_of_row == each) for each in np.sort(drawn)])


def _selected(member: FinishedTraining) -> EdgeMask:
    """The edges that a member selects; see `Ensemble.selected`."""
    weights = member.model.network.weights
    if member.edges_selected:
        return weights != 0
    return np.abs(weights) > SELECTED_ABOVE * np.abs(weights).max()


def _trained(
    data: Dataset,
    split: Split,
    settings: Settings,
    draws: list[_Draw],
    on_progress: OnEnsembleProgress | None,
) -> list[FinishedTraining]:
    """All members, in order."""
    descended_on = descent_data(data, split)
    if descended_on is None:
        return [draw.finisher.finish_from_regression(settings, seed=draw.seed) for draw in draws]
    if data.interventions is None:
        return _descended(descended_on, split, settings, draws, on_progress)
    descending = [_descends(descended_on, split, draw) for draw in draws]
    chosen = [draw for draw, so in zip(draws, descending, strict=True) if so]
    descended = iter(_descended(descended_on, split, settings, chosen, on_progress))
    return [
        next(descended) if so else draw.finisher.finish_from_regression(settings, seed=draw.seed)
        for draw, so in zip(draws, descending, strict=True)
    ]


def _descends(data: Dataset, split: Split, draw: _Draw) -> bool:
    """Whether a member has drawn values that descent can learn from.

    data: with none where nodes are held or doses end; see `descent_data`.
    """
    return bool(np.isfinite(data.measurements[split.training[draw.rows]]).any())


def _descended(
    data: Dataset,
    split: Split,
    settings: Settings,
    draws: list[_Draw],
    on_progress: OnEnsembleProgress | None,
) -> list[FinishedTraining]:
    """Members that descend, in order."""
    if not draws:
        return []
    largest = max(len(draw.rows) for draw in draws)
    pool = _pool(data, split, settings, largest)
    # As many lanes as make the last pack as full as the others.
    n_packs = math.ceil(len(draws) / MOST_LANES)
    n_lanes = math.ceil(len(draws) / n_packs)
    pack = Pack(pool, shape_of(settings, largest, len(data.times)), n_lanes)
    done: list[FinishedTraining] = []
    for first in range(0, len(draws), n_lanes):
        of_pack = draws[first : first + n_lanes]

        def tell(steps: int, best: float, before: int = first * settings.total_steps) -> None:
            if on_progress is not None:
                on_progress(before + steps, len(draws) * settings.total_steps, best)

        done += _train_side_by_side(settings, pack, pool, of_pack, tell)
    return done


def _train_side_by_side(
    settings: Settings,
    pack: Pack,
    pool: Pool,
    draws: list[_Draw],
    tell: Callable[[int, float], None],
) -> list[FinishedTraining]:
    """Members that fit one pack."""
    times = np.arange(len(pool.times))
    for slot in range(pack.n_lanes):
        pack.stop(slot)
    for slot, draw in enumerate(draws):
        pack.insert(slot, draw.seed, hyperparameters_of(settings, draw.rows, times, pool))
    mine = slice(len(draws))
    started = time.perf_counter()
    train_to_the_end(
        pack,
        lambda progress: tell(
            int(progress.step[mine].sum()), float(progress.best_validation[mine].min())
        ),
    )
    seconds = time.perf_counter() - started
    return [
        draw.finisher.finish(pack.harvest(slot), settings, seed=draw.seed, seconds=seconds)
        for slot, draw in enumerate(draws)
    ]


def _pool(data: Dataset, split: Split, settings: Settings, n_places: int) -> Pool:
    """Training and validation rows, with unmeasured ones behind them up to a common size.

    A draw may hold more rows than there are, and splits of similar size then share one program.
    """
    training, validation = data.rows(split.training), data.rows(validation_rows(data, split))
    return make_pool(
        training,
        validation,
        settings.solver.precision,
        training_places=round_up(max(n_places, training.n_rows)),
        validation_places=round_up(validation.n_rows),
    )


def _best_explaining(data: Dataset, split: Split, members: list[FittedModel]) -> Network:
    """The network of the member that explains all training rows best.

    Not of the one that predicts best: a few validation conditions do not show that it lies in
    another valley, from where the least squares of all edges find no way out.
    """
    if is_large(data.n_nodes):
        # One step leads to the least squares of all edges only from near by.
        members = [member for member in members if member.training.refined] or members
    problem = MultipleShooting.of(data, split.training)
    explained = [_information(problem, member.network) for member in members]
    return members[int(np.argmin(explained))].network


def _intervals(
    data: Dataset, split: Split, members: list[FittedModel], start: Network
) -> EdgeIntervals | None:
    """Intervals from all training rows, beginning at a network that explains them."""
    problem = MultipleShooting.of(data, split.training)
    refined = not is_large(data.n_nodes) or any(member.training.refined for member in members)
    if obstacle(problem, data.allowed_edges) is not None or not refined:
        return None
    counted, widening = weighted(problem, start)
    return edge_intervals(counted, start, allowed_edges=data.allowed_edges, widening=widening)


def _information(problem: MultipleShooting, network: Network) -> float:
    """The information criterion of a network as it is; infinite where it cannot be solved."""
    try:
        information = explain_robustly(problem, network).information
    except np.linalg.LinAlgError:
        return math.inf
    return information if math.isfinite(information) else math.inf
