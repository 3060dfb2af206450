"""Which parts the equation needs beside Eq. 1, chosen by the criterion that selects edges.

Nothing is tried where Eq. 1 explains the data. Else parts are let in one by one, as long as one
lowers the information criterion and what is left is no noise: those that the residuals ask for
(`cellbox.criticism`), and all others where these lead to nothing that is better. Each is
fitted with W and α from a regression, so that criteria are those of whole fits, and comparable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from math import log
from typing import NamedTuple, TypeGuard

from cellbox.arrays import Perturbations, RowNumbers
from cellbox.criticism.advice import forms_for
from cellbox.criticism.criticise import criticise
from cellbox.criticism.criticism import Criticism
from cellbox.data.dataset import Dataset
from cellbox.networks.form import CURVES, PARTS, Form, form_of, treated_rows
from cellbox.networks.hidden_nodes import HIDDEN
from cellbox.networks.line_differences import LINES
from cellbox.networks.network import Network
from cellbox.refinement.refined import Refined

#: Whether a network explains the data that it is fitted to.
Judge = Callable[[Network], Criticism]

# Parts that are let in at most.
_MOST_PARTS = 3

# A part is chosen among many, so its criterion has to be lower by so many times what an edge costs.
_PRICE = 2.0


def judge_of(data: Dataset, rows: RowNumbers) -> Judge:
    """What tells whether a network explains these rows, which it is fitted to; once for each."""
    return cache(lambda network: criticise(network, data, rows))


class StartedFit(NamedTuple):
    """A refined network, and where its refinement began, in words."""

    found: Refined
    start: str


class _Tried(NamedTuple):
    form: Form
    found: Refined


def search_form(
    fits: Callable[[Form], list[StartedFit]],
    judge: Judge | None,
    perturbations: Perturbations,
    *,
    hidden: bool = True,
    lines: bool = False,
    without: Sequence[str] = (),
) -> Form:
    """The form that the data ask for; Eq. 1 where that explains them, or nothing explains more.

    fits: what least squares with a form lead to. judge: None where that cannot be told, and then
    the criterion alone decides. perturbations: of the rows that are fitted. hidden: whether these
    can tell hidden nodes. lines: whether they are of several cell lines. without: parts that are
    not tried.
    """
    best = _best(fits, Form())
    for _ in range(_MOST_PARTS):
        if best is None:
            return Form()
        verdict = None if judge is None else judge(best.found.network)
        if verdict is not None and verdict.edges_hold:
            break
        asked = [] if verdict is None else forms_for(verdict)
        asked = [name for name in asked if hidden or name not in HIDDEN]
        every = [name for name in (*PARTS, *CURVES) if _can_be_told(name, perturbations)]
        if without:
            asked, every = ([n for n in names if n not in without] for names in (asked, every))
        if lines:
            every.append(LINES)
        if hidden and _may_be_hidden(verdict):
            every.append("hidden")
        better = _next(fits, judge, best, asked, every)
        if better is None:
            break
        best = better
    return best.form if best is not None else Form()


def _next(
    fits: Callable[[Form], list[StartedFit]],
    judge: Judge | None,
    best: _Tried,
    asked: list[str],
    every: list[str],
) -> _Tried | None:
    """The best form with one part more, None where none is better.

    asked: parts that the residuals ask for. every: all that these data can tell.
    """
    least = best.found.information - _PRICE * log(best.found.n_values)
    n_nodes = best.found.network.n_nodes
    chosen: _Tried | None = None
    ordered = sorted(asked, key=lambda name: form_of(name).n_numbers(n_nodes))
    # What a hidden node does may look like anything, so it is tried where these do not explain it.
    asked = [*ordered, *(name for name in HIDDEN if name in every and name not in asked)]
    for name in asked:
        known = judge(chosen.found.network) if judge and _is_better(chosen, least) else None
        if name in HIDDEN and not _may_be_hidden(known):
            # It takes longer than all others, and of little that is left it would tell nothing.
            continue
        chosen = _least([chosen, *_with_each(fits, best.form, [name])])
        if _is_better(chosen, least) and judge is not None and _explains(judge, chosen):
            return chosen
    if _is_better(chosen, least) and judge is not None and _goes_on(judge, chosen):
        return chosen
    rest = [name for name in every if name not in asked]
    chosen = _least([chosen, *_with_each(fits, best.form, rest)])
    return chosen if _is_better(chosen, least) else None


def _may_be_hidden(verdict: Criticism | None) -> bool:
    """Whether so much is left, or such, that a node may not have been measured."""
    if verdict is None or verdict.verdict == "not explained":
        return True
    return any(name in HIDDEN for name in forms_for(verdict))


def _is_better(one: _Tried | None, least: float) -> TypeGuard[_Tried]:
    return one is not None and one.found.information < least


def _explains(judge: Judge, tried: _Tried) -> bool:
    return judge(tried.found.network).edges_hold


def _goes_on(judge: Judge, tried: _Tried) -> bool:
    """Whether what is left tells which part comes next."""
    verdict = judge(tried.found.network)
    return any(tried.form.with_part(name) is not None for name in forms_for(verdict))


def _with_each(
    fits: Callable[[Form], list[StartedFit]], form: Form, names: Iterable[str]
) -> list[_Tried | None]:
    more = [form.with_part(name) for name in names]
    return [_best(fits, one) for one in more if one is not None]


def _least(tried: Iterable[_Tried | None]) -> _Tried | None:
    found = [one for one in tried if one is not None]
    return min(found, key=lambda one: one.found.information, default=None)


def _best(fits: Callable[[Form], list[StartedFit]], form: Form) -> _Tried | None:
    """The best fit with a form, as far as its parts were kept."""
    found = min((fit.found for fit in fits(form)), key=lambda one: one.information, default=None)
    if found is None:
        return None
    kept = found.network.form
    return _Tried(Form() if kept is None else kept.form, found)


def _can_be_told(name: str, perturbations: Perturbations) -> bool:
    """Whether these doses tell a part from others."""
    if name == "treated_drive":
        return not treated_rows(perturbations).all()
    return name in CURVES or bool(form_of(name).told(perturbations).any())
