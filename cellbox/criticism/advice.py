"""What to try where Eq. 1 does not explain data: forms that account for what was found."""

from __future__ import annotations

from collections.abc import Sequence

from cellbox.criticism.criticism import Criticism
from cellbox.networks.form import SEARCH, Form
from cellbox.networks.off_targets import OFF_TARGET

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
    OFF_TARGET: (OFF_TARGET,),
    "response": ("hill", "clip", "polynomial", "linear"),
}


def forms_for(criticism: Criticism) -> list[str]:
    """The parts that account for what was found, the likeliest first."""
    return [name for finding in criticism.findings for name in FORMS_FOR.get(finding.kind, ())]


#: Kinds of `cellbox.data_warnings` that alone may be what Eq. 1 does not explain.
SPOILING = (
    *("not_log_ratios", "large_ratios", "doses_saturate", "doses_are_logarithms"),
    *("doses_vanish", "doses_of_two_scales", "doses_of_other_sign", "unperturbed_rows_respond"),
    *("times_are_no_decay_times", "times_after_rest", "times_too_short", "controls_vary"),
)


def advice(
    criticism: Criticism,
    fitted: Form,
    *,
    n_times: int = 2,
    doubts: Sequence[str] = (),
    without: Sequence[str] = (),
) -> str:
    """What to try after this, in a sentence; "" where no form accounts for what was found.

    fitted: the form that the network has already. n_times: of measurement; one does not tell the
    parts from each other, nor from nodes that were not measured. doubts: kinds of what the numbers
    can hardly mean, which is to be mended first. without: parts that cannot be fitted to these
    data.
    """
    spoiling = [kind for kind in doubts if kind in SPOILING]
    if spoiling and not criticism.edges_hold:
        return (
            f"Mend first what the numbers can hardly mean ({', '.join(spoiling)}): that alone may "
            "be what Eq. 1 does not explain, and no form makes up for it."
        )
    named = [name for name in forms_for(criticism) if name not in without]
    forms = [fitted.with_part(name) for name in named]
    more = next((form for form in forms if form is not None), None)
    if more is None:
        return ""
    if n_times < 2:
        return (
            "Values of one time do not tell whether it is that, another part of the equation, or a "
            f"node that was not measured: measure at several times. --form {SEARCH} fits what "
            "accounts for most of it, which is no proof."
        )
    return f'To fit that: --form {more} (in Python form="{more}"), or --form {SEARCH}.'
