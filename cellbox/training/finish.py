"""What becomes of a training when its gradient descent ends: refinement, and what it is judged by.

Least squares need a start in the right valley: see `cellbox.training.starts`. Of what the starts
lead to, the smallest information criterion is taken.

Refinement must not ruin what descent had found (on a network with several steady states a fit of
all training data may end in the wrong one). So the two are compared on the validation conditions,
which refinement has not seen, condition by condition. Descent was stopped where it does best on
them, so that a small lead says nothing: a refined network is given up only where it is worse beyond
noise (see `is_worse`).

Where there are fewer data than least squares need, the other network is one whose weights were
drawn to zero (`cellbox.refinement.shrinkage`), by the same rule; unless all validation conditions
were trained on, as where none is kept back: then they would praise what fits them best.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from jaxtyping import Float

from cellbox.arrays import RowNumbers
from cellbox.data.dataset import Dataset, Split, validation_rows
from cellbox.errors import refuse
from cellbox.models.model import FittedModel
from cellbox.models.prediction_solver import prediction_solver
from cellbox.models.training_record import Training
from cellbox.networks.form import NONE, SEARCH, Form
from cellbox.networks.network import Network
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.refine import is_large, obstacle
from cellbox.refinement.robust_refine import explain_robustly
from cellbox.refinement.unexplained import is_explained, needs_other_starts
from cellbox.settings import Settings
from cellbox.storage.compilation import make_room_for_programs
from cellbox.training.endings import (
    Candidate,
    Course,
    Ending,
    Explained,
    all_in,
    check_interventions,
    error_sentence,
    finite,
    has_edges,
    line_sentence,
    refined_ending,
    status_of,
    unexplained_sentence,
)
from cellbox.training.few_data import FewData
from cellbox.training.form_search import Judge, StartedFit, judge_of
from cellbox.training.pack import Harvest
from cellbox.training.row_errors import are_noise, errors_in_rows, is_worse
from cellbox.training.starts import Starts


@dataclass(frozen=True, eq=False)
class FinishedTraining:
    """A training that has ended, refinement included.

    model: what it learned, with how it went. refined: whether its network is what refinement
    found, rather than what descent left. edges_selected: whether that left edges out, so that
    every entry of W that is not zero is an edge.
    """

    model: FittedModel
    refined: bool
    edges_selected: bool = False

    @property
    def diverged(self) -> bool:
        """Whether descent diverged, and refinement found nothing better."""
        return self.model.training.status == "diverged"

    @property
    def rank(self) -> float:
        """The selection error, which is infinite where nothing can be trusted."""
        error = self.model.training.selection_error
        return math.inf if error is None else error


class Finisher:
    """Finishes trainings on the same data.

    training: the series that they learned from. validation: the validation conditions alone.
    judge: whether a network explains these series, for a search of forms. row_names: of the
    training, for what is refused.
    like: what finishes trainings on much the same data; where data are few, how weights are drawn
    to zero is then chosen there. place: its best choice (0), or one that predicts nearly as well.
    """

    @classmethod
    def of(
        cls,
        data: Dataset,
        split: Split,
        rows: RowNumbers | None = None,
        like: Finisher | None = None,
        place: int = 0,
    ) -> Finisher:
        """What finishes trainings on the training rows of a split.

        rows: positions among these, where not all of them were learned from.
        """
        training = split.training if rows is None else split.training[rows]
        validation = data.rows(validation_rows(data, split))
        judge = judge_of(data, training)
        names = [data.row_names[row] for row in training]
        problem = MultipleShooting.of(data, training)
        return cls(problem, validation, like, place, judge=judge, row_names=names)

    def __init__(
        self,
        training: MultipleShooting,
        validation: Dataset,
        like: Finisher | None = None,
        place: int = 0,
        *,
        judge: Judge | None = None,
        row_names: Sequence[str] | None = None,
    ):
        self._training = training
        self._validation = validation
        self._obstacle = obstacle(training, validation.allowed_edges)
        if training.interventions is not None:
            check_interventions(training, self._obstacle, row_names)
        self._starts = Starts(
            training, validation.nodes, validation.allowed_edges, judge, validation.prior
        )
        of_like = None if like is None else like._few
        self._few: FewData = FewData(training, validation, of_like, place)

    @property
    def data_are_few(self) -> bool:
        """Whether there are too few data for least squares."""
        return self._obstacle is not None

    def with_form_found(self, settings: Settings) -> Settings:
        """The settings with the form that the data ask for, where that is to be searched."""
        if settings.form != SEARCH:
            return settings
        found = self._starts.form_for(SEARCH, settings.refinement == "select_edges")
        return replace(settings, form=str(found))

    def finish(
        self,
        harvest: Harvest,
        settings: Settings,
        *,
        seed: int,
        seconds: float = 0.0,
        compile_seconds: float = 0.0,
    ) -> FinishedTraining:
        """Refine what a descent left behind, as its settings say, and judge it.

        seed: of the descent. seconds: what it took; compile_seconds: what making its program took.
        """
        started = time.perf_counter()
        ending = self._ending(harvest, settings)
        message = self._descended_on
        if harvest.status.diverged and ending.refined:
            found = "a network all the same" if has_edges(ending) else "no edge either"
            message += f" Least squares found {found}."
        went = Course(
            status=status_of(harvest, ending),
            message=harvest.status.sentence + message,
            steps=harvest.step,
            history=harvest.history,
            seconds=seconds + time.perf_counter() - started,
            compile_seconds=compile_seconds,
        )
        return self._finished(ending, went, settings, seed)

    @property
    def _descended_on(self) -> str:
        """From which rows descent has learned, where these are not all."""
        done = self._training.interventions
        if done is None:
            return ""
        n_rows = len(done.affected)
        return (
            f" Descent, which knows doses that last alone, learned from "
            f"{n_rows - int(done.affected.sum())} of {n_rows} rows; least squares from all."
        )

    def finish_from_regression(self, settings: Settings, *, seed: int) -> FinishedTraining:
        """The best of what least squares from a regression lead to, where nothing can descend.

        Raises InputError where these equations cannot be solved.
        """
        started = time.perf_counter()
        select_edges = settings.refinement == "select_edges"
        form = self._starts.form_for(settings.form, select_edges)
        fits = self._starts.regression(select_edges, form, settings.prior_strength)
        candidates = self._candidates(fits, settings)
        candidates = [*candidates, *self._told_by(candidates, settings, form)]
        if not candidates:
            raise refuse(
                "fit",
                "expected least squares that can be solved from a regression, found none",
                "Give conditions without held nodes and with doses that last, from which other "
                "starts begin",
            )
        best = min(candidates, key=lambda one: one.found.information)
        told = (
            "Least squares from a regression: in all conditions nodes are held or doses begin "
            "later or end, which descent does not know."
        )
        return self._without_descent(best, told, started, settings, seed)

    def finish_without_descent(self, settings: Settings, *, seed: int) -> FinishedTraining | None:
        """What least squares from a regression lead to, where that explains the data.

        None where it does not: where more than noise is left of the training rows or of the
        validation rows, and where data or nodes are too many or too few to tell. Then a descent is
        another start.
        """
        started = time.perf_counter()
        if settings.refinement == "none" or self.data_are_few:
            return None
        select_edges = settings.refinement == "select_edges"
        form = self._starts.form_for(settings.form, select_edges)
        strength = settings.prior_strength
        fits = self._starts.regression(select_edges, form, strength)
        found = self._candidates(fits, settings)
        best = min(found, key=lambda one: one.found.information, default=None)
        if best is None or not self._is_enough(best):
            return None
        told = "Least squares from a regression explain the data, so there was no descent."
        return self._without_descent(best, told, started, settings, seed)

    def _without_descent(
        self, best: Candidate, message: str, started: float, settings: Settings, seed: int
    ) -> FinishedTraining:
        seconds = time.perf_counter() - started
        went = Course(status="completed", message=message, seconds=seconds)
        return self._finished(self._ended(best, settings), went, settings, seed)

    def _is_enough(self, found: Candidate) -> bool:
        """Whether a refined network leaves no more than noise, of the validation rows as well."""
        return is_explained(self._training, found.noise) and are_noise(found.errors, found.noise)

    def _finished(
        self, ending: Ending, went: Course, settings: Settings, seed: int
    ) -> FinishedTraining:
        make_room_for_programs()
        training = Training(
            status=went.status,
            message=went.message,
            steps=went.steps,
            validation_mae=finite(ending.validation_mae),
            history={
                "step": [step for step, _, _ in went.history],
                "training_loss": [finite(error) for _, error, _ in went.history],
                "validation_mae": [finite(error) for _, _, error in went.history],
            },
            seconds=went.seconds,
            compile_seconds=went.compile_seconds,
            selection_error=finite(ending.selection_error),
            refinement=ending.refinement + line_sentence(ending.network, settings, self._training),
            noise=ending.noise,
            noise_freedom=ending.freedom,
            # Weights that were drawn to zero are biased, and no error of least squares is theirs.
            refined=ending.refined and not self.data_are_few,
            form=None if ending.network.form is None else ending.network.form.to_dict(),
            prior_strength=ending.prior_strength,
        )
        times = self._validation.times
        units = self._validation.units
        model = FittedModel(ending.network, settings, times, int(seed), training, units=units)
        if self._training.lines is not None:
            model = replace(model, lines=self._training.lines.names)
        return FinishedTraining(model, ending.refined, ending.edges_selected)

    def _ending(self, harvest: Harvest, settings: Settings) -> Ending:
        network = Network(self._validation.nodes, harvest.weights, harvest.amplitudes)
        error, diverged = harvest.validation_mae, harvest.status.diverged
        if self._obstacle is not None:
            told = f"Not refined: {self._obstacle}."
            if settings.form != NONE:
                told += f" No form was fitted either: this is Eq. 1, not {settings.form}."
            descended = Ending(network, error, np.inf if diverged else error, told, None)
            return self._of_few_data(descended, settings)
        # It costs as much as a part of refinement, and is seldom asked for where that is kept.
        before = cache(lambda: self._explained(network, diverged))

        def noise() -> float | None:
            return before().noise

        def as_it_was(told: str) -> Ending:
            return Ending(network, error, before().error, told, before().noise)

        if settings.refinement == "none":
            return as_it_was(f"Not refined{': training diverged' if diverged else ', as asked'}.")
        errors, _ = self._errors(network, settings)
        refined = self._refined(network, settings, noise, errors)
        if not refined:
            return as_it_was("Refinement failed: its equations could not be solved.")
        kept = [one for one in refined if not one.is_worse_than(errors, self._training, noise)]
        best = min(kept or refined, key=lambda one: one.found.information)
        if not kept:
            told = f"{best.errors.mean():.3g} instead of {errors.mean():.3g}"
            told = f"Refinement was not kept: validation error {told}."
            return as_it_was(told + unexplained_sentence(self._training, before().noise))
        return self._ended(best, settings)

    def _ended(self, best: Candidate, settings: Settings) -> Ending:
        return refined_ending(best, settings, self._training, self._validation.prior)

    def _of_few_data(self, descended: Ending, settings: Settings) -> Ending:
        """What descent left, or a network whose weights were drawn to zero."""
        found = None if settings.refinement == "none" else self._few.fit(settings)
        if found is None:
            return descended
        after, error = self._errors(found.network, settings)
        before, _ = self._errors(descended.network, settings)
        kept_back = not all_in(self._validation, self._training)
        if not np.isfinite(error) or (kept_back and is_worse(before, after, found.noise)):
            told = f"validation error {after.mean():.3g} instead of {before.mean():.3g}"
            return descended._replace(refinement=f"{found.sentence} It was not kept: {told}.")
        told = found.sentence + error_sentence(self._training, found.noise)
        # The validation error, since descent of another trial may have nothing else to show.
        strength = found.choice.prior.known or None
        return Ending(
            found.network, error, error, told, found.noise, refined=True, prior_strength=strength
        )

    def _explained(self, network: Network, diverged: bool) -> Explained:
        """How a network as descent left it explains the training data."""
        try:
            explained = explain_robustly(self._training, network)
        except np.linalg.LinAlgError:
            explained = None
        if explained is None or not np.isfinite(explained.noise):
            # Not the validation error, which is another measure and would look better than it is.
            return Explained(np.inf, None)
        return Explained(np.inf if diverged else explained.penalised_noise, explained.noise)

    def _refined(
        self,
        descended: Network,
        settings: Settings,
        noise: Callable[[], float | None],
        errors: Float[np.ndarray, " n_rows"],
    ) -> list[Candidate]:
        """What refinement makes of the starts, as far as it could be solved.

        noise, errors: what descent left unexplained, None where its network cannot be solved, and
        its error in each validation row. Refining a large network takes minutes: not where descent
        explains less than what a regression led to, and predicts no better.
        """
        select_edges = settings.refinement == "select_edges"
        form = self._starts.form_for(settings.form, select_edges)
        how = select_edges, form, settings.prior_strength
        regression = self._candidates(self._starts.regression(*how), settings)
        if is_large(self._training.n_nodes) and regression:
            left = noise()
            explains_less = left is None or left >= regression[0].noise
            if explains_less and not regression[0].is_worse_than(errors, self._training, noise):
                return regression
        found = self._starts.descent(descended, *how)
        # First, so that it is taken where both lead to the same network.
        candidates = [*self._candidates(found, settings), *regression]
        if is_large(self._training.n_nodes):
            return candidates
        kept = [one for one in candidates if not one.is_worse_than(errors, self._training, noise)]
        best = min(kept, key=lambda one: one.found.information).noise if kept else noise()
        if needs_other_starts(self._training, best, [one.noise for one in candidates]):
            candidates += self._candidates(self._starts.random(*how), settings)
        return [*candidates, *self._told_by(candidates, settings, form)]

    def _told_by(
        self, candidates: list[Candidate], settings: Settings, form: Form
    ) -> list[Candidate]:
        """What the best of these leads to with what it says of a prior, if there is one."""
        if not candidates or self._validation.prior is None:
            return []
        best = min(candidates, key=lambda one: one.found.information)
        select_edges = settings.refinement == "select_edges"
        fit = StartedFit(best.found, best.start)
        fits = self._starts.told_by(fit, select_edges, form, settings.prior_strength)
        return self._candidates(fits, settings)

    def _candidates(self, fits: list[StartedFit], settings: Settings) -> list[Candidate]:
        return [
            Candidate(found, start, *self._errors(found.network, settings)) for found, start in fits
        ]

    def _errors(
        self, network: Network, settings: Settings
    ) -> tuple[Float[np.ndarray, " n_rows"], float]:
        """Of each validation row, and over them; see `errors_in_rows`."""
        rows, typical = self._validation, self._training.typical_error
        return errors_in_rows(network, rows, prediction_solver(settings), typical)
