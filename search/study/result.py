"""What a sweep found, read from the study's folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from cellbox.errors import DataWarning, InputError, refuse
from cellbox.evaluation.verdict import verdict
from cellbox.html_tables import html_of
from cellbox.networks.export import to_frame
from cellbox.networks.network import Network
from cellbox.scores.metrics import Recovery
from search.study.folder import StudyFolder, TrialNetworks
from search.study.plots import plot_optimisation
from search.study.ranking import TrialCounts, front_of, rank, ranked
from search.study.record import RepeatRecord, TrialRecord
from search.study.state import seconds_of
from search.study.summaries import summaries_of
from search.study.summary_lines import summary_of
from search.study.ties import tie_sentences, tied_with

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cellbox.models.model import FittedModel

_TRIALS_SHOWN = 10
_FIT_METRICS = (
    "selection_error",
    "validation_mae",
    "test_mae",
    "test_mae_noise_free",
    "test_pearson",
    "rounding_sensitive_share",
    "wrong_basin_share",
    "unsteady_share",
    "test_error_ratio",
    "all_nodes",
    *Recovery.__dataclass_fields__,
)


def _too_much(record: TrialRecord) -> float:
    """By how much a trial exceeds the spec's constraints, all together."""
    return sum(max(0.0, value) for value in record.excess.values())


@dataclass(frozen=True)
class TrialResult:
    """One finished trial."""

    folder: StudyFolder
    record: TrialRecord

    @property
    def number(self) -> int:
        """The trial's number in its study."""
        return self.record.number

    @cached_property
    def network(self) -> Network:
        """What the trial's best repeat learned. Raises InputError for a pruned trial."""
        network = self.folder.best_network(self.record)
        if network is None:
            raise self._pruned()
        return network

    def to_frame(self) -> pandas.DataFrame:
        """The learned network as a table of edges."""
        return to_frame(self.network)

    @property
    def model_path(self) -> Path | None:
        """Where the trial's model was saved; only the best of a study are."""
        path = self.folder.model(self.number)
        return path if path.is_dir() else None

    @cached_property
    def identifiability(self) -> dict[str, Any] | None:
        """What the trial's training data determine of its network, edge by edge.

        As `cellbox.DesignReport.to_dict` gives it. Only the best trial of a study is judged.
        """
        return self.folder.identifiability(self.number)

    def model(self) -> FittedModel:
        """The trial's fitted model."""
        from search.study.kept_data import kept_data

        return self.rebuild_model(kept_data(self.folder.data).times)

    def rebuild_model(self, times: Any) -> FittedModel:
        """The fitted model from the record, for data measured at these times."""
        repeat = self.record.best
        if repeat is None:
            raise self._pruned()
        return self._fitted(self.network, repeat, times)

    def model_of(self, networks: TrialNetworks, place: int) -> FittedModel:
        """The model of one of the trial's repeats, whose networks need not be kept yet."""
        from search.study.kept_data import kept_data

        nodes = self.folder.study.nodes
        form = self.record.repeats[place].form(len(nodes))
        network = Network(nodes, networks.weights[place], networks.amplitudes[place], form)
        times = kept_data(self.folder.data).times
        return self._fitted(network, self.record.repeats[place], times)

    def _fitted(self, network: Network, repeat: RepeatRecord, times: Any) -> FittedModel:
        from cellbox.models.model import FittedModel
        from cellbox.settings import settings_from_dict
        from search.study.units import units_asked

        settings = settings_from_dict(self.record.settings)
        training, units = repeat.training, units_asked(self.folder.asked)
        return FittedModel(network, settings, times, repeat.seed, training, units=units)

    def _pruned(self) -> InputError:
        return refuse(
            f"trial {self.number}",
            "expected a trial that ran to its end, found a pruned one",
            "Choose a completed trial",
        )

    def as_dict(self) -> dict[str, Any]:
        """The trial as `cellbox sweep --json` reports it; names are an interface."""
        record, model = self.record, self.model_path
        return {
            "number": record.number,
            "settings": record.settings,
            "parameters": record.parameters,
            "budget": record.budget.as_dict(),
            "cost": record.cost,
            "objectives": record.objectives,
            "seed": record.seed,
            "shape": record.shape,
            "status": record.status,
            **{name: record.metrics.get(name) for name in _FIT_METRICS},
            "baselines": record.baselines,
            "better_than_ridge": record.better_than_ridge,
            "better_than": record.better_than,
            "model": None if model is None else str(model),
            "identifiability": self.identifiability,
            "seconds": record.seconds,
            "compile_seconds": record.compile_seconds,
        }


