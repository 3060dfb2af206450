"""Priors of edges: what they cover, what a network has of them, and how they are read."""

import logging

import numpy as np
import pytest

from cellbox.errors import InputError
from cellbox.networks.known_systems import system
from cellbox.networks.network import Network
from cellbox.networks.prior import EdgePrior, compare_with_prior
from cellbox.networks.prior_files import read_prior, write_prior

NODES = ("a", "b", "c")


def read(tmp_path, *rows, nodes=NODES):
    file = tmp_path / "prior.csv"
    file.write_text("\n".join(rows) + "\n")
    return read_prior(file, nodes)


def test_signs_may_be_words_or_numbers_or_not_known(tmp_path):
    rows = ("a,b,activation", "b,a,-1", "b,c,up-regulates activity", "c,b,−", "a,c,", "c,a,?")
    prior = read(tmp_path, "source,target,sign", *rows)
    expected = [[0, -1, 0], [1, 0, -1], [0, 1, 0]]
    np.testing.assert_array_equal(prior.signs, expected)
    np.testing.assert_array_equal(prior.confidence, 1 - np.eye(3))


def test_an_omnipath_table_is_read_by_its_gene_symbols_and_consensus(tmp_path):
    prior = read(
        tmp_path,
        "source\ttarget\tsource_genesymbol\ttarget_genesymbol\tis_directed\tis_stimulation"
        "\tis_inhibition\tconsensus_stimulation\tconsensus_inhibition\treferences",
        "P1\tP2\ta\tb\t1\t1\t1\t0\t1\tx",
        "P2\tP3\tb\tc\tTrue\tTrue\tTrue\tTrue\tTrue\tx",
        "P3\tP1\tc\ta\t0\t0\t0\t0\t0\tx",
    )
    assert prior.signs[1, 0] == -1
    assert prior.signs[2, 1] == 0
    assert prior.listed[0, 2]
    assert prior.listed[2, 0]
    assert prior.listed.sum() == 4


def test_what_is_left_out_is_counted_and_said_once(tmp_path, caplog):
    with caplog.at_level(logging.INFO, "cellbox"):
        prior = read(
            tmp_path,
            "source,target,sign,confidence",
            *("a,b,+,0.5", "a,b,+,0.9", "b,c,+,1", "b,c,-,1", "c,a,,0", "a,a,+,1"),
            *(f"gene{number},a,+,1" for number in range(40)),
            "A,b,+,1",
        )
    assert prior.confidence[1, 0] == 0.9
    assert prior.signs[2, 1] == 0
    assert not prior.listed[0, 2]
    [said] = [record.getMessage() for record in caplog.records]
    for part in (
        *("3 edges between nodes of the data, 2 with a sign", "left out 41 of 47 rows"),
        *("'A', perhaps meant for 'a'", "no sign for b to c", "2 rows listed again"),
        *("1 rows of confidence 0", "of self-regulation"),
    ):
        assert part in said


def test_all_mistakes_are_told_with_their_places(tmp_path):
    rows = ("a,b,sometimes,1", "b,c,+,80", "a,,+,1", "c,a,+,high")
    with pytest.raises(InputError) as error:
        read(tmp_path, "source,target,sign,confidence", *rows)
    told = str(error.value)
    for part in (
        *("row 2, column 'sign': expected a sign, found 'sometimes'", "no target"),
        *("expected a confidence from 0 to 1, found 80", "found 'high'"),
    ):
        assert part in told


def test_a_file_about_other_nodes_is_refused_with_what_may_be_meant(tmp_path):
    with pytest.raises(InputError, match=r"2 rows and none of them.*'AKT1', perhaps meant"):
        read(tmp_path, "source,target", "AKT1,MEK1", "MEK1,ERK2", nodes=("Akt1", "Erk"))


def test_a_written_prior_reads_back(tmp_path):
    prior = EdgePrior.of(system("VSC").network, confidence=0.3)
    write_prior(prior, tmp_path / "prior.csv")
    again = read_prior(tmp_path / "prior.csv", prior.nodes)
    np.testing.assert_array_equal(again.confidence, prior.confidence)
    np.testing.assert_array_equal(again.signs, prior.signs)
    assert again.fingerprint == prior.fingerprint


def test_nodes_that_are_not_listed_and_self_regulation_are_not_judged():
    confidence = np.array([[0, 0, 0], [1, 0, 0], [0, 0, 0]], float)
    prior = EdgePrior(NODES, confidence, np.zeros((3, 3), int))
    np.testing.assert_array_equal(
        prior.covered, [[False, True, False], [True, False, False], [False, False, False]]
    )


def test_a_network_beside_a_prior_is_confirmed_rejected_or_more():
    weights = np.array([[0, 0.5, 0], [-1.0, 0, 0], [0, 0, 0.3]])
    confidence = np.array([[0, 0, 0.2], [1, 0, 0], [0, 0.7, 0]])
    signs = np.array([[0, 0, 0], [1, 0, 0], [0, -1, 0]])
    prior = EdgePrior(NODES, confidence, signs)
    compared = compare_with_prior(Network(NODES, weights, np.ones(3)), prior)
    assert [(one.source, one.target) for one in compared.other_sign] == [("a", "b")]
    assert [(one.source, one.target) for one in compared.rejected] == [("b", "c"), ("c", "a")]
    assert [(one.source, one.target) for one in compared.additional] == [("b", "a")]
    assert not compared.confirmed
    assert compared.n_listed == 3


def test_a_confidence_that_is_no_share_is_refused():
    with pytest.raises(InputError, match="from 0 to 1, found 2"):
        EdgePrior(NODES, np.full((3, 3), 2.0), np.zeros((3, 3), int))


def test_a_prior_of_other_nodes_is_put_in_their_order():
    prior = EdgePrior.of(Network(NODES, np.array([[0, 0, 0], [2.0, 0, 0], [0, -1, 0]]), np.ones(3)))
    moved = prior.among(("b", "x", "a"))
    assert moved.signs.tolist() == [[0, 0, 1], [0, 0, 0], [0, 0, 0]]
