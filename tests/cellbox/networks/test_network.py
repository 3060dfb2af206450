"""The ten systems, random networks, and networks from files."""

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellbox.errors import InputError
from cellbox.networks.known_systems import SYSTEM_NAMES, system
from cellbox.networks.network import Network, natural_order, read_network, write_network
from cellbox.networks.random_networks import MOTIFS, random_network
from tests.refusals import refusal

# Name, nodes, edges, training conditions, noise, amplitude, held-out conditions.
BUDGETS = [
    ("LI", 7, 8, 20, 0.01, 1.0, 5),
    ("CY", 6, 6, 10, 0.01, 1.0, 5),
    ("BF", 7, 12, 50, 0.01, 1.0, 5),
    ("LL", 18, 19, 50, 0.01, 1.0, 5),
    ("BFC", 10, 18, 30, 0.01, 0.2, 5),
    ("TF", 8, 20, 20, 0.01, 0.2, 5),
    ("mCAD", 5, 14, 20, 0.001, 0.2, 5),
    ("VSC", 8, 15, 20, 0.001, 0.2, 5),
    ("HSC", 11, 30, 20, 0.001, 0.2, 5),
    ("GSD", 19, 79, 100, 0.01, 0.2, 10),
]


def as_graph(network: Network) -> networkx.DiGraph:
    # networkx reads rows as sources; W has them as targets.
    return networkx.from_numpy_array(network.weights.T, create_using=networkx.DiGraph)


def test_the_ten_systems_are_in_the_order_of_the_paper_table():
    assert tuple(name for name, *_ in BUDGETS) == SYSTEM_NAMES


@pytest.mark.parametrize(
    ("name", "n_nodes", "n_edges", "n_conditions", "noise", "amplitude", "n_held_out"), BUDGETS
)
def test_each_system_has_its_size_and_the_budget_of_the_paper(
    name, n_nodes, n_edges, n_conditions, noise, amplitude, n_held_out
):
    found = system(name)
    assert found.name == name
    assert found.network.n_nodes == n_nodes
    assert np.count_nonzero(found.network.weights) == n_edges
    assert set(np.unique(np.abs(found.network.weights))) == {0.0, 1.0}
    assert (found.n_conditions, found.noise, found.n_held_out) == (n_conditions, noise, n_held_out)
    assert (found.n_times, found.horizon, found.perturbed_nodes) == (5, 20.0, 2)
    np.testing.assert_array_equal(found.network.amplitudes, amplitude)
    assert found.in_paper == (name not in ("BFC", "TF"))
    assert (found.kind == "biological") == (name in ("mCAD", "VSC", "HSC", "GSD"))


@pytest.mark.parametrize("name", SYSTEM_NAMES)
def test_each_system_has_the_edges_of_the_reference_list(name, shared_networks):
    reference = read_network(shared_networks / f"{name}.csv")
    assert system(name).network.nodes == reference.nodes
    np.testing.assert_array_equal(system(name).network.weights, reference.weights)


def test_weights_have_targets_as_rows_and_sources_as_columns():
    network = system("LI").network
    assert network.weights[network.nodes.index("g1"), network.nodes.index("g7")] == -1


def test_systems_are_found_in_any_case():
    assert system("mcad") is system("MCAD")


def test_a_shared_system_cannot_be_changed_by_accident():
    with pytest.raises(ValueError, match="read-only"):
        system("LI").network.weights[0, 0] = 1


def test_an_unknown_system_is_refused_with_the_ten_and_the_nearest():
    message = refusal(system, "mCADD")
    assert all(name in message for name in SYSTEM_NAMES)
    assert "'mCADD'" in message
    assert "The nearest is mCAD." in message


def test_nodes_are_in_natural_order():
    assert natural_order(["g10", "g2", "cJun", "Pu1", "g1"]) == ("cJun", "g1", "g2", "g10", "Pu1")


@st.composite
def possible_requests(draw):
    motif = draw(st.sampled_from(MOTIFS))
    n_nodes = draw(st.integers(3, 12))
    n_pairs = n_nodes * (n_nodes - 1)
    most = n_pairs // 2 if motif == "acyclic" else n_pairs
    n_edges = draw(st.integers(min(4, most) if motif == "bifurcating" else 3, most))
    return motif, n_nodes, n_edges, draw(st.integers(0, 2**32))


@settings(max_examples=60, deadline=None)
@given(possible_requests())
def test_random_networks_have_the_density_weights_and_motif_asked_for(request):
    motif, n_nodes, n_edges, seed = request
    density = n_edges / (n_nodes * (n_nodes - 1))
    network = random_network(
        n_nodes, density=density, weight_range=(0.3, 0.7), amplitude=0.2, motif=motif, seed=seed
    )
    graph = as_graph(network)
    off_diagonal = network.weights[~np.eye(n_nodes, dtype=bool)]
    magnitudes = np.abs(network.weights[network.weights != 0])
    assert network.nodes == tuple(f"g{number}" for number in range(1, n_nodes + 1))
    assert np.count_nonzero(off_diagonal) == n_edges
    assert ((magnitudes >= 0.3) & (magnitudes <= 0.7)).all()
    assert (network.amplitudes == 0.2).all()
    if motif == "acyclic":
        assert networkx.is_directed_acyclic_graph(graph)
    elif motif == "cyclic":
        largest = max(networkx.strongly_connected_components(graph), key=len)
        assert len(largest) >= 3
        assert not np.diag(network.weights).any()
    else:
        assert any(is_bifurcation(network, source) for source in range(n_nodes))


