"""Which conditions to measure next, or first: `next_conditions` and `first_conditions`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from cellbox.arrays import Times
from cellbox.data.dataset import Dataset
from cellbox.data.simulation import checked_times
from cellbox.errors import refuse
from cellbox.models.ensemble import Ensemble
from cellbox.models.model import FittedModel
from cellbox.networks.fitted_form import refuse_form
from cellbox.networks.interventions import refuse_interventions
from cellbox.networks.network import Network
from cellbox.planning.beliefs import MEMBERS, belief_from_data, belief_of_family
from cellbox.planning.limits import MOST_CANDIDATES, Limits, note_limits, usual_limits
from cellbox.planning.precision import Prospect
from cellbox.planning.proposal import Proposal
from cellbox.planning.question import Question
from cellbox.planning.search import Effort, Search
from cellbox.settings import check_seed
from cellbox.storage.problems import Problems, note_unknown
from cellbox.threads import in_one_thread


@in_one_thread
def next_conditions(
    data: Dataset,
    model: FittedModel | None = None,
    *,
    conditions: int = 8,
    limits: Limits | None = None,
    edges: Sequence[tuple[str, str]] = (),
    undecided: bool = False,
    times: Sequence[float] | None = None,
    choose_times: int | None = None,
    noise: float | None = None,
    members: int = MEMBERS,
    candidates: int = MOST_CANDIDATES,
    seed: int = 0,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Proposal:
    """Propose the conditions that would tell most about the network beside what is measured.

    data: the experiment so far. model: a model or an ensemble that was fitted to it; by default
        one is fitted by least squares.
    conditions: how many to propose; one may come up more than once, as replicates.
    limits: what may be done, by default what `cellbox.usual_limits` takes from the data.
    edges: (source, target) of edges that matter; by default all do. undecided: only those edges
        matter that the data leave undecided (see `Precision.chance_decided`).
    times: when to measure (decay times), by default as in the data. choose_times: how many of these
        to choose.
    noise: standard deviation of a value (log ratio), by default what the fit leaves.
    members: networks that a design is judged by. candidates: conditions that are considered, drawn
        at random where there are more. on_progress: told how many conditions are chosen.

    Raises InputError with all that is wrong with limits, edges and numbers.

    Example:
        >>> import cellbox
        >>> data = cellbox.read_data("my_experiment")
        >>> proposal = cellbox.next_conditions(data, conditions=2, members=4)
        >>> len(proposal.conditions)
        2
    """
    effort = Effort(members, candidates, seed)
    search = search_of(data, model, limits, times, noise, effort, edges=edges, undecided=undecided)
    _check_counts(conditions, choose_times, search.question.times)
    return search.proposal(conditions, choose_times, on_progress)


@in_one_thread
def first_conditions(
    nodes: Sequence[str],
    times: Sequence[float],
    *,
    noise: float,
    conditions: int = 12,
    limits: Limits | None = None,
    screening: bool = False,
    choose_times: int | None = None,
    density: float | None = None,
    amplitude: float = 1.0,
    members: int = MEMBERS,
    candidates: int = MOST_CANDIDATES,
    seed: int = 0,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Proposal:
    """Propose the first conditions of an experiment of which nothing is known yet.

    It is judged by random networks of these nodes: density is the share of pairs that are edges (by
    default about two into each node), amplitude the largest response of a node (log ratio).
    screening: a balanced design, which perturbs every node equally often, and needs no network.
    For the rest see `next_conditions`.

    Example:
        >>> import cellbox
        >>> nodes = ["AKT", "MEK", "ERK"]
        >>> proposal = cellbox.first_conditions(nodes, [1, 4], noise=0.05, conditions=4, members=4)
        >>> len(proposal.conditions)
        4
    """
    nodes = tuple(nodes)
    limits = Limits(nodes, (0.25, 0.5, 0.75, 1.0)) if limits is None else limits
    problems = Problems()
    note_limits(limits, nodes, problems)
    effort = Effort(members, candidates, seed)
    _note_numbers(effort, noise, problems)
    problems.raise_any()
    check_seed(seed)
    moments = checked_times(times)
    _check_counts(conditions, choose_times, moments)
    belief = belief_of_family(
        nodes,
        moments,
        noise,
        density=density,
        amplitude=amplitude,
        n_members=members,
        seed=seed,
    )
    search = Search(Question(belief, limits, moments), effort)
    return search.proposal(conditions, choose_times, on_progress, screening=screening)


def search_of(
    data: Dataset,
    model: FittedModel | None,
    limits: Limits | None,
    times: Sequence[float] | None,
    noise: float | None,
    effort: Effort,
    *,
    edges: Sequence[tuple[str, str]] = (),
    undecided: bool = False,
) -> Search:
    """The search that `next_conditions` makes; see there for what is what."""
    refuse_interventions(
        data.interventions, f"{data.name}, proposal of conditions", row_names=data.row_names
    )
    limits = usual_limits(data) if limits is None else limits
    problems = Problems()
    note_limits(limits, data.nodes, problems)
    _note_edges(edges, data, problems)
    if edges and undecided:
        found = "expected edges by name or the undecided ones, found both"
        problems.add("edges", found, "Give one of the two")
    _note_numbers(effort, noise, problems)
    problems.raise_any()
    check_seed(effort.seed)
    place = {node: index for index, node in enumerate(data.nodes)}
    places = [(place[target], place[source]) for source, target in dict.fromkeys(edges)]
    moments = data.times if times is None else checked_times(times)
    belief = belief_from_data(
        data,
        _networks(model),
        refined=model is None or model.training.refined,
        n_members=effort.members,
        noise=noise,
        seed=effort.seed,
    )
    if undecided:
        left = ~Prospect(belief, belief.estimate).precision().decided & belief.allowed
        places = [(int(target), int(source)) for target, source in np.argwhere(left)]
        if not places:
            fix = "Ask for all edges, or stop here"
            raise refuse(data.name, "expected undecided edges, found none: all are decided", fix)
    return Search(Question(belief, limits, moments, tuple(places)), effort)


def _networks(model: FittedModel | None) -> list[Network]:
    if model is None:
        return []
    refuse_form(model.form, "model of the experiment")
    if isinstance(model, Ensemble):
        return [member.network for member in model.members]
    return [model.network]


def _note_edges(edges: Sequence[tuple[str, str]], data: Dataset, problems: Problems) -> None:
    for source, target in edges:
        where = f"edge {source}:{target}"
        unknown = [name for name in (source, target) if name not in data.nodes]
        for name in dict.fromkeys(unknown):
            note_unknown(name, data.nodes, where, "node", problems)
        if unknown:
            continue
        if not data.possible_edges[data.nodes.index(target), data.nodes.index(source)]:
            found = "expected an edge that may be, found a forbidden one"
            problems.add(where, found, "Leave it out")


def _note_numbers(effort: Effort, noise: float | None, problems: Problems) -> None:
    for name, fewest in (("members", 2), ("candidates", 1)):
        count = getattr(effort, name)
        if count < fewest:
            found = f"expected at least {fewest}, found {count}"
            problems.add(name, found, "Choose a larger number")
    if noise is not None and not 0 < noise < np.inf:
        fix = "Give the standard deviation of a measured value, such as 0.01"
        problems.add("noise", f"expected a number above 0, found {noise}", fix)


def _check_counts(conditions: int, choose_times: int | None, times: Times) -> None:
    if conditions < 1:
        found = f"expected at least 1, found {conditions}"
        raise refuse("conditions", found, "Choose a larger number")
    if choose_times is not None and not 1 <= choose_times <= len(times):
        found = f"expected 1 to {len(times)}, the times there are, found {choose_times}"
        raise refuse("times to choose", found, "Name more times, or choose fewer")
