"""Which versions of packages are installed here. Imports none of them."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from cellbox.errors import refuse


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


def pandas_for(what: str) -> Any:
    """The package pandas, which the core does not need; what: that is to be a table of it.

    Raises InputError where it is not installed, with how to install it.
    """
    try:
        return import_module("pandas")
    except ImportError as absent:
        found = "expected pandas to be installed, found none"
        raise refuse(what, found, 'Install it with: pip install "cellbox[plots]"') from absent
