"""TOML as people write it: what no person writes is refused before it costs anything."""

from __future__ import annotations

import tomllib
from typing import Any

_MOST_LEVELS = 50
_MOST_DIGITS = 300


def toml_values(text: str) -> dict[str, Any]:
    """The values of a TOML text.

    Raises `tomllib.TOMLDecodeError` for mistakes, and just so for numbers of more than 300 digits
    and values nested deeper than 50 levels.

    Example:
        >>> toml_values("seed = 3")
        {'seed': 3}
        >>> toml_values("seed = " + "9" * 301)
        Traceback (most recent call last):
        tomllib.TOMLDecodeError: a number has more than 300 digits
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError as error:
        raise _nested() from error
    except ValueError as error:
        # Python's own limit, which is higher.
        raise _too_long() from error
    level: list[Any] = [values]
    for _ in range(_MOST_LEVELS):
        if any(type(one) is int and abs(one) >= 10**_MOST_DIGITS for one in level):
            raise _too_long()
        level = [inner for one in level for inner in _inside(one)]
    if level:
        raise _nested()
    return values


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _nested() -> tomllib.TOMLDecodeError:
    return tomllib.TOMLDecodeError(f"values are nested deeper than {_MOST_LEVELS} levels")


def _too_long() -> tomllib.TOMLDecodeError:
    return tomllib.TOMLDecodeError(f"a number has more than {_MOST_DIGITS} digits")
