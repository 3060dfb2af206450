"""What population-based training asks of the rest of a spec, and what makes no sense beside it."""

from __future__ import annotations

from collections.abc import Iterator

from cellbox.errors import InputError, Problem
from cellbox.settings import settings_from_dict
from search.spec.sampler_table import SamplerTable
from search.spec.tables import Spec


def population_problems(spec: Spec) -> Iterator[Problem]:
    """What of a spec does not go together with the sampler pbt."""
    if not spec.sampler.by_generations:
        return
    yield from _of_size(spec)
    if spec.space.refinement.values != ("none",):
        yield Problem(
            "space.refinement",
            "pbt goes on from the end of a descent, which a refinement would hide",
            'Write refinement = "none" under [training], and refine the best trial afterwards',
        )
    if axes := spec.space.searched_budget_axes():
        yield Problem(
            f"space.budget ({', '.join(axes)})",
            "pbt goes on with a training, and its data cannot change on the way",
            "Leave the budget out, or choose tpe",
        )
    if len(spec.objective.minimise) > 1 or spec.objective.error_target is not None:
        yield Problem(
            "objective",
            "pbt lets the best of a generation go on, and needs one error to tell them by",
            "Minimise one error, or choose tpe",
        )
    if spec.pruner.name != "none":
        yield Problem(
            "pruner.name",
            f"{spec.pruner.name} ends trials early, and pbt gives the place of the worst to the "
            "best itself",
            'Set name = "none" in [pruner]',
        )
    if spec.repeats > 1:
        yield Problem(
            "repeats",
            f"each trial of pbt goes on from one training, found {spec.repeats}",
            "Set repeats = 1, and run further seeds as studies of their own",
        )
    for name, given in (
        ("sampler.in_flight", spec.sampler.in_flight),
        # A kept spec has the default.
        (
            "sampler.stop_when_tied",
            spec.sampler.stop_when_tied != SamplerTable().stop_when_tied,
        ),
        ("enqueue", spec.enqueue),
        ("earlier", spec.earlier),
        ("patience", spec.patience),
        ("expected_gain", spec.expected_gain),
        ("training.patience", spec.training.get("patience")),
    ):
        if given:
            yield Problem(
                name, "pbt has generations of one size, and each trial is a part of a training",
                "Leave this out, or choose another sampler",
            )  # fmt: skip


def _of_size(spec: Spec) -> Iterator[Problem]:
    members, generations = spec.sampler.members, spec.sampler.n_generations
    if spec.trials != members * generations:
        yield Problem(
            "trials",
            f"a population of {members} in {generations} generations is {members * generations} "
            f"trials, found {spec.trials}",
            f"Set trials = {members * generations}, or other numbers in [sampler]",
        )
    try:
        settings = settings_from_dict(spec.training)
    except InputError:
        # Told elsewhere.
        return
    total, every = settings.total_steps, settings.validate_every
    if spec.sampler.last_step(generations - 2, total, every) >= total:
        yield Problem(
            "sampler.generations",
            f"{total} steps with a validation after each {every} do not make {generations} parts",
            "Lower generations or validate_every, or raise steps",
        )
