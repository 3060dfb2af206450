"""Settings of a training from flags and from a TOML file."""

from __future__ import annotations

import re
import tomllib
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellbox.errors import InputError, Problem, refuse
from search.spec.toml_text import toml_values

if TYPE_CHECKING:
    from cellbox.settings import Settings


@dataclass(frozen=True)
class Flag:
    """A setting as a flag. The default is only told: `Settings` is what holds it."""

    name: str
    kind: Callable[[str], Any]
    default: Any
    help: str

    @property
    def option(self) -> str:
        """What the user types."""
        return "--" + self.name.replace("_", "-")


def _number_or_word(text: str) -> float | str:
    """A number where it is one, else the text, which is then judged as a setting."""
    try:
        return float(text)
    except ValueError:
        return text


# Names and defaults are repeated from `Settings` and `SolverSettings`, whose import would take
# seconds; a test keeps the two together.
TRAINING_FLAGS = (
    Flag("steps", int, 3000, "training steps"),
    Flag("peak_rate", float, 0.05, "highest learning rate"),
    Flag(
        "schedule",
        str,
        "cosine",
        "how the learning rate changes over the steps: constant, exponential, cosine or "
        "warmup_cosine",
    ),
    Flag("final_share", float, 0.01, "last learning rate as a share of the highest"),
    Flag("warmup_share", float, 0.1, "share of the steps that rise to it (warmup_cosine only)"),
    Flag("weight_decay", float, 0.0, "pulls all weights of the network towards zero, evenly"),
    Flag("l1", float, 1e-5, "pushes small weights to zero: the larger, the sparser the network"),
    Flag(
        "interval_share",
        float,
        0.7,
        "share of the steps that predict from each measurement only to the next, before "
        "training goes on over the whole time course",
    ),
    Flag(
        "refinement",
        str,
        "select_edges",
        "what follows: select_edges (least squares with only the edges that the data ask for), "
        "all_edges (least squares), or none",
    ),
    Flag(
        "form",
        str,
        "none",
        "what the equation may have beside Eq. 1: parts with commas between them (drive, "
        "treated_drive, offset, start, decay or time_scale, dose_scale, dose_saturation, "
        "off_target; hill, linear, clip or polynomial instead of tanh), of which what the data do "
        "not ask for is left out; or search, which chooses them where Eq. 1 does not explain the "
        "data",
    ),
    Flag(
        "prior_strength",
        _number_or_word,
        "auto",
        "how much a prior of edges counts: the log odds ratio of an edge that it lists (3 makes it "
        "20 times as likely as another), 0 for not at all, or auto for what the data confirm",
    ),
    Flag("conditions_per_step", int, None, "conditions that each step looks at"),
    Flag("times_per_step", int, None, "time points that each step looks at"),
    Flag("gradient_clip", float, 1.0, "largest size of a gradient; larger ones are scaled down"),
    Flag("patience", int, None, "stop after so many validations without improvement"),
    Flag("validate_every", int, 50, "steps between validations"),
)
SOLVER_FLAGS = (
    Flag("solver", str, "tsit5", "method that solves the equations; kvaerno5 for stiff networks"),
    Flag("rtol", float, 1e-3, "relative tolerance of its steps"),
    Flag("atol", float, 1e-6, "absolute tolerance of its steps"),
    Flag("step", float, None, "a fixed step instead of adaptive ones, in units of time"),
    Flag(
        "adjoint",
        str,
        "auto",
        "how gradients are computed: auto is step_replay, the gradient of this project's own "
        "batched loop with diffrax's tableaus, which takes a tenth of the time (for the implicit "
        "solvers recursive_checkpoint); diffrax's recursive_checkpoint, backsolve and direct run "
        "when named; steady_state is for data of one time point and ends as soon as the response "
        "rests",
    ),
    Flag("max_steps", int, 64, "most solver steps from one measurement to the next"),
    Flag("precision", str, "float32", "float32 or float64"),
)
# Of what follows a descent, so that none has to be.
_AFTER_DESCENT = ("refinement", "form", "prior_strength")
_METAVARS = {int: "N", float: "X", str: "NAME", _number_or_word: "X|auto"}
_WITHOUT_DEFAULT = {"patience": "never", "step": "adaptive steps"}


