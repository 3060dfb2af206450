"""From a spec to experiments: the truth or the data, and the grid of budgets."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from cellbox.budgets.experiments import Family, SimulatedExperiments
from cellbox.budgets.grid import BudgetGrid
from cellbox.budgets.prices import Limits, Prices
from cellbox.budgets.subsamples import Subsamples, fewest_nodes, largest_part
from cellbox.data.readers import read_data
from cellbox.errors import refuse
from cellbox.models.ensemble import Ensemble
from cellbox.models.saved_ensembles import load_fitted
from cellbox.networks.amplitudes import with_amplitudes
from cellbox.networks.known_systems import System, system
from cellbox.networks.network import Network, read_network
from cellbox.storage.problems import Problems, note_unknown
from search.spec.budget_tables import MOST_CELLS, BudgetSpec, DataBudgetSpec, ladder

# What a spec that says nothing has: the noise where a truth has none, and the horizon.
_NOISE, _HORIZON = 0.01, 20.0


def simulated_experiments(spec: BudgetSpec) -> SimulatedExperiments:
    """The experiments of a study on simulated truths. Raises InputError where they cannot be."""
    truths, noise, horizon = _truths(spec)
    network = truths.network((0,)) if isinstance(truths, Family) else truths[0]
    problems = Problems()
    for node in spec.panel or ():
        if node not in network.nodes:
            note_unknown(node, network.nodes, "panel", "node", problems)
    seen = spec.panel or network.nodes
    for node in {node for pair in spec.success.pairs for node in pair}:
        if node not in seen:
            note_unknown(node, tuple(seen), "success.edges", "node", problems)
    problems.raise_any()
    axes = _axes(spec, len(seen), noise, horizon)
    if max(axes["perturbed_nodes"]) > len(seen):
        raise refuse(
            "axes.perturbed_nodes",
            f"expected 1 to {len(seen)}, the number of nodes, found {max(axes['perturbed_nodes'])}",
            "Choose numbers in this range",
        )
    return SimulatedExperiments(
        _checked_grid(axes),
        truths,
        panel=spec.panel,
        design=spec.design,
        edges=spec.success.pairs,
        seed=spec.seed,
    )


def measured_experiments(spec: DataBudgetSpec) -> Subsamples:
    """The experiments within measured data. Raises InputError where these cannot be used."""
    data = read_data(
        spec.data.folder, structural_zeros=spec.data.structural_zeros, time=spec.data.time
    )
    most = {
        "conditions": largest_part(data, spec.data.test),
        "time_points": len(data.times),
        "nodes": data.n_nodes,
    }
    fewest = {"conditions": 2, "time_points": 1, "nodes": fewest_nodes(data)}
    axes: dict[str, tuple[Any, ...]] = {}
    for name, largest in most.items():
        chosen = getattr(spec.axes, name)
        if chosen is None and name == "conditions":
            chosen = ladder(min(largest, max(3, round(largest / 8))), largest)
        axes[name] = chosen or (largest,)
        if not fewest[name] <= min(axes[name]) <= max(axes[name]) <= largest:
            raise refuse(
                f"axes.{name}",
                f"expected {fewest[name]} to {largest}, which the data have beside what is held "
                f"out, found {min(axes[name])} to {max(axes[name])}",
                "Choose numbers in this range",
            )
    return Subsamples(_checked_grid(axes), data, test=spec.data.test, seed=spec.seed)


def prices_of(spec: BudgetSpec) -> Prices:
    """The prices of a study; a sample costs one where none was given."""
    given = spec.prices.model_dump()
    noise = {float(text): price for text, price in given.pop("noise").items()}
    amounts = ("fixed", "condition", "perturbed_node", "sample", "time_point", "replicate", "plate")
    if not noise and not any(given[name] for name in amounts):
        given |= {"sample": 1.0, "unit": given["unit"] or "samples"}
    return Prices(**given, noise=noise)


def limits_of(spec: BudgetSpec) -> Limits:
    """The limits of a study."""
    return Limits(**spec.limits.model_dump())


def fingerprint(experiments: SimulatedExperiments | Subsamples) -> str:
    """Tells whether what experiments are made of has changed: networks, or measurements."""
    digest = hashlib.sha256()
    if isinstance(experiments, Subsamples):
        arrays = [experiments.dataset.perturbations, experiments.dataset.measurements]
    elif isinstance(experiments.truths, Family):
        arrays = []
    else:
        arrays = [part for n in experiments.truths for part in (n.weights, n.amplitudes)]
    for values in arrays:
        digest.update(np.ascontiguousarray(values, float).tobytes())
    return digest.hexdigest()


def _truths(spec: BudgetSpec) -> tuple[tuple[Network, ...] | Family, float, float]:
    """The truths of a spec, and the noise and horizon that go with them."""
    truth = spec.truth
    if truth.family is not None:
        return Family(**truth.family.model_dump()), _NOISE, _HORIZON
    if truth.model is not None:
        model = load_fitted(truth.model)
        members = model.members if isinstance(model, Ensemble) else (model,)
        noises = [one.training.noise for one in members if one.training.noise]
        noise = float(f"{np.median(noises):.3g}") if noises else _NOISE
        horizon = float(max(model.times))
        return tuple(one.network for one in members), noise, horizon
    known: System | None = system(truth.system) if truth.system is not None else None
    if known is not None:
        network, noise, horizon = known.network, known.noise, known.horizon
    else:
        assert truth.network is not None
        network = read_network(truth.network, amplitude=truth.amplitude or 1.0)
        noise, horizon = _NOISE, _HORIZON
    return (with_amplitudes(network, file=truth.amplitudes),), noise, horizon


def _axes(
    spec: BudgetSpec, n_nodes: int, noise: float, horizon: float
) -> dict[str, tuple[Any, ...]]:
    """All axes; what the spec leaves out is about what such a network needs."""
    given = spec.axes
    return {
        "conditions": given.conditions or ladder(max(3, n_nodes // 2), 4 * n_nodes, 4),
        "perturbed_nodes": given.perturbed_nodes or tuple(range(1, min(3, n_nodes) + 1)),
        "time_points": given.time_points or (2, 3, 5),
        "spacing": given.spacing,
        "horizon": given.horizon or (horizon,),
        "replicates": given.replicates,
        "dose_levels": given.dose_levels,
        "noise": (noise,) if given.noise is None else given.noise,
    }


def _checked_grid(axes: dict[str, tuple[Any, ...]]) -> BudgetGrid:
    grid = BudgetGrid(axes)
    count = int(np.prod(grid.shape))
    if count > MOST_CELLS:
        raise refuse(
            "axes",
            f"expected at most {MOST_CELLS:,} combinations, found {count:,}",
            "Give fewer values on some axes, such as { low = 5, high = 80, count = 5 }",
        )
    if count < 2:
        raise refuse(
            "axes",
            "expected several budgets to choose from, found one",
            "Give an axis several values, such as conditions = [5, 10, 20]",
        )
    return grid
