"""Flags that say what the numbers of data files mean."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import TYPE_CHECKING

from cellbox.errors import refuse

if TYPE_CHECKING:
    from argparse import _ActionsContainer as Arguments

    from cellbox.data.units import Units

_TRANSFORMS = ("log2-ratio", "difference", "log2", "log2-percent")
_DOSE_TRANSFORMS = ("scale", "log", "hill", "log10-hill")
# Flags and the attributes that argparse makes of them.
_FLAGS = {
    "--transform": "transform",
    "--control": "control",
    "--time-unit": "time_unit",
    "--dose-transform": "dose_transform",
    "--ec50": "ec50",
    "--detection-limit": "detection_limit",
}


def add_units(parser: Arguments | ArgumentParser) -> None:
    """Declare how values, times and doses of files become those of the model."""
    parser.add_argument(
        "--transform",
        choices=_TRANSFORMS,
        help="make log ratios of values: log2-ratio of intensities or counts over --control; "
        "difference of logarithms from --control; log2 of ratios; log2-percent of percent of "
        "control (default: values are log ratios)",
    )
    parser.add_argument(
        "--control",
        action="append",
        default=[],
        metavar="NAME",
        help="an unperturbed condition to compare with; again for more ('row 3' in pert.csv data; "
        "'time 0' for each series' own start)",
    )
    parser.add_argument(
        "--time-unit",
        metavar="LENGTH",
        help="how long a node's decay time is, in the unit of the files' times, such as 30min "
        "where they are minutes (default: times are decay times)",
    )
    parser.add_argument(
        "--dose-transform",
        choices=_DOSE_TRANSFORMS,
        help="make u of doses d with --ec50 K: scale d/K, log log2(1 + d/K), hill d/(d + K), "
        "log10-hill where doses are log10 concentrations (default: doses are u)",
    )
    parser.add_argument(
        "--ec50",
        action="append",
        default=[],
        type=_ec50,
        metavar="[NODE=]K",
        help="concentration of half the effect, in the unit of the doses: of one node, or of all",
    )
    _add_detection_limit(parser)


def _add_detection_limit(parser: Arguments | ArgumentParser) -> None:
    parser.add_argument(
        "--detection-limit",
        type=float,
        metavar="VALUE",
        help="count values below it, 0 too, as VALUE before --transform takes logarithms "
        "(default: values of 0 are refused)",
    )


def _ec50(text: str) -> tuple[str | None, float]:
    """A type for argparse: a number, or one for a node."""
    node, equals, number = text.rpartition("=")
    try:
        return (node.strip() if equals else None), float(number)
    except ValueError:
        raise ArgumentTypeError(f"expected NODE=number or a number, found {text!r}") from None


def given_units(arguments: Namespace) -> dict[str, bool]:
    """Which of the flags of `add_units` were given."""
    return {flag: bool(getattr(arguments, name)) for flag, name in _FLAGS.items()}


def add_model_units(parser: Arguments | ArgumentParser) -> None:
    """Declare in which units a model is asked: those that it remembers, or Eq. 1's own."""
    units = parser.add_argument_group(
        "units",
        "A model answers in the units of the data that it was learned from. The flags that these "
        "were read with may be given again; others are refused.",
    )
    units.add_argument(
        "--model-units",
        action="store_true",
        help="take doses as u and times as decay times, and give log ratios, as Eq. 1 has them",
    )
    add_units(units)


def refuse_other_units(arguments: Namespace, units: Units) -> None:
    """Raise InputError where flags of `add_units` say otherwise than the model's units."""
    asked = units_of(arguments)
    given = [name for flag, name in _FLAGS.items() if given_units(arguments)[flag]]
    others = [name for name in given if getattr(asked, name) != getattr(units, name)]
    if arguments.model_units and given:
        raise refuse(
            "--model-units",
            "expected no other units beside Eq. 1's own, found "
            + ", ".join(flag for flag, name in _FLAGS.items() if name in given),
            "Keep one of them",
        )
    if others:
        flags = ", ".join(flag for flag, name in _FLAGS.items() if name in others)
        raise refuse(
            flags,
            f"expected the units that the model was learned in ({units.sentence}), found others",
            "Leave them out, or learn a model from the data in the units that you want",
        )


def units_of(arguments: Namespace) -> Units:
    """What the flags of `add_units` say. Raises InputError for what does not go together."""
    from cellbox.data.units import Units

    of_all = [level for node, level in arguments.ec50 if node is None]
    of_nodes = {node: level for node, level in arguments.ec50 if node is not None}
    if (of_all and of_nodes) or max(1, len(of_nodes)) < len(arguments.ec50):
        found = "expected one number for all nodes, or one for each, found several"
        raise refuse("--ec50", found, "Keep one of them")
    return Units(
        transform=arguments.transform,
        control=tuple(arguments.control),
        time_unit=arguments.time_unit,
        dose_transform=arguments.dose_transform,
        ec50=of_all[0] if of_all else of_nodes or None,
        detection_limit=arguments.detection_limit,
    )
