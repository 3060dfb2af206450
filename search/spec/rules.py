"""Rules that need more than one part of a spec to be judged. One small rule each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

from cellbox.errors import InputError, Problem
from cellbox.networks.known_systems import system
from cellbox.networks.prior_files import PRIOR_FILE
from cellbox.settings import SCHEDULES, settings_from_dict
from search.spec.points import point_problems
from search.spec.population_rules import population_problems
from search.spec.space import NEED_REFINEMENT, Range, applies, is_whole
from search.spec.tables import Spec

_SAMPLER_PACKAGES = {"gp": "torch", "cmaes": "cmaes"}


def rule_problems(spec: Spec, where: str) -> list[Problem]:
    """Every rule that a spec breaks."""
    return [
        Problem(f"{where}, {problem.where}", problem.found, problem.fix)
        for rule in _RULES
        for problem in rule(spec)
    ]


def _source_exists(spec: Spec) -> Iterator[Problem]:
    if spec.data.system is not None:
        try:
            system(spec.data.system)
        except InputError as error:
            for problem in error.problems:
                yield Problem("data.system", problem.found, problem.fix)
    for key in ("network", "folder", "amplitudes", "prior"):
        path = getattr(spec.data, key)
        if path is not None and not Path(path).exists():
            yield Problem(f"data.{key}", f"nothing is at {path}", "Check the path")


def _strength_needs_a_prior(spec: Spec) -> Iterator[Problem]:
    strength = spec.space.prior_strength
    beside = spec.data.folder is not None and (Path(spec.data.folder) / PRIOR_FILE).exists()
    if strength is None or strength.values == (0,) or spec.data.prior is not None or beside:
        return
    yield Problem(
        "prior_strength",
        "a prior of edges is to be weighed, and there is none",
        f'Write prior = "{PRIOR_FILE}" under [data], or leave prior_strength out',
    )


def _budget_needs_a_price(spec: Spec) -> Iterator[Problem]:
    searched = spec.space.searched_budget_axes()
    if searched and len(spec.objective.minimise) == 1 and spec.objective.error_target is None:
        yield Problem(
            f"space.budget ({', '.join(searched)})",
            "a data budget is searched by validation error alone, and by that the largest "
            "budget always wins",
            'Add cost as a second objective, minimise = ["validation_mae", "cost"], or state '
            "an error_target in [objective]",
        )


def _target_needs_a_budget(spec: Spec) -> Iterator[Problem]:
    if spec.objective.error_target is not None and not spec.space.searched_budget_axes():
        yield Problem(
            "objective.error_target",
            "the cheapest budget is asked for, but no budget is searched",
            "List values for conditions, perturbed_nodes or time_points in [space.budget]",
        )


def _cost_excludes_pruning(spec: Spec) -> Iterator[Problem]:
    several = len(spec.objective.minimise) > 1
    if (several or spec.objective.error_target is not None) and spec.pruner.name != "none":
        aim = "several objectives" if several else "an error_target"
        yield Problem(
            "pruner.name",
            f"{spec.pruner.name} cannot prune with {aim}: a trial with a larger error may still "
            "be the cheapest",
            'Set name = "none" in [pruner]',
        )


def _cost_is_not_free(spec: Spec) -> Iterator[Problem]:
    prices = spec.objective.prices
    counted = len(spec.objective.minimise) > 1 or spec.objective.error_target is not None
    if counted and not (prices.condition or prices.measurement or prices.perturbation):
        yield Problem(
            "objective.prices",
            "cost is minimised, and every price is 0",
            "Give condition, measurement or perturbation a price",
        )


def _wilcoxon_needs_repeats(spec: Spec) -> Iterator[Problem]:
    # Of n repeats that are all worse than the best trial's, the test's p is 1/2^n; the last
    # repeat has nothing after it that could be saved.
    threshold = spec.pruner.p_threshold
    needed = 1 + max(2, math.floor(-math.log2(threshold)) + 1)
    if spec.pruner.name == "wilcoxon" and spec.repeats < needed:
        yield Problem(
            "pruner.name",
            f"wilcoxon compares repeats, and with p_threshold = {threshold:g} it can only prune "
            f"trials of at least {needed} repeats, found repeats = {spec.repeats}",
            "Raise repeats or p_threshold, or choose the median pruner",
        )


def _sampler_fits_the_objectives(spec: Spec) -> Iterator[Problem]:
    if spec.sampler.name == "cmaes" and len(spec.objective.minimise) > 1:
        yield Problem(
            "sampler.name",
            "cmaes handles one objective, found two",
            "Choose tpe, nsga2, gp or random",
        )


def _grid_is_finite(spec: Spec) -> Iterator[Problem]:
    if spec.sampler.name != "grid":
        return
    schedules = [str(kind) for kind in spec.space.schedule.values]
    for name, dimension in spec.space.dimensions():
        asked = any(applies(name, kind, several_times=True) for kind in schedules)
        if asked and isinstance(dimension, Range):
            yield Problem(
                f"space.{name}",
                "a grid needs a list of values or one fixed value, found a range",
                f"Write for example {name} = [{dimension.low:g}, {dimension.high:g}]",
            )
    grid = spec.space.grid()
    for name, without in (
        ("final_share", [kind for kind in schedules if kind == "constant"]),
        ("warmup_share", [kind for kind in schedules if kind != "warmup_cosine"]),
    ):
        if name in grid and without:
            yield Problem(
                f"space.{name}",
                f"a grid would repeat points: {name} means nothing beside the schedule "
                f"{without[0]}",
                f"Fix {name} to one value, or leave {without[0]} out",
            )


def _sampler_is_installed(spec: Spec) -> Iterator[Problem]:
    package = _SAMPLER_PACKAGES.get(spec.sampler.name)
    if package is not None and find_spec(package) is None:
        yield Problem(
            "sampler.name",
            f"{spec.sampler.name} needs the package {package}, which is not installed",
            'Install it with pip install "cellbox[samplers]", or choose tpe',
        )


def _values_are_possible(spec: Spec) -> Iterator[Problem]:
    """Check both ends of every dimension as the settings they become."""
    for name, dimension in spec.space.dimensions():
        for value in dimension.values:
            if name.startswith("budget."):
                if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                    yield Problem(
                        f"space.{name}", f"expected whole numbers from 1, found {value!r}",
                        "Correct this value",
                    )  # fmt: skip
                continue
            if name == "schedule" and value not in SCHEDULES:
                yield Problem(
                    "space.schedule",
                    f"expected {', '.join(SCHEDULES)}, found {value!r}",
                    "Choose among these",
                )
                continue
            if is_whole(name) and isinstance(value, float):
                yield Problem(
                    f"space.{name}", f"expected whole numbers, found {value!r}", "Round it"
                )
                continue
            try:
                settings_from_dict({name: value})
            except InputError as error:
                for problem in error.problems:
                    yield Problem(f"space.{name}", problem.found, problem.fix)


def _forms_need_least_squares(spec: Spec) -> Iterator[Problem]:
    if any(value != "none" for value in spec.space.refinement.values):
        return
    for name in NEED_REFINEMENT:
        dimension = getattr(spec.space, name)
        asked = [spec.training.get(name)] if dimension is None else dimension.values
        if any(value not in (None, "none", 0) for value in asked):
            yield Problem(
                f"{'training' if dimension is None else 'space'}.{name}",
                "only least squares fit it, and refinement is none",
                "Leave refinement out, or write select_edges",
            )


def _budget_fits_the_data(spec: Spec) -> Iterator[Problem]:
    axis = spec.space.budget.perturbed_nodes
    if axis is None or spec.data.system is None:
        return
    try:
        n_nodes = len(system(spec.data.system).network.nodes)
    except InputError:
        return
    most = max((value for value in axis.values if isinstance(value, int)), default=0)
    if most > n_nodes:
        yield Problem(
            "space.budget.perturbed_nodes",
            f"{spec.data.system} has {n_nodes} nodes, found {most}",
            f"Use at most {n_nodes}",
        )


def _gpus_are_shared_evenly(spec: Spec) -> Iterator[Problem]:
    share = spec.workers.gpus_per_worker
    if 0 < share < 1 and abs(1 / share - round(1 / share)) > 0.01:
        yield Problem(
            "workers.gpus_per_worker",
            f"expected 1 or an equal share such as 0.5 or 0.25, found {share}",
            "Choose a share that a whole number of workers can have",
        )
    if spec.workers.executor == "inline" and share:
        yield Problem(
            "workers.gpus_per_worker",
            "GPUs are given out by Ray, and the executor is inline",
            'Set executor = "ray"',
        )


def _a_cluster_needs_ray(spec: Spec) -> Iterator[Problem]:
    if spec.workers.address is not None and spec.workers.executor == "inline":
        yield Problem(
            "workers.address",
            "a Ray cluster is named, and the executor is inline",
            'Set executor = "ray", or leave the address out',
        )


def _cpu_workers_are_beside_gpus(spec: Spec) -> Iterator[Problem]:
    if spec.workers.cpu_workers and not spec.workers.gpus_per_worker:
        yield Problem(
            "workers.cpu_workers",
            "workers beside those on GPUs are asked for, and all are on CPU cores",
            "Use count for their number, or set gpus_per_worker",
        )


def _points_are_of_the_space(spec: Spec) -> Iterator[Problem]:
    for place, entry in enumerate(spec.enqueue):
        yield from point_problems(spec.space, entry, f"enqueue[{place}]")


def _grid_has_an_order(spec: Spec) -> Iterator[Problem]:
    for name in ("enqueue", "earlier"):
        if spec.sampler.name == "grid" and getattr(spec, name):
            yield Problem(
                name,
                "a grid tries every point of its space, in its own order",
                "Leave this out, or choose another sampler",
            )


def _earlier_studies_are_there(spec: Spec) -> Iterator[Problem]:
    for path in spec.earlier:
        if not (Path(path) / "study.json").is_file():
            yield Problem(
                "earlier", f"expected the folder of a study, found none at {path}",
                "Give the folder that `cellbox sweep` printed, such as studies/LI",
            )  # fmt: skip


def _patience_needs_one_objective(spec: Spec) -> Iterator[Problem]:
    if spec.patience is not None and len(spec.objective.minimise) > 1:
        yield Problem(
            "patience",
            "of two objectives there is no single best trial to improve on",
            "Leave patience out, or minimise one objective",
        )


def _expected_gain_needs_errors(spec: Spec) -> Iterator[Problem]:
    several = len(spec.objective.minimise) > 1
    if spec.expected_gain is not None and (several or spec.objective.error_target is not None):
        yield Problem(
            "expected_gain",
            "of two objectives there is no single best trial to improve on"
            if several
            else "with an error_target the cost is minimised, which goes by steps of the budget",
            "Leave expected_gain out, or minimise one error",
        )


def _generations_are_of_pbt(spec: Spec) -> Iterator[Problem]:
    for name in ("population", "generations"):
        if not spec.sampler.by_generations and getattr(spec.sampler, name) is not None:
            yield Problem(
                f"sampler.{name}", f"{spec.sampler.name} has no generations",
                'Set name = "pbt", or leave this out',
            )  # fmt: skip


_RULES: tuple[Callable[[Spec], Iterator[Problem]], ...] = (
    _source_exists,
    _strength_needs_a_prior,
    _budget_needs_a_price,
    _target_needs_a_budget,
    _cost_excludes_pruning,
    _cost_is_not_free,
    _wilcoxon_needs_repeats,
    _sampler_fits_the_objectives,
    _grid_is_finite,
    _sampler_is_installed,
    _values_are_possible,
    _forms_need_least_squares,
    _budget_fits_the_data,
    _gpus_are_shared_evenly,
    _a_cluster_needs_ray,
    _cpu_workers_are_beside_gpus,
    _points_are_of_the_space,
    _grid_has_an_order,
    _earlier_studies_are_there,
    _patience_needs_one_objective,
    _expected_gain_needs_errors,
    _generations_are_of_pbt,
    population_problems,
)
