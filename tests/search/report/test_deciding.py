"""Edges are decided where their source moves."""

import numpy as np

from cellbox.data.dataset import Dataset
from cellbox.networks.network import Network
from search.report.deciding import deciding_conditions
from search.report.edges import JudgedEdge


def test_the_condition_in_which_the_source_moves_tells_of_the_edge():
    network = Network(("a", "b", "c"), np.zeros((3, 3)), np.ones(3))
    states = np.zeros((4, 1, 3))
    states[:, 0, 0] = (0.9, 0.1, 0.0, 0.9)
    measured = states.copy()
    # The last row moves the source as much, and nobody measured the target there.
    measured[3, 0, 1] = np.nan
    data = Dataset(
        nodes=network.nodes,
        times=np.array([10.0]),
        perturbations=np.diag([0.1, 0.2, 0.3, 0.0])[:, :3],
        measurements=measured,
        row_names=("first", "second", "third", "fourth"),
        activity_nodes=np.zeros(3, bool),
    )
    edges = [JudgedEdge("a", "b", 1.0), JudgedEdge("c", "b", 1.0)]
    first, nothing = deciding_conditions(network, data, np.arange(4), states, edges)
    assert first == "a 0.1 (99 %), b 0.2 (1 %)"
    assert nothing == ""
