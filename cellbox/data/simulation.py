"""Pseudo-experiments: a known network, a design, an exact solve, and noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from cellbox.arrays import Perturbations, Responses, RowMask, Times
from cellbox.data.dataset import Dataset, Split
from cellbox.data.design import check_perturbed, draw_design
from cellbox.data.drawn_interventions import NOTHING_DRAWN, Drawn, drawn_interventions
from cellbox.data.flaws import NO_FLAWS, Flaws, part_of, seen_nodes, with_flaws
from cellbox.data.hill_kinetics import hill_responses
from cellbox.data.rounding_sensitivity import rounding_sensitive_conditions
from cellbox.equation.network_responses import responses
from cellbox.equation.solver_settings import EXACT
from cellbox.errors import InputError, Problem, refuse
from cellbox.networks.interventions import Interventions, rows_of
from cellbox.networks.known_systems import System
from cellbox.networks.line_networks import names_of_lines, networks_of_lines
from cellbox.networks.network import Network, check_numbers
from cellbox.settings import check_seed

#: What answers to a perturbation: Eq. 1, or genes with Hill kinetics.
Kinetics = Literal["eq1", "hill"]


def equal_times(n_times: int, horizon: float) -> Times:
    """`n_times` equally spaced times, the last at the horizon (the paper's: 5 up to 20)."""
    return horizon * np.arange(1, n_times + 1) / n_times


def simulate(
    network: Network,
    *,
    n_conditions: int,
    n_perturbed: int = 2,
    n_times: int = 5,
    horizon: float = 20.0,
    noise: float = 0.01,
    n_held_out: int = 5,
    n_replicates: int = 1,
    design: str = "paper",
    times: Sequence[float] | None = None,
    kinetics: Kinetics = "eq1",
    flaws: Flaws = NO_FLAWS,
    done: Drawn = NOTHING_DRAWN,
    seed: int = 0,
    name: str = "simulated",
) -> Dataset:
    """Simulate an experiment on a known network.

    n_conditions: training conditions. n_held_out: validation conditions, and test conditions again
    as many. n_perturbed: perturbed nodes per condition. noise: standard deviation of the Gaussian
    noise on every value; exact responses (float64, rtol 1e-10) are kept beside, the network as the
    truth, and which conditions are rounding-sensitive. n_replicates: measurements of every
    condition, in rows that follow one another. Where the network's form has cell lines that differ
    (`cellbox.with_lines`), all of these are of each line, and doses are drawn for each. design: see
    `draw_design`. times: when to measure
    (decay times), instead of `n_times` equal steps. kinetics: "hill" for another equation (see
    `cellbox.data.hill_kinetics`). flaws: gaps, wild values and hidden nodes. done: knock-outs and
    doses that begin later and end.

    Raises InputError for a budget that cannot be, and for a network too stiff to solve or whose
    numbers are not finite.

    Example:
        >>> import cellbox
        >>> network = cellbox.random_network(3, density=0.5, seed=0)
        >>> data = cellbox.simulate(network, n_conditions=6, n_times=2, n_held_out=2)
        >>> data.measurements.shape  # 6 conditions to train on, 2 to validate and 2 to test
        (10, 2, 3)
    """
    check_numbers(network)
    _check_budget(n_conditions, n_times, horizon, noise, n_held_out, n_replicates, seed)
    seen = seen_nodes(network, flaws, seed)
    random = np.random.default_rng(seed)
    names = names_of_lines(network) or ("",)
    n_each = n_conditions + 2 * n_held_out
    n_all = n_each * len(names)
    perturbations = _drawn(design, n_all, network.n_nodes, seen, n_perturbed, random)
    moments = equal_times(n_times, horizon) if times is None else checked_times(times)
    lines = np.repeat(np.array(names, dtype=object), n_each)
    interventions = None
    if done != NOTHING_DRAWN:
        _check_done(kinetics, len(names))
        perturbations, interventions = drawn_interventions(perturbations, done, moments[-1], seed)
    asked = _Asked(perturbations, moments, interventions)
    exact, sensitive = _answers(network, asked, noise, name, kinetics, lines)
    part = np.repeat(np.arange(n_all), n_replicates)
    exact = exact[part][:, :, seen]
    truth = network if len(seen) == network.n_nodes else part_of(network, seen)
    clean = Dataset(
        nodes=truth.nodes,
        times=moments,
        perturbations=perturbations[part][:, seen],
        measurements=exact + noise * random.standard_normal(exact.shape),
        row_names=tuple(_row_names(n_all, n_replicates)),
        activity_nodes=np.zeros(len(seen), bool),
        noise_free=exact,
        rounding_sensitive=None if sensitive is None else sensitive[part],
        truth=truth,
        split=_split_of(n_conditions, n_held_out, n_replicates, len(names)),
        name=name,
        lines=tuple(lines[part]) if len(names) > 1 else None,
        interventions=None
        if interventions is None
        else rows_of(interventions.in_order(seen), part),
    )
    return with_flaws(clean, flaws, seed)


class _Asked(NamedTuple):
    """What is simulated: doses, times, and what is done beside doses that last."""

    perturbations: Perturbations
    times: Times
    interventions: Interventions | None


def _check_done(kinetics: Kinetics, n_lines: int) -> None:
    """Refuse what is not simulated with held nodes and doses that end."""
    other = "Hill kinetics" if kinetics == "hill" else "several cell lines"
    if kinetics != "eq1" or n_lines > 1:
        found = f"expected Eq. 1 and one cell line with knock-outs or pulses, found {other}"
        raise refuse("knock-outs and pulses", found, "Leave one of the two out")


def _answers(
    network: Network,
    asked: _Asked,
    noise: float,
    name: str,
    kinetics: Kinetics,
    lines: np.ndarray,
) -> tuple[Responses, RowMask | None]:
    """The exact responses, and which of them rounding decides, where that is known.

    lines: the cell line of each row.
    """
    if names_of_lines(network):
        parts = [
            _answers(
                own,
                asked._replace(perturbations=asked.perturbations[lines == line]),
                noise,
                name,
                kinetics,
                lines[:0],
            )
            for line, own in networks_of_lines(network).items()
        ]
        sensitive = [each for _, each in parts if each is not None]
        exact = np.concatenate([each for each, _ in parts])
        return exact, np.concatenate(sensitive) if sensitive else None
    if kinetics == "eq1":
        return exact_responses(
            network,
            asked.perturbations,
            asked.times,
            noise=noise,
            name=name,
            interventions=asked.interventions,
        )
    if kinetics != "hill":
        raise refuse("kinetics", f"expected eq1 or hill, found {kinetics!r}", "Choose one of these")
    return hill_responses(network, asked.perturbations, asked.times), None


def checked_times(times: Sequence[float]) -> Times:
    """The times as an array. Raises InputError where they do not ascend from above 0."""
    moments = np.asarray(times, float)
    ascending = len(moments) > 0 and (np.diff(moments, prepend=0.0) > 0).all()
    if not (ascending and np.isfinite(moments).all()):
        found = f"expected ascending times above 0, found {list(times)}"
        raise refuse("times", found, "Use for example 1, 2, 5, 10, 20")
    return moments


def _drawn(
    design: str,
    n_conditions: int,
    n_nodes: int,
    seen: Int[np.ndarray, " n_seen"],
    n_perturbed: int,
    random: np.random.Generator,
) -> Float[np.ndarray, "n_conditions n_nodes"]:
    """Perturbations of the nodes that are seen."""
    check_perturbed(n_perturbed, len(seen))
    perturbations = np.zeros((n_conditions, n_nodes))
    drawn = draw_design(n_conditions, len(seen), random, kind=design)
    perturbations[:, seen] = drawn.perturbations(n_perturbed)
    return perturbations


def _split_of(n_conditions: int, n_held_out: int, n_replicates: int, n_lines: int) -> Split:
    """Training, validation and test conditions, one after the other, line after line."""
    cut = n_replicates * np.cumsum([n_conditions, n_held_out, n_held_out])
    of_each = np.arange(n_lines * cut[-1]).reshape(n_lines, -1)
    return Split(*(part.reshape(-1) for part in np.split(of_each, cut[:-1], axis=1)))


def simulate_system(system: System, *, seed: int = 0, **changes) -> Dataset:
    """Simulate one of the ten systems at the paper's budget, or with parts of it changed.

    Example:
        >>> import cellbox
        >>> data = cellbox.simulate_system(cellbox.system("CY"), n_conditions=6, n_times=2)
        >>> data.name, data.measurements.shape  # with 5 conditions to validate and 5 to test
        ('CY', (16, 2, 6))
    """
    budget = {
        "n_conditions": system.n_conditions,
        "n_perturbed": system.perturbed_nodes,
        "n_times": system.n_times,
        "horizon": system.horizon,
        "noise": system.noise,
        "n_held_out": system.n_held_out,
    }
    return simulate(system.network, **{**budget, **changes}, seed=seed, name=system.name)


def exact_responses(
    network: Network,
    perturbations: Perturbations,
    times: Times,
    *,
    noise: float,
    name: str,
    interventions: Interventions | None = None,
) -> tuple[Responses, RowMask]:
    """The exact responses (log ratio) at `times`, and which are rounding-sensitive.

    times: in model time units.

    noise: standard deviation of a measurement (log ratio); see `rounding_sensitive_conditions`.
    name: what is simulated, for people. interventions: see `responses`.

    Raises InputError for a network too stiff to solve.
    """
    exact = responses(network, perturbations, times, interventions=interventions)
    _refuse_unsolved(exact, name)
    return exact, rounding_sensitive_conditions(
        network, perturbations, times, exact, noise, interventions
    )


def _refuse_unsolved(exact: Responses, name: str) -> None:
    """Refuse a network whose exact response could not be computed."""
    unsolved = np.flatnonzero(~np.isfinite(exact).all(axis=(1, 2)))
    if len(unsolved):
        raise refuse(
            f"simulation of {name}",
            f"the exact response of {len(unsolved)} of {len(exact)} conditions needs more than "
            f"{EXACT.max_steps} solver steps",
            "Use smaller weights or amplitudes: this network is extremely stiff",
        )


def _row_names(n_conditions: int, n_replicates: int) -> list[str]:
    names = [f"c{number + 1}" for number in range(n_conditions)]
    if n_replicates == 1:
        return names
    return [f"{name} replicate {k + 1}" for name in names for k in range(n_replicates)]


def _check_budget(
    n_conditions: int,
    n_times: int,
    horizon: float,
    noise: float,
    n_held_out: int,
    n_replicates: int,
    seed: int,
) -> None:
    check_seed(seed)
    counts = {
        "conditions": n_conditions,
        "time points": n_times,
        "held-out conditions": n_held_out,
        "replicates": n_replicates,
    }
    problems = [
        Problem(name, f"expected at least 1, found {count}", "Choose a larger number")
        for name, count in counts.items()
        if count < 1
    ]
    if not (np.isfinite(horizon) and horizon > 0):
        problems.append(
            Problem("horizon", f"expected a positive time, found {horizon}", "Use for example 20")
        )
    if not (np.isfinite(noise) and noise >= 0):
        problems.append(
            Problem(
                "noise",
                f"expected a standard deviation from 0 up, found {noise}",
                "Use for example 0.01",
            )
        )
    if problems:
        raise InputError(problems)
