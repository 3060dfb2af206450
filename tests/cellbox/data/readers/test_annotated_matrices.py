"""AnnData files: what obs says of conditions, times and perturbations, in each of its encodings."""

import h5py
import numpy as np
import pytest

from cellbox.data.readers import read_data
from cellbox.errors import InputError

NODES = ("AKT", "MEK", "ERK")
X = np.arange(12.0).reshape(4, 3) / 10


def write(path, obs, x=X, layers=()):
    """A file as AnnData writes it; obs: columns of text, of numbers, or (categories, codes)."""
    with h5py.File(path, "w") as file:
        if isinstance(x, np.ndarray):
            file["X"] = x
        else:
            group = file.create_group("X")
            group.attrs.update({"encoding-type": f"{x.format}_matrix", "shape": x.shape})
            for part in ("data", "indices", "indptr"):
                group[part] = getattr(x, part)
        for name, layer in dict(layers).items():
            file[f"layers/{name}"] = layer
        for name, index, columns in (("obs", list("abcd"), obs), ("var", list(NODES), {})):
            frame = file.create_group(name)
            frame.attrs["_index"] = "_index"
            frame.attrs["column-order"] = np.array(list(columns), dtype=h5py.string_dtype())
            frame["_index"] = np.array(index, dtype=h5py.string_dtype())
            for column, cells in columns.items():
                if isinstance(cells, tuple):
                    group = frame.create_group(column)
                    group["categories"] = np.array(cells[0], dtype=h5py.string_dtype())
                    group["codes"] = np.array(cells[1], np.int8)
                elif isinstance(cells[0], str):
                    frame[column] = np.array(cells, dtype=h5py.string_dtype())
                else:
                    frame[column] = np.array(cells)
    return path


def test_named_targets_with_their_doses(tmp_path):
    obs = {
        "perturbation": (["control", "AKT", "AKT+drug"], [0, 1, 2, 1]),
        "time": [5.0, 5.0, 5.0, 5.0],
        "dose_value": [0.0, 1.0, 0.5, 1.0],
    }
    data = read_data(write(tmp_path / "screen.h5ad", obs))
    assert data.name == "screen"
    assert data.nodes == (*NODES, "drug")
    np.testing.assert_array_equal(
        data.perturbations, [[0, 0, 0, 0], [1, 0, 0, 0], [0.5, 0, 0, 0.5], [1, 0, 0, 0]]
    )
    np.testing.assert_array_equal(data.measurements[:, 0, :3], X)
    assert data.times.tolist() == [5.0]
    assert data.n_conditions == 3  # both of AKT alone are replicates


def test_a_layer_of_standard_deviations_tells_errors(tmp_path):
    obs = {"perturbation": ["control", "AKT", "MEK", "ERK"], "time": [5.0] * 4}
    layers = {"std": X + 0.2, "n": np.full(X.shape, 4.0), "counts": X}
    data = read_data(write(tmp_path / "screen.h5ad", obs, layers=layers))
    np.testing.assert_allclose(data.errors[:, 0], (X + 0.2) / 2)


def test_a_column_of_doses_for_each_node(tmp_path):
    obs = {"u_AKT": [0.0, 1.0, 0.5, -0.5], "dose_drug": [0, 0, 1, 0], "condition": list("wxyz")}
    data = read_data(write(tmp_path / "screen.h5ad", obs), time=8.0)
    assert data.row_names == ("w", "x", "y", "z")
    assert data.times.tolist() == [8.0]
    np.testing.assert_array_equal(data.perturbations[:, 0], [0, 1, 0.5, -0.5])
    np.testing.assert_array_equal(data.perturbations[:, 3], [0, 0, 1, 0])


@pytest.mark.parametrize("form", ["csr", "csc"])
def test_sparse_matrices(form, tmp_path):
    sparse = pytest.importorskip("scipy.sparse")
    stored = getattr(sparse, f"{form}_matrix")(X)
    obs = {"u_AKT": [0.0, 1.0, 0.5, 0.2]}
    data = read_data(write(tmp_path / "screen.h5ad", obs, stored))
    np.testing.assert_array_equal(data.measurements[:, 0], X)


def test_without_perturbations_it_is_said_how_to_add_them(tmp_path):
    with pytest.raises(InputError, match=r"columns u_NODE of doses.* found batch"):
        read_data(write(tmp_path / "screen.h5ad", {"batch": list("aabb")}))


def test_a_condition_with_two_perturbations_is_refused(tmp_path):
    obs = {"condition": list("aabc"), "u_AKT": [0.1, 0.2, 0.3, 0.0]}
    with pytest.raises(InputError, match="expected one perturbation of condition 'a'"):
        read_data(write(tmp_path / "screen.h5ad", obs))


def test_another_file_of_that_name_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "screen.h5ad").write_text("condition,node\n")
    with pytest.raises(InputError, match="expected an AnnData file"):
        read_data(tmp_path / "screen.h5ad")
