"""Networks as tables and files that other programs read."""

import csv
import json
import logging
import os
import sys

import networkx
import numpy as np
import pytest

from cellbox.errors import InputError
from cellbox.networks.export import (
    Edge,
    edge_table,
    to_frame,
    write_edges_csv,
    write_graphml,
    write_sif,
)
from cellbox.networks.export_forms import strongest, write_network_as
from cellbox.networks.network import Network
from cellbox.storage.files import atomic_write
from tests.cellbox.formed import with_hidden

NETWORK = Network(
    nodes=("Pax6", "p53 & <friends>", "alone", "βcat"),
    weights=np.array([[0.1, -0.7, 0, 0], [0.3, 0, 0, 0], [0, 0, 0, 0], [1 / 3, 0, 0, 0]]),
    amplitudes=np.array([0.2, 1.0, 0.5, 1 / 7]),
)


def test_edges_run_from_column_to_row_strongest_first():
    assert edge_table(NETWORK) == [
        Edge("p53 & <friends>", "Pax6", -0.7),
        Edge("Pax6", "βcat", 1 / 3),
        Edge("Pax6", "p53 & <friends>", 0.3),
        Edge("Pax6", "Pax6", 0.1),
    ]


def test_edges_at_the_threshold_are_not_selected():
    assert [edge.weight for edge in edge_table(NETWORK, threshold=0.3)] == [-0.7, 1 / 3]


def test_only_allowed_edges_are_selected():
    edges = edge_table(NETWORK, allowed=~np.eye(4, dtype=bool))
    assert all(edge.source != edge.target for edge in edges)
    assert len(edges) == 3


@pytest.mark.parametrize("threshold", [-0.1, float("nan")])
def test_impossible_thresholds_are_refused(threshold):
    with pytest.raises(InputError, match="threshold"):
        edge_table(NETWORK, threshold=threshold)


def test_frame_has_the_edges_of_the_table():
    frame = to_frame(NETWORK, threshold=0.2)
    assert list(frame.columns) == ["source", "target", "weight"]
    assert [Edge(*row) for row in frame.itertuples(index=False)] == edge_table(
        NETWORK, threshold=0.2
    )
    empty = to_frame(NETWORK, threshold=9)
    assert list(empty.columns) == ["source", "target", "weight"]
    assert empty["weight"].dtype == float


def test_frame_without_pandas_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match=r'pip install "cellbox\[plots\]"'):
        to_frame(NETWORK)


def test_csv_keeps_every_digit(tmp_path):
    path = tmp_path / "edges.csv"
    write_edges_csv(NETWORK, path)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    read = [Edge(row["source"], row["target"], float(row["weight"])) for row in rows]
    assert read == edge_table(NETWORK)


def test_networkx_reads_the_graphml_back(tmp_path):
    path = tmp_path / "network.graphml"
    write_graphml(NETWORK, path, threshold=0.2)
    graph = networkx.read_graphml(path)
    assert graph.is_directed()
    assert tuple(graph.nodes) == NETWORK.nodes
    amplitudes = [graph.nodes[name]["amplitude"] for name in NETWORK.nodes]
    assert amplitudes == list(NETWORK.amplitudes)
    assert {
        (source, target): (values["weight"], values["sign"])
        for source, target, values in graph.edges(data=True)
    } == {
        ("p53 & <friends>", "Pax6"): (-0.7, "inhibits"),
        ("Pax6", "βcat"): (1 / 3, "activates"),
        ("Pax6", "p53 & <friends>"): (0.3, "activates"),
    }


def test_sif_has_a_line_for_each_edge_and_each_isolated_node(tmp_path):
    path = tmp_path / "network.sif"
    write_sif(NETWORK, path, threshold=0.3)
    assert path.read_text(encoding="utf-8").splitlines() == [
        "p53 & <friends>\tinhibits\tPax6",
        "Pax6\tactivates\tβcat",
        "alone",
    ]


@pytest.mark.parametrize("write", [write_graphml, write_sif])
def test_names_that_would_break_the_file_are_refused(write, tmp_path):
    broken = Network(("a", "b\tc"), np.eye(2), np.ones(2))
    with pytest.raises(InputError, match="node 2"):
        write(broken, tmp_path / "network")
    assert list(tmp_path.iterdir()) == []


def test_failing_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("old", encoding="utf-8")

    def write_half():
        with atomic_write(path) as file:
            file.write("new")
            file.flush()
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        write_half()
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_successful_write_replaces_the_old_file(tmp_path):
    path = tmp_path / "result.bin"
    path.write_bytes(b"a longer old content")
    with atomic_write(path, "wb") as file:
        file.write(b"new\r\n")
        assert path.read_bytes() == b"a longer old content"
    assert path.read_bytes() == b"new\r\n"
    assert list(tmp_path.iterdir()) == [path]


