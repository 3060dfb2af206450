"""Numbers and other values as a page and its files show them."""

from __future__ import annotations

import math
from typing import Any

NOTHING = "–"
_DIGITS_OF_FILES = 7


def shown_cell(value: Any) -> str:
    """A value for people: four digits, a true minus, "–" where there is nothing."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return shown_number(value)
    return str(value)


def shown_number(value: float, digits: int = 3) -> str:
    """A number with so many significant digits."""
    if not math.isfinite(value):
        return NOTHING
    if value and not 1e-4 <= abs(value) < 1e5:
        return f"{value:.{digits - 1}e}".replace("-", "−")
    return f"{value:.{max(digits, _whole_digits(value))}g}".replace("-", "−")


def fixed_number(value: float) -> str:
    """A weight or a response for a sentence: two decimals, three where it is small."""
    return f"{value:.{2 if abs(value) >= 0.1 else 3}f}".replace("-", "−")


def csv_cell(value: Any) -> str:
    """A value for programs."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.{_DIGITS_OF_FILES}g}" if math.isfinite(value) else ""
    return str(value)


def is_word(value: Any) -> bool:
    """Whether this is text other than a number that was written out."""
    return isinstance(value, str) and bool(value) and value.lstrip("-−")[:1].isalpha()


def percent(share: float) -> str:
    """A share in percent."""
    return f"{100 * share:.0f} %"


def _whole_digits(value: float) -> int:
    return len(str(int(abs(value))))
