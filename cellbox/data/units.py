"""What the numbers of data files mean, where they are not what Eq. 1 takes.

Eq. 1 has log ratios to the unperturbed state, doses of order 1 (tanh saturates), and times in decay
times. Files have intensities, nanomolar and minutes as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from cellbox.storage.problems import Problems

Transform = Literal["log2-ratio", "difference", "log2", "log2-percent"]
DoseTransform = Literal["scale", "log", "hill", "log10-hill"]
TRANSFORMS: tuple[str, ...] = get_args(Transform)
DOSE_TRANSFORMS: tuple[str, ...] = get_args(DoseTransform)
#: As a control: each series' own value at time 0.
TIME_ZERO = "time 0"
_NEED_CONTROL = ("log2-ratio", "difference")
_TAKE_LOGARITHMS = ("log2-ratio", "log2", "log2-percent")
_TIME_UNIT = re.compile(r"(\d+\.?\d*(?:e[+-]?\d+)?)\s*(s|sec|seconds|min|minutes|h|hours|d|days)?")
# What values are that transforms are made of, and answers are given in.
_VALUES_IN_WORDS = {
    None: "log ratios",
    "log2-ratio": "ratios to the control",
    "difference": "differences from the control",
    "log2": "ratios",
    "log2-percent": "percent of control",
}


@dataclass(frozen=True)
class Units:
    """How the numbers of data files are to be read.

    transform: what is done with values: "log2-ratio", log2 of the value over the mean of the
        controls at the same time (the geometric mean of several); "difference", the value less
        that mean, for logarithms; "log2", for ratios; "log2-percent", for percent of control.
    control: names of the conditions that are the controls ("row 3" where rows have none), or
        "time 0": each series' own value at time 0.
    time_unit: how long a decay time is, in the unit of the files: "30min" divides times that are
        in minutes by 30.
    dose_transform: what becomes of a dose d with the node's ec50 K, whose sign is kept: "scale",
        d/K; "log", log2(1 + d/K); "hill", d/(d + K); "log10-hill", hill of 10^d.
    ec50: the concentration of half the effect, in the unit of the doses (for "log10-hill" that of
        10^d): one for all nodes, or one for each.
    detection_limit: in the unit of the files; what is below it, 0 too, counts as it before
        logarithms are taken.

    Raises InputError for what does not go together.

    Example:
        >>> import cellbox
        >>> units = cellbox.Units(transform="log2-ratio", control=("DMSO",), time_unit="30min")
        >>> units.decay_time
        30.0
    """

    transform: Transform | None = None
    control: tuple[str, ...] = ()
    time_unit: str | None = None
    dose_transform: DoseTransform | None = None
    ec50: float | Mapping[str, float] | None = field(default=None)
    detection_limit: float | None = None

    def __post_init__(self) -> None:
        if isinstance(self.control, str):
            # One name, which would else be taken for the names of its letters.
            object.__setattr__(self, "control", (self.control,))
        problems = Problems()
        for name, value, known in (
            ("transform", self.transform, TRANSFORMS),
            ("dose_transform", self.dose_transform, DOSE_TRANSFORMS),
        ):
            if value is not None and value not in known:
                found = f"expected {', '.join(known)}, found {value!r}"
                problems.add(name, found, "Choose one of these")
        if self.transform in _NEED_CONTROL and not self.control:
            found = f"expected the unperturbed conditions for {self.transform}, found none"
            problems.add("control", found, f"Name them, or {TIME_ZERO!r} for each series' start")
        if self.control and self.transform not in _NEED_CONTROL:
            found = f"expected a transform that needs controls, found {self.transform or 'none'}"
            problems.add("control", found, "Choose log2-ratio or difference, or leave it out")
        if (self.dose_transform is None) != (self.ec50 is None):
            found = "expected a transform of doses and an EC50 together, found one of them"
            problems.add("dose_transform", found, "Give both, or neither")
        levels = self.ec50.values() if isinstance(self.ec50, Mapping) else [self.ec50]
        for level in levels:
            if level is not None and not 0 < level < np.inf:
                problems.add("ec50", f"expected a number above 0, found {level}", "Correct it")
        self._note_detection_limit(problems)
        if self.time_unit is not None and self._decay_time() is None:
            found = f"expected a length of time such as 30min or 2h, found {self.time_unit!r}"
            problems.add("time_unit", found, "Give a number, and the unit of the files' times")
        problems.raise_any()

    def _note_detection_limit(self, problems: Problems) -> None:
        limit = self.detection_limit
        if limit is None:
            return
        if not 0 < limit < np.inf:
            found = f"expected a number above 0, found {limit}"
            problems.add("detection_limit", found, "Correct it")
        if self.transform not in _TAKE_LOGARITHMS:
            known = ", ".join(_TAKE_LOGARITHMS)
            found = f"expected a transform that takes logarithms, found {self.transform or 'none'}"
            problems.add("detection_limit", found, f"Choose {known}, or leave it out")

    def _decay_time(self) -> float | None:
        found = _TIME_UNIT.fullmatch((self.time_unit or "1").strip().casefold())
        return float(found[1]) if found is not None and 0 < float(found[1]) < np.inf else None

    @property
    def decay_time(self) -> float:
        """How long a decay time is, in the unit of the files; 1 where none was given."""
        return self._decay_time() or 1.0

    @property
    def time_name(self) -> str:
        """What the files' times are in: "min"; decay times where no unit was given."""
        if self.time_unit is None:
            return "decay times"
        found = _TIME_UNIT.fullmatch(self.time_unit.strip().casefold())
        assert found is not None
        return found[2] or "the unit of the data"

    @property
    def given(self) -> bool:
        """Whether anything is to be done with the numbers."""
        return self != MODEL_UNITS

    @property
    def sentence(self) -> str:
        """How answers in these units are to be read."""
        doses = (
            "doses are u"
            if self.dose_transform is None
            else f"doses are in the unit of the data ({self.dose_transform}, EC50 {self._ec50()})"
        )
        times = f"times are in {self.time_name}"
        if self.time_unit is not None:
            times += f" (a decay time is {self.decay_time:g})"
        return f"{doses}, {times}, values are {_VALUES_IN_WORDS[self.transform]}"

    def _ec50(self) -> str:
        if isinstance(self.ec50, Mapping):
            return ", ".join(f"{node} {level:g}" for node, level in self.ec50.items())
        return f"{self.ec50:g}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it; `units_from_dict` reads it."""
        return asdict(self)


#: Numbers that are what Eq. 1 takes already.
MODEL_UNITS = Units()


def units_from_dict(values: Any) -> Units:
    """Units that `Units.to_dict` gave; the model's own where there are none, as in older files.

    Raises InputError, TypeError or AttributeError where they are something else.
    """
    if values is None:
        return MODEL_UNITS
    return Units(**{**values, "control": tuple(values.get("control", ()))})
