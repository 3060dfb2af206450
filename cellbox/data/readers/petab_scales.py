"""Values of one observable on several scales: blots or batches with a factor of their own each.

PEtab tells them by observableParameters that differ among the measurements of an observable. What
was measured on one scale is one series, and values of two scales cannot be compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from cellbox.data.units import TIME_ZERO, Units
from cellbox.errors import DataWarning, listed

_NAMED = 4


class Scales:
    """The scales of observables. measured: the observable and the scale of each measurement."""

    def __init__(self, measured: Sequence[tuple[str, str]]) -> None:
        self._of: dict[str, dict[str, int]] = {}
        for observable, scale in measured:
            known = self._of.setdefault(observable, {})
            known.setdefault(scale, len(known) + 1)
        self._seen = Counter[tuple[str, ...]]()

    @property
    def several(self) -> list[str]:
        """The observables that have more than one."""
        return [observable for observable, scales in self._of.items() if len(scales) > 1]

    def replicate(self, condition: str, time: str, observable: str, scale: str) -> str:
        """The name of the next replicate: of several scales that of the scale, then a number."""
        key = (condition, time, observable, scale)
        self._seen[key] += 1
        if not self.several:
            return str(self._seen[key])
        number = self._of[observable][scale]
        return f"{number}" if self._seen[key] == 1 else f"{number}.{self._seen[key]}"

    def warnings(self, names: dict[str, str], units: Units) -> tuple[DataWarning, ...]:
        """A warning where values of several scales are compared with one another.

        names: the node of each observable.
        """
        if not self.several or units.control == (TIME_ZERO,):
            return ()
        nodes = [names.get(observable, observable) for observable in self.several]
        scales = [scale for observable in self.several for scale in self._of[observable]]
        return (
            DataWarning(
                "several_scales",
                f"Values of {listed(nodes, _NAMED)} are on several scales each "
                f"(observableParameters: {listed(scales, _NAMED)}), as of blots that were exposed "
                "differently: values of two scales cannot be compared, nor divided by a control "
                "on another",
                "Compare each series with its own start: --transform log2-ratio --control "
                f"{TIME_ZERO!r}; or bring all values to one scale first",
            ),
        )
