"""Names of genes that a spreadsheet has made dates or numbers of.

Ziemann, Eren, El-Osta: Gene name errors are widespread in the scientific literature, Genome Biology
17:177 (2016). Excel reads SEPT2 as a date and shows 2-Sep, keeps its serial number where the cell
is formatted as a number, and reads the RIKEN clone 2310009E13 as 2.31E+19.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from cellbox.errors import DataWarning

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# How genes begin that are taken for days of a month, with their names of today.
_GENES = {
    "mar": ("MARCH{}", "MARC{}"),
    "sep": ("SEPT{}",),
    "dec": ("DEC{}",),
    "oct": ("OCT{}",),
    "nov": ("NOV",),
    "apr": ("APR-{}", "APR{}"),
    "feb": ("FEB{}",),
    "may": ("MAY{}",),
    "jun": ("JUN",),
}
_RENAMED = {"MARCH{}": "MARCHF{}", "MARC{}": "MTARC{}", "SEPT{}": "SEPTIN{}"}
_DAY_MONTH = re.compile(r"(\d{1,2})[-/. ]([a-z]{3})[a-z]*\.?(?:[-/. ]\d{2,4})?", re.IGNORECASE)
_MONTH_DAY = re.compile(r"([a-z]{3})[a-z]*[-/. ](\d{1,2})", re.IGNORECASE)
_ISO = re.compile(r"\d{4}-(\d{2})-(\d{2})(?:[ T]00:00(?::00)?)?")
_NUMBERS = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(?:\d{2}|\d{4})")
_SERIAL = re.compile(r"\d{5}(?:\.0)?")
_SCIENTIFIC = re.compile(r"(\d)(?:\.(\d+))?E\+?(\d{1,2})", re.IGNORECASE)
# Of 1990 to 2050; Excel counts days from the end of 1899.
_SERIALS, _DAY_ZERO = range(32_874, 54_789), date(1899, 12, 30)


def likely_genes(name: str) -> tuple[str, ...]:
    """The genes that a spreadsheet may have made this name of; none where it looks like a name.

    Example:
        >>> likely_genes("2-Sep"), likely_genes("TP53")
        (('SEPT2',), ())
    """
    days = [_day_of(name)] if _day_of(name) is not None else _days_in_numbers(name)
    if days:
        return tuple(
            form.format(number)
            for month, number in filter(None, days)
            for form in _GENES.get(month, (month.upper() + "{}",))
        )
    clone = _SCIENTIFIC.fullmatch(name)
    if clone is not None:
        first, others, exponent = clone.groups()
        # Seven digits, E and two digits are a clone: its exponent was raised by six.
        known, power = first + (others or ""), int(exponent) - 6
        if 0 <= power < 100 and len(known) <= 7:
            return (f"{known}{'?' * (7 - len(known))}E{power:02d}",)
    return ()


def _day_of(name: str) -> tuple[str, int] | None:
    """Month and day of a name that is a date, else None."""
    for form, of_day, of_month in ((_DAY_MONTH, 1, 2), (_MONTH_DAY, 2, 1)):
        found = form.fullmatch(name)
        if found is not None and found[of_month].casefold() in _MONTHS:
            return found[of_month].casefold(), int(found[of_day])
    iso = _ISO.fullmatch(name)
    if iso is not None and 1 <= int(iso[1]) <= 12:
        return _MONTHS[int(iso[1]) - 1], int(iso[2])
    if _SERIAL.fullmatch(name) and int(float(name)) in _SERIALS:
        day = _DAY_ZERO + timedelta(days=int(float(name)))
        return _MONTHS[day.month - 1], day.day
    return None


def _days_in_numbers(name: str) -> list[tuple[str, int] | None]:
    """Month and day of a date in numbers, whichever comes first: 02.09.2026, 9/2/2026.

    Where both orders are dates, those of them that genes are called by.
    """
    found = _NUMBERS.fullmatch(name)
    if found is None:
        return []
    first, second = int(found[1]), int(found[3])
    both = [(first, second), (second, first)]
    days = [(_MONTHS[m - 1], day) for m, day in both if 1 <= m <= 12 and 1 <= day <= 31]
    return list(dict.fromkeys([day for day in days if day[0] in _GENES] or days))


def could_be(gene: str, name: str) -> bool:
    """Whether a spreadsheet may have made `name` of `gene`, give or take a day of the month."""
    for likely in likely_genes(name):
        pattern = re.escape(likely).replace(r"\?", r"\d").replace("-", "-?")
        stem = re.escape(likely.rstrip("0123456789"))
        if re.fullmatch(pattern, gene, re.IGNORECASE):
            return True
        # A serial number tells the day only as exactly as the year was right.
        if _SERIAL.fullmatch(name) and re.fullmatch(rf"{stem}-?\d{{1,2}}", gene, re.IGNORECASE):
            return True
    return False


def excel_warnings(nodes: Iterable[str]) -> tuple[DataWarning, ...]:
    """A warning where a spreadsheet seems to have made dates or numbers of nodes' names."""
    suspects = {node: likely_genes(node) for node in nodes}
    # Numbers alone may be how someone numbers nodes: then all are numbers.
    if all(re.fullmatch(r"[\d.]+", node) for node in suspects):
        return ()
    said = [f"{node} (was it {_said(genes)}?)" for node, genes in suspects.items() if genes]
    if not said:
        return ()
    return (
        DataWarning(
            "spreadsheet_names",
            f"A spreadsheet seems to have made dates or numbers of {len(said)} names: "
            f"{', '.join(said)}",
            "Give the names of the original table, and load it into the spreadsheet as text",
        ),
    )


def _said(genes: Sequence[str]) -> str:
    """Genes in words, with their names of today."""
    forms = []
    for gene in genes:
        stem, number = re.fullmatch(r"(.*?)(\d*)", gene).groups()  # type: ignore[union-attr]
        today = _RENAMED.get(stem + "{}") if number else None
        forms.append(f"{gene}, now {today.format(number)}" if today else gene)
    return " or ".join(forms)
