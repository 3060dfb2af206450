"""The Compose file as a test reads it: with its variables filled in, and for plain processes."""

import re
from pathlib import Path
from typing import Any

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
# ${NAME}, ${NAME:-default} or ${NAME:?message}; $$ stands for $ itself.
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::([-?])([^}]*))?\}")


def example_env() -> dict[str, str]:
    """The variables of the example of .env."""
    lines = (DEPLOY / "example.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def read_compose(name: str = "compose.yaml", **values: str) -> dict[str, Any]:
    """A Compose file with the example's variables, or those given instead."""
    import yaml

    known = {**example_env(), **values}
    text = (DEPLOY / name).read_text()

    def fill(found: re.Match[str]) -> str:
        variable, kind, rest = found.groups()
        return known[variable] or (rest if kind == "-" else "")

    return yaml.safe_load(VARIABLE.sub(fill, text).replace("$$", "$"))


def replaced(command: list[str], changes: dict[str, str]) -> list[str]:
    """A command with some of its words changed; each change must fit exactly one word."""
    for old, new in changes.items():
        assert sum(old in word for word in command) == 1, (old, command)
        command = [word.replace(old, new) for word in command]
    return command
