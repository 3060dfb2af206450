import platform
import sys

import numpy as np
import pytest

from cellbox.errors import InputError
from cellbox.storage.installed import installed, pandas_for


def test_versions_are_those_that_run_and_what_is_not_there_is_said():
    found = installed(["numpy", "no-such-package"])
    assert found == {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "no-such-package": "not installed",
    }


def test_what_needs_pandas_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match=r"table of data: expected pandas .*cellbox\[plots\]"):
        pandas_for("table of data")
