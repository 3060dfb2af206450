"""The science knows nothing of the service, and its rooms only use those below them."""

import pytest

import cellbox
from tests.imports import circle_of, files_of, imported_modules, loaded_after, upward_imports

SERVICE = {"search", "ray", "optuna", "mlflow"}

# Lowest first; a room uses only itself and those before it. cellbox/README.md tells what each is.
ROOMS = (
    "errors",
    "arrays",
    "lazy_names",
    "threads",
    "html_tables",
    "storage",
    "networks",
    "equation",
    "settings",
    "data",
    "scores",
    "knockouts",
    "refinement",
    "criticism",
    "identifiability",
    "models",
    "training",
    "planning",
    "evaluation",
    "budgets",
)


@pytest.mark.parametrize("file", files_of("cellbox"), ids=lambda file: file.stem)
def test_no_file_of_the_science_imports_the_service(file):
    assert not {name.split(".")[0] for name in imported_modules(file)} & SERVICE


def test_rooms_use_only_lower_rooms():
    assert upward_imports("cellbox", ROOMS) == []


def test_no_modules_use_each_other_in_a_circle():
    assert circle_of("cellbox") == []


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
