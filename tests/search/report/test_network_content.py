"""What a page says of a learned network beside its picture."""

import pytest

from search.report.blocks import Graph
from search.report.edges import JudgedEdge, JudgedNetwork
from search.report.model_content import criticism_sections
from search.report.network_content import network_section
from tests.cellbox.formed import NETWORK, experiment, formed, with_hidden


@pytest.mark.parametrize(("network", "said"), [(with_hidden(), True), (NETWORK, False)])
def test_a_picture_without_hidden_nodes_says_that_it_has_none_of_them(network, said):
    data = experiment(NETWORK, 8)
    edges = (JudgedEdge(network.nodes[0], network.nodes[1], 0.8),)
    section = network_section(
        JudgedNetwork(network, edges, ""), data, (data.perturbations != 0).any(axis=0), {}
    )
    (graph,) = [block for block in section.blocks if isinstance(block, Graph)]
    assert ("Hidden nodes" in graph.caption) == said


@pytest.mark.parametrize(("network", "said"), [(formed(offset=[0, 0, 0.3, 0]), 2), (NETWORK, 1)])
def test_what_a_network_has_beside_the_equation_is_told_where_that_is_judged(network, said):
    found = {"criticism": {"sentences": ["Explained."], "outlying_values": []}}
    (section,) = criticism_sections(found, network)
    (text,) = section.blocks
    assert len(text.sentences) == said
    assert said == 1 or text.sentences[1].startswith("Form beside Eq. 1: offset (")
