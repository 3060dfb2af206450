"""What a page says of a learned network beside its picture."""

import pytest

from search.report.blocks import Graph
from search.report.edges import JudgedEdge, JudgedNetwork
from search.report.network_content import network_section
from tests.cellbox.formed import NETWORK, experiment, with_hidden


@pytest.mark.parametrize(("network", "said"), [(with_hidden(), True), (NETWORK, False)])
def test_a_picture_without_hidden_nodes_says_that_it_has_none_of_them(network, said):
    data = experiment(NETWORK, 8)
    edges = (JudgedEdge(network.nodes[0], network.nodes[1], 0.8),)
    section = network_section(
        JudgedNetwork(network, edges, ""), data, (data.perturbations != 0).any(axis=0), {}
    )
    (graph,) = [block for block in section.blocks if isinstance(block, Graph)]
    assert ("Hidden nodes" in graph.caption) == said
