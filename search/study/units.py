"""What the numbers of a study's data files mean, as its spec says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cellbox.data.units import Units


def units_asked(spec: Mapping[str, Any]) -> Units:
    """The units under [data] of a spec in plain values."""
    data = spec.get("data") or {}
    doses = data.get("doses") or {}
    return Units(
        transform=data.get("transform"),
        control=tuple(data.get("control") or ()),
        time_unit=data.get("time_unit"),
        dose_transform=doses.get("transform"),
        ec50=doses.get("ec50"),
        detection_limit=data.get("detection_limit"),
    )
