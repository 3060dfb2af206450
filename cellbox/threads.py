"""How many threads numpy's linear algebra takes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def in_one_thread(
    function: Callable[_Arguments, _Result],
) -> Callable[_Arguments, _Result]:
    """The same, with numpy's and scipy's linear algebra in one thread while it runs.

    Matrices of a row or of a network of tens of nodes are so small that several threads spend
    their time waiting for each other. JAX's own threads are left alone, and so is the number of
    threads that was set before, which comes back.

    Example:
        >>> import numpy as np
        >>> from cellbox.threads import in_one_thread
        >>> in_one_thread(np.linalg.inv)(np.eye(1)).tolist()
        [[1.0]]
    """

    @wraps(function)
    def limited(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        with _controller().limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited


@cache
def _controller() -> ThreadpoolController:
    """Of the libraries that are loaded when it is first asked for, scipy's among them."""
    import scipy.linalg  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
