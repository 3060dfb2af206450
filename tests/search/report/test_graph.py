"""Networks of every size are drawn so that names can be read and signs told apart."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from search.report.edges import JudgedEdge
from search.report.graph import ACTIVATES, INHIBITS, graph_svg


def network_of(n_nodes, n_edges):
    random = np.random.default_rng(0)
    nodes = [f"protein{k}pS{100 + k}" for k in range(n_nodes)]
    pairs = random.permutation(n_nodes**2)[:n_edges]
    edges = [
        JudgedEdge(nodes[p % n_nodes], nodes[p // n_nodes], float(random.normal())) for p in pairs
    ]
    return nodes, edges


@pytest.mark.parametrize(("n_nodes", "n_edges"), [(7, 8), (19, 80), (99, 100)])
def test_names_stand_apart(n_nodes, n_edges):
    nodes, edges = network_of(n_nodes, n_edges)
    picture = ElementTree.fromstring(graph_svg(nodes, edges, shown=40))
    moved = [
        tuple(map(float, re.findall(r"-?[\d.]+", group.attrib["transform"])))
        for group in picture.iter("g")
        if group.attrib.get("class") == "node"
    ]
    assert len(moved) == n_nodes
    places = np.array(moved)
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1) + 1e9 * np.eye(n_nodes)
    # Names of 13 units' height are written along the radius.
    assert apart.min() > 14


def test_signs_differ_in_more_than_colour():
    edges = [JudgedEdge("a", "b", 1.0), JudgedEdge("b", "c", -1.0), JudgedEdge("c", "c", 0.5)]
    picture = ElementTree.fromstring(graph_svg(["a", "b", "c"], edges, shown=3))
    drawn = {g.attrib["data-source"]: g for g in picture.iter("g") if g.attrib.get("data-rank")}
    heads = {name: list(group.iter("path"))[1].attrib for name, group in drawn.items()}
    assert (drawn["a"].attrib["stroke"], drawn["b"].attrib["stroke"]) == (ACTIVATES, INHIBITS)
    assert heads["a"]["stroke"] == "none"
    assert heads["b"]["fill"] == "none"
    assert "b inhibits c" in drawn["b"].find("title").text


def test_drugs_are_squares_that_stand_together():
    nodes, edges = network_of(12, 14)
    drugs = frozenset(nodes[::4])
    picture = ElementTree.fromstring(graph_svg(nodes, edges, drugs=drugs, shown=14))
    order = [
        (group.attrib["data-node"], group.find("rect") is not None)
        for group in picture.iter("g")
        if group.attrib.get("class") == "node"
    ]
    assert {name for name, square in order if square} == drugs
    assert all(square for _, square in order[: len(drugs)])
