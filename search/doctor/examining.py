"""All that is looked at."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from search.doctor.devices import device_findings
from search.doctor.disk import disk_findings
from search.doctor.finding import Diagnosis, Finding
from search.doctor.machine import core_findings, memory_findings, network_findings
from search.doctor.versions import version_findings


def doctor(
    folder: str | Path = "studies",
    *,
    ray: bool = True,
    tell: Callable[[str], None] = lambda said: None,
) -> Diagnosis:
    """Look whether this machine is fit for sweeps.

    folder: where studies are to be kept. ray: whether a Ray is started to see whether that works,
    for some seconds. tell: told what takes a while.

    Nothing is left behind but compiled programs in the cache. Known advisories about versions are
    not looked up, which needs a network: `pip-audit` does.

    Example:
        >>> import search
        >>> diagnosis = search.doctor("studies", ray=False)
        >>> [finding.what for finding in diagnosis.findings][:2]
        ['Python', 'jax']
    """

    def all_findings() -> Iterator[Finding]:
        yield from version_findings()
        yield from network_findings(os.environ)
        yield from disk_findings(Path(folder))
        yield from core_findings()
        yield from memory_findings()
        tell("asking JAX for its devices" + (" and starting Ray" if ray else ""))
        yield from device_findings(ray=ray)

    return Diagnosis(tuple(all_findings()))