def is_bifurcation(network: Network, source: int) -> bool:
    """Whether the source activates two self-activating nodes that repress each other."""
    w = network.weights
    pair = [node for node in np.flatnonzero(w[:, source] > 0) if w[node, node] > 0]
    return any(w[a, b] < 0 and w[b, a] < 0 for a in pair for b in pair if source not in (a, b))


@pytest.mark.parametrize("motif", MOTIFS)
def test_the_same_seed_gives_the_same_network_and_another_seed_another(motif):
    first, again, other = (
        random_network(8, density=0.3, motif=motif, seed=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.weights, again.weights)
    assert (first.weights != other.weights).any()


def test_two_nodes_can_form_a_cycle():
    network = random_network(2, density=1.0, motif="cyclic", seed=0)
    assert np.count_nonzero(network.weights) == 2


@pytest.mark.wrong_types
@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"n_nodes": 5, "density": 0.8, "motif": "acyclic"}, ["1 to 10 edges", "from 0.05 to 0.5"]),
        ({"n_nodes": 10, "density": 0.01, "motif": "cyclic"}, ["3 to 90 edges", "density 0.01"]),
        ({"n_nodes": 4, "density": 0.2, "motif": "bifurcating"}, ["4 to 12 edges"]),
        ({"n_nodes": 4, "density": 1.2}, ["density 1.2", "to 1"]),
        ({"n_nodes": 4, "density": float("nan")}, ["density nan"]),
        ({"n_nodes": 2, "density": 0.5, "motif": "bifurcating"}, ["at least 3 nodes, found 2"]),
        ({"n_nodes": 5, "density": 0.4, "motif": "acylic"}, ["'acylic'", "The nearest is acyclic"]),
        ({"n_nodes": 5, "density": 0.4, "weight_range": (-1, 1)}, ["0 < low <= high", "(-1, 1)"]),
        ({"n_nodes": 5, "density": 0.4, "amplitude": 0}, ["positive amplitude, found 0"]),
    ],
)
def test_impossible_networks_are_refused_with_what_is_possible(request_, words):
    message = refusal(random_network, **request_, seed=0)
    assert all(word in message for word in words), message


@pytest.fixture
def edge_list(tmp_path):
    path = tmp_path / "mine.csv"

    def write(content):
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_a_network_file_with_weights_is_read_in_natural_order(edge_list):
    network = read_network(edge_list("source,target,weight\ng10,g2,-0.5\ng2,g2,1e1\n"))
    assert network.nodes == ("g2", "g10")
    np.testing.assert_array_equal(network.weights, [[10.0, -0.5], [0.0, 0.0]])
    np.testing.assert_array_equal(network.amplitudes, [1.0, 1.0])


@pytest.mark.parametrize(
    ("word", "sign"),
    [
        *((word, 1) for word in ("1", "+1", "1.0", "+", "Activation", "activates")),
        *((word, -1) for word in ("-1", "\N{MINUS SIGN}1", "-", "inhibition", "represses")),
    ],
)
def test_signs_are_read_as_numbers_and_as_words(edge_list, word, sign):
    network = read_network(edge_list(f"source,target,sign\na,b,{word}\n"))
    assert network.weights[1, 0] == sign


def test_columns_come_in_any_order_with_byte_order_mark_blanks_and_windows_line_ends(edge_list):
    content = "\ufeffSign , TARGET, source\r\n\r\n1, b ,a\r\n"
    assert read_network(edge_list(content)).weights[1, 0] == 1


def test_a_row_with_a_source_alone_is_a_node_without_edges(edge_list):
    network = read_network(edge_list("source,target,sign\na,b,1\nc,,\n"), amplitude=0.2)
    assert network.nodes == ("a", "b", "c")
    assert not network.weights[2].any()
    np.testing.assert_array_equal(network.amplitudes, 0.2)


def test_known_nodes_give_the_order_and_the_nodes_that_have_no_edges(edge_list):
    network = read_network(
        edge_list("source,target,sign\na,b,1\n"), known_nodes=("lonely", "b", "a")
    )
    assert network.nodes == ("lonely", "b", "a")
    assert network.weights[1, 2] == 1


HEADER = "source,target,weight\n"


