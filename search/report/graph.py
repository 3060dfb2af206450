"""A network drawn as a graph: nodes on a circle, so that every name is readable.

The sign of an edge shows in its colour and in its end: an arrow activates, a bar inhibits. Drugs
(activity nodes) are squares and stand together. Neighbours in the network stand near each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import atan2, cos, degrees, hypot, pi, sin

import numpy as np
from markupsafe import Markup, escape

from search.report.edges import JudgedEdge

ACTIVATES, INHIBITS = "#B5500A", "#0072B2"
_FONT = 13.0
_SWEEPS = 30
# Up to so many names stand upright; more are written along the radius.
_UPRIGHT = 14
_LOOP = 24.0


@dataclass(frozen=True)
class _Place:
    x: float
    y: float
    angle: float


def graph_svg(
    nodes: Sequence[str],
    edges: Sequence[JudgedEdge],
    *,
    drugs: frozenset[str] = frozenset(),
    perturbed: frozenset[str] = frozenset(),
    shown: int,
) -> Markup:
    """The edges as SVG, the first of them the most important.

    nodes: those to draw, with or without edges. drugs: drawn apart. perturbed: drawn filled.
    shown: how many edges a reader sees at first.
    """
    loop = _LOOP if any(edge.source == edge.target for edge in edges) else 0.0
    longest = max((len(node) for node in nodes), default=1)
    radius = max(105.0, len(nodes) * 1.45 * _FONT / (2 * pi))
    reach = radius + 34 + 0.58 * _FONT * longest + loop
    half_height = radius + 34 + loop + (0.58 * _FONT * longest if len(nodes) > _UPRIGHT else 22)
    order = _order(nodes, edges, drugs)
    places = _places(order, drugs, radius)
    strongest = max((abs(edge.weight) for edge in edges), default=1.0)
    lines = [
        _edge(edge, rank, places, radius, abs(edge.weight) / strongest, shown)
        for rank, edge in enumerate(edges, start=1)
    ]
    looped = {edge.source for edge in edges if edge.source == edge.target}
    marks = [
        _node(
            node,
            places[node],
            drug=node in drugs,
            perturbed=node in perturbed,
            name=_name(node, places[node], len(order), _LOOP if node in looped else 0.0),
        )
        for node in order
    ]
    width = max(340, round(2 * reach))
    return Markup(
        f'<svg class="network" viewBox="{-reach:.0f} {-half_height:.0f} {2 * reach:.0f} '
        f'{2 * half_height:.0f}" style="max-width: {1.35 * width:.0f}px; '
        f'min-width: {min(width, 460)}px" role="group" aria-label="{escape(_told(edges, shown))}">'
        f"<g>{''.join(reversed(lines))}</g><g>{''.join(marks)}</g></svg>"
    )


def _told(edges: Sequence[JudgedEdge], shown: int) -> str:
    first = "; ".join(f"{e.source} {e.effect} {e.target}" for e in edges[: min(shown, 12)])
    return f"Network graph. {first}. The table of edges has all of them."


def _order(nodes: Sequence[str], edges: Sequence[JudgedEdge], drugs: frozenset[str]) -> list[str]:
    """Drugs first, each group in an order that brings neighbours together."""
    order = [node for node in nodes if node in drugs] + [n for n in nodes if n not in drugs]
    neighbours: dict[str, list[tuple[str, float]]] = {node: [] for node in nodes}
    for edge in edges:
        if edge.source != edge.target:
            neighbours[edge.source].append((edge.target, abs(edge.weight)))
            neighbours[edge.target].append((edge.source, abs(edge.weight)))
    best, least = order, _length(order, edges)
    for _ in range(_SWEEPS):
        angle = {node: 2 * pi * place / len(order) for place, node in enumerate(order)}
        wanted = {node: _mean_angle(node, neighbours[node], angle) for node in order}
        order = sorted(order, key=lambda node: (node not in drugs, wanted[node]))
        length = _length(order, edges)
        if length < least:
            best, least = order, length
    return best


def _mean_angle(
    node: str, neighbours: Sequence[tuple[str, float]], angle: Mapping[str, float]
) -> float:
    """Where the neighbours are, by weight, and a little where the node is itself."""
    parts = [(angle[other], weight) for other, weight in neighbours]
    total = sum(weight for _, weight in parts) or 1.0
    parts.append((angle[node], 0.3 * total))
    x = sum(weight * cos(a) for a, weight in parts)
    y = sum(weight * sin(a) for a, weight in parts)
    return atan2(y, x) % (2 * pi)


def _length(order: Sequence[str], edges: Sequence[JudgedEdge]) -> float:
    """How far edges reach round the circle, together."""
    place = {node: index for index, node in enumerate(order)}
    apart = [abs(place[edge.source] - place[edge.target]) for edge in edges]
    return float(sum(min(each, len(order) - each) for each in apart))


def _places(order: Sequence[str], drugs: frozenset[str], radius: float) -> dict[str, _Place]:
    """Round the circle from the left, with gaps at both ends of the drugs."""
    n_drugs = sum(node in drugs for node in order)
    gap = 1.5 if 0 < n_drugs < len(order) else 0.0
    steps = len(order) + 2 * gap
    start = pi - pi * (n_drugs - 1) / steps if n_drugs else -pi / 2
    places = {}
    for index, node in enumerate(order):
        angle = start + 2 * pi * (index + (gap if index >= n_drugs else 0.0)) / steps
        places[node] = _Place(radius * cos(angle), radius * sin(angle), angle)
    return places


def _edge(
    edge: JudgedEdge,
    rank: int,
    places: Mapping[str, _Place],
    radius: float,
    strength: float,
    shown: int,
) -> str:
    colour = ACTIVATES if edge.weight > 0 else INHIBITS
    width = 1.1 + 4.0 * float(np.sqrt(strength))
    from_, to = places[edge.source], places[edge.target]
    if edge.source == edge.target:
        path, end = _loop(to)
    else:
        path, end = _curve(from_, to, radius)
    sure = 1.0 if edge.frequency is None else 0.35 + 0.65 * edge.frequency
    hidden = " gone" if rank > shown else ""
    return (
        f'<g class="edge{hidden}" data-rank="{rank}" data-source="{escape(edge.source)}" '
        f'data-target="{escape(edge.target)}" stroke="{colour}" fill="{colour}" '
        f'opacity="{sure:.2f}"><title>{escape(edge.in_words())}</title>'
        f'<path d="{path}" fill="none" stroke-width="{width:.1f}"/>'
        f"{_head(end, width, edge.weight > 0)}</g>"
    )


def _curve(from_: _Place, to: _Place, radius: float) -> tuple[str, _Place]:
    """A curve that bends to the middle, more between neighbours; and its end with the direction."""
    apart = hypot(from_.x - to.x, from_.y - to.y)
    pull = 0.75 - 0.55 * min(1.0, apart / (2 * radius))
    middle_x, middle_y = (from_.x + to.x) / 2, (from_.y + to.y) / 2
    # A little to one side, so that two nodes that act on each other have two lines.
    side = 0.08 * apart
    normal_x, normal_y = (to.y - from_.y) / (apart or 1), (from_.x - to.x) / (apart or 1)
    bend_x = middle_x * (1 - pull) + side * normal_x
    bend_y = middle_y * (1 - pull) + side * normal_y
    start, end = _short_of(from_, bend_x, bend_y, 9.0), _short_of(to, bend_x, bend_y, 13.0)
    path = f"M{start.x:.1f} {start.y:.1f}Q{bend_x:.1f} {bend_y:.1f} {end.x:.1f} {end.y:.1f}"
    return path, end


def _short_of(place: _Place, towards_x: float, towards_y: float, by: float) -> _Place:
    """A point before a place, seen from elsewhere; its angle leads on to the place."""
    angle = atan2(place.y - towards_y, place.x - towards_x)
    return _Place(place.x - by * cos(angle), place.y - by * sin(angle), angle)


def _loop(place: _Place) -> tuple[str, _Place]:
    """A node's effect on itself: a loop outside the circle."""
    left, right = place.angle - 0.75, place.angle + 0.75
    x1, y1 = place.x + 8 * cos(left), place.y + 8 * sin(left)
    bends = [(place.x + 40 * cos(a), place.y + 40 * sin(a)) for a in (left, right)]
    (bx1, by1), (bx2, by2) = bends
    x2, y2 = place.x + 13 * cos(right), place.y + 13 * sin(right)
    path = f"M{x1:.1f} {y1:.1f}C{bx1:.1f} {by1:.1f} {bx2:.1f} {by2:.1f} {x2:.1f} {y2:.1f}"
    return path, _Place(x2, y2, atan2(place.y - y2, place.x - x2))


