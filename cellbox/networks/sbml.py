"""A network with its equation as SBML, for simulators of systems biology.

SBML Level 3 Version 1 (Hucka et al. 2010): each node is a parameter with a rate rule, Eq. 1, and
starts at 0; each has a parameter for its dose u, with the paper's sign.
"""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cellbox.networks.export import require_writable_names
from cellbox.networks.fitted_form import refuse_form
from cellbox.networks.network import Network, check_numbers
from cellbox.storage.files import atomic_write

_SBML = "http://www.sbml.org/sbml/level3/version1/core"
_MATHML = "http://www.w3.org/1998/Math/MathML"
_XHTML = "http://www.w3.org/1999/xhtml"

_NOTES = (
    "dx/dt = alpha * tanh(sum of w * x - u) - x from x = 0 (Ji et al. 2021, arXiv 2104.06467). "
    "x: log ratio of a node; u: its perturbation, of which a positive one pushes the node down; "
    "time in decay times of a node."
)


@dataclass(frozen=True)
class NodeIds:
    """The identifiers of each node: SBML allows letters, digits and underscores alone.

    state, dose: by the node's name, of its log ratio x and its perturbation u.
    amplitude: of α. weight: by target and source, of an entry of W that is not 0.
    """

    state: Mapping[str, str]
    dose: Mapping[str, str]
    amplitude: Mapping[str, str]
    weight: Mapping[tuple[str, str], str]

    @classmethod
    def of(cls, network: Network) -> NodeIds:
        """Identifiers that tell the nodes of a network, and its edges, apart."""
        taken: set[str] = set()

        def new(wanted: str) -> str:
            number, chosen = 1, wanted
            while chosen in taken:
                number += 1
                chosen = f"{wanted}_{number}"
            taken.add(chosen)
            return chosen

        plain = {name: re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") for name in network.nodes}
        edges = [
            (network.nodes[target], network.nodes[source])
            for target, source in np.argwhere(network.weights)
        ]
        return cls(
            state={name: new(f"x_{plain[name]}") for name in network.nodes},
            dose={name: new(f"u_{plain[name]}") for name in network.nodes},
            amplitude={name: new(f"alpha_{plain[name]}") for name in network.nodes},
            weight={(to, by): new(f"w_{plain[to]}_from_{plain[by]}") for to, by in edges},
        )


def write_sbml(
    network: Network,
    path: str | os.PathLike[str],
    *,
    doses: Mapping[str, float] | None = None,
) -> NodeIds:
    """Write Eq. 1 with this network as an SBML Level 3 model; returns the identifiers in it.

    doses: u of the nodes that are perturbed (positive pushes a node down); the others are 0, and
        a simulator can change all of them.

    Parameters x_NODE, u_NODE, alpha_NODE and w_TARGET_from_SOURCE carry the nodes' own names.
    Raises InputError for a network with a form, where a name cannot be written, and where the
    folder does not exist.

    Example:
        >>> import cellbox
        >>> ids = cellbox.write_sbml(cellbox.system("CY").network, "CY.xml", doses={"g1": 0.5})
        >>> ids.dose["g1"], ids.weight["g2", "g1"]
        ('u_g1', 'w_g2_from_g1')
    """
    refuse_form(network.form, "SBML")
    check_numbers(network)
    require_writable_names(network)
    ids = NodeIds.of(network)
    root = ElementTree.Element("sbml", xmlns=_SBML, level="3", version="1")
    model = ElementTree.SubElement(root, "model", id="cellbox", timeUnits="dimensionless")
    body = ElementTree.SubElement(ElementTree.SubElement(model, "notes"), "body", xmlns=_XHTML)
    ElementTree.SubElement(body, "p").text = _NOTES
    parameters = ElementTree.SubElement(model, "listOfParameters")
    given = doses or {}
    for place, name in enumerate(network.nodes):
        _parameter(parameters, ids.state[name], name, 0.0, constant=False)
        _parameter(parameters, ids.dose[name], f"dose of {name}", given.get(name, 0.0))
        amplitude = float(network.amplitudes[place])
        _parameter(parameters, ids.amplitude[name], f"amplitude of {name}", amplitude)
    index = {name: place for place, name in enumerate(network.nodes)}
    for (target, source), id_ in ids.weight.items():
        weight = float(network.weights[index[target], index[source]])
        _parameter(parameters, id_, f"effect of {source} on {target}", weight)
    rules = ElementTree.SubElement(model, "listOfRules")
    for name in network.nodes:
        rule = ElementTree.SubElement(rules, "rateRule", variable=ids.state[name])
        _velocity(ElementTree.SubElement(rule, "math", xmlns=_MATHML), name, ids)
    ElementTree.indent(root)
    with atomic_write(path, "wb") as file:
        ElementTree.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)
    return ids


def _parameter(
    parameters: ElementTree.Element, id_: str, name: str, value: float, *, constant: bool = True
) -> None:
    attributes = {"id": id_, "name": name, "value": repr(float(value)), "units": "dimensionless"}
    ElementTree.SubElement(parameters, "parameter", attributes, constant=str(constant).lower())


def _velocity(math: ElementTree.Element, node: str, ids: NodeIds) -> None:
    """The right-hand side of Eq. 1 for a node, as MathML."""
    difference = _apply(math, "minus")
    product = _apply(difference, "times")
    _name(product, ids.amplitude[node])
    inside = _apply(_apply(product, "tanh"), "minus")
    terms = [(weight, source) for (to, source), weight in ids.weight.items() if to == node]
    if terms:
        _weighted_sum(inside, terms, ids)
    # Without a first term the operator is the sign.
    _name(inside, ids.dose[node])
    _name(difference, ids.state[node])


def _weighted_sum(parent: ElementTree.Element, terms: list[tuple[str, str]], ids: NodeIds) -> None:
    """The sum of w · x over weights and sources."""
    total = _apply(parent, "plus")
    for weight, source in terms:
        term = _apply(total, "times")
        _name(term, weight)
        _name(term, ids.state[source])


def _apply(parent: ElementTree.Element, operator: str) -> ElementTree.Element:
    """An application of an operator, whose arguments are to follow."""
    applied = ElementTree.SubElement(parent, "apply")
    ElementTree.SubElement(applied, operator)
    return applied


def _name(parent: ElementTree.Element, id_: str) -> None:
    ElementTree.SubElement(parent, "ci").text = id_
