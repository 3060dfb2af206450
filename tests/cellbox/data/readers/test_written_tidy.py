"""What is written as tidy tables reads back to the last bit, and nothing is lost in writing."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cellbox.data.dataset import Dataset, Split
from cellbox.data.readers import read_data, read_tidy, write_tidy
from cellbox.errors import InputError
from cellbox.networks.random_networks import random_network

NAN = np.nan
FINITE = st.floats(-1e18, 1e18, width=64)


@st.composite
def datasets(draw):
    n_rows, n_times, n_nodes = draw(st.integers(3, 6)), draw(st.integers(1, 3)), 4
    shape = (n_rows, n_times, n_nodes)
    measurements = draw(arrays(float, shape, elements=FINITE | st.just(NAN)))
    measurements[0, 0, 0] = draw(FINITE)
    doses = draw(arrays(float, (n_rows, n_nodes), elements=st.sampled_from([0.0, 0.1, -1 / 3])))
    # Different in every row, so that any split of the rows is one of conditions.
    doses[:, 0] = np.arange(n_rows)
    # Further apart than what counts as the same time.
    hundredths = st.lists(st.integers(1, 10**4), min_size=n_times, max_size=n_times, unique=True)
    times = [number / 100 * (1 + 1e-9) for number in draw(hundredths)]
    parts = np.array([0, 1, 2, *draw(st.lists(st.integers(0, 3), min_size=6))])[:n_rows]
    network = random_network(n_nodes, density=0.4, seed=draw(st.integers(0, 99)))
    return Dataset(
        nodes=("g10", "g2", "Pax 6", 'a "b", c'),
        times=np.array(sorted(times)),
        perturbations=doses,
        measurements=measurements,
        row_names=tuple(f"row {number}" for number in range(n_rows, 0, -1)),
        activity_nodes=draw(arrays(bool, n_nodes)),
        allowed_edges=draw(st.none() | arrays(bool, (n_nodes, n_nodes))),
        noise_free=draw(st.none() | arrays(float, shape, elements=FINITE)),
        rounding_sensitive=draw(st.none() | arrays(bool, n_rows)),
        truth=draw(
            st.sampled_from(
                [
                    None,
                    replace(
                        network,
                        nodes=("g10", "g2", "Pax 6", 'a "b", c'),
                        amplitudes=np.array([0.1, 1 / 3, 2.0, 1e-300]),
                    ),
                ]
            )
        ),
        split=draw(st.none() | st.just(Split(*(np.flatnonzero(parts == k) for k in range(3))))),
    )


@settings(max_examples=60, deadline=None)
@given(data=datasets())
def test_a_written_dataset_reads_back_to_the_last_bit(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("tidy") / "parent" / "written"
    write_tidy(data, folder)
    again = read_data(folder)
    assert (again.nodes, again.row_names, again.name) == (data.nodes, data.row_names, "written")
    names = ["times", "perturbations", "measurements", "activity_nodes", "allowed_edges"]
    for name in [*names, "noise_free", "rounding_sensitive"]:
        assert_same(getattr(again, name), getattr(data, name))
    assert (again.truth is None, again.split is None) == (data.truth is None, data.split is None)
    if data.truth is not None:
        assert again.truth.nodes == data.truth.nodes
        assert_same(again.truth.weights, data.truth.weights)
        assert_same(again.truth.amplitudes, data.truth.amplitudes)
    if data.split is not None:
        for part in ("training", "validation", "test"):
            assert_same(getattr(again.split, part), getattr(data.split, part))
    assert [path.name for path in folder.parent.iterdir()] == ["written"]


def assert_same(found, expected):
    if expected is None:
        assert found is None
    else:
        np.testing.assert_array_equal(found, expected)


@pytest.fixture
def data():
    """Three conditions of two nodes."""
    return Dataset(
        nodes=("g1", "g2"),
        times=np.array([4.0, 8.0]),
        perturbations=np.array([[0.5, 0.0], [0.0, 0.5], [0.5, 0.5]]),
        measurements=np.linspace(-1.0, 1.0, 12).reshape(3, 2, 2),
        row_names=("a", "b", "c"),
        activity_nodes=np.zeros(2, bool),
    )


def test_skmel133_survives_the_way_through_a_tidy_folder(skmel133, tmp_path):
    data = read_data(skmel133, structural_zeros=True)
    write_tidy(data, tmp_path / "tidy")
    again = read_data(tmp_path / "tidy")
    assert again.nodes == data.nodes
    for name in ("perturbations", "measurements", "activity_nodes", "allowed_edges"):
        assert_same(getattr(again, name), getattr(data, name))


def test_a_folder_with_files_is_refused_and_kept_unless_overwriting(data, tmp_path):
    write_tidy(data, tmp_path / "out")
    with pytest.raises(InputError, match="new or empty folder"):
        write_tidy(data.rows(np.array([0])), tmp_path / "out")
    assert read_tidy(tmp_path / "out").n_rows == 3
    write_tidy(data.rows(np.array([0])), tmp_path / "out", overwrite=True)
    assert read_tidy(tmp_path / "out").n_rows == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_overwriting_never_removes_other_files(data, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match=r"thesis\.tex"):
        write_tidy(data, tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "thesis.tex").exists()


def test_an_empty_folder_is_filled_and_a_file_is_in_the_way(data, tmp_path):
    (tmp_path / "empty").mkdir()
    write_tidy(data, tmp_path / "empty")
    assert read_tidy(tmp_path / "empty").n_rows == 3
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="found a file"):
        write_tidy(data, tmp_path / "file")


@pytest.mark.wrong_types
def test_a_write_that_fails_leaves_nothing_behind(data, tmp_path):
    broken = replace(data)
    object.__setattr__(broken, "measurements", data.measurements[:1])
    with pytest.raises(IndexError):
        write_tidy(broken, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
