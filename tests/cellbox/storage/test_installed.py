import platform

import numpy as np

from cellbox.storage.installed import installed


def test_versions_are_those_that_run_and_what_is_not_there_is_said():
    found = installed(["numpy", "no-such-package"])
    assert found == {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "no-such-package": "not installed",
    }
