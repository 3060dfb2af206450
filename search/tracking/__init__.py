"""A study in MLflow: a copy of the study's folder that may lag, be absent, or be written again."""

from search.tracking.quiet import quieten_mlflow

# Before any module of this package imports MLflow, which reads these settings when it loads.
quieten_mlflow()