def add_settings(parser: ArgumentParser, about: str | None = None) -> None:
    """Declare a flag for each setting, and --settings for a file of them.

    about: what `--help` says above those of the training.
    """
    training = parser.add_argument_group("how to train", about)
    training.add_argument(
        "--settings",
        metavar="FILE.toml",
        help="a TOML file with any of the settings below under the names of their flags with _ "
        "for -, such as peak_rate = 0.02; flags win over the file",
    )
    solving = parser.add_argument_group("how to solve the equations")
    for group, flags in ((training, TRAINING_FLAGS), (solving, SOLVER_FLAGS)):
        for flag in flags:
            default = flag.default
            told = _WITHOUT_DEFAULT.get(flag.name, "all") if default is None else str(default)
            group.add_argument(
                flag.option,
                type=flag.kind,
                metavar=_METAVARS[flag.kind],
                help=f"{flag.help} (default: {told})",
            )


def settings_from(arguments: Namespace) -> Settings:
    """The settings that the file and the flags give together.

    Raises InputError with every problem, each under the flag or the row that it came from.
    """
    places: dict[str, str] = {}
    values: dict[str, Any] = {}
    if arguments.settings is not None:
        values, places = _read_file(Path(arguments.settings))
    for flag in (*TRAINING_FLAGS, *SOLVER_FLAGS):
        given = getattr(arguments, flag.name)
        if given is not None:
            values[flag.name], places[flag.name] = given, flag.option
    return _checked(values, places)


def settings_of_file(path: str) -> Settings:
    """The settings that a file gives alone. Raises InputError with every problem and its row."""
    return _checked(*_read_file(Path(path)))


def _checked(values: Mapping[str, Any], places: Mapping[str, str]) -> Settings:
    """Settings of these values, whose problems are named by their places."""
    from cellbox.settings import SETTING_NAMES, SOLVER_SETTING_NAMES, settings_from_dict

    known = (*SETTING_NAMES, *SOLVER_SETTING_NAMES)
    # Told here, because here the row of each is known, and the flags that it may be meant for.
    problems = [_unknown(name, places[name], known) for name in values if name not in known]
    settings = None
    try:
        settings = settings_from_dict({name: values[name] for name in values if name in known})
    except InputError as error:
        problems += [_placed(problem, places) for problem in error.problems]
    if settings is None or problems:
        raise InputError(problems)
    return settings


def trains_as_told(arguments: Namespace) -> bool:
    """Whether settings of a descent are named, so that there has to be one."""
    flags = (flag for flag in (*TRAINING_FLAGS, *SOLVER_FLAGS) if flag.name not in _AFTER_DESCENT)
    named = any(getattr(arguments, flag.name) is not None for flag in flags)
    return named or arguments.settings is not None


def _read_file(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The values of a TOML file, and the place of each; [solver] is a table of its own or not."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        values = toml_values(text)
    except FileNotFoundError as error:
        found = "expected a settings file, found none of that name"
        raise refuse(str(path), found, "Check the path") from error
    except OSError as error:
        found = f"expected a readable settings file, found one that is not ({error.strerror})"
        raise refuse(str(path), found, "Give a TOML file that you may read") from error
    except UnicodeDecodeError as error:
        found = "expected UTF-8 text, found something else"
        raise refuse(str(path), found, "Save the file as plain text in UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        fix = 'Write one setting a line, such as peak_rate = 0.02, and names in quotes: "cosine"'
        raise refuse(str(path), f"expected TOML, found a mistake: {error}", fix) from error
    if isinstance(values.get("solver"), Mapping):
        values = {**{k: v for k, v in values.items() if k != "solver"}, **values["solver"]}
    return values, {name: _place(path, text, name) for name in values}


def _place(path: Path, text: str, name: str) -> str:
    """The file and the row where a setting stands, as far as it is easy to find."""
    quoted = rf"""["']?{re.escape(name)}["']?"""
    # A table [solver] may hold a setting solver; where there is none, the table is the place.
    for pattern in (rf"\s*{quoted}\s*=", rf"\s*\[\s*{quoted}\s*\]"):
        for number, line in enumerate(text.splitlines(), start=1):
            if re.match(pattern, line):
                return f"{path}, row {number}"
    return str(path)


def _unknown(name: str, place: str, known_names: tuple[str, ...]) -> Problem:
    from cellbox.storage.problems import closest

    return Problem(
        place,
        f"expected the name of a setting, found {name!r}",
        f"The nearest is {closest(name, known_names)}; see cellbox fit --help",
    )


def _placed(problem: Problem, places: Mapping[str, str]) -> Problem:
    """The problem under the place that its setting came from."""
    name = problem.where.rpartition(" ")[2]
    place = places.get(name)
    if place is None:
        return problem
    where = place if place.startswith("--") else f"{place}, {name}"
    return Problem(where, problem.found, problem.fix)
