"""What checks types and shapes at run time; pyproject.toml turns it on (`--check-shapes`)."""

from beartype import BeartypeConf, beartype

# An int is a float to Python's own type rules (PEP 484), and so to mypy.
typechecked = beartype(conf=BeartypeConf(is_pep484_tower=True))