def _head(end: _Place, width: float, activates: bool) -> str:
    """An arrow or a bar at the end of an edge."""
    turn = f'transform="translate({end.x:.1f} {end.y:.1f}) rotate({degrees(end.angle):.0f})"'
    size = 4.5 + width
    if activates:
        return (
            f'<path {turn} stroke="none" d="M{size:.1f} 0L-2 {-0.6 * size:.1f}V{0.6 * size:.1f}Z"/>'
        )
    bar = 0.75 * size
    return f'<path {turn} fill="none" stroke-width="2.6" d="M1 {-bar:.1f}V{bar:.1f}"/>'


def _node(node: str, place: _Place, *, drug: bool, perturbed: bool, name: str) -> str:
    """A node's mark with its name; drawn filled where the data perturb it."""
    fill = "#1d2430" if perturbed else "#fff"
    look = f'fill="{fill}" stroke="#1d2430" stroke-width="1.8"'
    shape = f'<rect x="-6" y="-6" width="12" height="12" {look}/>'
    if not drug:
        shape = f'<circle r="6.5" {look}/>'
    return (
        f'<g class="node" data-node="{escape(node)}" tabindex="0" role="button" '
        f'aria-label="{escape(node)}: show its edges alone" '
        f'transform="translate({place.x:.1f} {place.y:.1f})">{shape}{name}</g>'
    )


def _name(name: str, place: _Place, count: int, beyond: float) -> str:
    """The name outside the circle: along its radius where many stand around it.

    beyond: how much farther out, where a loop is in the way.
    """
    right = cos(place.angle) >= -1e-9
    look = f'font-size="{_FONT}"'
    if count <= _UPRIGHT:
        x, y = (14 + beyond) * cos(place.angle), (17 + beyond) * sin(place.angle) + 4.5
        upright = abs(cos(place.angle)) < 0.25
        anchor = "middle" if upright else "start" if right else "end"
        turn = ""
    else:
        rotation = degrees(place.angle) + (0 if right else 180)
        turn = f'transform="rotate({rotation:.1f})" '
        x, y = (12 + beyond) * (1 if right else -1), 4.5
        anchor = "start" if right else "end"
    return (
        f'<text {turn}x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {look}>{escape(name)}</text>'
    )
