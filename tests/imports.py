"""Which modules of a package use which, read from their source."""

import ast
import subprocess
import sys
from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]


def files_of(package: str) -> list[Path]:
    """Every source file of a package."""
    return sorted((ROOT / package).rglob("*.py"))


def module_of(file: Path) -> str:
    """The dotted name of a file's module."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(file: Path) -> set[str]:
    """Every module that a file imports, wherever in it the import stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            module = node.module or ""
            inside = {f"{module}.{alias.name}" for alias in node.names}
            # `from package import module` uses the module, not only the package.
            modules = {name for name in inside if _exists(name)}
            found |= modules or {module}
    return found


def _exists(module: str) -> bool:
    place = ROOT.joinpath(*module.split("."))
    return place.is_dir() or place.with_suffix(".py").is_file()


def room_of(module: str) -> str:
    """The room, or the single module beside the rooms, that a module of a package belongs to."""
    return module.split(".")[1] if "." in module else ""


def upward_imports(package: str, rooms: Sequence[str]) -> list[str]:
    """Imports that do not point to a lower room; `rooms` has the lowest first."""
    level = {room: place for place, room in enumerate(rooms)}
    found = []
    for file in files_of(package):
        own = room_of(module_of(file))
        if not own:
            # The package's own __init__ names what is public, from every room.
            continue
        for module in imported_modules(file):
            used = room_of(module)
            if module.split(".")[0] != package or not used or used == own:
                continue
            if level[used] >= level[own]:
                found.append(f"{module_of(file)} uses {module}")
    return found


def circle_of(package: str) -> list[str]:
    """The modules of a circle of imports, or nothing where there is none."""
    modules = {module_of(file): file for file in files_of(package)}
    uses = {
        module: imported_modules(file) & modules.keys() - {module, package}
        for module, file in modules.items()
        # What an __init__ passes on is used by those who ask it, not by its own modules.
        if file.name != "__init__.py"
    }
    try:
        list(TopologicalSorter(uses).static_order())
    except CycleError as error:
        return list(error.args[1])
    return []


def loaded_after(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after running the code."""
    shown = "import sys; print(*{name.split('.')[0] for name in sys.modules})"
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}\n{shown}"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return set(ran.stdout.split())
