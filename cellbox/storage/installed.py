"""Which versions of packages are installed here. Imports none of them."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version


def installed(packages: Iterable[str]) -> dict[str, str]:
    """Versions of Python and of packages, by name.

    >>> sorted(installed(["numpy", "no-such-package"]))
    ['no-such-package', 'numpy', 'python']
    >>> installed(["no-such-package"])["no-such-package"]
    'not installed'
    """
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            # As where it runs from its source.
            found[name] = "not installed"
    return found
