"""From a spec to a loop that can turn: data, workers and their plans, the study, its sampler."""

from __future__ import annotations

from dataclasses import replace

from cellbox.equation.gradient_check import check_gradient
from cellbox.equation.steady_state import check_times
from cellbox.settings import settings_from_dict
from cellbox.storage.compilation import keep_compiled_programs
from search.console.interrupts import pause, uninterrupted
from search.proposals.proposer import Proposer
from search.spec.tables import Spec
from search.study.damage import set_damaged_aside
from search.study.data_loading import load_study_data
from search.study.folder import StudyFolder
from search.study.summaries import TrialSummaries
from search.sweeping.beginning import begin_study
from search.sweeping.control import Control
from search.sweeping.devices import begin_plans, take_workers
from search.sweeping.display import Display
from search.sweeping.first_points import carry_over, queue_of
from search.sweeping.keeping import ModelKeeper
from search.sweeping.loop import SweepLoop
from search.sweeping.terms import terms_of
from search.workers.start import StartingWorkers


def prepare(
    spec: Spec, folder: StudyFolder, workers: StartingWorkers, display: Display, control: Control
) -> tuple[SweepLoop, ModelKeeper]:
    """The loop of a study that has begun, and what keeps its best models.

    control: without the queue, which is settled here.

    Raises InputError where the spec's data or devices cannot be used, or are not the study's.
    """
    display.say("preparing the data while the workers load what training needs")
    keep_compiled_programs()
    settings = settings_from_dict(spec.training)
    data = load_study_data(spec)
    for warning in data.warnings:
        display.say(f"warning: {warning}")
    check_times(settings.solver, data.times)
    plans = begin_plans(folder, workers, spec, settings, data)
    check_gradient(settings.solver, data.evaluation.times, data.evaluation.n_nodes)
    terms = terms_of(spec, settings, data)
    known = plans()
    lanes = sum(workers.lanes(known))
    own = control.own
    study = begin_study(folder, spec, data, terms, lanes=lanes, own=own, say=display.say)
    summaries = TrialSummaries(folder)
    for number, damage in set_damaged_aside(folder, summaries).items():
        display.say(f"trial {number} is damaged and set aside: {damage}")
    with uninterrupted():
        chosen = own.choice() if own.sampler is not None or own.pruner is not None else None
        proposer = Proposer(
            spec,
            folder.path,
            study_id=study.id,
            in_flight=study.in_flight,
            several_times=data.several_times,
            report_every=terms.report_every,
            total_steps=settings.total_steps,
            own=chosen,
            say=display.say,
            pause=pause,
        )
    queue = queue_of(folder, spec, proposer.asked)
    carry_over(folder, queue, proposer.asked)
    proposer.take(queue)
    executor = take_workers(folder, workers, spec, data, known, study.in_flight, display)
    loop = SweepLoop(
        spec,
        folder,
        data,
        terms,
        proposer=proposer,
        executor=executor,
        display=display,
        control=replace(control, queue=queue),
        summaries=summaries,
    )
    # In this process training and drawing would only take turns.
    beside = spec.workers.executor == "ray"
    return loop, ModelKeeper(folder, data, beside=beside)