class SweepResult:
    """A study's trials, the best of them, and pictures of the search."""

    def __init__(self, folder: StudyFolder | str | Path):
        folder = folder if isinstance(folder, StudyFolder) else StudyFolder(Path(folder))
        self.folder = folder.require()

    @cached_property
    def records(self) -> list[TrialRecord]:
        """Every finished trial's record, by number."""
        return list(self.folder.records())

    @cached_property
    def counts(self) -> TrialCounts:
        """How the trials ended."""
        return TrialCounts.of(self.folder)

    @cached_property
    def best(self) -> TrialResult:
        """The best completed trial: by the first objective where there are several.

        Raises InputError where no trial has completed.
        """
        if self.counts.best is None:
            raise self._none_is_best()
        return self._trial(self.counts.best.number)

    def _trial(self, number: int) -> TrialResult:
        return TrialResult(self.folder, self.folder.record(number))

    def _none_is_best(self) -> InputError:
        place, counts = str(self.folder.path), self.counts.as_dict()
        completed = [record for record in self.records if record.completed]
        if not completed:
            found = f"expected a completed trial, found {counts}"
            return refuse(place, found, "Run more trials")
        nearest = min(completed, key=_too_much)
        over = [f"{value:g} {name} too many" for name, value in nearest.excess.items() if value > 0]
        found = (
            f"expected a trial within [constraints], found none among {len(completed)} completed; "
            f"the nearest, trial {nearest.number}, has {' and '.join(over)}"
        )
        return refuse(place, found, "Run more trials, or allow more")

    @cached_property
    def tied(self) -> list[TrialResult]:
        """The trials that found the same optimum as the best, which is among them."""
        if self.best.record.lineage is not None:
            # Trials that go on from it may find nothing better.
            return [self.best]
        tied = tied_with(summary_of(self.best.record), summaries_of(self.folder))
        return [self._trial(summary.number) for summary in tied]

    @property
    def stopped(self) -> str | None:
        """Why no more trials were proposed; None where the study did not stop before its end."""
        return self.folder.stopped

    @property
    def front(self) -> list[TrialResult]:
        """The Pareto front of several objectives, the smallest error first; else empty."""
        if len(self.objectives) < 2:
            return []
        return [self._trial(summary.number) for summary in front_of(summaries_of(self.folder))]

    @property
    def identifiability(self) -> dict[str, Any] | None:
        """What its training data determine of the best trial's network; see `TrialResult`."""
        return self.best.identifiability

    @property
    def data_warnings(self) -> tuple[DataWarning, ...]:
        """What speaks against taking the study's data as they are."""
        return self.folder.study.warnings

    @property
    def objectives(self) -> list[str]:
        """What was minimised."""
        return list(self.folder.study.objectives)

    @property
    def seconds(self) -> float:
        """The time all runs of this study took, start-up included, one under way so far."""
        return seconds_of(self.folder)

    def to_frame(self) -> pandas.DataFrame:
        """One row for each trial: parameters, budget, objectives, metrics."""
        import pandas

        return pandas.DataFrame(
            [
                {
                    "number": record.number,
                    "status": record.status,
                    **record.parameters,
                    **record.budget_parameters,
                    **record.objectives,
                    **{
                        key: value
                        for key, value in record.metrics.items()
                        if not isinstance(value, dict)
                    },
                    "seconds": record.seconds,
                }
                for record in self.records
            ]
        )

    @overload
    def plot_optimisation(self, ax: None = None) -> Figure: ...

    @overload
    def plot_optimisation(self, ax: Axes) -> Axes: ...

    def plot_optimisation(self, ax: Axes | None = None) -> Figure | Axes:
        """Each trial's first objective, and the best so far, against the trial's number.

        Returns a figure, which a notebook shows; with `ax` it draws into these axes.
        """
        if ax is None:
            from cellbox.models.shown_figure import ShownFigure

            figure = ShownFigure(figsize=(6, 4))
            self.plot_optimisation(figure.subplots())
            return figure
        completed = [(each.number, rank(each)[0]) for each in self.records if each.completed]
        others = [each.number for each in self.records if not each.completed]
        return plot_optimisation(ax, self.objectives[0], completed, others)

    def _repr_html_(self) -> str:
        counts = self.counts
        facts = [
            f"{counts.finished} trials: {counts.complete} complete, {counts.pruned} pruned, "
            f"{counts.diverged} diverged.",
        ]
        if counts.best is not None:
            facts += verdict(self.best.record.report)
            facts += tie_sentences([trial.record for trial in self.tied], counts.complete)
        if self.folder.report.is_file():
            facts.append(f"Report: {self.folder.report}")
        rows = [
            (record.number, *record.objectives.values(), record.metrics.get("test_mae"))
            for record in ranked(self.records)[:_TRIALS_SHOWN]
        ]
        header = ("trial", *self.objectives, "test_mae")
        return html_of(f"Study {self.folder.path}", facts, header, rows)

    def as_dict(self) -> dict[str, Any]:
        """The study as `cellbox sweep --json` reports it; names are an interface."""
        seconds = self.seconds
        return {
            "study": str(self.folder.path),
            "seconds": seconds,
            "trials_per_minute": 60 * self.counts.finished / seconds if seconds else None,
            "trials": self.counts.as_dict(),
            "best": None if self.counts.best is None else self.best.as_dict(),
            "tied": [] if self.counts.best is None else [trial.number for trial in self.tied],
            "stopped": self.stopped,
            "front": [trial.as_dict() for trial in self.front],
            "data_warnings": [asdict(warning) for warning in self.data_warnings],
        }
