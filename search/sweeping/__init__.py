"""Sweeping: the loop that brings proposals, workers, records and MLflow together."""
