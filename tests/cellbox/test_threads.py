import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import cellbox
from cellbox.refinement import search as refining
from cellbox.threads import in_one_thread


def threads() -> set[int]:
    """Of each library of linear algebra that is loaded."""
    np.linalg.inv(np.eye(1))
    return {library["num_threads"] for library in threadpool_info() if "blas" in library["prefix"]}


def fail():
    raise RuntimeError(str(threads()))


def test_linear_algebra_takes_one_thread_and_what_was_set_before_comes_back():
    with threadpool_limits(2, user_api="blas"):
        assert threads() == {2}
        assert in_one_thread(threads)() == {1}
        assert in_one_thread(in_one_thread(threads))() == {1}
        assert threads() == {2}


def test_it_comes_back_after_a_failure():
    with threadpool_limits(2, user_api="blas"):
        with pytest.raises(RuntimeError, match=r"\{1\}"):
            in_one_thread(fail)()
        assert threads() == {2}


def test_a_fit_in_a_notebook_refines_in_one_thread(monkeypatch):
    seen = []
    data = cellbox.simulate_system(cellbox.system("CY"), n_conditions=10, noise=0.01, seed=0)
    original = refining.least_squares

    def watched(*args, **options):
        seen.append(threads())
        return original(*args, **options)

    monkeypatch.setattr(refining, "least_squares", watched)
    with threadpool_limits(2, user_api="blas"):
        cellbox.fit(data, seed=0)
    assert seen
    assert all(one == {1} for one in seen)
