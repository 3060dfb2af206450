"""The commands that work with data and single models."""

from search.cli.command import Command
from search.cli.compare_command import COMPARE
from search.cli.data_commands import CONVERT, LINT, SIMULATE
from search.cli.design_command import DESIGN
from search.cli.export_command import EXPORT
from search.cli.fit_command import FIT
from search.cli.predict_command import PREDICT
from search.cli.systems_command import SYSTEMS

COMMANDS: tuple[Command, ...] = (
    SYSTEMS,
    SIMULATE,
    LINT,
    CONVERT,
    DESIGN,
    FIT,
    PREDICT,
    EXPORT,
    COMPARE,
)
