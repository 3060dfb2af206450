"""From a TOML file, or plain values, to a checked spec; every mistake with its place."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from cellbox.errors import InputError, Problem, refuse
from cellbox.settings import SETTING_NAMES, SOLVER_SETTING_NAMES, settings_from_dict
from search.spec.rules import rule_problems
from search.spec.space import Space
from search.spec.tables import Spec
from search.spec.toml_text import toml_values

Kind = TypeVar("Kind", bound=BaseModel)


def read_spec(path: str | Path) -> Spec:
    """Read a sweep from a TOML file. Raises InputError naming every mistake and its place.

    Paths in the file are relative to the file.

    Example:
        >>> from pathlib import Path
        >>> import search
        >>> _ = Path("first.toml").write_text('data.system = "LI"\\nspace.l1 = [1e-6, 1e-5]\\n')
        >>> spec = search.read_spec("first.toml")
        >>> spec.name, spec.trials
        ('first', 32)
    """
    return make_spec(read_spec_values(path), where=str(path))


# Keys of a spec that hold paths, by the table that they stand in.
_PATHS = {
    "data": ("folder", "network", "amplitudes", "prior"),
    "truth": ("network", "model", "amplitudes"),
}


def read_toml(path: Path) -> dict[str, Any]:
    """What a TOML file says. Raises InputError where it cannot be read."""
    try:
        return toml_values(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise refuse(
            str(path), f"expected a readable TOML file: {error}", "Check the path"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise refuse(
            str(path), f"expected TOML: {error}", "Correct the file at this place"
        ) from error


def read_spec_values(path: str | Path) -> dict[str, Any]:
    """What the TOML file of a spec says, not yet checked; see `read_spec`."""
    path = Path(path)
    content = read_toml(path)
    content.setdefault("name", name_from(path.stem))
    for name, keys in _PATHS.items():
        table = content.get(name)
        if isinstance(table, dict):
            inside = {key: table[key] for key in keys if isinstance(table.get(key), str)}
            table.update({key: str(path.parent / text) for key, text in inside.items()})
    earlier = content.get("earlier")
    if isinstance(earlier, list):
        content["earlier"] = [
            str(path.parent / one) if isinstance(one, str) else one for one in earlier
        ]
    return content


def name_from(stem: str) -> str:
    """A study's name made from that of a file or folder."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", stem).lstrip("-._")[:100] or "study"


def make_spec(content: Mapping[str, Any], *, where: str = "spec") -> Spec:
    """A checked spec from plain values. Raises InputError naming every mistake and its place.

    Example:
        >>> import search
        >>> spec = search.make_spec({"name": "first", "data": {"system": "LI"}, "trials": 100})
        >>> spec.sampler.name, spec.objective.minimise
        ('tpe', ('selection_error',))
        >>> search.make_spec({"name": "first", "data": {"system": "LI"}, "trails": 100})
        Traceback (most recent call last):
        cellbox.errors.InputError: spec, trails: unknown setting, found 100. Use one of name, ...
    """
    spec, problems = parse(Spec, content, where)
    training = content.get("training", {})
    if isinstance(training, Mapping):
        problems += _training_problems(training, content.get("space"), f"{where}, training")
    if spec is not None:
        problems += rule_problems(spec, where)
    if problems or spec is None:
        raise InputError(problems)
    return spec


def parse(
    kind: type[Kind], given: Mapping[str, Any], where: str
) -> tuple[Kind | None, list[Problem]]:
    """A spec of this kind, and what is wrong with its parts.

    Where parts are wrong, the spec without them, so that the rules can still judge the rest;
    None where nothing sensible is left.
    """
    problems: list[Problem] = []
    content = copy.deepcopy(dict(given))
    for attempt in range(3):
        try:
            return kind(**content), problems
        except ValidationError as error:
            details = error.errors()
        if attempt == 0:
            # Each kind that a value might have had complains by itself: one is enough.
            at_place: dict[str, Any] = {}
            for detail in details:
                if _place(detail) not in at_place or detail["type"] == "float_type":
                    at_place[_place(detail)] = detail
            problems = [problem_of(where, detail, kind) for detail in at_place.values()]
        for detail in details:
            location = [part for part in detail["loc"] if not _is_internal(part)]
            # What lacks a part cannot be kept without it.
            _remove(content, location[:-1] if detail["type"] == "missing" else location)
        content.setdefault("name", "unnamed")
    return None, problems


def _remove(content: Any, location: list[Any]) -> None:
    """Delete what stands at a location of nested tables, if anything does."""
    if not location:
        return
    *path, last = location
    for part in path:
        content = content.get(part) if isinstance(content, dict) else None
    if isinstance(content, dict):
        content.pop(last, None)


def _training_problems(training: Mapping[str, Any], space: Any, where: str) -> list[Problem]:
    try:
        settings_from_dict(dict(training), where=where)
    except InputError as error:
        return [
            problem
            if problem.where.startswith(where)
            else Problem(f"{where}, {problem.where}", problem.found, problem.fix)
            for problem in error.problems
        ]
    both = set(training) & set(Space.model_fields) if isinstance(training, Mapping) else set()
    explicit = set(space) if isinstance(space, Mapping) else set()
    return [
        Problem(
            f"{where}.{name}",
            "the same setting is in [training] and in [space]",
            "Keep it in one of the two; a plain value in [space] fixes it",
        )
        for name in sorted(both & explicit)
    ]


_READABLE = {
    "extra_forbidden": "unknown setting",
    "missing": "a setting is missing",
    "model_type": "expected a table",
    "dict_type": "expected a table",
    "tuple_type": "expected a list",
    "int_type": "expected a whole number",
    "float_type": "expected a number",
    "bool_type": "expected true or false",
    "too_short": "expected at least one value",
    "string_pattern_mismatch": "expected letters, digits, and . _ - after the first",
}


def _place(detail: Any) -> str:
    return ".".join(str(part) for part in detail["loc"] if not _is_internal(part))


def problem_of(where: str, detail: Any, kind: type[BaseModel] = Spec) -> Problem:
    """A mistake that pydantic found in a spec of this kind, in our words and with its place."""
    place = _place(detail)
    found = detail.get("input")
    message = detail["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    message = _READABLE.get(detail["type"], message)
    if detail["type"] not in ("missing", "value_error") and not isinstance(found, Mapping):
        message += f", found {_shortened(repr(found))}"
    if detail["type"] == "extra_forbidden":
        fix = f"Use one of {', '.join(_known_at(kind, detail['loc']))}"
    else:
        fix = "Correct or leave out this setting"
    return Problem(f"{where}, {place}" if place else where, message, fix)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"


_LONGEST_SHOWN = 200


def _is_internal(part: Any) -> bool:
    """Whether a part of pydantic's location names a type rather than a key of the file."""
    return isinstance(part, str) and (part in _KINDS or "[" in part)


_KINDS = ("Range", "Choice", "Fixed", "bool", "int", "float", "str")


def _known_at(kind: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    model: Any = kind
    for part in location[:-1]:
        if _is_internal(part):
            continue
        field = model.model_fields.get(part)
        annotation = field.annotation if field is not None else None
        # Of a table that may be left out, the table.
        kinds = [one for one in get_args(annotation) or (annotation,) if one is not type(None)]
        if len(kinds) == 1 and isinstance(kinds[0], type) and issubclass(kinds[0], BaseModel):
            model = kinds[0]
        else:
            return ["low", "high", "log"]
    if location and location[0] == "training":
        return list(SETTING_NAMES + SOLVER_SETTING_NAMES)
    return list(model.model_fields)