def test_a_table_with_tabs_and_a_column_more_is_read(edge_list):
    network = read_network(edge_list("source\ttarget\tsign\tcolour\na\tb\t-1\tred\n"))
    assert network.weights[1, 0] == -1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ["empty file"]),
        ("\n\n", ["empty file"]),
        (HEADER, ["rows below the header"]),
        ("a,b,1\n", ["row 1", "source, target", "'a', 'b', '1'", "no source", "first row"]),
        ("source,target\na,b\n", ["row 1", "sign or weight", "none"]),
        ("source,target,sign,weight\na,b,1,1\n", ["row 1", "found both"]),
        ("source,target,weigth\na,b,1\n", ["row 1", "'weigth'", "mean 'weight'"]),
        ("source,source,target,sign\na,a,b,1\n", ["row 1", "source more than once"]),
        ("source target sign\na b 1\n", ["row 1", "spaces", "commas"]),
        (HEADER + "a,b\n", ["row 2", "expected 3 cells", "found 2"]),
        (HEADER + "a,b,strong\n", ["row 2, column 'weight'", "'strong'", "decimal point"]),
        (HEADER + "a,b,\n", ["row 2, column 'weight'", "an empty cell", "Give a number"]),
        (HEADER + "a,b,inf\n", ["row 2, column 'weight'", "'inf'"]),
        (HEADER + "a,b,1_0\n", ["row 2, column 'weight'", "'1_0'"]),
        (HEADER + "a,b,0.0\n", ["row 2, column 'weight'", "other than 0", "Remove the row"]),
        (HEADER + "a,b,1\n\na,b,2\n", ["row 4", "'a' to 'b' again", "row 2", "Keep one"]),
        (HEADER + "a,,1\n", ["row 2", "no target", "Name both nodes"]),
        (HEADER + ",b,1\n", ["row 2", "no source", "Name both nodes"]),
        (HEADER + "Pax6,b,1\nPAX6,c,1\n", ["row 3, column 'source'", "'PAX6' and 'Pax6'"]),
        ("source,target,sign\na,b,2\n", ["row 2, column 'sign'", "'2'", "named weight"]),
        (HEADER + 'a,"b,1\n', ["row 2", "quot"]),
        (b"\xff\xfes\x00o\x00", ["UTF-16", "Save it as CSV in UTF-8"]),
        (b"source,target,sign\na,\xe4,1\n", ["row 2", "not UTF-8"]),
        (b"source\0target", ["binary"]),
        (b"PK\x03\x04rest", ["spreadsheet"]),
    ],
)
def test_a_bad_network_file_is_refused_with_file_place_and_fix(edge_list, content, words):
    message = refusal(read_network, edge_list(content))
    assert message.startswith(str(edge_list(content)))
    assert all(word in message for word in words), message


def test_an_unknown_node_is_refused_with_its_row_and_the_nearest_names(edge_list):
    path = edge_list("source,target,sign\nPax6,Sp8,1\nPx6,Sp8,1\n")
    message = refusal(read_network, path, known_nodes=("Pax6", "Sp8"))
    assert "mine.csv, row 3, column 'source': expected a known node, found 'Px6'" in message
    assert "Did you mean 'Pax6'." in message


def test_all_problems_of_a_file_come_at_once(edge_list):
    path = edge_list(HEADER + "a,b,x\na,b,1\nc,d,0\ne\n")
    with pytest.raises(InputError) as caught:
        read_network(path)
    assert len(caught.value.problems) == 4


def test_many_problems_of_one_kind_are_cut_with_a_count(edge_list):
    path = edge_list(HEADER + "".join(f"a,b{number},x\n" for number in range(50)))
    with pytest.raises(InputError) as caught:
        read_network(path)
    assert len(caught.value.problems) == 6
    assert "45 more of this kind" in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    assert "absent.csv: expected a file, found none" in refusal(
        read_network, tmp_path / "absent.csv"
    )
    assert "found a folder" in refusal(read_network, tmp_path)


def test_an_amplitude_has_to_be_positive(edge_list):
    message = refusal(read_network, edge_list("source,target,sign\na,b,1\n"), amplitude=-1)
    assert "positive amplitude, found -1" in message


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), density=st.floats(0.1, 0.9))
def test_a_written_network_reads_back_to_the_last_bit(tmp_path_factory, seed, density):
    path = tmp_path_factory.mktemp("network") / "network.csv"
    network = random_network(12, density=density, seed=seed)
    network.weights[3] = network.weights[:, 3] = 0.0
    write_network(network, path)
    again = read_network(path)
    assert again.nodes == network.nodes
    np.testing.assert_array_equal(again.weights, network.weights)
    assert [file.name for file in path.parent.iterdir()] == ["network.csv"]


@pytest.mark.wrong_types
@pytest.mark.parametrize(
    ("shape", "n_amplitudes", "said"),
    [
        ((2, 3), 2, r"weights: expected shape \(2, 2\) for 2 nodes, found \(2, 3\)"),
        ((2, 2), 3, r"amplitudes: expected shape \(2,\) for 2 nodes, found \(3,\)"),
    ],
)
def test_arrays_of_other_shapes_are_refused_with_both(shape, n_amplitudes, said):
    with pytest.raises(InputError, match=said):
        Network(("a", "b"), np.zeros(shape), np.ones(n_amplitudes))
