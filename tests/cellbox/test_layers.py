"""The science knows nothing of the service, and its modules only use those below them."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import cellbox

PACKAGE = Path(cellbox.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
SERVICE = {"search", "ray", "optuna", "mlflow"}

# Lowest first; the modules of one layer do not use each other.
LAYERS = [
    {"errors", "_systems"},
    {"files", "tables", "design", "dynamics", "schedules", "solver_settings", "layouts"},
    {"networks", "tableaus", "cache"},
    {"replay", "compilation"},
    {"solve", "steady", "sensitivity", "flow", "edge_selection", "amplitude_pooling"},
    {"fisher"},
    {"dataset", "settings", "objective", "metrics", "export", "bound", "responses"},
    {"multiple_shooting"},
    {"refinement"},
    {"determinacy", "coverage", "regression_start", "edge_intervals", "held_out", "total_dose"},
    {"design_report"},
    {"readers", "simulation", "lane", "gradient_check", "baselines", "plots"},
    {"pack", "model", "identifiability"},
    {"finishing", "evaluation", "gallery", "ensemble"},
    {"fitting"},
    {"ensemble_fitting"},
    {"comparison"},
    {"comparison_report"},
]
LEVEL = {module: level for level, layer in enumerate(LAYERS) for module in layer}


def imported_modules(file: Path) -> set[str]:
    """Every module that a file imports, wherever in it the import stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            module = node.module or ""
            found |= {
                f"{module}.{alias.name}" if module == "cellbox" else module for alias in node.names
            }
    return found


def module_of(file: Path) -> str:
    """The module of the package, or its subpackage, that a file belongs to."""
    return file.relative_to(PACKAGE).with_suffix("").parts[0]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_no_file_of_the_science_imports_the_service(file):
    assert not {name.split(".")[0] for name in imported_modules(file)} & SERVICE


@pytest.mark.parametrize(
    "file",
    [file for file in FILES if file.parent != PACKAGE or file.name != "__init__.py"],
    ids=lambda file: str(file.relative_to(PACKAGE)),
)
def test_imports_point_downward(file):
    own = module_of(file)
    used = {name.split(".")[1] for name in imported_modules(file) if name.startswith("cellbox.")}
    assert own in LEVEL, f"{own} has no place in LAYERS yet"
    upward = {module for module in used - {own} if LEVEL[module] >= LEVEL[own]}
    assert not upward, f"{own} uses {', '.join(sorted(upward))}"


def loaded_after(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after running the code."""
    shown = "import sys; print(*{name.split('.')[0] for name in sys.modules})"
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}\n{shown}"],
        capture_output=True,
        text=True,
        check=True,
        cwd=PACKAGE.parent,
    )
    return set(ran.stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    loaded = loaded_after("import cellbox; dir(cellbox)")
    assert not loaded & {*SERVICE, "jax", "diffrax", "optax", "scipy", "matplotlib", "pandas"}


def test_using_every_public_name_loads_nothing_of_the_service():
    code = "import cellbox\nfor name in cellbox.__all__: getattr(cellbox, name)"
    loaded = loaded_after(code)
    assert {"jax", "diffrax"} <= loaded
    assert not loaded & SERVICE


def test_an_unknown_name_is_an_attribute_error_that_says_it():
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        _ = cellbox.fitt
