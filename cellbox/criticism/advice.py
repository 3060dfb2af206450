"""What to try where Eq. 1 does not explain data: forms that account for what was found."""

from __future__ import annotations

from cellbox.criticism.criticism import Criticism
from cellbox.networks.form import SEARCH, Form

#: The parts (`cellbox.networks.form`) that account for a finding of this kind, the likeliest first.
FORMS_FOR: dict[str, tuple[str, ...]] = {
    "start": ("start",),
    "drive": ("drive",),
    "treated_drive": ("treated_drive", "drive"),
    "offset": ("offset",),
    "decay": ("decay", "time_scale"),
    "input": ("hidden",),
    "rows": ("hidden",),
    "lines": ("lines",),
    "response": ("hill", "clip", "polynomial", "linear"),
}


def forms_for(criticism: Criticism) -> list[str]:
    """The parts that account for what was found, the likeliest first."""
    return [name for finding in criticism.findings for name in FORMS_FOR.get(finding.kind, ())]


def advice(criticism: Criticism, fitted: Form) -> str:
    """What to try after this, in a sentence; "" where no form accounts for what was found.

    fitted: the form that the network has already.
    """
    forms = [fitted.with_part(name) for name in forms_for(criticism)]
    more = next((form for form in forms if form is not None), None)
    if more is None:
        return ""
    return f'To fit that: --form {more} (in Python form="{more}"), or --form {SEARCH}.'
