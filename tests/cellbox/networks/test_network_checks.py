"""Networks that someone made in Python: what is refused, and what is taken as it is meant."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.data.dataset import Dataset
from cellbox.data.simulation import simulate
from cellbox.errors import InputError
from cellbox.identifiability.recovery_bound import recovery_bounds
from cellbox.models.model_export import export_network
from cellbox.networks.network import Network
from cellbox.networks.sbml import write_sbml

LOOP = Network(("a", "b", "c"), np.array([[0, 1.0, 0], [0, 0, 1], [-1, 0, 0]]), np.ones(3))

pytestmark = pytest.mark.wrong_types


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"amplitudes": np.array([1.0, -0.5, -2.0])}, "amplitudes above 0, found b -0.5, c -2"),
        ({"amplitudes": 1.0}, r"expected shape \(3,\) for 3 nodes, found \(\)"),
        ({"amplitudes": None}, "amplitudes: expected an array of numbers, found None"),
        ({"nodes": ("a", "a", "c")}, "each name once, found again: 'a'"),
        ({"nodes": ("a", " a", "c")}, "each name once, found again: 'a'"),
        ({"nodes": ("a", "", "c")}, "names that are words, found ''"),
        ({"nodes": (1, 2, 3)}, "names that are words, found 1, 2, 3"),
        ({"nodes": "abc"}, "the names of all nodes, found 'abc'"),
        ({"weights": np.full((3, 3), "x")}, "weights: expected an array of numbers, found words"),
        ({"weights": np.eye(3) * 1j}, "found complex numbers"),
        ({"weights": np.eye(3, dtype=bool)}, "found True and False"),
        ({"weights": [[1, 2], [3], [4]]}, r"found \[\[1, 2\], \[3\], \[4\]\]"),
    ],
)
def test_what_is_no_network_is_refused_by_name(other, said):
    with pytest.raises(InputError, match=said):
        replace(LOOP, **other)


def test_lists_and_whole_numbers_are_taken_as_arrays_of_floats():
    listed = Network(["a", "b"], [[0, 1], [-1, 0]], [1, 2])
    assert listed.nodes == ("a", "b")
    assert (listed.weights.dtype, listed.amplitudes.dtype) == (float, float)


def test_arrays_of_floats_are_kept_as_they_are():
    assert replace(LOOP).weights is LOOP.weights


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"amplitudes": np.array([1.0, 0.0, 1.0])}, "amplitudes above 0, found b 0"),
        ({"amplitudes": np.array([1.0, np.nan, np.inf])}, "found b nan, c inf"),
        ({"weights": np.where(LOOP.weights < 0, np.nan, 0.0)}, "finite weights, found .* a → c"),
    ],
)
def test_numbers_that_a_diverged_descent_may_leave_are_neither_simulated_nor_written(
    other, said, tmp_path
):
    left = replace(LOOP, **other)
    for made in (
        lambda: simulate(left, n_conditions=4, n_times=1, n_held_out=1),
        lambda: export_network(left, tmp_path / "network.csv"),
        lambda: write_sbml(left, tmp_path / "network.xml"),
        lambda: recovery_bounds(left, np.eye(3), np.ones(1), 0.01),
    ):
        with pytest.raises(InputError, match=said):
            made()
    assert not list(tmp_path.iterdir())


def _dataset(**other):
    parts = {
        "nodes": ("a", "b"),
        "times": np.ones(1),
        "perturbations": np.eye(2),
        "measurements": np.zeros((2, 1, 2)),
        "row_names": ("one", "two"),
        "activity_nodes": np.zeros(2, bool),
    }
    return Dataset(**{**parts, **other})


def test_data_with_the_same_name_twice_or_words_for_numbers_are_refused():
    with pytest.raises(InputError, match="data, nodes: expected each name once, found again: 'a'"):
        _dataset(nodes=("a", "a"))
    with pytest.raises(InputError, match="perturbations: expected an array of numbers, found word"):
        _dataset(perturbations=np.array([["1", "0"], ["0", "1"]]))
    assert _dataset(times=[1]).times.dtype == float