def test_written_files_have_the_users_ordinary_permissions(tmp_path):
    (tmp_path / "ordinary").touch()
    with atomic_write(tmp_path / "atomic") as file:
        file.write("x")
    assert os.stat(tmp_path / "atomic").st_mode == os.stat(tmp_path / "ordinary").st_mode


def test_link_stays_a_link_to_the_new_content(tmp_path):
    (tmp_path / "real.txt").write_text("old", encoding="utf-8")
    (tmp_path / "link.txt").symlink_to(tmp_path / "real.txt")
    with atomic_write(tmp_path / "link.txt") as file:
        file.write("new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text(encoding="utf-8") == "new"


def test_places_that_cannot_be_written_are_refused(tmp_path):
    with pytest.raises(InputError, match="existing folder"):
        write_sif(NETWORK, tmp_path / "absent" / "network.sif")
    with pytest.raises(InputError, match="found a folder"):
        write_sif(NETWORK, tmp_path)


def test_the_strongest_edges_are_kept_with_all_nodes():
    kept = strongest(NETWORK, top=2)
    assert edge_table(kept) == edge_table(NETWORK)[:2]
    assert kept.nodes == NETWORK.nodes
    np.testing.assert_array_equal(kept.amplitudes, NETWORK.amplitudes)
    assert edge_table(strongest(NETWORK, top=3, threshold=0.3)) == edge_table(NETWORK)[:2]
    assert edge_table(strongest(NETWORK, top=99)) == edge_table(NETWORK)
    with pytest.raises(InputError, match="number of edges >= 1, found 0"):
        strongest(NETWORK, top=0)


@pytest.mark.parametrize(
    ("suffix", "write"), [("csv", write_edges_csv), ("graphml", write_graphml), ("SIF", write_sif)]
)
def test_the_ending_of_a_name_chooses_the_form(suffix, write, tmp_path):
    path, other = tmp_path / f"network.{suffix}", tmp_path / "other"
    kept = write_network_as(NETWORK, path, top=2, threshold=0.2)
    write(kept, other)
    assert path.read_bytes() == other.read_bytes()


def test_an_unknown_ending_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(InputError, match=r"\.csv, .*\.xml or \.sbml, found '\.docx'"):
        write_network_as(NETWORK, tmp_path / "network.docx")
    assert list(tmp_path.iterdir()) == []


FACTS = {
    (edge.source, edge.target): {"low": edge.weight - 0.1, "high": float("inf"), "frequency": 0.9}
    for edge in edge_table(NETWORK)
}


def test_facts_of_edges_stand_beside_their_weights(tmp_path):
    write_network_as(NETWORK, tmp_path / "n.csv", top=1, facts=FACTS)
    with (tmp_path / "n.csv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["low"], row["high"], row["frequency"]) == (repr(-0.7 - 0.1), "inf", "0.9")
    write_network_as(NETWORK, tmp_path / "n.graphml", facts=FACTS)
    graph = networkx.read_graphml(tmp_path / "n.graphml")
    assert graph.edges["Pax6", "Pax6"]["low"] == 0.1 - 0.1
    assert graph.edges["Pax6", "Pax6"]["frequency"] == 0.9


def test_cx2_holds_every_node_and_edge_and_only_numbers_that_json_has(tmp_path):
    write_network_as(NETWORK, tmp_path / "n.cx2", facts=FACTS)
    first, *parts, last = json.loads((tmp_path / "n.cx2").read_text(encoding="utf-8"))
    assert first == {"CXVersion": "2.0", "hasFragments": False}
    assert last == {"status": [{"success": True}]}
    aspects = {name: values for part in parts for name, values in part.items()}
    counts = {one["name"]: one["elementCount"] for one in aspects.pop("metaData")}
    assert counts == {name: len(values) for name, values in aspects.items()}
    names = {one["id"]: one["v"]["name"] for one in aspects["nodes"]}
    assert tuple(names.values()) == NETWORK.nodes
    strongest_edge = aspects["edges"][0]
    assert (names[strongest_edge["s"]], names[strongest_edge["t"]]) == ("p53 & <friends>", "Pax6")
    values = {"weight": -0.7, "interaction": "inhibits", "low": -0.7 - 0.1, "frequency": 0.9}
    assert strongest_edge["v"] == values
    (declared,) = aspects["attributeDeclarations"]
    assert set(values) <= set(declared["edges"])


@pytest.mark.parametrize(("network", "said"), [(with_hidden(), True), (NETWORK, False)])
def test_lists_of_edges_say_that_hidden_nodes_are_not_in_them(tmp_path, caplog, network, said):
    with caplog.at_level(logging.INFO, logger="cellbox"):
        write_network_as(network, tmp_path / "network.csv")
    assert ("edges between measured nodes alone" in caplog.text) == said
    assert ("hidden1 acts on" in caplog.text) == said
