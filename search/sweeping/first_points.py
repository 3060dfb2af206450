"""What a study tries before its sampler chooses, settled when it begins and kept in queue.json.

The package's defaults come first, then the points that the user named, then the best of earlier
studies. What an earlier study has trained that this one would train just so, to the number, is
carried over instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cellbox.errors import InputError, refuse
from cellbox.settings import SETTING_NAMES, settings_from_dict
from search.proposals.queue import CarriedTrial, Queue
from search.spec.points import part_within, point_nearest, whole_point
from search.spec.tables import Spec
from search.study.access import spec_of
from search.study.data import StudyData
from search.study.folder import StudyFolder
from search.study.ranking import N_BEST, front_of, ranked
from search.study.record import StudyRecord, TrialRecord
from search.sweeping.trials import make_plan

_FILE = "queue.json"
DEFAULTS, NAMED = "the package's defaults", "named by the user"

Point = tuple[dict[str, Any], str]
"""Values of searched dimensions, and where they come from."""


def settle_queue(
    folder: StudyFolder,
    spec: Spec,
    data: StudyData,
    study: StudyRecord,
    say: Callable[[str], None],
) -> None:
    """Decide what a new study tries first, and keep it. study: what is known of it."""
    carried: list[CarriedTrial] = []
    points: list[Point] = []
    # Of a grid all is tried anyway, in its own order.
    if spec.sampler.name != "grid":
        points.append((_defaults(spec, data), DEFAULTS))
        points += [(dict(entry), NAMED) for entry in _searched(spec)]
    for path in spec.earlier:
        earlier = _Earlier(StudyFolder.at(path), spec, data, study)
        trials = list(earlier.carried())
        proposed = list(earlier.best(without={one.trial for one in trials}))
        say(earlier.sentence(len(trials), len(proposed)))
        carried += trials
        points += proposed
    points = [
        (values, origin)
        for values, origin in points
        if values and not (origin == DEFAULTS and _is_among(values, carried))
    ]
    _keep(folder, Queue(tuple(carried)).with_more(points, 0), spec.earlier)


def _keep(folder: StudyFolder, queue: Queue, earlier: Sequence[str]) -> None:
    folder.write_json(_FILE, {"earlier": list(earlier), **queue.as_dict()})


def queue_of(folder: StudyFolder, spec: Spec, asked: int) -> Queue:
    """What a study tries first; points that its spec has gained since come next, and are kept.

    asked: how many trials have been proposed.

    Raises InputError where the spec names an earlier study that it did not name at the beginning.
    """
    queue, before = kept_queue(folder)
    late = [path for path in spec.earlier if path not in before]
    if late:
        raise refuse(
            str(folder.path),
            f"earlier studies are looked at when a study begins, and {', '.join(late)} was not "
            "named then",
            "Begin a new study with --study, or leave it out",
        )
    named = [dict(point.parameters) for point in queue.queued if point.origin == NAMED]
    new = [(entry, NAMED) for entry in _searched(spec) if entry not in named]
    if new:
        queue = queue.with_more(new, asked)
        _keep(folder, queue, before)
    return queue


def kept_queue(folder: StudyFolder) -> tuple[Queue, list[str]]:
    """What a study was begun with: its queue, and the earlier studies that it was to look at.

    Raises InputError where that was damaged.
    """
    if not folder.has(_FILE):
        # A study of an earlier version.
        return Queue(), []
    kept = folder.read_json(_FILE)
    try:
        return Queue.from_dict(kept), [str(path) for path in kept["earlier"]]
    except (TypeError, KeyError, AttributeError) as error:
        found = "expected what the study tries first, found something else"
        raise refuse(f"{folder.path / _FILE}", found, "Bring the file back") from error


def carry_over(folder: StudyFolder, queue: Queue, asked: int) -> None:
    """Copy the records of carried trials that are not there yet.

    asked: how many trials the sampler knows; of those a lost one can be trained.

    Raises InputError where an earlier study no longer has one.
    """
    for number, one in enumerate(queue.carried):
        if folder.finished(number):
            continue
        source = StudyFolder(Path(one.study))
        if not source.finished(one.trial):
            if number < asked:
                continue
            raise refuse(
                str(folder.path),
                f"expected trial {one.trial} of {one.study}, to be carried over, found none",
                "Bring that study back, or begin a new one",
            )
        record = source.record(one.trial)
        carried = replace(
            record,
            number=number,
            parameters=dict(one.parameters),
            origin=one.origin,
            message=f"Not trained again: {one.origin}. {record.message}",
            marks={},
        )
        folder.write_trial(carried, source.networks(one.trial))


def _searched(spec: Spec) -> list[dict[str, Any]]:
    """The points that the user named, without what is fixed."""
    return [part_within(spec.space, entry) for entry in spec.enqueue]


def _defaults(spec: Spec, data: StudyData) -> dict[str, Any]:
    """The package's own settings and the study's own budget, or what the space has nearest."""
    values = asdict(settings_from_dict(spec.training))
    values |= {f"budget.{axis}": value for axis, value in data.own.as_dict().items()}
    return point_nearest(spec.space, values)


def _is_among(point: Mapping[str, Any], carried: Sequence[CarriedTrial]) -> bool:
    """Whether a whole point is that of a carried trial."""
    return any(
        all(point[name] == value for name, value in one.parameters.items() if name in point)
        for one in carried
    )


@dataclass(frozen=True)
class _Earlier:
    """An earlier study, as the study that begins sees it."""

    folder: StudyFolder
    spec: Spec
    data: StudyData
    study: StudyRecord

    def carried(self) -> Iterator[CarriedTrial]:
        """The trials that this study would train just so."""
        if self._difference is not None:
            return
        for record in self.folder.records():
            point = self._same_point(record)
            if point is not None:
                yield CarriedTrial(str(self.folder.path), record.number, point)

    def best(self, without: set[int]) -> Iterator[Point]:
        """The best other points, as far as the space has them."""
        records = [record for record in self.folder.records() if record.number not in without]
        several = len(self.folder.study.objectives) > 1
        seen: list[dict[str, Any]] = []
        for record in front_of(records) if several else ranked(records):
            part = part_within(self.spec.space, _values(record))
            if part and part not in seen:
                seen.append(part)
                yield part, f"among the best of {self.folder.path}, trial {record.number}"
            if len(seen) == N_BEST:
                return

    def sentence(self, n_carried: int, n_proposed: int) -> str:
        """What is taken from it, for people."""
        found = f"{self.folder.path}: "
        if self._difference is not None:
            found += f"{self._difference}, so no trial is carried over"
        else:
            found += f"{n_carried} of {len(self.folder.finished_numbers())} trials carried over"
        return f"{found}; {n_proposed} of its best points are tried first" if n_proposed else found

    @property
    def _difference(self) -> str | None:
        """Why none of its trials is one of this study; None where they may be."""
        there, here, asked = self.folder.study, self.study, spec_of(self.folder)
        pairs = (
            ("its data are others", there.data, here.data),
            ("its trials were trained in another way", there.format, here.format),
            ("it minimised something else", there.objectives, here.objectives),
            ("it had other targets", asked.objective, self.spec.objective),
            ("it had other constraints", asked.constraints, self.spec.constraints),
            ("what was the user's own differs", there.own, here.own),
            ("its seed differs", asked.seed, self.spec.seed),
            ("its repeats differ", asked.repeats, self.spec.repeats),
        )
        return next((why for why, one, other in pairs if one != other), None)

    def _same_point(self, record: TrialRecord) -> dict[str, Any] | None:
        """The point of this study with just the settings and budget of a trial; None if none."""
        if record.pruned and spec_of(self.folder).pruner != self.spec.pruner:
            # It was ended by a rule that this study does not have.
            return None
        if record.lineage is not None:
            # A part of a training, whose settings may have been others before.
            return None
        several = self.data.several_times
        point = whole_point(self.spec.space, _values(record), several_times=several)
        if point is None:
            return None
        try:
            plan = make_plan(0, point, self.spec, self.data)
        except InputError:
            return None
        same = asdict(plan.settings) == asdict(settings_from_dict(record.settings))
        return point if same and plan.budget == record.budget else None


def _values(record: TrialRecord) -> dict[str, Any]:
    """Everything that a space may have, as a trial had it."""
    settings = {name: record.settings[name] for name in SETTING_NAMES if name in record.settings}
    return {**settings, **record.budget_parameters, **record.parameters}
