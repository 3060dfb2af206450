"""How each kind of worker trains: measured once, and kept in the study's devices.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cellbox.errors import refuse
from cellbox.settings import Settings
from cellbox.training.pack import shape_of
from search.spec.tables import Spec
from search.study.checked_json import NUMBERS, WHOLE
from search.study.data import StudyData
from search.study.folder import StudyFolder
from search.sweeping.display import Display
from search.workers.executor import Executor
from search.workers.plan import DevicePlan
from search.workers.start import StartingWorkers

_FILE = "devices.json"

Plans = Mapping[str, DevicePlan]
"""A plan for each kind of device."""


def begin_plans(
    folder: StudyFolder, workers: StartingWorkers, spec: Spec, settings: Settings, data: StudyData
) -> Callable[[], Plans]:
    """Let each kind of worker say how it trains; what an earlier run measured holds.

    Returns what gives the plans, and waits for measurements: workers make them meanwhile.
    """
    rows, times = data.indices(data.own, repeat=0)
    shape = shape_of(settings, len(rows), len(times))
    most = spec.most_trainings_at_once
    return workers.begin_plans(known_plans(folder), shape, data.evaluation.n_nodes, most)


def take_workers(
    folder: StudyFolder,
    workers: StartingWorkers,
    spec: Spec,
    data: StudyData,
    plans: Plans,
    in_flight: int,
    display: Display,
) -> Executor:
    """Workers that train as planned, which is kept for later runs and shown.

    in_flight: trials under way when the study began.
    """
    # What was asked for once holds once; what was measured is kept.
    measured = {kind: plan for kind, plan in plans.items() if plan.gradients_per_second}
    kept = known_plans(folder) | measured
    folder.write_json(_FILE, [plan.as_dict() for plan in kept.values()])
    for kind, plan in plans.items():
        display.say(f"{plan.sentence}{f' on {kind}' if len(plans) > 1 else ''}")

    def learned(plan: DevicePlan) -> None:
        """Keep how a kind of worker trains that came later."""
        later = known_plans(folder) | {plan.kind: plan}
        folder.write_json(_FILE, [one.as_dict() for one in later.values()])
        display.say(f"{plan.sentence} on {plan.kind}")

    executor = workers.take(data, plans, learned)
    lanes = sum(executor.lanes)
    most = max(in_flight * spec.repeats_at_once, spec.most_trainings_at_once)
    if lanes > most:
        display.say(
            f"the workers could train {lanes} models at once, and at most {most} are under "
            f"way: in_flight = {lanes} in [sampler] or fewer --lanes would use them better"
        )
    return executor


def known_plans(folder: StudyFolder) -> dict[str, DevicePlan]:
    """What an earlier run measured, by kind of device.

    Raises InputError where the file is not what was written.
    """
    try:
        recorded = folder.read_json(_FILE) if (folder.path / _FILE).exists() else []
        plans = {plan["kind"]: DevicePlan(**plan) for plan in recorded}
        if all(WHOLE.holds(plan.lanes) and plan.lanes >= 1 for plan in plans.values()) and all(
            NUMBERS.holds(plan.gradients_per_second) for plan in plans.values()
        ):
            return plans
        raise TypeError("other kinds of values")
    except (TypeError, KeyError, IsADirectoryError) as error:
        found = "expected how each kind of worker trains, found something else"
        fix = "Bring the file back, or remove it to have that measured again"
        raise refuse(f"{folder.path / _FILE}", found, fix) from error
