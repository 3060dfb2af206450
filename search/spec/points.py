"""Points of a space that a user names, or that earlier studies found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cellbox.errors import Problem
from search.spec.space import Choice, Fixed, Range, Space, Value, applies, is_whole


def flat_point(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A point with its budget's axes as "budget.conditions", however they were written."""
    flat: dict[str, Any] = {}
    for name, value in entry.items():
        if name == "budget" and isinstance(value, Mapping):
            flat.update({f"budget.{axis}": one for axis, one in value.items()})
        else:
            flat[name] = value
    return flat


def held_by(dimension: Range | Choice | Fixed, value: Any, *, whole: bool) -> bool:
    """Whether a dimension has this value. whole: whether it counts things."""
    if isinstance(dimension, Choice | Fixed):
        return any(_same(value, one) for one in dimension.values)
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        return False
    return dimension.low <= value <= dimension.high


def nearest(dimension: Range | Choice | Fixed, value: Any, *, whole: bool) -> Value:
    """The value itself where a dimension has it, else the nearest that it has.

    Of texts none is near another: there it is the first.
    """
    if held_by(dimension, value, whole=whole):
        return value
    if not _is_number(value):
        return dimension.values[0]
    numbers = [one for one in dimension.values if _is_number(one)]
    return min(numbers, key=lambda one: abs(one - value)) if numbers else dimension.values[0]


def part_within(space: Space, values: Mapping[str, Any]) -> dict[str, Value]:
    """Those of these values that the searched dimensions of a space have, by name."""
    return {
        name: values[name]
        for name, dimension in space.dimensions()
        if not isinstance(dimension, Fixed)
        and name in values
        and held_by(dimension, values[name], whole=is_whole(name))
    }


def point_nearest(space: Space, values: Mapping[str, Any]) -> dict[str, Value]:
    """The point of the searched dimensions that is nearest to these values."""
    return {
        name: nearest(dimension, values[name], whole=is_whole(name))
        for name, dimension in space.dimensions()
        if not isinstance(dimension, Fixed) and values.get(name) is not None
    }


def whole_point(
    space: Space, values: Mapping[str, Any], *, several_times: bool
) -> dict[str, Value] | None:
    """The point of a space that has these values, as it would be proposed; None where it has none.

    values: of everything that a space may have, by name.
    """
    point: dict[str, Value] = {}
    dimensions = dict(space.dimensions())
    for name in ["schedule", *(name for name in dimensions if name != "schedule")]:
        if not applies(name, str(values["schedule"]), several_times):
            continue
        if not held_by(dimensions[name], values.get(name), whole=is_whole(name)):
            return None
        point[name] = values[name]
    return point


def point_problems(space: Space, entry: Mapping[str, Any], where: str) -> Iterator[Problem]:
    """What is wrong with a point that a user wants tried."""
    dimensions = dict(space.dimensions())
    if not entry:
        yield Problem(where, "expected a point with at least one value, found none", "Name one")
    schedule = entry.get("schedule")
    for name, value in entry.items():
        dimension = dimensions.get(name)
        if dimension is None:
            found = f"expected a name that [space] has, found {name!r}"
            yield Problem(where, found, f"Use one of {', '.join(dimensions)}")
        elif not held_by(dimension, value, whole=is_whole(name)):
            found = f"expected {_in_words(name, dimension)}, found {value!r}"
            yield Problem(f"{where}.{name}", found, "Choose such a value, or widen [space]")
        elif schedule is not None and not applies(name, str(schedule), several_times=True):
            found = f"{name} means nothing beside the schedule {schedule}"
            yield Problem(f"{where}.{name}", found, "Leave it out")


def _in_words(name: str, dimension: Range | Choice | Fixed) -> str:
    if isinstance(dimension, Range):
        kind = "a whole number" if is_whole(name) else "a number"
        return f"{kind} from {dimension.low:g} to {dimension.high:g}"
    shown = [repr(value) for value in dimension.values]
    return shown[0] if len(shown) == 1 else f"one of {', '.join(shown)}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(one: Any, other: Any) -> bool:
    return one == other and _is_number(one) == _is_number(other)
