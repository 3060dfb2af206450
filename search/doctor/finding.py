"""What was found of one thing that sweeps need."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's table.

    what: was looked at. state: "warn" where sweeps work and something is lost, "fail" where they do
    not. found: in words. fix: what to do about it; empty where there is nothing to do.
    """

    what: str
    state: State
    found: str
    fix: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """All findings."""

    findings: tuple[Finding, ...]

    @property
    def fit(self) -> bool:
        """Whether nothing was found that keeps sweeps from working."""
        return all(finding.state != "fail" for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """As plain values; names are an interface."""
        return {"fit": self.fit, "findings": [asdict(finding) for finding in self.findings]}

    def sentences(self) -> list[str]:
        """For people, a line for each finding and one for what to do about it."""
        widest = max(len(finding.what) for finding in self.findings)
        lines = []
        for finding in self.findings:
            lines.append(f"{finding.state:4}  {finding.what:{widest}}  {finding.found}")
            if finding.fix:
                lines.append(f"{'':{widest + 6}}  {finding.fix}.")
        counts = {
            state: sum(finding.state == state for finding in self.findings)
            for state in ("ok", "warn", "fail")
        }
        verdict = "fit for sweeps" if self.fit else "not fit for sweeps"
        lines.append(f"{verdict}: {', '.join(f'{n} {state}' for state, n in counts.items())}")
        return lines
