-- Optuna and MLflow both keep a table alembic_version, so each has a database of its own.
CREATE DATABASE optuna;
